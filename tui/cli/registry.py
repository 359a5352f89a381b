"""``shiftdeck tag``, ``stage`` and ``alias``: the verbs that edit a registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from tui.cli.options import EXIT_CODES, Common, F, Failure, common_options, pass_common, stop

if TYPE_CHECKING:
    from backends.contracts import ModelVersion
    from shiftdeck.changes.registry_edit import Registered, RegistryPlan


def _options(command: F) -> F:
    """Give a verb the options of these three verbs, in addition to the common ones."""
    for option in reversed(
        (
            click.option("--reason", metavar="TEXT", default="", help="Why: kept in the journal. Needed to change."),
            click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing."),
            click.option("--yes", is_flag=True, help="Do not ask; needed if there is no terminal to ask on."),
            click.option("--arm", "armed", is_flag=True, help='Allow changes in a context with access = "arm".'),
            click.option(
                "--json", "as_json", is_flag=True, help="Print one JSON object: plan, outcome, journal number."
            ),
        )
    ):
        command = option(command)
    return command


_override = click.option("--override", is_flag=True, help="Go on although checks block; recorded with the reason.")


@click.command(epilog=EXIT_CODES, short_help="Set tags of a version: sentiment-classifier 8 scan=passed.")
@click.argument("model")
@click.argument("version", metavar="VERSION|@ALIAS")
@click.argument("tags", nargs=-1, required=True, metavar="KEY=VALUE…")
@_options
@common_options
@pass_common
def tag(common: Common, /, model: str, version: str, tags: tuple[str, ...], **taken: object) -> None:
    """Set tags of a registered version; KEY= removes one."""
    from shiftdeck.changes.registry_edit import Kind, Registered

    pairs = [one.partition("=") for one in tags]
    if wrong := next((key for key, equals, _ in pairs if not (key and equals)), None):
        raise click.UsageError(f"{wrong!r} is not a tag: write KEY=VALUE, or KEY= to remove it")

    def change(found: ModelVersion) -> tuple[Registered, ...]:
        return tuple(Registered(Kind.TAG, found.ref, key, value) for key, _, value in pairs)

    _write(common, model, version, change, **taken)  # type: ignore[arg-type]  # the options above


@click.command(epilog=EXIT_CODES, short_help="Move a version to a stage: sentiment-classifier 8 Production.")
@click.argument("model")
@click.argument("version", metavar="VERSION|@ALIAS")
@click.argument("stage_name", metavar="STAGE")
@_options
@_override
@common_options
@pass_common
def stage(common: Common, /, model: str, version: str, stage_name: str, **taken: object) -> None:
    """Move a registered version to a stage (None, Staging, Production, Archived). Other versions in that stage stay
    there. The gates apply to Production."""
    from shiftdeck.changes.registry_edit import Kind, Registered

    def change(found: ModelVersion) -> tuple[Registered, ...]:
        return (Registered(Kind.STAGE, found.ref, value=stage_name),)

    _write(common, model, version, change, **taken)  # type: ignore[arg-type]  # the options above


@click.command(epilog=EXIT_CODES, short_help="Point an alias at a version: sentiment-classifier challenger 8.")
@click.argument("model")
@click.argument("alias_name", metavar="ALIAS")
@click.argument("version", metavar="VERSION|@ALIAS")
@_options
@_override
@common_options
@pass_common
def alias(common: Common, /, model: str, alias_name: str, version: str, **taken: object) -> None:
    """Point an alias of a registered model at a version, unless the alias moves while this is planned. Serving systems
    may follow it: the gates of the endpoints that serve the model apply, except on the way back."""
    from shiftdeck.changes.registry_edit import Kind, Registered

    def change(found: ModelVersion) -> tuple[Registered, ...]:
        return (Registered(Kind.ALIAS, found.ref, alias_name.removeprefix("@")),)

    _write(common, model, version, change, **taken)  # type: ignore[arg-type]  # the options above


def _write(
    common: Common,
    model: str,
    version: str,
    change: Callable[[ModelVersion], tuple[Registered, ...]],
    *,
    reason: str,
    dry_run: bool,
    yes: bool,
    armed: bool,
    as_json: bool,
    override: bool = False,
) -> None:
    from backends.errors import BackendError, Rejected
    from shiftdeck.registry.version_diff import named
    from tui.cli.apply import Attempt, Manner, arm, check_usage
    from tui.cli.engine_session import OPENED_WITHIN_S, not_found, running, wait_loaded
    from tui.cli.load_config import find_place
    from tui.cli.registry_face import RegistryFace

    manner = Manner(reason, dry_run=dry_run, yes=yes, override=override, arm=armed, as_json=as_json)
    check_usage(manner)
    printer = common.printer()
    place = find_place(common)
    kinds = ("registries", "serving") if place.context.gates.endpoints else ("registries",)
    with running(place, kinds=kinds) as engine:
        if manner.arm:
            arm(engine)
        view = wait_loaded(engine, printer.err, OPENED_WITHIN_S)
        for one in view.sources:
            if not one.fresh:
                printer.err(f"{one.name} is {one.state}: {one.error}")
        try:
            plan = engine.changes.kinds.registry_edits.plan(view, change(named(view, model, version)), reason=reason)
        except Rejected as error:
            raise not_found(error.message, view, "registries", hint=error.hint) from None
        except BackendError as error:
            raise Failure(f"no plan could be made: {error.message}", error.hint) from None
        overridden = reason if override and plan.blocked else ""
        stop(Attempt(engine, plan, manner, printer, RegistryFace(plan_lines, plan_json), overridden).carry_out())


def plan_lines(plan: RegistryPlan) -> list[str]:
    """The plan as text: its calls, their guards, and the equal shell commands."""
    from tui.cli.text_output import check_lines

    lines = [plan.words, *check_lines(plan.checks)]
    for call in plan.calls:
        lines += [f"  {call.method} {call.path}   {call.summary}", f"    guarded by  {call.guard}"]
        lines.append(f"    same as     {call.command}")
    return lines


def plan_json(plan: RegistryPlan) -> dict[str, object]:
    """The plan for scripts, with its calls as they are sent."""
    from tui.cli.json_output import checks_json

    return {
        "context": plan.context,
        "source": plan.source,
        "change": plan.words,
        "reason": plan.reason,
        "checks": checks_json(plan.checks),
        "calls": [
            {"method": call.method, "path": call.path, "body": call.body, "guard": call.guard, "summary": call.summary}
            for call in plan.calls
        ],
    }
