"""Parses answers of Prometheus' HTTP API, from JSON to numbers. Pure.

https://prometheus.io/docs/prometheus/latest/querying/api/: ``{"status", "data": {"resultType", "result"}, "warnings",
"infos", "errorType", "error"}``. Values are strings, including "NaN" and "+Inf". Thanos and Mimir use the same format.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backends.contracts import Histogram
from backends.errors import Malformed, Rejected

SHOWN = 200
NOTE = "PromQL "  # prefix of Prometheus 3's notes about a query; a warning without it is about missing data


@dataclass(frozen=True, slots=True)
class Value:
    """One series at one moment. ``at`` is the time of the query."""

    labels: Mapping[str, str]
    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Points:
    """One series over time, oldest first."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outer part of an answer. ``result`` is not parsed yet.

    ``partial`` holds the warnings about missing data. ``notes`` holds all other warnings and infos.
    """

    kind: str
    result: Sequence[object]
    partial: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_envelope(raw: object, where: str) -> Envelope:
    """The envelope of an answer to a query.

    Raises:
        Malformed: the answer is not in Prometheus' format.
        Rejected: the answer says that the query failed.
    """
    if not isinstance(raw, Mapping) or not isinstance(raw.get("status"), str):
        raise Malformed(f"{where} does not answer as Prometheus does", hint="check the url, and its path")
    if raw["status"] != "success":
        raise Rejected(f"{where} could not answer: {clean(raw.get('error'))}")
    data = raw.get("data")
    if not isinstance(data, Mapping):
        raise Malformed(f"{where} answered without data")
    kind, result = data.get("resultType"), data.get("result")
    if not isinstance(kind, str) or not isinstance(result, list):
        raise Malformed(f"{where} answered without a result")
    warned, remarked = _texts(raw.get("warnings")), _texts(raw.get("infos"))
    partial = tuple(text for text in warned if not text.startswith(NOTE))
    notes = tuple(text for text in warned if text.startswith(NOTE))
    return Envelope(kind, result, partial, (*notes, *remarked))


def read_vector(envelope: Envelope, where: str) -> tuple[Value, ...]:
    """The series of an instant query. Native histograms are left out, as they have no single value.

    Raises:
        Malformed: the result is not a vector.
    """
    if envelope.kind != "vector":
        raise Malformed(f"{where} answered with a {clean(envelope.kind)}, not a vector")
    found = []
    for one in envelope.result:
        labels, series = _labels(one, where)
        if "value" in series:
            at, value = _pair(series["value"], where)
            found.append(Value(labels, at, value))
        elif "histogram" not in series:
            raise Malformed(f"{where} answered with a series without a value")
    return tuple(found)


def read_matrix(envelope: Envelope, where: str) -> tuple[Points, ...]:
    """The series of a range query.

    Raises:
        Malformed: the result is not a matrix.
    """
    if envelope.kind != "matrix":
        raise Malformed(f"{where} answered with a {clean(envelope.kind)}, not a matrix")
    found = []
    for one in envelope.result:
        labels, series = _labels(one, where)
        values = series.get("values", [])
        if not isinstance(values, list):
            raise Malformed(f"{where} answered with a series without values")
        found.append(Points(labels, tuple(_pair(value, where) for value in values)))
    return tuple(found)


def buckets(upto: Mapping[float, float], labels: Mapping[str, str], scale: float, where: str) -> Histogram:
    """Turns cumulative counts by upper bound into counts by bin. Bounds are multiplied by ``scale``.

    A server that extrapolates can return a cumulative count slightly below the previous one. Such a bin counts 0.

    Raises:
        Malformed: there is no +Inf bucket.
    """
    if math.inf not in upto:
        raise Malformed(f"{where} has a histogram without its +Inf bucket")
    counts: list[float] = []
    below = 0.0
    for bound in sorted(upto):
        count = upto[bound] if math.isfinite(upto[bound]) else below
        counts.append(max(0.0, count - below))
        below = max(below, count)
    return Histogram(labels, tuple(bound * scale for bound in sorted(upto)), tuple(counts))


def bound_of(labels: Mapping[str, str], where: str) -> float:
    """A bucket's upper bound.

    Raises:
        Malformed: its label ``le`` is not a number.
    """
    try:
        bound = float(labels.get("le", ""))
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        raise Malformed(f"{where} has a bucket whose label le is not a number: {clean(labels.get('le'))}")
    return bound


def clean(value: object) -> str:
    """A text from outside, without unprintable characters and at most ``SHOWN`` characters long."""
    text = value if isinstance(value, str) else "no reason given"
    return "".join(char for char in text[: SHOWN * 2] if char.isprintable())[:SHOWN]


def _texts(value: object) -> tuple[str, ...]:
    return tuple(clean(text) for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _labels(one: object, where: str) -> tuple[Mapping[str, str], Mapping[str, object]]:
    if isinstance(one, Mapping):
        labels = one.get("metric")
        if isinstance(labels, dict) and {str}.issuperset(map(type, labels.values())):
            return labels, one
    raise Malformed(f"{where} answered with an item that is not a series")


def _pair(pair: object, where: str) -> tuple[float, float]:
    if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], str):
        at, text = pair
        if isinstance(at, int | float) and not isinstance(at, bool):
            try:
                return float(at), float(text)
            except (ValueError, OverflowError):
                pass
    raise Malformed(f"{where} answered with a value that is not a number")
