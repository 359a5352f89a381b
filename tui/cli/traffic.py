"""The verbs that change traffic: shift, promote, roll back, mirror, unpin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from tui.cli.completion import complete_ref, complete_variant
from tui.cli.options import EXIT_CODES, Common, F, common_options, pass_common
from tui.input.actions import action
from tui.input.weights import parse_share, parse_weights

# The modules that plan are imported when a verb is called: a shell that completes arguments must not wait for them.
if TYPE_CHECKING:
    from shiftdeck.fleet.endpoint import EndpointView
    from tui.cli.load_config import Place
    from tui.cli.run_change import Intent

T = TypeVar("T")


def short(identifier: str) -> str:
    """The short help of a verb: the help of the app's action."""
    return f"{action(identifier).help}."


def manner_options(command: F) -> F:
    """Give a verb the options of every change. They are the fields of ``Manner``."""
    options = (
        click.option("--reason", metavar="TEXT", default="", help="Why: kept in the journal. Needed unless --dry-run."),
        click.option("--dry-run", is_flag=True, help="Show the plan and send nothing."),
        click.option("--yes", is_flag=True, help="Do not ask; needed if there is no terminal to ask on."),
        click.option("--override", is_flag=True, help="Go on although checks block; recorded with the reason."),
        click.option("--arm", is_flag=True, help='Allow changes in a context with access = "arm".'),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object: plan, outcome, journal number."),
        click.option(
            "--timeout",
            "timeout_s",
            metavar="SECONDS",
            type=click.FloatRange(1.0, 86_400.0),
            default=300.0,
            show_default=True,
            help="How long the change may take to come into effect.",
        ),
        click.option(
            "--observe",
            "observe_s",
            metavar="SECONDS",
            type=click.FloatRange(0.0, 3600.0),
            help="How long to gather metrics to judge by (default: until min_samples, at most 120; not production: 5).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def act_on(
    common: Common,
    ref: str,
    intend: Callable[[EndpointView], Intent],
    taken: dict[str, object],
    words: tuple[str, ...],
    *,
    registry: Callable[[Place], bool] | None = None,
) -> None:
    """Carry out the intent that ``intend`` returns for the endpoint ``ref``. ``taken`` are the options of
    ``manner_options``. ``registry`` returns whether a registry takes part (default: if gates are configured)."""
    from tui.cli.apply import Manner
    from tui.cli.run_change import act, gated

    manner = Manner(**taken)  # type: ignore[arg-type]  # the options above are its fields
    act(common, ref, intend, manner, words, registry=registry or gated)


@click.command(epilog=EXIT_CODES, short_help=short("shift"))
@click.argument("ref", shell_complete=complete_ref)
@click.argument("weights", nargs=-1, required=True, metavar="VARIANT=PERCENT…", shell_complete=complete_variant)
@manner_options
@common_options
@pass_common
def shift(common: Common, /, ref: str, weights: tuple[str, ...], **taken: object) -> None:
    """Set the weight of one or more variants of REF in percent; the rest comes from, or goes to, stable."""
    from shiftdeck.changes.planner import rest_to_stable
    from tui.cli.run_change import Intent

    wanted = given(parse_weights, weights)

    def change(view: EndpointView) -> Intent:
        return Intent(rest_to_stable(view.endpoint, wanted))

    act_on(common, ref, change, taken, ("shift", ref, *weights))


@click.command(epilog=EXIT_CODES, short_help=short("promote"))
@click.argument("ref", shell_complete=complete_ref)
@click.argument("variant", shell_complete=complete_variant)
@click.option("--no-alias", is_flag=True, help="Leave the registry's champion alias where it is.")
@manner_options
@common_options
@pass_common
def promote(common: Common, /, ref: str, variant: str, no_alias: bool, **taken: object) -> None:
    """Give VARIANT of REF all traffic and make it stable; the registry's champion alias follows it."""
    from backends.contracts import Promote
    from tui.cli.run_change import Intent, always

    def change(view: EndpointView) -> Intent:
        _known(view, variant)
        return Intent(Promote(variant), move_alias=not no_alias)

    words = ("promote", ref, variant, *(("--no-alias",) if no_alias else ()))
    act_on(common, ref, change, taken, words, registry=None if no_alias else always)


@click.command(epilog=EXIT_CODES, short_help=short("rollback"))
@click.argument("ref", shell_complete=complete_ref)
@click.argument("release", required=False)
@manner_options
@common_options
@pass_common
def rollback(common: Common, /, ref: str, release: str | None, **taken: object) -> None:
    """Roll REF back to RELEASE. The default is the newest release that was not rolled back from and that sends no
    traffic to a variant in a critical state. If a promotion moved the champion alias, the alias goes back as well."""
    from backends.contracts import Rollback
    from tui.cli.run_change import Intent, promoted

    def change(view: EndpointView) -> Intent:
        return Intent(Rollback(release or _last_good(view)), judges=release is None)

    words = ("rollback", ref, *((release,) if release else ()))
    act_on(common, ref, change, taken, words, registry=promoted(ref))


@click.command(epilog=EXIT_CODES, short_help=short("mirror"))
@click.argument("ref", shell_complete=complete_ref)
@click.argument("share", nargs=-1, required=True, metavar="VARIANT=PERCENT", shell_complete=complete_variant)
@manner_options
@common_options
@pass_common
def mirror(common: Common, /, ref: str, share: tuple[str, ...], **taken: object) -> None:
    """Copy PERCENT of the requests of REF to VARIANT, whose answers are dropped. 0 stops it. VARIANT PERCENT may be two
    words."""
    from backends.contracts import Mirror
    from tui.cli.run_change import Intent, never

    variant, percent = given(parse_share, share)
    if percent is None:
        raise click.UsageError(f"{variant} what share? Write VARIANT=PERCENT, like {variant}=20")

    def change(view: EndpointView) -> Intent:
        _known(view, variant)
        return Intent(Mirror(variant, percent))

    act_on(common, ref, change, taken, ("mirror", ref, variant, f"{percent:g}"), registry=never)


@click.command(epilog=EXIT_CODES, short_help=short("unpin"))
@click.argument("ref", shell_complete=complete_ref)
@manner_options
@common_options
@pass_common
def unpin(common: Common, /, ref: str, **taken: object) -> None:
    """Give the autoscalers of REF, which a split by replica ratio pinned, their own bounds back. The shares of the
    traffic then follow the load again."""
    from backends.contracts import Unpin
    from tui.cli.run_change import Intent, never

    act_on(common, ref, lambda view: Intent(Unpin()), taken, ("unpin", ref), registry=never)


def given(parse: Callable[[str], T], words: tuple[str, ...]) -> T:
    """The words, read by the parser that command mode in the app uses too.

    Raises:
        click.UsageError: the words are not valid.
    """
    try:
        return parse(" ".join(words))
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _known(view: EndpointView, variant: str) -> None:
    from backends.errors import Rejected

    if view.variant(variant) is None:
        names = ", ".join(one.name for one in view.variants)
        raise Rejected(f"{view.ref} has no variant {variant!r}", hint=f"its variants are {names}")


def _last_good(view: EndpointView) -> str:
    from backends.errors import Rejected
    from shiftdeck.changes.way_back import last_good

    found = last_good(view)
    if found is None:
        releases = ", ".join(release.id for release in view.endpoint.releases) or "none"
        raise Rejected(f"{view.ref} has no good release to go back to", hint=f"its releases are {releases}: name one")
    return found.id
