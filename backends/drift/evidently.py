"""Evidently 0.7 reports, as written by ``snapshot.json()``, by ``save_json``, or by ``dump_dict`` (with a time).

Formats of evidently 0.7.23: ``{"metrics": [{"metric_name", "config": {"type": "…:ValueDrift", "column", "method",
"threshold"}, "value"}]}``, and ``{"timestamp", "metadata", "metric_results": {id: {"value", "metric_value_location":
{"metric": {"params": {"type", "column", "method", "threshold"}}}}}}``. Evidently itself (700 MB) is not needed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import ClassVar

from backends.contracts import Wiring
from backends.drift.report_files import ReportFiles, ReportOptions
from backends.drift.reported import AboutOptions, Report, about
from backends.errors import Malformed
from backends.options import Options, duration

METRIC = "ValueDrift"
METHODS: Mapping[str, str] = {
    "jensenshannon": "js",
    "jensen-shannon distance": "js",
    "kl_div": "kl",
    "kullback-leibler divergence": "kl",
    "ks": "ks_p",
    "k-s p_value": "ks_p",
    "chisquare": "chi2_p",
    "chi-square p_value": "chi2_p",
    "wasserstein": "wasserstein",
    "wasserstein distance (normed)": "wasserstein",
    "psi": "psi",
    "ed": "energy distance",
    "hellinger": "hellinger",
}
"""Names of methods by Evidently's names: a report has its key or its title. Its Jensen–Shannon is in nats: ``NATS``."""

P_VALUES = frozenset(
    {
        *("z", "z-test p_value", "fisher_exact", "fisher's exact test", "cramer_von_mises", "cramer-von mises"),
        *("anderson", "anderson-darling", "g_test", "es", "epps_singleton", "epps-singleton", "t_test"),
        *("mannw", "mann-whitney u-rank test", "tvd", "total-variation-distance", "empirical_mmd", "emperical_mmd"),
    }
)
"""Tests whose value is a p-value, by key and title, in small letters. Two of them are named after a distance."""

NATS = math.sqrt(math.log(2))


class EvidentlyOptions(ReportOptions):
    """Options: the place of Evidently's results, their subject, and the age at which they are stale."""

    stale_after = duration("the scores of an older report count as dead", default=36 * 3600.0)


class EvidentlyDrift(ReportFiles):
    """Thread-safe."""

    OPTIONS: ClassVar[type[Options]] = EvidentlyOptions
    SUFFIXES = (".json",)
    EMPTY = "put ValueDrift metrics or a DataDriftPreset into the report"

    def __init__(self, wiring: Wiring[EvidentlyOptions]) -> None:
        super().__init__(wiring, wiring.options.stale_after)
        self._options = wiring.options

    def _parse(self, content: bytes, where: str, written: float) -> tuple[Report, ...]:
        return parse(content, where, written, self._options)


def parse(content: bytes, where: str, written: float, options: AboutOptions) -> tuple[Report, ...]:
    """The scores of one report, or of a list of reports. ``written`` is the time of a report that contains none.

    Raises:
        Malformed: the content is not a report; the message gives the place and the reason.
    """
    try:
        root = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{where} is not JSON: {str(error)[:80]}") from None
    return tuple(
        report
        for one in (root if isinstance(root, list) else [root])
        for report in _report(one, where, written, options)
    )


def _report(root: object, where: str, written: float, options: AboutOptions) -> Iterator[Report]:
    if not isinstance(root, dict):
        raise Malformed(f"{where} is not an Evidently report: no object")
    metrics, results = root.get("metrics"), root.get("metric_results")
    if isinstance(metrics, list) and any(isinstance(one, dict) and "result" in one for one in metrics):
        raise Malformed(f"{where} has the report format of Evidently 0.6 or older", hint="write it with Evidently 0.7")
    if isinstance(metrics, list):
        found = [(_config(one), _value(one)) for one in metrics]
    elif isinstance(results, dict):
        found = [(_params(one), _value(one)) for one in results.values()]
    else:
        raise Malformed(f"{where} is not an Evidently report: it has neither metrics nor metric_results")
    metadata = root.get("metadata")
    told = {key: str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {}
    subject, model = about(options, told)
    at = _time(root.get("timestamp"), written)
    for config, value in found:
        column = config.get("column")
        if not str(config.get("type", "")).endswith(METRIC) or not isinstance(column, str) or not column:
            continue
        name = str(config.get("method") or "evidently")
        method = METHODS.get(name.lower(), name)
        if name.lower() in P_VALUES:
            method = name if "p_value" in name else f"{name} p_value"
        scale = NATS if method == "js" else 1.0
        threshold = _number(config.get("threshold"))
        yield Report(
            subject,
            model,
            column,
            method,
            (math.nan if value is None else value) / scale,
            threshold / scale if threshold is not None else None,
            at=at,
            baseline="evidently",
        )


def _config(entry: object) -> Mapping[str, object]:
    config = entry.get("config") if isinstance(entry, dict) else None
    return config if isinstance(config, dict) else {}


def _params(entry: object) -> Mapping[str, object]:
    for key in ("metric_value_location", "metric", "params"):
        entry = entry.get(key) if isinstance(entry, dict) else None
    return entry if isinstance(entry, dict) else {}


def _value(entry: object) -> float | None:
    return _number(entry.get("value")) if isinstance(entry, dict) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _time(value: object, written: float) -> float:
    """The time of a snapshot. Evidently writes local time without a zone; the zone is assumed to be this machine's."""
    try:
        return datetime.fromisoformat(str(value)).timestamp() if value is not None else written
    except (ValueError, OverflowError, OSError):
        return written
