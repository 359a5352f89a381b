"""Command mode: what may be typed after ``:``, how it is completed, and what it means. Pure.

The words come from the key registry; what follows a word depends on it: a column, a drill, a weight, a context.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shiftdeck.fleet.sorting import SORTS
from tui.input.keymap import KEYS

ALSO: Mapping[str, str] = {"q": "quit", "q!": "quit", "wq": "quit", "h": "help", "drills": "drill", "roll": "rollback"}
"""What people type out of habit."""

NEED_ARGUMENT = frozenset({"open", "sort"})

DURATIONS = ("5m", "15m", "30m", "1h")
SPANS = ("15m", "1h", "6h", "1d")

FULL = ("full",)
"""What may follow ``advance``: all steps that are left, skipped."""


class CommandError(ValueError):
    """What was typed is no command; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the key's id (the action), and what followed the word."""

    id: str
    word: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """What can be named at this moment. ``variants`` are those of the selected endpoint, ``releases`` its releases."""

    endpoints: Sequence[str] = ()
    variants: Sequence[str] = ()
    releases: Sequence[str] = ()
    drills: Sequence[str] = ()
    contexts: Sequence[str] = ()


def commands(screen: str = "main") -> dict[str, str]:
    """Every word of command mode on that screen, and the id of its key."""
    return {key.command: key.id for key in KEYS if key.command and screen in key.screens}


def parse(text: str, screen: str = "main") -> Command:
    """Read one line, without the colon.

    Raises:
        CommandError: it is no command, is ambiguous, or lacks what must follow.
    """
    word, _, argument = text.strip().partition(" ")
    argument = argument.strip()
    known = commands(screen)
    if not word:
        raise CommandError("type a command, or Esc to leave")
    full = word if word in known else ALSO.get(word, "")
    if full not in known:
        found = [one for one in known if one.startswith(word)]
        if len(found) > 1:
            raise CommandError(f"{word} is ambiguous: {', '.join(sorted(found))}")
        if not found:
            close = difflib.get_close_matches(word, known, n=1)
            raise CommandError(f"no command {word!r}" + (f", did you mean {close[0]}?" if close else ""))
        full = found[0]
    if full in NEED_ARGUMENT and not argument:
        raise CommandError(f"{full} what? {usage(full)}")
    return Command(known[full], full, argument)


USAGE: Mapping[str, str] = {
    "shift": "shift VARIANT=PERCENT …",
    "promote": "promote VARIANT",
    "rollback": "rollback [RELEASE]",
    "mirror": "mirror VARIANT=PERCENT",
    "advance": "advance [full]",
    "arm": "arm [DURATION]",
    "span": f"span [{'|'.join(SPANS)}]",
    "open": "open REF",
    "filter": "filter [!]REGEX",
    "sort": f"sort {'|'.join(SORTS)}",
    "drill": "drill NAME",
    "context": "context NAME",
}


def usage(word: str) -> str:
    """How a command is written."""
    return USAGE.get(word, word)


def completions(text: str, words: Words, screen: str = "main") -> list[str]:
    """Whole lines that begin with what was typed, best first."""
    word, space, argument = text.lstrip().partition(" ")
    known = sorted(commands(screen))
    if not space:
        return [one for one in known if one.startswith(word)]
    full = word if word in known else ALSO.get(word, "")
    head, _, last = argument.rpartition(" ")
    prefix = f"{word} {head} " if head else f"{word} "
    taken = {part.partition("=")[0] for part in head.split()}
    choices = [one for one in _choices(full, words) if one.partition("=")[0] not in taken]
    return [prefix + one for one in choices if one.startswith(last) and one != last]


def _choices(word: str, words: Words) -> Sequence[str]:
    match word:
        case "sort":
            return SORTS
        case "shift" | "mirror":
            return [f"{name}=" for name in words.variants]
        case "promote":
            return words.variants
        case "rollback":
            return words.releases
        case "advance":
            return FULL
        case "open":
            return words.endpoints
        case "drill":
            return words.drills
        case "context":
            return words.contexts
        case "arm":
            return DURATIONS
        case "span":
            return SPANS
        case _:
            return ()


def common(lines: Sequence[str]) -> str:
    """What all of them begin with."""
    if not lines:
        return ""
    shortest, longest = min(lines), max(lines)
    length = next((i for i, char in enumerate(shortest) if char != longest[i]), len(shortest))
    return shortest[:length]


@dataclass(slots=True)
class History:
    """Lines that were typed before; ``back`` and ``on`` move through those that begin like what is typed now."""

    lines: list[str] = field(default_factory=list)
    _at: int | None = None
    _typed: str = ""

    def add(self, line: str) -> None:
        """Keep a line, once; forget where one was looking."""
        if line in self.lines:
            self.lines.remove(line)
        if line:
            self.lines.append(line)
        self._at = None

    def back(self, typed: str) -> str:
        """The line before."""
        if self._at is None:
            self._at, self._typed = len(self.lines), typed
        found = [i for i in range(self._at) if self.lines[i].startswith(self._typed)]
        if found:
            self._at = found[-1]
            return self.lines[self._at]
        return typed

    def on(self, typed: str) -> str:
        """The line after, and at the end what was being typed."""
        if self._at is None:
            return typed
        found = [i for i in range(self._at + 1, len(self.lines)) if self.lines[i].startswith(self._typed)]
        if found:
            self._at = found[0]
            return self.lines[self._at]
        self._at = None
        return self._typed
