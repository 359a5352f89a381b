"""Presets: data files with the names of a system's metrics (requests, errors, latencies) and of its labels.

A preset is a TOML file. The presets of this program are in ``presets/`` beside this module. The configuration can name
a folder with further presets; a file there replaces a preset of the same name. ``presets/lab.toml`` explains every key.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from backends.contracts import EMPTY, Subject
from backends.errors import Rejected

FOLDER = Path(__file__).parent / "presets"
AUTO = "auto"
UNITS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
ROLES = ("endpoint", "variant", "scope", "mirrored")
TRUE = frozenset({"true", "1", "yes"})
PLACEHOLDERS = frozenset(
    {"", "none", "null", "nil", "n/a", "undefined", "unknown", "not available", "not_available", "not_implemented"}
    | {"<none>", "<no value>", "<nil>", "<unknown>"}
)
"""What servers tell where they have no name (in lower case)."""

TEMPLATE = re.compile(
    r"\$\{[^{}]*\}|\$\([^()]*\)|\{\{.*\}\}|\{[A-Za-z_]+\}|\$[A-Za-z_][A-Za-z0-9_]*|%\([^()]*\)s|%[A-Za-z_]+%"
)
"""A template that nobody expanded: "${VERSION}", "$(VERSION)", "{{ version }}"."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?:\|[a-zA-Z_:][a-zA-Z0-9_:]*)*", re.ASCII)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_SECTIONS: Mapping[str, frozenset[str]] = {
    "": frozenset({"summary", "family", "rank", "auto", "requests", "latency", "labels"}),
    "requests": frozenset({"counters", "failures", "where", "code", "errors", "ok"}),
    "latency": frozenset({"histogram", "summary", "mean_sum", "mean_count", "unit", "where"}),
    "labels": frozenset(ROLES),
}


class PresetError(ValueError):
    """A fault in a preset. The message begins with the key."""


@dataclass(frozen=True, slots=True)
class LabelRule:
    """The origin of a name: a whole label, the part ``{}`` of a label, or a ``fixed`` name.

    ``pattern`` is a regular expression that has to match the whole label, in syntax that RE2 and Python share.
    ``other`` counts where the label gives no name: it is missing, does not match, or holds a placeholder ("None").
    """

    label: str = ""
    pattern: str = "{}"
    fixed: str = ""
    other: LabelRule | None = None

    def chain(self) -> tuple[LabelRule, ...]:
        """This rule, and those that count in turn where it gives no name."""
        return (self, *(self.other.chain() if self.other is not None else ()))

    @property
    def whole(self) -> bool:
        return self.pattern == "{}"

    @property
    def regex(self) -> str:
        """The pattern with a group in place of ``{}``. The group is lazy: it matches the shortest possible name."""
        return self.pattern.replace("{}", "(.+?)")

    def read(self, labels: Mapping[str, str]) -> str:
        """The name that these labels contain, or ""."""
        found = self.fixed or self._named(labels.get(self.label, ""))
        return found or (self.other.read(labels) if self.other is not None else "")

    def _named(self, value: str) -> str:
        if self.whole or not value:
            return name_in(value)
        found = re.fullmatch(self.regex, value)
        return name_in(found[1]) if found else ""

    def told(self) -> str:
        """The rule in words, for ``doctor``."""
        if self.fixed:
            return f"always {self.fixed}"
        words = self.label if self.whole else f"{self.label} as {self.pattern}"
        return words if self.other is None else f"{words}, else {self.other.told()}"


def name_in(value: str) -> str:
    """The value of a label; "" where it is a placeholder of a server that had no name to tell."""
    return "" if value.strip().lower() in PLACEHOLDERS or TEMPLATE.fullmatch(value.strip()) else value


@dataclass(frozen=True, slots=True)
class Latency:
    """The metrics of latencies; every one that exists is read.

    ``unit`` is in seconds. ``mean_sum`` counts the time of requests, and ``mean_count`` their number.
    """

    histogram: str = ""
    summary: str = ""
    mean_sum: str = ""
    mean_count: str = ""
    unit: float = 1.0
    where: Mapping[str, str] = field(default_factory=lambda: EMPTY)

    @property
    def mean(self) -> tuple[str, str]:
        """The counters of time and of requests that a mean is made of: those that are named, else the sum and the count
        of the histogram or summary."""
        if self.mean_sum:
            return self.mean_sum, self.mean_count
        names = self.histogram or self.summary
        return suffixed(names, "_sum"), suffixed(names, "_count")


