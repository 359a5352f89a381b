"""``shiftdeck silence``: silences alerts for a time, or ends a silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.cli.completion import complete_ref
from tui.cli.options import EXIT_CODES, Common, Failure, common_options, pass_common, stop

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
@click.option("--yes", is_flag=True, help="Do not ask; needed if there is no terminal to ask on.")
@click.option("--arm", "armed", is_flag=True, help='Allow changes in a context with access = "arm".')
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
    armed: bool,
    as_json: bool,
) -> None:
    """Silence the alerts of an endpoint, or the alert of that fingerprint or name. Each alert gets a silence of its
    own."""
    from backends.errors import BackendError, Rejected
    from shiftdeck.common.durations import parse_duration
    from tui.cli.apply import Attempt, Manner, arm, check_usage
    from tui.cli.call_face import CallFace
    from tui.cli.engine_session import not_found, running, wait_loaded
    from tui.cli.load_config import find_place

    if bool(target) is bool(expire):
        raise click.UsageError("name an endpoint or an alert, or give --expire ID")
    manner = Manner(reason, dry_run=dry_run, yes=yes, arm=armed, as_json=as_json)
    check_usage(manner, "others read it in the silence, and it is kept in the journal")
    try:
        seconds = parse_duration(duration)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    printer = common.printer()
    with running(find_place(common), kinds=("serving", "alerts")) as engine:
        if manner.arm:
            arm(engine)
        view = wait_loaded(engine, printer.err)
        silences = engine.changes.kinds.silences
        try:
            if expire:
                plan = silences.plan_end(view, expire, reason=reason)
            else:
                comment = reason or "(no reason given)"
                plan = silences.plan(view, _alerts_named(view, target or ""), duration_s=seconds, reason=comment)
        except Rejected as error:
            raise not_found(error.message, view, "serving", "alerts", hint=error.hint) from None
        except BackendError as error:
            raise Failure(f"no plan could be made: {error.message}", error.hint) from None
        stop(Attempt(engine, plan, manner, printer, CallFace(plan_lines, plan_json)).carry_out())


def plan_lines(plan: SilencePlan) -> list[str]:
    """The plan as text: its calls, and the equal shell commands."""
    lines = [f"{plan.words}{f' ({plan.subject})' if plan.subject else ''}"]
    for step in plan.steps:
        lines += [f"  {step.call.method} {step.call.path}   {step.call.summary}", f"  same as  {step.call.command}"]
    return lines


def plan_json(plan: SilencePlan) -> dict[str, object]:
    """The plan for scripts, with its calls as they are sent."""
    return {
        "context": plan.context,
        "ref": plan.subject,
        "change": plan.words,
        "reason": plan.reason,
        "until": plan.until,
        "calls": [
            {"source": step.source, "method": step.call.method, "path": step.call.path, "body": step.call.body}
            for step in plan.steps
        ],
    }


def _alerts_named(view: View, target: str) -> tuple[Alert, ...]:
    """The alerts that the target names: by fingerprint, by name, or all that fire on an endpoint."""
    from backends.errors import Rejected
    from shiftdeck.changes.silence import firing_on
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
