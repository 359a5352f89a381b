"""The verbs for rollouts by steps: on, held, going on, given up, begun again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.cli.completion import complete_ref
from tui.cli.options import EXIT_CODES, Common, common_options, pass_common
from tui.cli.traffic import act_on, manner_options, short

# As for the other actions: a shell that completes its arguments must not wait for what plans and acts.
if TYPE_CHECKING:
    from backends.contracts import Change


def _take(common: Common, ref: str, change: Change, taken: dict[str, object], words: tuple[str, ...]) -> None:
    from backends.contracts import Abort, Pause
    from tui.cli.run_change import Intent, gated, never

    registry = never if isinstance(change, Abort | Pause) else gated
    act_on(common, ref, lambda view: Intent(change), taken, words, registry=registry)


@click.command(epilog=EXIT_CODES, short_help=short("advance"))
@click.argument("ref", shell_complete=complete_ref)
@click.option("--full", is_flag=True, help="Skip all steps that are left, with their pauses and analyses.")
@manner_options
@common_options
@pass_common
def advance(common: Common, /, ref: str, full: bool, **taken: object) -> None:
    """Take the rollout of REF on to its next step: past a pause, or past the step that is running."""
    from backends.contracts import Advance

    _take(common, ref, Advance(full), taken, ("advance", ref, *(("--full",) if full else ())))


@click.command(epilog=EXIT_CODES, short_help=short("pause"))
@click.argument("ref", shell_complete=complete_ref)
@manner_options
@common_options
@pass_common
def pause(common: Common, /, ref: str, **taken: object) -> None:
    """Hold the rollout of REF where it is."""
    from backends.contracts import Pause

    _take(common, ref, Pause(), taken, ("pause", ref))


@click.command(epilog=EXIT_CODES, short_help=short("resume"))
@click.argument("ref", shell_complete=complete_ref)
@manner_options
@common_options
@pass_common
def resume(common: Common, /, ref: str, **taken: object) -> None:
    """Let the paused rollout of REF go on."""
    from backends.contracts import Resume

    _take(common, ref, Resume(), taken, ("resume", ref))


@click.command(epilog=EXIT_CODES, short_help=short("abort"))
@click.argument("ref", shell_complete=complete_ref)
@manner_options
@common_options
@pass_common
def abort(common: Common, /, ref: str, **taken: object) -> None:
    """Give the rollout of REF up: all traffic back to stable. What is asked for stays as it is: roll back as well."""
    from backends.contracts import Abort

    _take(common, ref, Abort(), taken, ("abort", ref))


@click.command(epilog=EXIT_CODES, short_help=short("retry"))
@click.argument("ref", shell_complete=complete_ref)
@manner_options
@common_options
@pass_common
def retry(common: Common, /, ref: str, **taken: object) -> None:
    """Begin the aborted rollout of REF again, from its first step."""
    from backends.contracts import Retry

    _take(common, ref, Retry(), taken, ("retry", ref))
