"""Every key, once. The bindings, the footer, the help and the command palette are made from this table.

``id`` is the name of the action (``action_<id>`` on the app or the screen) and the name by which ``[keys]`` in the
configuration remaps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Key:
    """One key binding. ``screens`` names where it holds ("main", "endpoint", "plan", "list"); ``footer`` orders the
    footer (0 = not in it); ``command`` is its word in command mode ("" = none)."""

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    group: str
    screens: frozenset[str]
    footer: int = 0
    command: str = ""


MAIN = frozenset({"main"})
ENDPOINT = frozenset({"endpoint"})
BOTH = MAIN | ENDPOINT
LISTS = frozenset({"main", "endpoint", "list"})

KEYS: tuple[Key, ...] = (
    Key("shift", ("s",), "shift", "Shift live traffic between variants", "change", BOTH, 1, "shift"),
    Key(
        "promote",
        ("p",),
        "promote",
        "Promote a variant: all traffic, and the champion alias",
        "change",
        BOTH,
        2,
        "promote",
    ),
    Key(
        "rollback",
        ("r",),
        "roll back",
        "Roll back to the last good release, or to a chosen one",
        "change",
        BOTH,
        3,
        "rollback",
    ),
    Key("mirror", ("m",), "mirror", "Copy a share of the requests to a variant", "change", BOTH, 4, "mirror"),
    Key("advance", ("n",), "advance", "Take a stepped rollout on to its next step", "change", BOTH, 4, "advance"),
    Key("hold", ("P",), "pause", "Pause a rollout where it is", "change", BOTH, 4, "hold"),
    Key("resume", ("R",), "resume", "Let a paused rollout go on", "change", BOTH, 4, "resume"),
    Key("abort", ("X",), "abort", "Give a rollout up: traffic back to stable", "change", BOTH, 4, "abort"),
    Key("retry", ("T",), "retry", "Begin an aborted rollout again", "change", BOTH, 4, "retry"),
    Key("undo", ("u",), "undo", "Undo the last change that was made here", "change", BOTH, 0, "undo"),
    Key("arm", ("A",), "arm", "Allow changes for a while, or end it", "change", BOTH, 0, "arm"),
    Key("open", ("enter",), "open", "Open the endpoint", "look", MAIN, 5, "open"),
    Key("back", ("escape",), "back", "Back to the fleet", "look", ENDPOINT, 5, ""),
    Key(
        "filter",
        ("slash",),
        "filter",
        "Filter the endpoints (regular expression; ! inverts)",
        "look",
        MAIN,
        6,
        "filter",
    ),
    Key("sort", ("o",), "sort", "Sort by the next column", "look", MAIN, 0, "sort"),
    Key("zoom", ("z",), "zoom", "Zoom the pane that has the focus, or back", "look", BOTH, 0, "zoom"),
    Key(
        "span",
        ("t",),
        "time",
        "Charts over 15 min, 1 h, 6 h, 24 h, and round again",
        "look",
        BOTH,
        0,
        "span",
    ),
    Key("pane(1)", ("1",), "", "Show pane 1: traffic", "look", MAIN, 0, ""),
    Key("pane(2)", ("2",), "", "Show pane 2: registry", "look", MAIN, 0, ""),
    Key("pane(3)", ("3",), "", "Show pane 3: charts", "look", MAIN, 0, ""),
    Key("pane(4)", ("4",), "", "Show pane 4: GPU", "look", MAIN, 0, ""),
    Key("pane(5)", ("5",), "", "Show pane 5: drift", "look", MAIN, 0, ""),
    Key("pane(6)", ("6",), "", "Show pane 6: journal", "look", MAIN, 0, ""),
    Key("drift", ("d",), "drift", "Drift of the endpoint, feature by feature", "look", BOTH, 0, "drift"),
    Key("diff", ("v",), "versions", "What differs between two versions of the model", "look", BOTH, 0, "diff"),
    Key("runbook", ("b",), "runbook", "Show the endpoint's runbook", "look", BOTH, 0, "runbook"),
    Key("journal", ("J",), "journal", "Show the journal", "look", BOTH, 0, "journal"),
    Key("alerts", ("a",), "alerts", "Show every alert; silence one, or end its silence", "look", BOTH, 0, "alerts"),
    Key("sources", ("S",), "sources", "Show every source: its state, age and error", "look", BOTH, 0, "sources"),
    Key("drills", ("D",), "drills", "Start or end a drill (lab only)", "look", BOTH, 0, "drill"),
    Key("context", ("c",), "context", "Switch to another context", "program", BOTH, 0, "context"),
    Key("pause", ("space",), "pause", "Pause the refresh, or go on", "program", BOTH, 0, "pause"),
    Key("refresh", ("ctrl+r",), "refresh", "Ask every source now", "program", BOTH, 0, "refresh"),
    Key("slow_link", ("L",), "slow link", "Draw less, for a slow link, or as usual", "program", BOTH, 0, "slow-link"),
    Key("redraw", ("ctrl+l",), "redraw", "Draw the screen anew", "program", LISTS, 0, "redraw"),
    Key("copy", ("y",), "copy", "Copy what has the focus as text", "program", LISTS, 0, "copy"),
    Key("save", ("w",), "save", "Save the screen as text", "program", LISTS, 0, "save"),
    Key("screenshot", ("W",), "picture", "Save the screen as an SVG picture", "program", LISTS, 0, "screenshot"),
    Key("command", ("colon",), "command", "Type a command", "program", BOTH, 7, ""),
    Key("palette", ("ctrl+p",), "palette", "Find an action by name", "program", BOTH, 0, ""),
    Key("help", ("question_mark",), "help", "Show every key", "program", LISTS, 8, "help"),
    Key("quit", ("q", "ctrl+q"), "quit", "Leave; a change under way is finished first", "program", LISTS, 0, "quit"),
)


def bindings(screen: str, remapped: Mapping[str, str]) -> list[Binding]:
    """Textual's bindings for one screen, with the user's own keys in place of ours."""
    return [
        Binding(remapped.get(key.id) or ",".join(key.keys), key.id, key.label, show=False, id=key.id, tooltip=key.help)
        for key in KEYS
        if screen in key.screens
    ]


def shown_key(key: Key, remapped: Mapping[str, str]) -> str:
    """The key as a human reads it: "s", "/", "Enter"."""
    name = remapped.get(key.id, key.keys[0]).split(",")[0]
    names = {"slash": "/", "colon": ":", "question_mark": "?", "enter": "Enter", "escape": "Esc", "space": "Space"}
    if name.startswith("ctrl+"):
        return f"^{name.removeprefix('ctrl+').upper()}"
    return names.get(name, name)