@dataclass(frozen=True, slots=True)
class Preset:
    """One system's metrics. The name of a metric can be a list of alternatives, separated by ``|``.

    ``requests`` and ``failures`` are counters whose sum is the number of all requests. ``code`` is the label with the
    outcome of a request: ``errors`` matches the codes of failures, or ``ok`` the codes of successes. ``where`` maps a
    label to a regular expression that its value has to match; after "!", one that it must not match. A preset with
    ``auto`` false is used only if the configuration names it.
    """

    name: str
    summary: str
    requests: tuple[str, ...]
    failures: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    code: str = ""
    errors: str = ""
    ok: str = ""
    latency: Latency = Latency()
    labels: Mapping[str, LabelRule] = field(default_factory=dict)
    family: str = ""
    rank: int = 50
    auto: bool = True

    def rule(self, role: str) -> LabelRule:
        return self.labels.get(role, LabelRule())

    def whose(self, labels: Mapping[str, str]) -> tuple[Subject, bool]:
        """The subject of the requests that a series with these labels counts, and whether they are mirrored."""
        subject = Subject(*(self.rule(role).read(labels) for role in ("endpoint", "variant", "scope")))
        return subject, self.rule("mirrored").read(labels).lower() in TRUE

    def is_error(self, code: str) -> bool | None:
        """Whether that outcome is an error; ``None`` if it is unknown."""
        if not code or not (self.errors or self.ok):
            return None
        if self.errors:
            return re.fullmatch(self.errors, code) is not None
        return re.fullmatch(self.ok, code) is None

    @property
    def latency_buckets(self) -> frozenset[str]:
        """The possible names of the buckets of latencies."""
        return frozenset(f"{name}_bucket" for name in split(self.latency.histogram))

    @property
    def tells_errors(self) -> bool:
        return bool(self.failures or (self.code and (self.errors or self.ok)))


# ── reading presets ─────────────────────────────────────────────────────────────────────────────────────────────


def find_presets(names: str, folder: Path | None = None) -> tuple[Preset, ...]:
    """The presets for "auto" (all of them, by rank), or for a comma-separated list of names, families and paths.

    A list gives the presets in its own order.

    Raises:
        Rejected: there is no preset of that name, or its file is not valid.
    """
    there = {
        path.stem: path for place in (FOLDER, folder) if place is not None for path in sorted(place.glob("*.toml"))
    }
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if wanted in ([], [AUTO]):
        return tuple(sorted((load_preset(path) for path in there.values()), key=lambda one: (one.rank, one.name)))
    found: dict[str, Preset] = {}
    for name in wanted:
        if name.endswith(".toml"):
            paths = [Path(name).expanduser() if folder is None else folder / Path(name).expanduser()]
        elif name in there:
            paths = [there[name]]
        else:
            paths = [path for path in there.values() if load_preset(path).family == name]
        if not paths:
            raise Rejected(f"there is no preset {name!r}", hint=f"there are {', '.join(sorted(there))}")
        found.update((str(path), load_preset(path)) for path in paths)
    return tuple(found.values())


