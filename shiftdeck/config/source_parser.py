"""Reads ``[contexts.CONTEXT.KIND.NAME]``: one source, against the settings that its adapter declares."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backends.discovery import UnusableAdapter
from backends.settings import Setting, SettingType
from shiftdeck.config.errors import Findings
from shiftdeck.config.model import PlatformConfig, SourceConfig
from shiftdeck.config.platform_parser import platform_of, platform_setting
from shiftdeck.config.settings import NAME, NAME_RULE, Place, SettingsOf, read_setting
from shiftdeck.config.toml_lines import KeyPath
from shiftdeck.source_kinds.table import KINDS, source_kind

TIMEOUT_S = 5.0
WINDOW_S = 300.0
SHARE_WINDOW_S = 60.0
_SHORTEST_S = 0.1  # shorter intervals would overload the polled system


def read_sources(
    context: Mapping[str, object],
    key: KeyPath,
    findings: Findings,
    settings_of: SettingsOf | None,
    platforms: Mapping[str, PlatformConfig],
) -> tuple[SourceConfig, ...]:
    """All sources of one context's table, by kind and in the order of the file, without their adapters' options if
    ``settings_of`` is ``None``. Errors go to ``findings``."""
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
                place = Place(source_key, kind, name, context, findings.path.parent, platforms)
                source = _read_source(table, place, findings, settings_of)
                if source is not None:
                    sources.append(source)
    return tuple(sources)


def common_settings(kind: str, declared: tuple[Setting, ...] = ()) -> tuple[Setting, ...]:
    """The settings that every source of that kind has in addition to those of its adapter. The engine uses them."""
    common = (
        Setting("adapter", SettingType.TEXT, "the adapter, where it is not the source's own name"),
        *platform_setting(declared),
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
    table: Mapping[str, object], place: Place, findings: Findings, settings_of: SettingsOf | None
) -> SourceConfig | None:
    common = common_settings(place.kind)
    reserved = {setting.key for setting in common}
    shared = {setting.key: read_setting(setting, table, place, findings) for setting in common}
    for name in reserved - {"adapter"}:
        _check_least(shared[name], (*place.key, name), findings)
    adapter = str(shared["adapter"] or place.name)
    options: dict[str, object] = {}
    platform = None
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
            platform = platform_of(table, place, adapter, own, findings)
            options = _own_options(own, platform, table, place, findings)
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
        platform="" if platform is None else platform.name,
    )


def _own_options(
    own: tuple[Setting, ...],
    platform: PlatformConfig | None,
    table: Mapping[str, object],
    place: Place,
    findings: Findings,
) -> dict[str, object]:
    accepted = tuple(setting.key for setting in (*own, *common_settings(place.kind, own)))
    for unknown in table.keys() - {*accepted, "platform"}:
        findings.unknown((*place.key, unknown), accepted)
    taken = {} if platform is None else platform.options
    return {
        setting.key: taken.get(setting.key, setting.default)
        if setting.platform and "platform" in table
        else read_setting(setting, table, place, findings)
        for setting in own
    }


def _check_least(value: object, key: KeyPath, findings: Findings) -> None:
    if isinstance(value, float) and value < _SHORTEST_S:
        findings.add(key, "too short: at least 100ms")


def _seconds(value: object) -> float:
    return value if isinstance(value, float) else 0.0
