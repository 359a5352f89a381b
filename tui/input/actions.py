"""The table of all actions of the app, one record an action. Imports neither Textual nor the handlers.

Bindings, footer, palette, help, command mode, the verbs of the command line with the same word, and the table of keys
in the README are made from this table.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from backends.contracts import Action
from tui.input.panes import PANES

MAIN = frozenset({"main"})
ENDPOINT = frozenset({"endpoint"})
BOTH = MAIN | ENDPOINT
ALL = BOTH | {"list"}
"""The kinds of screens on which an action has its keys."""

CHANGES = "tui.actions.changes"
VIEWS = "tui.actions.views"
PROGRAM = "tui.actions.program"
"""The modules of handlers."""


@dataclass(frozen=True, slots=True, eq=False)
class ActionSpec:
    """One action.

    ``id`` is the name by which ``[keys]`` in the configuration remaps it; ``former_ids`` are its names in earlier
    releases. ``handler`` is "MODULE:FUNCTION", imported when the action is first used and called with the app, the
    selected endpoint or ``None``, and the argument; or the name of a method of the screen, called with the argument.
    The argument is what followed the word in command mode, else ``given``.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    group: str
    screens: frozenset[str]
    handler: str

    _: KW_ONLY

    given: str = ""

    former_ids: tuple[str, ...] = ()

    footer: int = 0
    """The position in the footer, from the left; 0: it is shown only if there is room to spare."""

    leaves: int = 0
    """The order in which actions are dropped from a footer that is too narrow; 0: never dropped."""

    word: str = ""
    """The word in command mode, and on the command line if ``verb`` is set; "": no word."""

    verb: str = ""
    """The command of the command line that does the same: "MODULE:NAME"."""

    habits: tuple[str, ...] = ()
    """Other words that people type for this action."""

    former_words: tuple[str, ...] = ()
    """The words of earlier releases. They still work, with a notice."""

    usage: str = ""
    """The text after the word in the usage message; "": it is made from ``offers``."""

    offers: str | tuple[str, ...] = ()
    """The completions of the argument: these words, or the name of an attribute of ``command_line.Words``."""

    needs_argument: bool = False
    """Whether the word must be followed by an argument."""

    change: Action | None = None
    """The change that the action makes. The action is offered if the endpoint's system knows that change."""

    step: bool = False
    """Whether the action is a step of a stepped rollout. It is offered only while it is possible, because this differs
    from step to step."""


