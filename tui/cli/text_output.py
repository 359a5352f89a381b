"""Reports as plain text: the fleet, a plan, a change under way. Symbols carry the meaning; colours only repeat it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from backends.contracts import Role, Variant
from backends.text import safe_message
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.plan import Plan, PlanRow, describe
from shiftdeck.changes.recovery import Finding
from shiftdeck.changes.run import Outcome, OutcomeKind, Stage, TrafficRun
from shiftdeck.common.durations import age as age_text
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.fleet.share_watch import MEASURED_TOLERANCE
from shiftdeck.health.latency import p95_of
from shiftdeck.health.verdict import Level
from shiftdeck.sources.source import SourceState, SourceStatus
from tui.cli.json_output import metrics_of, table
from tui.render.format import DASH, quantile, rate, ratio, share

LEVELS = {
    Level.CRITICAL: ("✖", "red"),
    Level.WARNING: ("▲", "yellow"),
    Level.NO_DATA: ("?", None),
    Level.OK: ("●", "green"),
}

VERDICTS = {
    CheckVerdict.PASS: ("✔", "green"),
    CheckVerdict.WARN: ("▲", "yellow"),
    CheckVerdict.BLOCK: ("✖", "red"),
    CheckVerdict.UNKNOWN: ("?", None),
}

OUTCOMES = {
    OutcomeKind.SETTLED: ("✔", "green"),
    OutcomeKind.REFUSED: ("✖", "red"),
    OutcomeKind.CONFLICT: ("✖", "red"),
    OutcomeKind.FAILED: ("✖", "red"),
    OutcomeKind.UNKNOWN: ("?", "yellow"),
    OutcomeKind.SUPERSEDED: ("?", "yellow"),
}


def coloured(symbol: tuple[str, str | None]) -> str:
    text, colour = symbol
    return click.style(text, fg=colour) if colour else text


# ── the fleet ───────────────────────────────────────────────────────────────────────────────────────────────────


def status_lines(view: View) -> list[str]:
    """The whole report: the context, the sources, the endpoints worst first, and the data that joined no endpoint."""
    counts = {level: sum(one.verdict.level is level for one in view.endpoints) for level in Level}
    said = ", ".join(f"{count} {level}" for level, count in counts.items() if count and level is not Level.OK)
    kind = "PRODUCTION" if view.production else "not production"
    access = str(view.arming.access)
    lines = [
        f"{view.context}  {kind}  {access}  {len(view.endpoints)} endpoints" + (f": {said}" if said else ""),
        " · ".join(source_word(status, view.at) for status in view.sources) or "no sources",
        *(line for status in view.sources for line in trouble_lines(status)),
        *([f"{coloured(LEVELS[Level.WARNING])} {view.clock_jump.words}"] if view.clock_jump is not None else []),
        "",
        *endpoint_table(view),
    ]
    if view.findings:
        lines += ["", *map(finding_line, view.findings)]
    if view.unjoined:
        lines += ["", f"belongs to no endpoint: {', '.join(view.unjoined)}"]
    return lines


def finding_line(finding: Finding) -> str:
    """A change that an earlier process left without an outcome, or whose outcome was reopened."""
    entry = finding.entry
    symbol = LEVELS[Level.NO_DATA] if finding.outcome is None else OUTCOMES[finding.outcome]
    word = "reopened" if finding.reopened else "no outcome yet" if finding.outcome is None else "found out later"
    change = entry.data.get("change", "a change")
    words = f"{word}: #{entry.seq} {change}, {entry.ref}, by {entry.operator}: {finding.message}"
    return f"{coloured(symbol)} {safe_message(words)}"


def source_word(status: SourceStatus, now: float) -> str:
    """A source in a few words: "gateway 2s", "mlflow UNREACHABLE, data 14m old"."""
    if status.state is SourceState.OK:
        return f"{status.name} {age_text(status.age_s(now))}"
    age = status.age_s(now)
    word = f"{status.name} {str(status.state).upper()}"
    return word if age is None else f"{word}, data {age_text(age)} old"


def trouble_lines(status: SourceStatus) -> list[str]:
    """The error of a source with its hint, and what its data lacks."""
    remarks = [f"{coloured(LEVELS[Level.NO_DATA])} {status.name}: {remark}" for remark in status.remarks]
    if status.state in (SourceState.OK, SourceState.STARTING):
        return remarks
    symbol = LEVELS[Level.NO_DATA if status.state is SourceState.OFF else Level.WARNING]
    hint = f" ({status.hint})" if status.hint else ""
    return [f"{coloured(symbol)} {status.name}: {status.error or status.state}{hint}", *remarks]


def endpoint_table(view: View) -> list[str]:
    head = ("", "ENDPOINT", "HEALTH", "PHASE", "TRAFFIC %", "REQ/S", "OF", "P95", "ERRORS", "WHY")
    return (
        table([_endpoint_row(one, view.at) for one in view.endpoints], head=head, right=(5, 7, 8))
        if view.endpoints
        else []
    )


def _endpoint_row(view: EndpointView, now: float) -> tuple[str, ...]:
    shown_variant = view.shown_variant
    metrics = metrics_of(shown_variant) if shown_variant else None
    return (
        coloured(LEVELS[view.verdict.level]),
        str(view.ref),
        str(view.verdict.level),
        str(view.endpoint.phase),
        " · ".join(_traffic(variant.variant) for variant in view.variants),
        rate(view.rps).removesuffix("/s"),
        shown_variant.name if shown_variant else DASH,
        quantile(p95_of(metrics), view.slo.p95_s),
        ratio(metrics.error_ratio if metrics else None),
        "; ".join(reason.words(now) for reason in view.verdict.reasons),
    )


def _traffic(variant: Variant) -> str:
    if variant.role is Role.SHADOW:
        return f"{variant.name} mirror {share(variant.mirror)}"
    if variant.observed is not None and variant.desired is not None and variant.observed != variant.desired:
        return f"{variant.name} {share(variant.desired)} (now {share(variant.observed)})"
    return f"{variant.name} {share(variant.desired if variant.desired is not None else variant.observed)}"


# ── a plan ──────────────────────────────────────────────────────────────────────────────────────────────────────


def plan_lines(plan: Plan) -> list[str]:
    """The plan as the operator confirms it: before and after, the checks, the exact calls, the way back."""
    kind = "PRODUCTION" if plan.production else "not production"
    lines = [f"{describe(plan.change)}   {plan.ref}   {plan.context} {kind}", ""]
    lines += [
        "  " + line for line in table(_row_cells(plan), head=("", "NOW", "", "AFTER", "", ""), right=(1, 2, 3, 4))
    ]
    lines += ["", *check_lines(plan.checks)]
    for step in plan.steps:
        call = step.call
        guard = f"   guarded by {call.guard}" if call.guard else ""
        lines += ["", f"  {call.method} {call.path}{guard}"]
        if call.summary:
            lines.append(f"    {call.summary}")
        if call.command:
            lines.append(f"    same as   {call.command}")
    return [*lines, "", f"  way back   {plan.shown_way_back}"]


def _row_cells(plan: Plan) -> list[tuple[str, ...]]:
    return [cells for row in plan.shown_rows for cells in _cells(row)]


def _cells(row: PlanRow) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    if row.after is not None or row.before is not None:
        after = f"~{rate(row.rps_after)}" if row.rps_after is not None else ""
        before = rate(row.rps_before) if row.rps_before is not None else ""
        found.append((row.variant, f"{share(row.before)} %", before, f"{share(row.after)} %", after, row.role))
    if row.mirror_before or row.mirror_after:
        was, will = f"{share(row.mirror_before or 0.0)} %", f"{share(row.mirror_after or 0.0)} %"
        found.append((row.variant, was, "mirrored", will, "mirrored", row.role))
    return found


def check_lines(checks: Sequence[Check]) -> list[str]:
    """The checks of a plan, one a line."""
    return ["  " + line for line in table([_check_cells(check) for check in checks])]


def _check_cells(check: Check) -> tuple[str, str, str]:
    return coloured(VERDICTS[check.verdict]), check.name, check.evidence


# ── a change under way ──────────────────────────────────────────────────────────────────────────────────────────


def run_line(run: TrafficRun) -> str:
    """The state of a change: its stage, and the desired, observed and measured weights."""
    endpoint = run.now or run.plan.before
    parts = [str(run.stage) + (" (no progress)" if run.stalled else "")]
    shown = [variant for variant in endpoint.variants if variant.role is not Role.SHADOW] if run.now else []
    parts += [_converging(run, variant) for variant in shown]
    sending = run.stage is Stage.SENDING  # the message then says what became of the call
    if run.message and (run.stalled or sending or not shown or run.message.startswith("cannot be read")):
        parts.append(run.message)  # in other cases the figures say the same
    return "   ".join(parts)


def _converging(run: TrafficRun, variant: Variant) -> str:
    measured = run.shares.get(variant.name)
    if measured is None and run.shares:
        measured = 0.0
    seen = DASH if measured is None else f"{measured:.0f}"
    return f"{variant.name} {share(variant.desired)} %: observed {share(variant.observed)}, measured {seen}"


def outcome_lines(outcome: Outcome, run: TrafficRun | None) -> list[str]:
    """The outcome, its number in the journal, and the changes that others made."""
    took = f" in {run.updated - run.started:.1f} s" if run is not None and outcome.kind is OutcomeKind.SETTLED else ""
    number = f"   journal {run.seq}" if run is not None and run.seq is not None else ""
    seen = (
        f"; the metrics agree within {MEASURED_TOLERANCE:g} points" if outcome.confirmed else ""
    ) + outcome.when_read
    lines = [f"{coloured(OUTCOMES[outcome.kind])} {outcome.kind}{took}: {outcome.message}{seen}{number}"]
    return [*lines, *(f"    {change}" for change in outcome.changed)]
