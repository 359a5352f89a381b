"""Reads the tables of a configuration file into ``Config``. All errors go to ``Findings``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from backends.contracts import EndpointRef
from shiftdeck.common.durations import parse_ratio
from shiftdeck.config import values
from shiftdeck.config.errors import Findings
from shiftdeck.config.gate_parser import read_gates, read_prices
from shiftdeck.config.model import Access, Config, ContextConfig, RefreshConfig, Slo, SloConfig, UiConfig
from shiftdeck.config.platform_parser import PLATFORMS, read_platforms
from shiftdeck.config.settings import NAME, NAME_RULE, SettingsOf
from shiftdeck.config.source_parser import read_sources
from shiftdeck.config.toml_lines import KeyPath, line_of
from shiftdeck.config.values import Table, known, read, table_at
from shiftdeck.source_kinds.table import KINDS

__all__ = ["SettingsOf", "read_config", "read_options"]

_TOP = ("default_context", "journal", "contexts", "keys", "ui")
_CONTEXT = ("production", "access", "arm_for", "longest_hold", "slo", "gates", "prices", "runbooks", "refresh")
_TABLES = (PLATFORMS, *KINDS)
_OFF = "off"
_LONGEST_ARMED_S = 86_400.0
_LONGEST_HELD_S = 3600.0


def read_config(raw: Table, findings: Findings, settings_of: SettingsOf | None, default_journal: Path) -> Config | None:
    """The configuration; ``None`` if ``findings`` has errors."""
    known((), raw, _TOP, findings)
    contexts = _contexts(raw, findings, settings_of)
    default = _default_context(raw, findings)
    folder = findings.path.parent
    journal = read(raw, ("journal",), findings, lambda value: values.path(value, folder), default_journal)
    keys = _keys(table_at(raw, ("keys",), findings), findings)
    ui = _ui(table_at(raw, ("ui",), findings), findings)
    if findings.errors:
        return None
    lines = {name: line for name in keys if (line := line_of(("keys", name), findings.lines)) is not None}
    faults = tuple(findings.faults)
    return Config(findings.path, default, journal, MappingProxyType(contexts), keys, ui, faults, lines)


def read_options(config: Config, raw: Table, findings: Findings, settings_of: SettingsOf) -> Config:
    """That configuration, which was read from ``raw`` without the options of its platforms and sources, with them."""
    tables = table_at(raw, ("contexts",), findings)
    contexts = {}
    for name, context in config.contexts.items():
        key = ("contexts", name)
        table = table_at(tables, key, findings)
        platforms = read_platforms(table, key, findings, settings_of)
        sources = read_sources(table, key, findings, settings_of, platforms)
        contexts[name] = replace(context, sources=sources, platforms=platforms)
    return replace(config, contexts=MappingProxyType(contexts), faults=tuple(findings.faults))


def _contexts(raw: Table, findings: Findings, settings_of: SettingsOf | None) -> dict[str, ContextConfig]:
    tables = table_at(raw, ("contexts",), findings)
    if not tables and "contexts" not in raw:
        findings.add((), "no context: begin with a source, [contexts.NAME.serving.SOURCE]")
    contexts = {}
    for name in tables:
        key = ("contexts", name)
        if not NAME.fullmatch(name):
            findings.add(key, NAME_RULE)
        elif isinstance(tables[name], Mapping):
            contexts[name] = _context(name, table_at(tables, key, findings), findings, settings_of)
        else:
            findings.add(key, f"write a table for each context: [contexts.{name if NAME.fullmatch(name) else 'NAME'}]")
    return contexts


def _default_context(raw: Table, findings: Findings) -> str:
    contexts = raw.get("contexts")
    names = tuple(contexts) if isinstance(contexts, Mapping) else ()
    if "default_context" not in raw:
        if len(names) > 1:
            findings.add(("default_context",), "say which context to begin with", names)
        return names[0] if names else ""
    name: str = read(raw, ("default_context",), findings, values.text, "")
    if name and names and name not in names:
        findings.unknown(("default_context",), names, f"context {name!r}")
    return name


def _context(name: str, table: Table, findings: Findings, settings_of: SettingsOf | None) -> ContextConfig:
    key = ("contexts", name)
    known(key, table, (*_CONTEXT, *_TABLES), findings)
    platforms = read_platforms(table, key, findings, settings_of)
    sources = read_sources(table, key, findings, settings_of, platforms)
    if not any(table.get(kind) for kind in KINDS):
        findings.add(key, f"no source in this context: add [contexts.{name}.KIND.SOURCE], KIND being", KINDS)
    return ContextConfig(
        name=name,
        sources=sources,
        production=read(table, (*key, "production"), findings, values.flag, True),
        access=read(table, (*key, "access"), findings, _access, Access.READ_ONLY),
        arm_for_s=read(table, (*key, "arm_for"), findings, _between(1.0, _LONGEST_ARMED_S), 900.0),
        longest_hold_s=read(table, (*key, "longest_hold"), findings, _between(1.0, _LONGEST_HELD_S), 60.0),
        slo=_slo_config(table, key, findings),
        gates=read_gates(table, key, findings),
        prices=read_prices(table, key, findings),
        runbooks=read(table, (*key, "runbooks"), findings, _texts, MappingProxyType({})),
        refresh=_refresh(table_at(table, (*key, "refresh"), findings), (*key, "refresh"), findings),
        platforms=platforms,
    )


def _refresh(table: Table, key: KeyPath, findings: Findings) -> RefreshConfig:
    known(key, table, ("hidden", "unfocused", "slowest"), findings)
    usual = RefreshConfig()
    return RefreshConfig(
        hidden=read(table, (*key, "hidden"), findings, _at_least_one, usual.hidden),
        unfocused=read(table, (*key, "unfocused"), findings, _at_least_one, usual.unfocused),
        slowest_s=read(table, (*key, "slowest"), findings, _between(1.0, 3600.0), usual.slowest_s),
    )


def _slo_config(context: Table, context_key: KeyPath, findings: Findings) -> SloConfig:
    key = (*context_key, "slo")
    table = table_at(context, key, findings)
    default = _slo(table, key, findings, Slo(), ("endpoints",))
    serving = context.get("serving")
    backends = tuple(serving) if isinstance(serving, Mapping) else ()
    endpoints = {}
    overrides = table_at(table, (*key, "endpoints"), findings)
    for text in overrides:
        endpoint_key = (*key, "endpoints", text)
        try:
            ref = EndpointRef.parse(text)
        except ValueError as error:
            findings.add(endpoint_key, str(error))
            continue
        if ref.backend not in backends:
            findings.add(endpoint_key, f"no source {ref.backend!r} in serving of this context", backends)
        endpoints[text] = _slo(table_at(overrides, endpoint_key, findings), endpoint_key, findings, default)
    return SloConfig(default, MappingProxyType(endpoints))


def _slo(table: Table, key: KeyPath, findings: Findings, base: Slo, also: tuple[str, ...] = ()) -> Slo:
    known(key, table, ("p95", "errors", "drift", "min_samples", "first_step", *also), findings)
    return replace(
        base,
        p95_s=read(table, (*key, "p95"), findings, values.or_off(_between(0.0001, 3600.0)), base.p95_s),
        error_ratio=read(table, (*key, "errors"), findings, values.or_off(_ratio), base.error_ratio),
        drift=read(table, (*key, "drift"), findings, _positive, base.drift),
        min_samples=read(
            table, (*key, "min_samples"), findings, lambda value: values.whole(value, 1), base.min_samples
        ),
        first_step=read(table, (*key, "first_step"), findings, lambda value: 100 * _ratio(value), base.first_step),
    )


def _ui(table: Table, findings: Findings) -> UiConfig:
    known(("ui",), table, ("mouse", "ascii", "refresh", "slow_link", "charts"), findings)
    return UiConfig(
        mouse=read(table, ("ui", "mouse"), findings, values.flag, False),
        ascii=read(table, ("ui", "ascii"), findings, values.flag, None),
        slow_link=read(table, ("ui", "slow_link"), findings, values.flag, None),
        refresh_s=read(table, ("ui", "refresh"), findings, _between(0.1, 60.0), 1.0),
        charts_s=read(table, ("ui", "charts"), findings, _between(60.0, 7 * 86_400.0), UiConfig().charts_s),
    )


# ── single values ───────────────────────────────────────────────────────────────────────────────────────────────


def _access(value: object) -> Access:
    try:
        return Access(value)  # type: ignore[arg-type]  # a value of any type; only the accepted texts pass
    except ValueError:
        raise values.Refused("not one of the accepted values", tuple(Access)) from None


def _between(least: float, most: float) -> Callable[[object], float]:
    def convert(value: object) -> float:
        seconds = values.duration(value)
        if not least <= seconds <= most:
            raise values.Refused(f"must lie between {least:g} s and {most:g} s")
        return seconds

    return convert


def _ratio(value: object) -> float:
    return parse_ratio(value)


def _positive(value: object) -> float:
    number = float(values.number(value))
    if number <= 0:
        raise values.Refused("write a number above 0")
    return number


def _at_least_one(value: object) -> float:
    number = float(values.number(value))
    if number < 1:
        raise values.Refused("write how many times less often: 1 or more")
    return number


def _texts(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise values.Refused("write a table of texts", ('"KEY" = "value"',))
    return MappingProxyType({name: values.text(text) for name, text in value.items()})


def _keys(table: Table, findings: Findings) -> Mapping[str, str]:
    """The key by action id. Which actions and keys there are is known to the app only."""
    return MappingProxyType({name: read(table, ("keys", name), findings, _key, "") for name in table})


def _key(value: object) -> str:
    written = values.text(value)
    if not written.strip():
        raise values.Refused("name a key for the action")
    return written
