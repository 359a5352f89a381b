"""The objectives and gates that are in force in a context, in lines for ``shiftdeck config check``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shiftdeck.common.durations import format_duration
from shiftdeck.config.loader import ContextConfig, Gates, MetricGate, Slo, Weight
from tui.cli.json_output import table


def in_force(context: ContextConfig) -> list[str]:
    """The default of each first, then those of single endpoints, as they are once merged with the default."""
    rows = [("objectives", "every endpoint", _slo(context.slo.default))]
    rows += [("", name, _slo(slo)) for name, slo in context.slo.endpoints.items()]
    rows.append(("gates", "every endpoint", gates_words(context.gates.default)))
    rows += [("", name, gates_words(gates)) for name, gates in context.gates.endpoints.items()]
    return table(rows)


def _slo(slo: Slo) -> str:
    p95 = "no p95" if slo.p95_s is None else f"p95 {format_duration(slo.p95_s)}"
    errors = "no errors" if slo.error_ratio is None else f"errors {slo.error_ratio * 100:g} %"
    more = f"drift {slo.drift:g}, from {slo.min_samples} requests on, first step {slo.first_step:g} %"
    return f"{p95}, {errors}, {more}"


def gates_words(gates: Gates) -> str:
    return ", ".join(_gates(gates)) or "none"


def _gates(gates: Gates) -> Iterator[str]:
    for name, gate in gates.metrics.items():
        if gate.weight is not Weight.OFF:
            yield f"{name} {_metric(gate)} ({gate.weight})"
    if gates.tags_weight is not Weight.OFF:
        yield from (f"tag {key} {' or '.join(wanted)} ({gates.tags_weight})" for key, wanted in gates.tags.items())
    named: Mapping[str, Weight] = {"signature": gates.signature, "schema": gates.schema}
    yield from (f"{name} ({weight})" for name, weight in named.items() if weight is not Weight.OFF)
    if gates.max_cost is not None and gates.cost_weight is not Weight.OFF:
        yield f"at most {gates.max_cost:g} an hour ({gates.cost_weight})"


def _metric(gate: MetricGate) -> str:
    limits = [
        f"{sign} {limit:g}" if isinstance(limit, float | int) else f"{sign} that of {limit}"
        for sign, limit in (("≥", gate.least), ("≤", gate.most))
        if limit is not None
    ]
    return " and ".join(limits) + (f" ± {gate.slack:g}" if gate.slack else "")
