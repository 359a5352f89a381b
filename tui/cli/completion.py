"""Shell completion: click's own scripts, with the endpoints and variants that were seen last."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from tui.cli.options import Common

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print a script that completes commands and endpoints.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a completion script for SHELL. Put it into the shell's start-up file:

    \b
      ~/.bashrc                   eval "$(shiftdeck completion bash)"
      ~/.zshrc                    eval "$(shiftdeck completion zsh)"
      ~/.config/fish/config.fish  shiftdeck completion fish | source
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "shiftdeck", "_SHIFTDECK_COMPLETE").source())


def complete_ref(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The endpoints that complete a typed word, each in its shortest unambiguous form, or in full if the word has a
    colon. Shells split words at colons, so the short forms are preferred."""
    from tui.cli.endpoint_names import forms, recall

    refs = list(recall(_context(ctx)))
    if ":" in incomplete:
        return [CompletionItem(str(ref)) for ref in refs if str(ref).startswith(incomplete)]
    at = 1 if "/" in incomplete else 3
    spelled = [forms(ref)[at] for ref in refs]
    return [
        CompletionItem(text if spelled.count(text) == 1 else str(ref), help=str(ref))
        for ref, text in zip(refs, spelled, strict=True)
        if text.startswith(incomplete)
    ]


def complete_variant(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The variants of the endpoint that is named before on the command line."""
    from tui.cli.endpoint_names import NotAnEndpoint, recall, resolve

    known = recall(_context(ctx))
    try:
        variants = known[resolve(str(ctx.params.get("ref") or ""), known)]
    except NotAnEndpoint:
        return []
    return [CompletionItem(name) for name in variants if name.startswith(incomplete)]


def _context(ctx: click.Context) -> str | None:
    common = ctx.find_object(Common)
    return common.context if common else None