# fmt: off
ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec(
        "shift", ("s",), "shift", "Shift live traffic between variants", "change", BOTH, f"{CHANGES}:shift",
        footer=1, word="shift", verb="tui.cli.traffic:shift", usage="VARIANT=PERCENT …", offers="weights",
        change=Action.SHIFT,
    ),
    ActionSpec(
        "promote", ("p",), "promote", "Promote a variant: all traffic, and the champion alias", "change", BOTH,
        f"{CHANGES}:promote", footer=2, word="promote", verb="tui.cli.traffic:promote", usage="VARIANT",
        offers="variants", change=Action.PROMOTE,
    ),
    ActionSpec(
        "rollback", ("r",), "roll back", "Roll back to the last good release, or to a chosen one", "change", BOTH,
        f"{CHANGES}:rollback", footer=3, word="rollback", verb="tui.cli.traffic:rollback", habits=("roll",),
        usage="[RELEASE]", offers="releases", change=Action.ROLLBACK,
    ),
    ActionSpec(
        "mirror", ("m",), "mirror", "Copy a share of the requests to a variant", "change", BOTH, f"{CHANGES}:mirror",
        footer=4, leaves=5, word="mirror", verb="tui.cli.traffic:mirror", usage="VARIANT=PERCENT", offers="weights",
        change=Action.MIRROR,
    ),
    ActionSpec(
        "advance", ("n",), "advance", "Take a stepped rollout on to its next step", "change", BOTH,
        f"{CHANGES}:advance", footer=4, word="advance", verb="tui.cli.steps:advance", offers=("full",),
        change=Action.ADVANCE, step=True,
    ),
    ActionSpec(
        "pause", ("P",), "pause", "Pause a rollout where it is", "change", BOTH, f"{CHANGES}:pause",
        former_ids=("hold",), footer=4, leaves=6, word="pause", verb="tui.cli.steps:pause", former_words=("hold",),
        change=Action.PAUSE, step=True,
    ),
    ActionSpec(
        "resume", ("R",), "resume", "Let a paused rollout go on", "change", BOTH, f"{CHANGES}:resume", footer=4,
        leaves=7, word="resume", verb="tui.cli.steps:resume", change=Action.RESUME, step=True,
    ),
    ActionSpec(
        "abort", ("X",), "abort", "Give a rollout up: traffic back to stable", "change", BOTH, f"{CHANGES}:abort",
        footer=4, word="abort", verb="tui.cli.steps:abort", change=Action.ABORT, step=True,
    ),
    ActionSpec(
        "retry", ("T",), "retry", "Begin an aborted rollout again", "change", BOTH, f"{CHANGES}:retry", footer=4,
        word="retry", verb="tui.cli.steps:retry", change=Action.RETRY, step=True,
    ),
    ActionSpec(
        "unpin", ("U",), "unpin", "Give autoscalers that a split pinned their own bounds back", "change", BOTH,
        f"{CHANGES}:unpin", footer=4, leaves=8, word="unpin", verb="tui.cli.traffic:unpin", change=Action.UNPIN,
        step=True,
    ),
    ActionSpec(
        "undo", ("u",), "undo", "Undo the last change that was made here", "change", BOTH, f"{CHANGES}:undo",
        word="undo",
    ),
    ActionSpec(
        "arm", ("A",), "arm", "Allow changes for a while, or end it", "change", BOTH, f"{CHANGES}:arm", word="arm",
        usage="[DURATION]", offers=("5m", "15m", "30m", "1h"),
    ),
    ActionSpec(
        "open", ("enter",), "open", "Open the endpoint", "look", MAIN, "open_endpoint", footer=5, leaves=3,
        word="open", verb="tui.cli.open_app:open_endpoint", usage="REF", offers="endpoints", needs_argument=True,
    ),
    ActionSpec("back", ("escape",), "back", "Back to the fleet", "look", ENDPOINT, "go_back", footer=5, leaves=4),
    ActionSpec(
        "filter", ("slash",), "filter", "Filter the endpoints (regular expression; ! inverts)", "look", MAIN,
        "filter_rows", footer=6, leaves=2, word="filter", usage="[!]REGEX",
    ),
    ActionSpec(
        "sort", ("o",), "sort", "Sort by the next column", "look", MAIN, "sort_rows", word="sort", offers="columns",
        needs_argument=True,
    ),
    ActionSpec(
        "zoom", ("z",), "zoom", "Zoom the pane that has the focus, or back", "look", BOTH, "zoom", word="zoom",
    ),
    ActionSpec(
        "span", ("t",), "time", "Charts over 15 min, 1 h, 6 h, 24 h, and round again", "look", BOTH,
        f"{PROGRAM}:set_span", word="span", offers=("15m", "1h", "6h", "1d"),
    ),
    *(
        ActionSpec(
            f"pane({number})", (str(number),), "", f"Show pane {number}: {one.label}", "look", MAIN, "show_pane",
            given=one.name,
        )
        for number, one in enumerate(PANES, 1)
    ),
    ActionSpec(
        "drift", ("d",), "drift", "Drift of the endpoint, feature by feature", "look", BOTH, f"{VIEWS}:show_drift",
        word="drift",
    ),
    ActionSpec(
        "diff", ("v",), "versions", "What differs between two versions of the model", "look", BOTH,
        f"{VIEWS}:show_versions", word="diff", verb="tui.cli.diff:diff",
    ),
    ActionSpec(
        "runbook", ("b",), "runbook", "Show the endpoint's runbook", "look", BOTH, f"{VIEWS}:show_runbook",
        word="runbook",
    ),
    ActionSpec(
        "journal", ("J",), "journal", "Show the journal", "look", BOTH, f"{VIEWS}:show_journal", word="journal",
        verb="tui.cli.journal:journal",
    ),
    ActionSpec(
        "alerts", ("a",), "alerts", "Show every alert; silence one, or end its silence", "look", BOTH,
        f"{VIEWS}:show_alerts", word="alerts",
    ),
    ActionSpec(
        "sources", ("S",), "sources", "Show every source: its state, age and error", "look", BOTH,
        f"{VIEWS}:show_sources", word="sources",
    ),
    ActionSpec(
        "drills", ("D",), "drills", "Start or end a drill (lab only)", "look", BOTH, f"{VIEWS}:drills", word="drill",
        habits=("drills",), usage="NAME", offers="drills",
    ),
    ActionSpec(
        "context", ("c",), "context", "Switch to another context", "program", BOTH, f"{VIEWS}:switch_context",
        word="context", usage="NAME", offers="contexts",
    ),
    ActionSpec(
        "refresh_pause", ("space",), "pause", "Pause the refresh, or go on", "program", BOTH,
        f"{PROGRAM}:pause_refresh", former_ids=("pause",), word="refresh-pause",
    ),
    ActionSpec(
        "refresh", ("ctrl+r",), "refresh", "Ask every source now", "program", BOTH, f"{PROGRAM}:refresh",
        word="refresh",
    ),
    ActionSpec(
        "slow_link", ("L",), "slow link", "Draw less, for a slow link, or as usual", "program", BOTH,
        f"{PROGRAM}:toggle_slow_link", word="slow-link",
    ),
    ActionSpec(
        "redraw", ("ctrl+l",), "redraw", "Draw the screen anew", "program", ALL, f"{PROGRAM}:redraw", word="redraw",
    ),
    ActionSpec("copy", ("y",), "copy", "Copy what has the focus as text", "program", ALL, "copy_text", word="copy"),
    ActionSpec("save", ("w",), "save", "Save the screen as text", "program", ALL, "save_text", word="save"),
    ActionSpec(
        "screenshot", ("W",), "picture", "Save the screen as an SVG picture", "program", ALL,
        f"{PROGRAM}:save_picture", word="screenshot",
    ),
    ActionSpec(
        "command", ("colon",), "command", "Type a command", "program", BOTH, "ask_command", footer=7, leaves=1,
    ),
    ActionSpec(
        "palette", ("ctrl+p",), "palette", "Find an action by name", "program", BOTH, f"{PROGRAM}:show_palette",
    ),
    ActionSpec(
        "help", ("question_mark",), "help", "Show every key", "program", ALL, f"{VIEWS}:show_help", footer=8,
        word="help", habits=("h",),
    ),
    ActionSpec(
        "suspend", ("ctrl+z",), "suspend", "Suspend the program, for the shell's fg; not while a change is under way",
        "program", ALL, f"{PROGRAM}:suspend", word="suspend",
    ),
    ActionSpec(
        "quit", ("q", "ctrl+q"), "quit", "Leave; a change under way is finished first", "program", ALL, "end",
        word="quit", habits=("q", "q!", "wq"),
    ),
)
# fmt: on


def action(identifier: str) -> ActionSpec:
    """The action of that id.

    Raises:
        LookupError: there is no such action.
    """
    for one in ACTIONS:
        if one.id == identifier:
            return one
    raise LookupError(f"no action {identifier!r}")


def verbs(group: str) -> dict[str, str]:
    """The words of that group that the command line has too, and the command for each, in the order of the table."""
    return {one.word: one.verb for one in ACTIONS if one.verb and one.group == group}
