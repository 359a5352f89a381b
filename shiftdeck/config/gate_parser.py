"""Reads ``[contexts.CONTEXT.gates]`` and ``[contexts.CONTEXT.prices]``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from shiftdeck.config import values
from shiftdeck.config.errors import Findings
from shiftdeck.config.model import Gates, GatesConfig, MetricGate, Weight
from shiftdeck.config.toml_lines import KeyPath
from shiftdeck.config.values import Table, known, read, table_at

BASELINES = ("champion", "stable")
_OFF = "off"
_OWN = ("metrics", "tags", "signature", "schema", "max_cost", "instance", "otherwise")
_METRIC = ("min", "max", "slack", "otherwise")
_METRIC_FORMS = ('{ min = "champion" }', "{ max = 4.2, slack = 0.1 }", '"off"')


def read_gates(context: Table, context_key: KeyPath, findings: Findings) -> GatesConfig:
    """The gates of one context. The gates of an endpoint, or of a pattern of endpoints, start from the context's."""
    key = (*context_key, "gates")
    table = table_at(context, key, findings)
    default = _gates(table, key, findings, Gates(), ("endpoints",))
    serving = context.get("serving")
    backends = tuple(serving) if isinstance(serving, Mapping) else ()
    overrides = table_at(table, (*key, "endpoints"), findings)
    endpoints = {}
    for pattern in overrides:
        endpoint_key = (*key, "endpoints", pattern)
        backend, colon, rest = pattern.partition(":")
        if not (colon and "/" in rest):
            findings.add(
                endpoint_key, f"{pattern!r} names no endpoints: write BACKEND:SCOPE/NAME; * stands for any text"
            )
        elif backend not in backends and not set(backend) & set("*?["):
            findings.add(endpoint_key, f"no source {backend!r} in serving of this context", backends)
        endpoints[pattern] = _gates(table_at(overrides, endpoint_key, findings), endpoint_key, findings, default)
    return GatesConfig(default, MappingProxyType(endpoints))


def read_prices(context: Table, context_key: KeyPath, findings: Findings) -> Mapping[str, float]:
    """Price per hour by instance type or GPU model."""
    key = (*context_key, "prices")
    table = table_at(context, key, findings)
    return MappingProxyType({name: read(table, (*key, name), findings, _not_negative, 0.0) for name in table})


def _gates(table: Table, key: KeyPath, findings: Findings, base: Gates, also: tuple[str, ...] = ()) -> Gates:
    known(key, table, (*_OWN, *also), findings)
    otherwise = read(table, (*key, "otherwise"), findings, _weight, None)
    metrics = dict(base.metrics)
    given = table_at(table, (*key, "metrics"), findings)
    for name in given:
        gate = _metric(given, (*key, "metrics", name), findings, otherwise or Weight.BLOCK)
        metrics.pop(name, None)
        if gate is not None:
            metrics[name] = gate
    tags = dict(base.tags)
    accepted = table_at(table, (*key, "tags"), findings)
    for name in accepted:
        wanted = read(accepted, (*key, "tags", name), findings, _accepted, ())
        tags.pop(name, None)
        if wanted != (_OFF,):
            tags[name] = wanted
    return Gates(
        metrics=MappingProxyType(metrics),
        tags=MappingProxyType(tags),
        tags_weight=otherwise or base.tags_weight,
        signature=read(table, (*key, "signature"), findings, _weight, base.signature),
        schema=read(table, (*key, "schema"), findings, _weight, base.schema),
        max_cost=read(table, (*key, "max_cost"), findings, values.or_off(_not_negative), base.max_cost),
        cost_weight=otherwise or base.cost_weight,
        instance=read(table, (*key, "instance"), findings, values.text, base.instance),
        configured=base.configured or bool(set(table) - {"endpoints"}),
    )


def _metric(table: Table, key: KeyPath, findings: Findings, otherwise: Weight) -> MetricGate | None:
    """The gate of one metric; ``None``: it is off."""
    value = table[key[-1]]
    if value == _OFF:
        return None
    if not isinstance(value, Mapping):
        findings.add(key, "say what the metric has to be", _METRIC_FORMS)
        return None
    known(key, value, _METRIC, findings)
    if not {"min", "max"} & set(value):
        findings.add(key, "neither min nor max: say what the metric has to be", _METRIC_FORMS)
    return MetricGate(
        least=read(value, (*key, "min"), findings, _limit, None),
        most=read(value, (*key, "max"), findings, _limit, None),
        slack=read(value, (*key, "slack"), findings, _not_negative, 0.0),
        weight=read(value, (*key, "otherwise"), findings, _weight, otherwise),
    )


def _weight(value: object) -> Weight:
    try:
        return Weight(value)  # type: ignore[arg-type]  # a value of any type; only the accepted texts pass
    except ValueError:
        raise values.Refused("not one of the accepted values", tuple(Weight)) from None


def _limit(value: object) -> float | str:
    if isinstance(value, str):
        if value not in BASELINES:
            raise values.Refused("write a number, or whose metric it is compared with", BASELINES)
        return value
    return float(values.number(value))


def _accepted(value: object) -> tuple[str, ...]:
    """The accepted values of a tag: a text or a list of texts, in which * stands for any text."""
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise values.Refused("name at least one accepted value", ('"passed"', '["passed", "waived"]', '"*"'))
    return tuple(values.text(one) for one in listed)


def _not_negative(value: object) -> float:
    number = float(values.number(value))
    if number < 0 or not math.isfinite(number):
        raise values.Refused("write a number that is not negative")
    return number
