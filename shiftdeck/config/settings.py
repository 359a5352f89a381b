"""Reads one setting from the table of a source or a platform, by its declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backends.settings import Setting, SettingType
from shiftdeck.config import values
from shiftdeck.config.errors import Findings
from shiftdeck.config.model import PlatformConfig
from shiftdeck.config.toml_lines import KeyPath

SettingsOf = Callable[[str, str], tuple[Setting, ...]]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
NAME_RULE = "a name is letters, digits, dots, dashes and underscores, and begins with a letter or digit"


@dataclass(frozen=True, slots=True)
class Place:
    """The table that is read, and the parts of its context that it may name."""

    key: KeyPath
    kind: str
    name: str
    context: Mapping[str, object]
    folder: Path
    platforms: Mapping[str, PlatformConfig] = field(default_factory=dict)


def read_setting(setting: Setting, table: Mapping[str, object], place: Place, findings: Findings) -> object:
    """The validated value; the default if it is missing, or not valid, which ``findings`` then says."""
    key = (*place.key, setting.key)
    if setting.key not in table:
        if setting.required:
            findings.add(place.key, f"{setting.key!r} is missing: {setting.help}")
        return setting.default
    try:
        value = values.convert(setting, table[setting.key], place.folder)
    except values.Refused as error:
        instead = error.instead if isinstance(error, values.Bare) else ""
        findings.add(key, str(error), error.accepted, instead)
        return setting.default
    if setting.type is SettingType.SOURCE:
        _check_reference(setting, str(value), key, place, findings)
    return value


def _check_reference(setting: Setting, name: str, key: KeyPath, place: Place, findings: Findings) -> None:
    others = place.context.get(setting.source_kind, {})
    names = tuple(others) if isinstance(others, Mapping) else ()
    if setting.source_kind == place.kind:
        names = tuple(other for other in names if other != place.name)
    if name in names:
        return
    if names:
        findings.add(key, f"no other source {name!r} in {setting.source_kind} of this context", names)
    else:
        findings.add(key, f"there is no source in {setting.source_kind} of this context to name")
