"""The errors of a configuration file. Each has what is needed to correct it: file, line, key and accepted values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backends.text import one_line
from shiftdeck.config.toml_lines import KeyPath, dotted, line_of

SHOWN = 4000
"""The characters of an error that are shown: names of files and keys may be foreign, and of any length."""


class ConfigError(Exception):
    """One error. ``line`` counts from 1; ``None``: the error has no line. ``key`` is dotted. ``instead`` is the value
    to write where an earlier release accepted what is there ("": none).

    ``str`` is ``FILE:LINE: KEY: message (accepted: …)``. It never holds a secret.
    """

    def __init__(
        self, path: Path, line: int | None, key: str, message: str, accepted: Iterable[str] = (), instead: str = ""
    ) -> None:
        self.instead = instead
        self.path = path
        self.line = line
        self.key = key
        self.message = message
        self.accepted = tuple(accepted)
        super().__init__(path, line, key, message, self.accepted)

    def __str__(self) -> str:
        where = str(self.path) if self.line is None else f"{self.path}:{self.line}"
        text = ": ".join(part for part in (where, self.key, self.message) if part)
        return one_line(f"{text} (accepted: {', '.join(self.accepted)})" if self.accepted else text, SHOWN)


class ConfigErrors(Exception):
    """All errors in one file, in the order of their lines. ``str`` has one line for each error."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: error.line or 0))
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class ConfigMissing(ConfigErrors):
    """There is no file at that path."""


@dataclass(slots=True)
class Findings:
    """Collects errors while a file is read, so that all of them are reported at once. ``faults`` are errors of single
    sources; the other sources can still be used."""

    path: Path
    lines: Mapping[KeyPath, int]
    errors: list[ConfigError] = field(default_factory=list)
    faults: list[ConfigError] = field(default_factory=list)

    def add(self, key: KeyPath, message: str, accepted: Iterable[str] = (), instead: str = "") -> None:
        line = line_of(key, self.lines)
        self.errors.append(ConfigError(self.path, line, dotted(key), message, accepted, instead))

    def fault(self, key: KeyPath, message: str) -> None:
        self.faults.append(ConfigError(self.path, line_of(key, self.lines), dotted(key), message))

    def unknown(self, key: KeyPath, accepted: Iterable[str], what: str = "key") -> None:
        """Add an unknown name, with the accepted name that is closest to it."""
        names = tuple(accepted)
        close = difflib.get_close_matches(key[-1], names, n=1)
        hint = f", did you mean {close[0]!r}?" if close else ""
        self.add(key, f"unknown {what}{hint}", names)

    def raise_any(self) -> None:
        """Raises:
        ConfigErrors: there is at least one finding.
        """
        if self.errors:
            raise ConfigErrors(self.errors)
