"""Reads ``[contexts.CONTEXT.KIND.NAME]``: one source, against the settings that its adapter declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from backends.discovery import UnusableAdapter
from backends.settings import Setting, SettingType
from shiftdeck.config import values
from shiftdeck.config.errors import Findings
from shiftdeck.config.model import SourceConfig
from shiftdeck.config.toml_lines import KeyPath
from shiftdeck.source_kinds.table import KINDS, source_kind

SettingsOf = Callable[[str, str], tuple[Setting, ...]]

TIMEOUT_S = 5.0
WINDOW_S = 300.0
SHARE_WINDOW_S = 60.0
_SHORTEST_S = 0.1  # below that, polling is an attack

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
NAME_RULE = "a name is letters, digits, dots, dashes and underscores, and begins with a letter or digit"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the reading of one source happens."""

    key: KeyPath
    kind: str
    name: str
    context: Mapping[str, object]
    folder: Path


def read_sources(
    context: Mapping[str, object], key: KeyPath, findings: Findings, settings_of: SettingsOf | None
) -> tuple[SourceConfig, ...]:
    """All sources of one context's table, by kind and in the order of the file, without their adapters' options where
    there is no ``settings_of``. What is wrong goes to ``findings``."""
    sources: list[SourceConfig] = []
    for kind in KINDS:
        named = context.get(kind, {})
        if not isinstance(named, Mapping):
            findings.add((*key, kind), f"write a table for each source: [{'.'.join(key)}.{kind}.NAME]")
            continue
        for name, table in named.items():
            source_key = (*key, kind, name)
            if not isinstance(table, Mapping):
                findings.add(source_key, f"write a table for each source: [{'.'.join(key)}.{kind}.NAME]")
            elif not NAME.fullmatch(name):
                findings.add(source_key, NAME_RULE)
            else:
                place = _Place(source_key, kind, name, context, findings.path.parent)
                source = _read_source(table, place, findings, settings_of)
                if source is not None:
                    sources.append(source)
    return tuple(sources)


def common_settings(kind: str) -> tuple[Setting, ...]:
    """The keys that every source of that kind has, whatever its adapter. The engine honours them."""
    common = (
        Setting("adapter", SettingType.TEXT, "the adapter, where it is not the source's own name"),
        Setting("every", SettingType.DURATION, "how often it is read", source_kind(kind).every_s),
        Setting("timeout", SettingType.DURATION, "deadline of each call", TIMEOUT_S),
    )
    if kind != "metrics":
        return common
    return (
        *common,
        Setting("window", SettingType.DURATION, 'the window that "now" means', WINDOW_S),
        Setting(
            "share_window", SettingType.DURATION, "the window of traffic shares (default 1m, or the window if less)"
        ),
    )


def _read_source(
    table: Mapping[str, object], place: _Place, findings: Findings, settings_of: SettingsOf | None
) -> SourceConfig | None:
    common = common_settings(place.kind)
    reserved = {setting.key for setting in common}
    shared = {setting.key: _read_setting(setting, table, place, findings) for setting in common}
    for name in reserved - {"adapter"}:
        _check_least(shared[name], (*place.key, name), findings)
    adapter = str(shared["adapter"] or place.name)
    options: dict[str, object] = {}
    if settings_of is not None:
        where = (*place.key, "adapter") if "adapter" in table else place.key
        try:
            own = tuple(setting for setting in settings_of(place.kind, adapter) if setting.key not in reserved)
        except LookupError as error:
            findings.add(where, str(error))
            return None
        except UnusableAdapter as error:
            findings.fault(where, f"{error} ({error.hint})")
        else:
            options = _own_options(own, common, table, place, findings)
    every, timeout = _seconds(shared["every"]), _seconds(shared["timeout"])
    window = _seconds(shared.get("window")) or WINDOW_S
    return SourceConfig(
        kind=place.kind,
        name=place.name,
        adapter=adapter,
        every_s=every,
        timeout_s=timeout,
        window_s=window,
        options=MappingProxyType(options),
        share_window_s=_seconds(shared.get("share_window")) or min(window, SHARE_WINDOW_S),
    )


def _own_options(
    own: tuple[Setting, ...],
    common: tuple[Setting, ...],
    table: Mapping[str, object],
    place: _Place,
    findings: Findings,
) -> dict[str, object]:
    accepted = tuple(setting.key for setting in (*own, *common))
    for unknown in table.keys() - set(accepted):
        findings.unknown((*place.key, unknown), accepted)
    return {setting.key: _read_setting(setting, table, place, findings) for setting in own}


def _check_least(value: object, key: KeyPath, findings: Findings) -> None:
    if isinstance(value, float) and value < _SHORTEST_S:
        findings.add(key, "too short: at least 100ms")


def _seconds(value: object) -> float:
    return value if isinstance(value, float) else 0.0


def _read_setting(setting: Setting, table: Mapping[str, object], place: _Place, findings: Findings) -> object:
    key = (*place.key, setting.key)
    if setting.key not in table:
        if setting.required:
            findings.add(place.key, f"{setting.key!r} is missing: {setting.help}")
        return setting.default
    try:
        value = values.convert(setting, table[setting.key], place.folder)
    except values.Refused as error:
        findings.add(key, str(error), error.accepted)
        return setting.default
    if setting.type is SettingType.SOURCE:
        _check_reference(setting, str(value), key, place, findings)
    return value


def _check_reference(setting: Setting, name: str, key: KeyPath, place: _Place, findings: Findings) -> None:
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
