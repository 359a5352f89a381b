"""Writes a commented configuration file for ``shiftdeck init``: the found sources, and the other settings as
comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from backends.settings import Setting, SettingType
from shiftdeck.common.durations import format_duration
from shiftdeck.config.model import Access
from shiftdeck.config.settings import SettingsOf
from shiftdeck.config.source_parser import common_settings
from shiftdeck.config.toml_lines import dotted, quoted, quoted_key
from shiftdeck.config.values import SECRET_FORMS

_HEAD = """\
# shiftdeck: what it watches and what it may change. Check it with `shiftdeck config check`.
# Credentials are never written here: name where they are read from, as { env = "NAME" }, { file = "PATH" }
# or { command = ["PROGRAM", "ARGUMENT"] }.
"""

_ACCESS = """\
# "read-only": nothing can be changed. "arm": read-only until armed, for `arm_for` at a time.
# "read-write": changes are planned, checked and confirmed."""

_OBJECTIVES = """\
# Objectives that changes are checked against; "off": no such objective.
# [contexts.NAME.slo]
# p95 = "200ms"
# errors = "1%"
# drift = 0.25
# min_samples = 100
# first_step = "5%"
# One endpoint can differ: [contexts.NAME.slo.endpoints."SOURCE:SCOPE/ENDPOINT"]

# Gates: what the registry must say of a version before it gets more traffic, and what it may cost.
# [contexts.NAME.gates]
# tags = { security_scan = "passed" }
# metrics = { f1 = { min = "champion" } }
# schema = "block"
"""

_PLACEHOLDER = """\
# No source was found. Uncomment the lines that fit, and write your own addresses.
# [contexts.production]
# access = "read-only"
#
# [contexts.production.registries.mlflow]
# uri = "https://mlflow.example.com"
#
# [contexts.production.serving.lab]
# url = "http://127.0.0.1:8080"
#
# [contexts.production.metrics.gateway]
# adapter = "openmetrics"
# url = "http://127.0.0.1:8080/metrics"
"""


@dataclass(frozen=True, slots=True)
class SampleSource:
    """A source to write. ``table`` holds its keys with values of TOML types (texts, numbers, flags, lists, tables: a
    secret is ``{"env": "NAME"}``). ``comment`` says how it was found."""

    kind: str
    name: str
    table: Mapping[str, object] = field(default_factory=dict)
    comment: str = ""


@dataclass(frozen=True, slots=True)
class SamplePlatform:
    """A platform to write. ``table`` holds its keys except ``type``."""

    name: str
    type: str
    table: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SampleContext:
    """A context to write."""

    name: str
    sources: tuple[SampleSource, ...]
    production: bool = True
    access: Access = Access.READ_ONLY
    comment: str = ""
    platforms: tuple[SamplePlatform, ...] = ()


def on_platforms(context: SampleContext, settings_of: SettingsOf) -> SampleContext:
    """The context with a platform, named after its type, for settings that two or more sources have in common. Sources
    whose settings differ from those of the first source of their type are not changed."""
    said: dict[str, list[tuple[SampleSource, dict[str, object]]]] = {}
    for source in context.sources:
        declared = settings_of(source.kind, str(source.table.get("adapter", source.name)))
        for type_ in dict.fromkeys(setting.platform for setting in declared if setting.platform):
            keys = {setting.key for setting in declared if setting.platform == type_}
            said.setdefault(type_, []).append((source, {k: v for k, v in source.table.items() if k in keys}))
    platforms: list[SamplePlatform] = []
    moved: dict[tuple[str, str], SampleSource] = {}
    for type_, told in said.items():
        first = told[0][1]
        alike = [source for source, table in told if table == first]
        if first and len(alike) > 1:
            platforms.append(SamplePlatform(type_, type_, first))
            for source in alike:
                rest = {key: value for key, value in source.table.items() if key not in first}
                moved[source.kind, source.name] = replace(source, table={"platform": type_, **rest})
    sources = tuple(moved.get((one.kind, one.name), one) for one in context.sources)
    return replace(context, sources=sources, platforms=tuple(platforms))


