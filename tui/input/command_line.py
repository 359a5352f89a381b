"""Command mode: the parser and the completions of a line after ``:``. Pure.

The words and their arguments come from the table of actions.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shiftdeck.fleet.sorting import SORTS
from tui.input.actions import ACTIONS, ActionSpec


class CommandError(ValueError):
    """The typed line is not a valid command. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Command:
    """An action, and the argument after its word. ``notice`` is a message for the user; "": none."""

    action: ActionSpec
    argument: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """The names that can be completed now. ``variants`` and ``releases`` are those of the selected endpoint."""

    endpoints: Sequence[str] = ()
    variants: Sequence[str] = ()
    releases: Sequence[str] = ()
    drills: Sequence[str] = ()
    contexts: Sequence[str] = ()

    @property
    def weights(self) -> Sequence[str]:
        """The beginnings of weights: "v8=" for each variant."""
        return [f"{name}=" for name in self.variants]

    @property
    def columns(self) -> Sequence[str]:
        """The columns that endpoints can be sorted by."""
        return SORTS


NONE = Words()


def commands(screen: str = "main") -> dict[str, ActionSpec]:
    """The actions of command mode on that screen, by word."""
    return {one.word: one for one in ACTIONS if one.word and screen in one.screens}


def parse(text: str, screen: str = "main") -> Command:
    """Read one line, without the colon.

    Raises:
        CommandError: it is not a command, is ambiguous, or lacks its argument.
    """
    word, _, argument = text.strip().partition(" ")
    argument = argument.strip()
    if not word:
        raise CommandError("type a command, or Esc to leave")
    found = _action(word, commands(screen))
    if found.needs_argument and not argument:
        raise CommandError(f"{found.word} what? {usage(found)}")
    notice = f":{word} is called :{found.word} now" if word in found.former_words else ""
    return Command(found, argument, notice)


def _action(word: str, known: dict[str, ActionSpec]) -> ActionSpec:
    """The action of a word, by its own word, by another word that people type for it, or by a unique beginning."""
    if word in known:
        return known[word]
    if other := next(_also(word, known), None):
        return other
    found = [one for one in known if one.startswith(word)]
    if len(found) > 1:
        raise CommandError(f"{word} is ambiguous: {', '.join(sorted(found))}")
    if not found:
        close = difflib.get_close_matches(word, known, n=1)
        raise CommandError(f"no command {word!r}" + (f", did you mean {close[0]}?" if close else ""))
    return known[found[0]]


def _also(word: str, known: dict[str, ActionSpec]) -> Iterator[ActionSpec]:
    return (one for one in known.values() if word in (*one.habits, *one.former_words))


def usage(one: ActionSpec) -> str:
    """The usage of a command: its word and its argument."""
    words = "|".join(offered(one, NONE))
    follows = one.usage or (words if one.needs_argument else f"[{words}]" if words else "")
    return f"{one.word} {follows}".rstrip()


def offered(one: ActionSpec, words: Words) -> Sequence[str]:
    """The completions of an action's argument."""
    if isinstance(one.offers, str):
        named: Sequence[str] = getattr(words, one.offers)
        return named
    return one.offers


def completions(text: str, words: Words, screen: str = "main") -> list[str]:
    """The whole lines that complete the typed text, best first."""
    word, space, argument = text.lstrip().partition(" ")
    known = commands(screen)
    if not space:
        return [one for one in sorted(known) if one.startswith(word)]
    found = known.get(word) or next(_also(word, known), None)
    head, _, last = argument.rpartition(" ")
    prefix = f"{word} {head} " if head else f"{word} "
    taken = {part.partition("=")[0] for part in head.split()}
    choices = offered(found, words) if found is not None else ()
    return [
        prefix + one for one in choices if one.startswith(last) and one != last and one.partition("=")[0] not in taken
    ]