@cache
def load_preset(path: Path) -> Preset:
    """The preset in that file.

    Raises:
        Rejected: the file cannot be read, or it is not valid; the message names the key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Rejected(f"the preset {path} cannot be read: {(error.strerror or 'no such file').lower()}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Rejected(f"the preset {path} is not TOML: {error}") from None
    try:
        return read_preset(path.stem, raw)
    except PresetError as error:
        raise Rejected(f"the preset {path}: {error}") from None


def read_preset(name: str, raw: Mapping[str, Any]) -> Preset:
    """The preset from the tables of its file.

    Raises:
        PresetError: a value is not valid; the message begins with its key.
    """
    _known("", raw)
    requests, latency, labels = (_table(raw, section) for section in ("requests", "latency", "labels"))
    counters, failures = _metrics(requests, "counters"), _metrics(requests, "failures")
    if not counters:
        raise PresetError("requests.counters: name the counter of requests")
    rules = {role: _rule(f"labels.{role}", value) for role, value in labels.items()}
    if "endpoint" not in rules:
        raise PresetError("labels.endpoint: name the label that has the endpoint")
    rank = raw.get("rank", 50)
    if isinstance(rank, bool) or not isinstance(rank, int):
        raise PresetError("rank: write a whole number")
    return Preset(
        name=name,
        summary=_text(raw, "summary"),
        requests=counters,
        failures=failures,
        where=_where(requests, "requests.where"),
        code=_label(requests, "code"),
        errors=_pattern("requests.errors", _text(requests, "errors")),
        ok=_pattern("requests.ok", _text(requests, "ok")),
        latency=_latency(latency),
        labels=rules,
        family=_text(raw, "family"),
        rank=rank,
        auto=raw.get("auto", True) is True,
    )


def _latency(raw: Mapping[str, Any]) -> Latency:
    unit = _text(raw, "unit") or "s"
    if unit not in UNITS:
        raise PresetError(f"latency.unit: one of {', '.join(UNITS)}")
    keys = ("histogram", "summary", "mean_sum", "mean_count")
    histogram, summary, mean_sum, mean_count = (_metric(f"latency.{key}", _text(raw, key)) for key in keys)
    if bool(mean_sum) is not bool(mean_count):
        raise PresetError("latency: a mean takes both mean_sum and mean_count")
    return Latency(histogram, summary, mean_sum, mean_count, UNITS[unit], _where(raw, "latency.where"))


def _known(section: str, raw: Mapping[str, Any]) -> None:
    for key in raw:
        if key not in _SECTIONS[section]:
            known = ", ".join(sorted(_SECTIONS[section]))
            raise PresetError(f"{f'{section}.{key}' if section else key}: unknown; known are {known}")


def _table(raw: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    table = raw.get(section, {})
    if not isinstance(table, Mapping):
        raise PresetError(f"{section}: write a table")
    _known(section, table)
    return table


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key, "")
    if not isinstance(value, str):
        raise PresetError(f"{key}: write a text")
    return value


def _label(raw: Mapping[str, Any], key: str) -> str:
    name = _text(raw, key)
    if name and not _LABEL.fullmatch(name):
        raise PresetError(f"{key}: {name!r} is not the name of a label")
    return name


def _metric(key: str, name: str) -> str:
    if name and not _NAME.fullmatch(name):
        raise PresetError(f"{key}: {name!r} is not the name of a metric")
    return name


def _metrics(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = raw.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise PresetError(f"requests.{key}: write a list of metrics")
    return tuple(_metric(f"requests.{key}", name) for name in names)


def _where(raw: Mapping[str, Any], key: str) -> Mapping[str, str]:
    table = raw.get("where", {})
    if not isinstance(table, Mapping):
        raise PresetError(f"{key}: write a table")
    for label, value in table.items():
        if not _LABEL.fullmatch(label) or not isinstance(value, str):
            raise PresetError(f'{key}: write LABEL = "regular expression"')
        _pattern(f"{key}.{label}", value.removeprefix("!"))
    return dict(table)


def _rule(key: str, value: object) -> LabelRule:
    if isinstance(value, list):
        if not value:
            raise PresetError(f"{key}: name a label")
        first, *rest = value
        return replace(_rule(key, first), other=_rule(key, rest) if rest else None)
    raw = {"label": value} if isinstance(value, str) else value
    if not isinstance(raw, Mapping) or not raw or not raw.keys() <= {"label", "pattern", "value"}:
        raise PresetError(f"{key}: write a label's name, {{ label, pattern }}, {{ value }}, or a list of them")
    rule = LabelRule(_label(raw, "label"), _text(raw, "pattern") or "{}", _text(raw, "value"))
    if bool(rule.label) is bool(rule.fixed):
        raise PresetError(f"{key}: write either a label or a value")
    if rule.pattern.count("{}") != 1 or re.compile(_pattern(key, rule.regex)).groups != 1:
        raise PresetError(f"{key}: the pattern holds {{}} once, where the name is, and no group but (?:…)")
    return rule


def _pattern(key: str, pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise PresetError(f"{key}: not a regular expression: {error}") from None
    return pattern


def suffixed(names: str, suffix: str) -> str:
    """The names in "a|b", each with the suffix."""
    return "|".join(name + suffix for name in split(names))


def split(names: str) -> tuple[str, ...]:
    """The names in "a|b"."""
    return tuple(name for name in names.split("|") if name)


def admits(where: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether these labels match a preset's ``where``."""
    return all(
        (re.fullmatch(value.removeprefix("!"), labels.get(label, "")) is None) is value.startswith("!")
        for label, value in where.items()
    )


def finite(value: float | None) -> float | None:
    """The value; ``None`` if it is not finite. Prometheus returns NaN if nothing was counted."""
    return value if value is not None and math.isfinite(value) else None
