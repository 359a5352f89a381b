"""The lines of a run: its stages, and per variant the desired, observed and measured share. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from backends.contracts import Endpoint, Mirror, Role, action_of
from shiftdeck.changes.plan import Plan, PlanRow, describe
from shiftdeck.changes.run import Outcome, OutcomeKind, Stage, TrafficRun
from shiftdeck.fleet.share_watch import MEASURED_TOLERANCE
from tui.render import format as fmt
from tui.render.plan import verb
from tui.render.text import bar, hang, left, line, right, wrap
from tui.render.theme import Look

_STEPS = (
    (Stage.RECORDING, "recorded"),
    (Stage.SENDING, "sent"),
    (Stage.OBSERVING, "in effect"),
    (Stage.MEASURING, "measured"),
)

_OUTCOMES = {
    OutcomeKind.SETTLED: ("passed", "ok"),
    OutcomeKind.REFUSED: ("blocked", "critical"),
    OutcomeKind.CONFLICT: ("blocked", "critical"),
    OutcomeKind.FAILED: ("blocked", "critical"),
    OutcomeKind.UNKNOWN: ("unknown", "warning"),
    OutcomeKind.SUPERSEDED: ("unknown", "warning"),
}


def running_lines(run: TrafficRun, now: float, look: Look, width: int) -> list[Text]:
    """The lines of a run, under way or ended."""
    made = [_stages(run, now, look)]
    if run.outcome is None:
        made += _message(run, look, width)
    made += [Text(), *_variants(run, look, width), Text()]
    if run.outcome is not None:
        made += outcome_lines(run, run.outcome, look, width)
    elif run.seq is not None:
        made += wrap(look.text((f"journal #{run.seq}", "muted")), width)
    if run.reason:
        made += hang(look.text(("reason", "muted")), look.text(run.reason), width, 11)
    return made


def run_headline(run: TrafficRun) -> str:
    """The title of a run: its action, and its outcome once it has ended."""
    word = verb(action_of(run.plan.change))
    return word if run.outcome is None else f"{word} {str(run.outcome.kind).upper()}"


def elapsed(run: TrafficRun, now: float) -> str:
    """The duration of the run so far, or until its end, as "0:07"."""
    seconds = max(0, int((run.updated if run.done else now) - run.started))
    return f"{seconds // 60}:{seconds % 60:02d}"


def _stages(run: TrafficRun, now: float, look: Look) -> Text:
    stages = [stage for stage, _ in _STEPS]
    settled = run.outcome is not None and run.outcome.kind is OutcomeKind.SETTLED
    at = stages.index(run.stage) if run.stage in stages else (len(stages) if settled else -1)
    made = look.text()
    for number, (stage, word) in enumerate(_STEPS):
        if at < 0:
            done = (stage is Stage.RECORDING and run.seq is not None) or (stage is Stage.SENDING and run.sent > 0)
        else:
            done = number < at
        if stage is Stage.MEASURING and run.outcome is not None and run.outcome.confirmed is not True:
            done = False
        symbol, style = (look.symbols.passed, "ok") if done else (look.symbols.source_off, "muted")
        if number == at:
            symbol, style = look.symbols.arrow, "strong"
        made.append_text(look.text((f"{symbol} {word}", style), "   "))
    made.append_text(look.text((elapsed(run, now), "muted")))
    return made


def _message(run: TrafficRun, look: Look, width: int) -> list[Text]:
    if run.stalled:
        words = run.message or "no progress for longer than is usual"
        return wrap(look.text((f"{look.symbols.warning} stalled: {words}", "warning")), width)
    return wrap(look.text((run.message or str(run.stage), "muted")), width)


# ── the shares ──────────────────────────────────────────────────────────────────────────────────────────────────


def _variants(run: TrafficRun, look: Look, width: int) -> Iterator[Text]:
    now = run.now or run.plan.before
    roles = {row.variant: row.role for row in run.plan.rows}
    names = max([8, *(len(name) for name in roles)]) + 2
    room = max(0, min(60, width - names - 22))
    for row in run.plan.rows:
        variant = now.variant(row.variant)
        style = look.role(Role(row.role))
        if isinstance(run.plan.change, Mirror):
            figures: list[tuple[str, float | None]] = [
                ("asked", row.mirror_after),
                ("mirrored", variant.mirror if variant else None),
            ]
            if row.mirror_after is None and not (variant and variant.mirror):
                continue
        else:
            if row.after is None:
                continue
            sent = run.sent > 0 or run.now is not None
            figures = [
                ("desired", variant.desired if variant and sent else row.before),
                ("observed", variant.observed if variant else None),
                ("measured", run.shares.get(row.variant, 0.0) if run.shares else None),
            ]
        for number, (figure, value) in enumerate(figures):
            yield line(
                left(look.text((row.variant if number == 0 else "", style)), names),
                left(look.text((figure, "muted")), 10),
                right(look.text((fmt.share(value) + (" %" if value is not None else ""), "strong")), 8),
                Text("   "),
                bar(look, style, value, room),
            )


# ── the outcome ─────────────────────────────────────────────────────────────────────────────────────────────────


def outcome_lines(run: TrafficRun, outcome: Outcome, look: Look, width: int) -> list[Text]:
    """The outcome with its symbol, and what to do next."""
    name, style = _OUTCOMES[outcome.kind]
    symbol = getattr(look.symbols, name)
    if outcome.kind is OutcomeKind.SETTLED and outcome.confirmed is False:
        symbol, style = look.symbols.warning, "warning"
    made = wrap(look.text((f"{symbol} {outcome.kind}: ", style), (_words(run, outcome), "strong")), width)
    for change in outcome.changed:
        made += wrap(look.text("  ", (f"{look.symbols.dot} {change}", "strong")), width)
    made += [part for text in _next(run, outcome, look) for part in wrap(text, width)]
    return made


def _words(run: TrafficRun, outcome: Outcome) -> str:
    return f"{_measured_words(run, outcome)}{outcome.when_read}"


def _measured_words(run: TrafficRun, outcome: Outcome) -> str:
    if outcome.kind is not OutcomeKind.SETTLED or not run.shares or outcome.confirmed is None:
        return outcome.message
    told = [f"{row.variant} at {fmt.share(run.shares.get(row.variant, 0.0))} %" for row in _moved(run.plan)]
    within = f", within {MEASURED_TOLERANCE:g} points" if outcome.confirmed else ""
    return f"{outcome.message}; {', '.join(told)} measured{within}" if told else outcome.message


def _moved(plan: Plan) -> list[PlanRow]:
    return [row for row in plan.rows if row.before != row.after and row.after is not None]


def _next(run: TrafficRun, outcome: Outcome, look: Look) -> Iterator[Text]:
    journal = f"journal #{run.seq}" if run.seq is not None else "not in the journal"
    if run.part_way and run.plan.undo is not None:
        yield look.text(
            ("u", "key"), (" leads back, ", "text"), ("n", "key"), (" plans anew from how it is now", "text")
        )
        yield look.text((f"the calls and answers are in {journal}", "muted"))
    elif outcome.kind is OutcomeKind.SETTLED:
        undo = () if run.plan.undo is None else (f" {look.symbols.dot} ", ("u", "key"), (" undoes it", "muted"))
        yield look.text((journal, "muted"), *undo)
    elif outcome.kind is OutcomeKind.CONFLICT:
        yield look.text(
            ("n", "key"), (" plans anew from how it is now", "text"), (f" {look.symbols.dot} {journal}", "muted")
        )
    elif outcome.kind is OutcomeKind.UNKNOWN:
        yield look.text((f"Do not send it again blindly. {standing(run.now)}", "text"))
        yield look.text(
            ("Look at the endpoint first, then ", "muted"),
            ("n", "key"),
            (f" plans anew {look.symbols.dot} the calls and answers are in {journal}", "muted"),
        )
    else:
        yield look.text((journal, "muted"), (f" {look.symbols.dot} ", "muted"), ("n", "key"), (" plans anew", "muted"))


def standing(now: Endpoint | None) -> str:
    """The desired weights when the endpoint was last read."""
    if now is None:
        return "The endpoint could not be read."
    weights = ", ".join(f"{one.name} {fmt.share(one.desired)} %" for one in now.variants if one.desired is not None)
    return f"When last read it asked for {weights}."


def run_line(run: TrafficRun, now: float, look: Look) -> Text:
    """A run on one line, for places with little room."""
    words = f"{describe(run.plan.change)} on {run.plan.ref.name}"
    if run.outcome is None:
        style = "warning" if run.stalled else "strong"
        state = "stalled" if run.stalled else str(run.stage)
        return look.text((words, style), (f" {look.symbols.dot} {state} {elapsed(run, now)}", "muted"))
    name, style = _OUTCOMES[run.outcome.kind]
    return look.text(
        (f"{getattr(look.symbols, name)} ", style), words, (f" {look.symbols.dot} {run.outcome.kind}", style)
    )
