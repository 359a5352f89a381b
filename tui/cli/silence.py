"""``shiftdeck silence``: keep alerts quiet for a while, or end that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.cli.completion import complete_ref
from tui.cli.options import EXIT_CODES, Common, Misused, Refused, common_options, pass_common, stop

if TYPE_CHECKING:
    from backends.contracts import Alert
    from shiftdeck.changes.silence import SilencePlan
    from shiftdeck.engine.view import View


@click.command(epilog=EXIT_CODES, short_help="Keep alerts quiet: sentiment --for 1h.")
@click.argument("target", required=False, metavar="REF|ALERT", shell_complete=complete_ref)
@click.option("--for", "duration", metavar="DURATION", default="1h", show_default=True, help="How long: 30m, 2h, 1d.")
@click.option("--expire", metavar="ID", help="End the silence of that id instead.")
@click.option("--reason", metavar="TEXT", default="", help="The silence's comment, kept in the journal as well.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal to ask on.")
@click.option("--arm", is_flag=True, help='Allow changes in a context with access = "arm".')
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: plan, outcome, journal number.")
@common_options
@pass_common
def silence(
    common: Common,
    target: str | None,
    duration: str,
    expire: str | None,
    reason: str,
    *,
    dry_run: bool,
    yes: bool,
    arm: bool,
    as_json: bool,
) -> None:
    """Keep the alerts of an endpoint quiet, or the one of that fingerprint or name, each by a silence of its own."""
    from backends.errors import BackendError, Rejected
    from shiftdeck.changes.run import Outcome, OutcomeKind
    from shiftdeck.changes.silencing import apply, propose, propose_end
    from shiftdeck.common.durations import parse_duration
    from tui.cli.apply import CODES
    from tui.cli.engine_session import running, wait_loaded
    from tui.cli.json_output import outcome_json
    from tui.cli.load_config import find_place
    from tui.cli.run_change import can_ask

    if bool(target) is bool(expire):
        raise click.UsageError("name an endpoint or an alert, or give --expire ID")
    if not dry_run and not reason.strip():
        raise click.UsageError("--reason is needed: others read it in the silence, and it is kept in the journal")
    if not dry_run and not yes and not can_ask():
        raise click.UsageError("there is no terminal to confirm on: look with --dry-run, then give --yes")
    try:
        seconds = parse_duration(duration)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    printer = common.printer()
    place = find_place(common)
    with running(place, kinds=("serving", "alerts")) as engine:
        if arm:
            try:
                engine.arm()
            except Rejected as error:
                raise Refused(error.message, error.hint) from None
        view = wait_loaded(engine, printer.err)
        try:
            if expire:
                plan = propose_end(engine, expire, reason=reason)
            else:
                comment = reason or "(no reason given)"
                plan = propose(engine, _meant(view, target or ""), duration_s=seconds, reason=comment)
        except BackendError as error:
            raise Misused(error.message, error.hint) from None
        say = printer.err if as_json else printer.out
        for line in plan_lines(plan):
            say(line)
        seq = None
        if dry_run:
            outcome = None
        elif not yes and str(click.prompt("Type yes to do it", default="", show_default=False, err=True)) != "yes":
            outcome = Outcome(OutcomeKind.REFUSED, "not confirmed; nothing was sent")
        else:
            outcome, seq = apply(engine, plan)
        if as_json:
            told = outcome_json(outcome) if outcome is not None else None
            printer.json({"plan": plan_json(plan), "outcome": told, "seq": seq})
        elif outcome is not None:
            printer.out(f"{outcome.kind}: {outcome.message}")
    stop(CODES[OutcomeKind.SETTLED if outcome is None else outcome.kind])


def plan_lines(plan: SilencePlan) -> list[str]:
    """What would be done, and how a human would do it."""
    lines = [f"{plan.change}{f' ({plan.ref})' if plan.ref else ''}"]
    for step in plan.steps:
        lines += [f"  {step.call.method} {step.call.path}   {step.call.summary}", f"  same as  {step.call.command}"]
    return lines


def plan_json(plan: SilencePlan) -> dict[str, object]:
    """For scripts: the calls as they are sent."""
    return {
        "context": plan.context,
        "ref": plan.ref,
        "change": plan.change,
        "reason": plan.reason,
        "until": plan.until,
        "calls": [
            {"source": step.source, "method": step.call.method, "path": step.call.path, "body": step.call.body}
            for step in plan.steps
        ],
    }


def _meant(view: View, target: str) -> tuple[Alert, ...]:
    """The alerts that are meant: by fingerprint, by name, or all that fire on an endpoint."""
    from backends.errors import Rejected
    from shiftdeck.changes.silencing import firing_on
    from tui.cli.endpoint_names import NotAnEndpoint, resolve_ref

    named = tuple(one for one in view.alerts if target in (one.fingerprint, one.name))
    if named:
        return named
    try:
        ref = resolve_ref(target, view)
    except NotAnEndpoint as error:
        raise Rejected(f"no alert {target} fires, and {error}") from None
    alerts = firing_on(view, ref)
    if not alerts:
        raise Rejected(f"no alert fires on {ref}")
    return alerts
