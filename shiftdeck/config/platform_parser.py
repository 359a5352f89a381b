"""Reads ``[contexts.CONTEXT.platforms.NAME]``: settings that several sources share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backends.discovery import UnusableAdapter, adapter_names
from backends.settings import Setting, SettingType
from shiftdeck.config.errors import Findings
from shiftdeck.config.model import PlatformConfig
from shiftdeck.config.settings import NAME, NAME_RULE, Place, SettingsOf, read_setting
from shiftdeck.config.toml_lines import KeyPath
from shiftdeck.config.values import Table

PLATFORMS = "platforms"

_TYPE = Setting("type", SettingType.TEXT, "what it is", required=True)


def read_platforms(
    context: Table, key: KeyPath, findings: Findings, settings_of: SettingsOf | None
) -> Mapping[str, PlatformConfig]:
    """All platforms of one context's table by name, without their options if ``settings_of`` is ``None``. Errors go to
    ``findings``; a platform of an unknown type is left out."""
    form = f"write a table for each platform: [{'.'.join(key)}.{PLATFORMS}.NAME]"
    tables = context.get(PLATFORMS, {})
    if not isinstance(tables, Mapping):
        findings.add((*key, PLATFORMS), form)
        return {}
    found: dict[str, PlatformConfig] = {}
    for name, table in tables.items():
        place = Place((*key, PLATFORMS, name), PLATFORMS, name, context, findings.path.parent)
        if not isinstance(table, Mapping):
            findings.add(place.key, form)
        elif not NAME.fullmatch(name):
            findings.add(place.key, NAME_RULE)
        elif (platform := _platform(table, place, findings, settings_of)) is not None:
            found[name] = platform
    return MappingProxyType(found)


def _platform(table: Table, place: Place, findings: Findings, settings_of: SettingsOf | None) -> PlatformConfig | None:
    if _TYPE.key not in table:
        findings.add(place.key, f"{_TYPE.key!r} is missing: what kind of platform it is", adapter_names(PLATFORMS))
        return None
    kind = read_setting(_TYPE, table, place, findings)
    if not isinstance(kind, str):
        return None
    options: dict[str, object] = {}
    if settings_of is not None:
        try:
            declared = settings_of(PLATFORMS, kind)
        except LookupError as error:
            findings.add((*place.key, _TYPE.key), str(error))
            return None
        except UnusableAdapter as error:
            findings.fault((*place.key, _TYPE.key), f"{error} ({error.hint})")
            return PlatformConfig(place.name, kind, MappingProxyType({}))
        accepted = (_TYPE.key, *(setting.key for setting in declared))
        for unknown in table.keys() - set(accepted):
            findings.unknown((*place.key, unknown), accepted)
        options = {setting.key: read_setting(setting, table, place, findings) for setting in declared}
    return PlatformConfig(place.name, kind, MappingProxyType(options))


def platform_setting(declared: tuple[Setting, ...]) -> tuple[Setting, ...]:
    """The setting by which a source names its platform; empty if its adapter takes nothing from a platform."""
    keys = [setting.key for setting in declared if setting.platform]
    if not keys:
        return ()
    return (Setting("platform", SettingType.TEXT, f"the platform of this context that says {', '.join(keys)}"),)


def platform_of(
    table: Table, place: Place, adapter: str, declared: tuple[Setting, ...], findings: Findings
) -> PlatformConfig | None:
    """The platform that a source names; ``None`` if it names none, or if that platform does not fit, which ``findings``
    then says."""
    key = (*place.key, "platform")
    for setting in platform_setting(declared):
        name = read_setting(setting, table, place, findings)
        if not isinstance(name, str):
            return None
        platform = place.platforms.get(name)
        if platform is None:
            _unknown(key, name, place, findings)
            return None
        types = dict.fromkeys(setting.platform for setting in declared if setting.platform)
        if platform.type not in types:
            fits = tuple(one.name for one in place.platforms.values() if one.type in types)
            words = f"{name!r} is of type {platform.type}, and the adapter {adapter!r} is on one of {', '.join(types)}"
            findings.add(key, words, fits)
            return None
        for one in declared:
            if one.platform == platform.type and one.key in table:
                findings.add((*place.key, one.key), f"the platform {name!r} says this: leave it out here")
        return platform
    if "platform" in table and all(setting.key != "platform" for setting in declared):
        findings.add(key, f"the adapter {adapter!r} takes nothing from a platform")
    return None


def _unknown(key: KeyPath, name: str, place: Place, findings: Findings) -> None:
    tables = place.context.get(PLATFORMS)
    if isinstance(tables, Mapping) and name in tables:
        return  # the platform's own error has been added already
    if isinstance(tables, Mapping) and tables:
        findings.add(key, f"there is no platform {name!r} in this context", tuple(tables))
    else:
        where = ".".join((*place.key[:2], PLATFORMS, "NAME"))
        findings.add(key, f"there is no platform in this context to name: add [{where}]")
