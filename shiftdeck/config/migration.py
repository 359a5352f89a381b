"""Rewrites a configuration file of an earlier release: numbers get the unit that they had. Nothing else is changed, and
comments stay."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shiftdeck.common.durations import parse_duration
from shiftdeck.config.errors import ConfigError, ConfigErrors
from shiftdeck.config.loader import adapter_settings, parse
from shiftdeck.config.settings import SettingsOf
from shiftdeck.config.toml_lines import KeyPath, parts_of

_NUMBER = r"""(?:[+]?[0-9][0-9_.eE+-]*|"\s*[0-9.]+\s*"|'\s*[0-9.]+\s*')"""
SLOW_S = 10.0
"""A latency objective from this on is most likely meant in milliseconds."""


@dataclass(frozen=True, slots=True)
class Migration:
    """``difference`` shows each line before and after. ``notes`` are values to look at. ``left`` are errors that remain
    to be corrected by hand."""

    text: str
    difference: tuple[str, ...]
    notes: tuple[str, ...]
    left: tuple[str, ...]


def read_file(path: Path) -> str:
    """The text of the file with its line ends as they are.

    Raises:
        ConfigErrors: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigErrors([ConfigError(path, None, "", f"cannot be read: {words}")]) from None


def write_file(path: Path, text: str) -> None:
    """Replace the file at once, with its mode. A symbolic link stays one. Raises ``OSError``."""
    target = path.resolve()
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            os.fchmod(file.fileno(), target.stat().st_mode & 0o7777)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def migrated(text: str, path: Path, settings_of: SettingsOf = adapter_settings) -> Migration:
    """The text with units. Reads no file.

    Raises:
        ConfigErrors: the text is not TOML.
    """
    before, notes, left = text, list[str](), list[str]()
    while (error := _next(text, path, settings_of, frozenset(left))) is not None:
        rewritten = _with_unit(text, error)
        if rewritten is None:
            left.append(str(error))
            continue
        text = rewritten
        notes += _note(error)
    pairs = zip(before.splitlines(), text.splitlines(), strict=True)
    changed = [(number, old, new) for number, (old, new) in enumerate(pairs, 1) if old != new]
    lines = [line for number, old, new in changed for line in (f"{path}:{number}", f"- {old}", f"+ {new}")]
    return Migration(text, tuple(lines), tuple(notes), tuple(left))


def _next(text: str, path: Path, settings_of: SettingsOf, left: frozenset[str]) -> ConfigError | None:
    """The first error that can be rewritten and is not in ``left``."""
    plain = text.removeprefix("\ufeff")
    try:
        parse(plain, path, settings_of)
    except ConfigErrors as errors:
        if any(error.message.startswith("not TOML") for error in errors.errors):
            raise
        return next((one for one in errors.errors if one.instead and str(one) not in left), None)
    return None


def _with_unit(text: str, error: ConfigError) -> str | None:
    """The text with the value that the error names replaced; ``None`` if it is not found on the error's line."""
    path = parts_of(error.key)
    lines = text.splitlines(keepends=True)
    at = (error.line or 0) - 1
    if not 0 <= at < len(lines):
        return None
    key = rf"""(?<![\w-])["']?{re.escape(path[-1])}["']?"""
    found = re.compile(rf"({key}\s*=\s*){_NUMBER}(?=\s*(?:[,}}#\r\n]|$))")
    for match in found.finditer(lines[at]):
        line = f"{lines[at][: match.start()]}{match[1]}{error.instead}{lines[at][match.end() :]}"
        rewritten = "".join((*lines[:at], line, *lines[at + 1 :]))
        if _value(rewritten, path) == tomllib.loads(f"it = {error.instead}")["it"]:
            return rewritten
    return None


def _value(text: str, path: KeyPath) -> object:
    found: object = tomllib.loads(text.removeprefix("\ufeff"))
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _note(error: ConfigError) -> list[str]:
    *_, name = parts_of(error.key)
    value = str(tomllib.loads(f"it = {error.instead}")["it"])
    if name != "p95" or parse_duration(value) < SLOW_S:
        return []
    milliseconds = value.removesuffix("s")
    more = f': write "{milliseconds}ms" if milliseconds were meant' if milliseconds.isdigit() else ""
    return [f"{error.key} is {value}, as it was until now{more}"]
