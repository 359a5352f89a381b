"""The verbs for stepped rollouts: advance, pause, resume, abort, retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.cli.completion import complete_ref
from tui.cli.options import EXIT_CODES, Common, common_options, pass_common
from tui.cli.traffic import act_on, manner_options, short

# The imports are inside the functions: a shell that completes arguments must not wait for the modules that plan.
if TYPE_CHECKING:
    from backends.contracts import Change


def _take(common: Common, ref: str, change: Change, taken: dict[str, object], words: tuple[str, ...]) -> None:
    from backends.contracts import Abort, Pause
    from tui.cli.run_change import Intent, gated, never

    registry = never if isinstance(change, Abort | Pause) else gated
    act_on(common, ref, lambda view: Intent(change), taken, words, registry=registry)


@click.command(epilog=EXIT_CODES, short_help=short("advance"))
@click.argument("ref", shell_complete=complete_ref)
@click.option("--full", is_flag=True, help="Skip all remaining steps, with their pauses and analyses.")
@manner_options
@common_options
@pass_common
def advance(common: Common, /, ref: str, full: bool, **taken: object) -> None:
    """Move the rollout of REF on to its next step: past a pause, or past the running step."""
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
    """Abort the rollout of REF: all traffic goes back to stable. The desired version stays: roll back to change it."""
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