def render_config(contexts: Iterable[SampleContext], settings_of: SettingsOf | None = None) -> str:
    """The text of a configuration file with those contexts. The first one is the default.

    ``settings_of`` returns the settings of an adapter, as for ``loader.parse``. With it, the settings that are not set
    are listed as comments.
    """
    found = tuple(contexts)
    lines = [_HEAD]
    if found:
        lines.append(f"default_context = {quoted(found[0].name)}\n")
    else:
        lines.append(_PLACEHOLDER)
    for context in found:
        lines.extend(_context(context, settings_of))
    return "\n".join(lines)


def _context(context: SampleContext, settings_of: SettingsOf | None) -> Iterator[str]:
    yield from _comment(context.comment)
    yield f"[{dotted(('contexts', context.name))}]"
    yield f"production = {toml_value(context.production)}"
    yield _ACCESS
    yield f"access = {toml_value(str(context.access))}"
    yield '# arm_for = "15m"'
    yield "# The longest that anything on the way may hold a request: a call without an answer is waited for so long."
    yield '# longest_hold = "60s"\n'
    yield _OBJECTIVES.replace("NAME", quoted_key(context.name))
    for platform in context.platforms:
        yield "# Settings of all sources below that name this platform."
        yield f"[{dotted(('contexts', context.name, 'platforms', platform.name))}]"
        yield from (f"{quoted_key(key)} = {toml_value(value)}" for key, value in _with_type(platform).items())
        yield ""
    for source in context.sources:
        yield from _source(context.name, source, settings_of)


def _with_type(platform: SamplePlatform) -> dict[str, object]:
    return {"type": platform.type, **platform.table}


def _source(context: str, source: SampleSource, settings_of: SettingsOf | None) -> Iterator[str]:
    yield from _comment(source.comment)
    yield f"[{dotted(('contexts', context, source.kind, source.name))}]"
    for key, value in source.table.items():
        yield f"{quoted_key(key)} = {toml_value(value)}"
    if settings_of is not None:
        adapter = str(source.table.get("adapter", source.name))
        declared = settings_of(source.kind, adapter)
        for setting in (*declared, *common_settings(source.kind, declared)):
            taken = setting.platform and "platform" in source.table
            if setting.key not in source.table and setting.key != "adapter" and not taken:
                yield from _comment(f"{quoted_key(setting.key)} = {_example(setting)}    # {setting.help}")
    yield ""


def _comment(text: str) -> Iterator[str]:
    # A comment holds no control characters but the tab.
    for line in text.splitlines():
        yield "# " + "".join(char if char.isprintable() or char == "\t" else " " for char in line)


_EXAMPLES: Mapping[SettingType, str] = {
    SettingType.TEXT: '"…"',
    SettingType.URL: '"https://…"',
    SettingType.NUMBER: "1",
    SettingType.PERCENT: '"1%"',
    SettingType.DURATION: '"5s"',
    SettingType.FLAG: "false",
    SettingType.PATH: '"…"',
    SettingType.TEXTS: "[]",
    SettingType.TABLE: "{}",
    SettingType.SECRET: SECRET_FORMS[0],
    SettingType.SOURCE: '"NAME"',
}


def _example(setting: Setting) -> str:
    """An example value of the setting: its default, else a placeholder."""
    default = setting.default
    if setting.type is SettingType.DURATION and isinstance(default, int | float):
        return quoted(format_duration(default))
    if setting.type is SettingType.PERCENT and isinstance(default, int | float):
        return quoted(f"{default:g}%")
    if isinstance(default, str | bool | int | float | tuple | Mapping):
        return toml_value(default)
    return quoted(setting.choices[0]) if setting.choices else _EXAMPLES[setting.type]


def toml_value(value: object) -> str:
    """A text, flag, finite number, list or table as TOML writes it on one line.

    Raises:
        TypeError: TOML has no such value.
    """
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{quoted_key(str(key))} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    raise TypeError(f"TOML has no form for {type(value).__name__}")
