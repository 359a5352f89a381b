"""What is wrong with a configuration file, said so that it can be put right: file, line, key, accepted values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shiftdeck.config.toml_lines import KeyPath, dotted, line_of


class ConfigError(Exception):
    """One finding. ``line`` counts from 1 and is ``None`` where there is none to name; ``key`` is dotted.

    ``str`` is ``FILE:LINE: KEY: message (accepted: …)``. It never holds a secret.
    """

    def __init__(self, path: Path, line: int | None, key: str, message: str, accepted: Iterable[str] = ()) -> None:
        self.path = path
        self.line = line
        self.key = key
        self.message = message
        self.accepted = tuple(accepted)
        super().__init__(path, line, key, message, self.accepted)

    def __str__(self) -> str:
        where = str(self.path) if self.line is None else f"{self.path}:{self.line}"
        text = ": ".join(part for part in (where, self.key, self.message) if part)
        return f"{text} (accepted: {', '.join(self.accepted)})" if self.accepted else text


class ConfigErrors(Exception):
    """All findings in one file, in the order of their lines. ``str`` has one line for each."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: error.line or 0))
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class ConfigMissing(ConfigErrors):
    """There is no file at that path."""


@dataclass(slots=True)
class Findings:
    """Collects errors while a file is read, so that one run names them all. ``faults`` are errors of one source each,
    which keep no other from being used."""

    path: Path
    lines: Mapping[KeyPath, int]
    errors: list[ConfigError] = field(default_factory=list)
    faults: list[ConfigError] = field(default_factory=list)

    def add(self, key: KeyPath, message: str, accepted: Iterable[str] = ()) -> None:
        self.errors.append(ConfigError(self.path, line_of(key, self.lines), dotted(key), message, accepted))

    def fault(self, key: KeyPath, message: str) -> None:
        self.faults.append(ConfigError(self.path, line_of(key, self.lines), dotted(key), message))

    def unknown(self, key: KeyPath, accepted: Iterable[str], what: str = "key") -> None:
        """An unknown name, with what was perhaps meant."""
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
