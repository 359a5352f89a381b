"""Reads values of the configuration file: tables and their keys, and TOML values by the type of an adapter's setting.

Each converter raises ``ValueError`` with a message that says what to write instead. No message holds the value of
anything that may be a secret. ``read`` records such a message in ``Findings`` and returns the default instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from backends.settings import Secret, Setting, SettingType
from shiftdeck.common.durations import DURATION_FORMS, bare_number, parse_duration, parse_percent
from shiftdeck.common.paths import home
from shiftdeck.common.redaction import holds_secret, names_secret
from shiftdeck.config.errors import Findings
from shiftdeck.config.toml_lines import KeyPath

Value = TypeVar("Value")
Table = Mapping[str, object]

SECRET_FORMS = ('{ env = "NAME" }', '{ file = "PATH" }', '{ command = ["PROGRAM", "ARGUMENT"] }')
DURATIONS = tuple(f'"{form}"' for form in DURATION_FORMS)
_MIGRATE = "; `shiftdeck config migrate` does that"
OFF = "off"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ELSEWHERE = "put it into an environment variable, a file or a command, not into this file"


class Refused(ValueError):
    """A value that is not valid. ``accepted`` are the valid forms or values."""

    def __init__(self, message: str, accepted: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.accepted = accepted


class Bare(Refused):
    """A number without its unit. ``instead`` is what it meant in earlier releases, as TOML writes it."""

    def __init__(self, message: str, accepted: tuple[str, ...], instead: str) -> None:
        super().__init__(message, accepted)
        self.instead = instead


def known(key: KeyPath, table: Table, accepted: tuple[str, ...], findings: Findings) -> None:
    """Each key that is not ``accepted`` is a finding."""
    for name in table:
        if name not in accepted:
            findings.unknown((*key, name), accepted)


def table_at(parent: Table, key: KeyPath, findings: Findings) -> Table:
    """The table under the last part of ``key``, or an empty one."""
    value = parent.get(key[-1], {})
    if isinstance(value, Mapping):
        return value
    findings.add(key, "write a table here")
    return {}


def read(table: Table, key: KeyPath, findings: Findings, convert: Callable[[object], Value], default: Any) -> Any:
    """The converted value under the last part of ``key``; ``default`` if it is missing or refused."""
    if key[-1] not in table:
        return default
    try:
        return convert(table[key[-1]])
    except Bare as error:
        findings.add(key, str(error), error.accepted, error.instead)
    except Refused as error:
        findings.add(key, str(error), error.accepted)
    except ValueError as error:
        findings.add(key, str(error))
    return default


def convert(setting: Setting, value: object, folder: Path) -> object:
    """The validated value of one setting. Relative paths start from ``folder``.

    A ``SOURCE`` is returned as its name. The caller checks whether there is such a source.

    Raises:
        Refused: the value is not valid; the message is safe to show.
    """
    if setting.type is SettingType.SECRET:
        return secret(value, folder)
    if names_secret(setting.key) and setting.type in (SettingType.TEXT, SettingType.TEXTS, SettingType.TABLE):
        raise Refused(f"this looks like a secret: {_ELSEWHERE}")
    converted = _CONVERTERS[setting.type](value, folder)
    if setting.choices:
        _check_choice(setting, converted)
    return converted


def _check_choice(setting: Setting, converted: object) -> None:
    chosen = converted if isinstance(converted, tuple) else (converted,)
    if any(str(one) not in setting.choices for one in chosen):
        raise Refused("not one of the accepted values", setting.choices)


def text(value: object, _folder: Path | None = None) -> str:
    """A text that holds no secret."""
    if not isinstance(value, str):
        raise Refused(f"write a text in quotes, not {_kind(value)}")
    if holds_secret(value):
        raise Refused(f"this holds a credential: {_ELSEWHERE}")
    return value


def flag(value: object, _folder: Path | None = None) -> bool:
    if not isinstance(value, bool):
        raise Refused(f"write true or false without quotes, not {_kind(value)}", ("true", "false"))
    return value


def number(value: object, _folder: Path | None = None) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refused(f"write a number without quotes, not {_kind(value)}")
    return value


def whole(value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Refused(f"write a whole number of at least {least}")
    return value


def or_off(convert: Callable[[object], float]) -> Callable[[object], float | None]:
    """The converter, extended: it returns ``None`` for the word "off"."""
    return lambda value: None if value == OFF else convert(value)


def duration(value: object, _folder: Path | None = None) -> float:
    if (seconds := _bare(value)) is not None:
        raise Bare(f"write the unit of the duration{_MIGRATE}", DURATIONS, f'"{_digits(seconds)}s"')
    return _via(parse_duration, value)


def percent(value: object, _folder: Path | None = None) -> float:
    if (number := _bare(value)) is not None and number <= 100:
        raise Bare(f"write the percentage with its sign{_MIGRATE}", ('"2.5%"',), f'"{_digits(number)}%"')
    return _via(parse_percent, value)


def _digits(number: float) -> str:
    return f"{Decimal(repr(number)).normalize():f}"


def _bare(value: object) -> float | None:
    """The number without a unit; ``None`` for anything else, also for a number that no unit makes valid."""
    try:
        found = bare_number(value)
    except ValueError:
        return None
    return found if found is not None and found >= 0 else None


def path(value: object, folder: Path) -> Path:
    """An absolute path: "~" is the home folder, a relative path starts from ``folder``."""
    written = text(value)
    if not written or "\x00" in written:
        raise Refused("write a path")
    if written == "~" or written.startswith("~/"):
        return home() / written[2:]
    return folder / written


def secret(value: object, folder: Path) -> Secret:
    """The place to read a credential from; never the credential itself."""
    if isinstance(value, str):
        raise Refused(f"a secret is not written here: {_ELSEWHERE}", SECRET_FORMS)
    if not isinstance(value, Mapping) or len(value) != 1 or not value.keys() <= {"env", "file", "command"}:
        raise Refused("say where the secret is read from, in exactly one way", SECRET_FORMS)
    ((form, source),) = value.items()
    if form == "command":
        if not (isinstance(source, list) and source and all(isinstance(part, str) and part for part in source)):
            raise Refused("a command is a list of texts, the program first", SECRET_FORMS[2:])
        if any(holds_secret(part) for part in source):
            raise Refused(f"the command holds a credential: {_ELSEWHERE}", SECRET_FORMS[2:])
        return Secret(command=source)
    if form == "file":
        return Secret(file=path(source, folder))
    if not isinstance(source, str) or not _ENV_NAME.fullmatch(source) or holds_secret(source):
        raise Refused("env takes the name of an environment variable, not its value", SECRET_FORMS[:1])
    return Secret(env=source)


def _url(value: object, _folder: Path) -> str:
    written = text(value)
    try:
        parts = urlsplit(written)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or re.search(r"\s", written):
        raise Refused("write a URL like http://host:port/path", ("http://…", "https://…"))
    if any(names_secret(name) for name, _ in parse_qsl(parts.query)):
        raise Refused(f"this URL holds a credential: {_ELSEWHERE}")
    return written


def _texts(value: object, _folder: Path) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Refused(f"write a list of texts, not {_kind(value)}", ('["one", "two"]',))
    return tuple(text(item) for item in value)


def _table(value: object, _folder: Path) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise Refused(f"write a table of texts, not {_kind(value)}", ('{ name = "value" }',))
    for name in value:
        if names_secret(name):
            raise Refused(f"{name} looks like a secret: {_ELSEWHERE}")
    return MappingProxyType({name: text(item) for name, item in value.items()})


def _via(parse: Callable[[object], float], value: object) -> float:
    try:
        return parse(value)
    except ValueError as error:
        raise Refused(str(error) if not isinstance(value, str) or not holds_secret(value) else "not readable") from None


def _kind(value: object) -> str:
    """The type of a refused value, in words. It does not show the value."""
    if isinstance(value, bool):
        return "true or false"
    for types, name in ((str, "a text"), (int | float, "a number"), (list, "a list"), (Mapping, "a table")):
        if isinstance(value, types):
            return name
    return "a date or time"


_CONVERTERS: Mapping[SettingType, Callable[[object, Path], object]] = {
    SettingType.TEXT: text,
    SettingType.URL: _url,
    SettingType.NUMBER: number,
    SettingType.PERCENT: percent,
    SettingType.DURATION: duration,
    SettingType.FLAG: flag,
    SettingType.PATH: path,
    SettingType.TEXTS: _texts,
    SettingType.TABLE: _table,
    SettingType.SOURCE: text,
}
