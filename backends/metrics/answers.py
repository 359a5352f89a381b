"""Parses answers of Prometheus' HTTP API, from JSON to numbers. Pure.

https://prometheus.io/docs/prometheus/latest/querying/api/: ``{"status", "data": {"resultType", "result"}, "warnings",
"infos", "errorType", "error"}``. Values are strings, including "NaN" and "+Inf". Thanos and Mimir use the same format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backends.contracts import Histogram
from backends.dropped import Dropped
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
    if raw.get("isPartial") is True or data.get("isPartial") is True:  # VictoriaMetrics' cluster has lost storage nodes
        partial = (*partial, "isPartial: some of its storage nodes did not answer")
    notes = tuple(text for text in warned if text.startswith(NOTE))
    return Envelope(kind, result, partial, (*notes, *remarked))


def read_vector(envelope: Envelope, where: str, dropped: Dropped) -> tuple[Value, ...]:
    """The series of an instant query. Native histograms are left out, as they have no single value. An item that is not
    a series is left out as well, and is noted in ``dropped``.

    Raises:
        Malformed: the result is not a vector, or none of its items is a series.
    """
    if envelope.kind != "vector":
        raise Malformed(f"{where} answered with a {clean(envelope.kind)}, not a vector")
    found: list[Value] = []
    native = 0

    def read(one: object) -> None:
        nonlocal native
        labels, series = _labels(one, where)
        if "value" in series:
            at, value = _pair(series["value"], where)
            found.append(Value(labels, at, value))
        elif "histogram" in series:
            native += 1
        else:
            raise Malformed(f"{where} answered with a series without a value")

    _each(envelope, read, dropped)
    if native:
        dropped.add("native histogram: expose classic buckets", f"in an answer of {where}", native)
    return tuple(found)


def read_matrix(envelope: Envelope, where: str, dropped: Dropped) -> tuple[Points, ...]:
    """The series of a range query, as ``read_vector`` does.

    Raises:
        Malformed: the result is not a matrix, or none of its items is a series.
    """
    if envelope.kind != "matrix":
        raise Malformed(f"{where} answered with a {clean(envelope.kind)}, not a matrix")
    found: list[Points] = []

    def read(one: object) -> None:
        labels, series = _labels(one, where)
        values = series.get("values", [])
        if not isinstance(values, list):
            raise Malformed(f"{where} answered with a series without values")
        found.append(Points(labels, tuple(_pair(value, where) for value in values)))

    _each(envelope, read, dropped)
    return tuple(found)


def _each(envelope: Envelope, read: Callable[[object], None], dropped: Dropped) -> None:
    """Read every item. One that is damaged is noted, unless all are."""
    failed: list[Malformed] = []
    for one in envelope.result:
        try:
            read(one)
        except Malformed as error:
            failed.append(error)
    if failed and len(failed) == len(envelope.result):
        raise failed[0]
    for one_failed in failed:
        dropped.add("item of an answer", one_failed.message)


def buckets(
    upto: Mapping[float, float], labels: Mapping[str, str], scale: float, where: str, dropped: Dropped
) -> Histogram | None:
    """Turns cumulative counts by upper bound into counts by bin. Bounds are multiplied by ``scale``.

    A server that extrapolates can return a cumulative count slightly below the previous one. Such a bin counts 0.
    ``None``, noted in ``dropped``, if there is no +Inf bucket, or if a count is not a finite number.
    """
    if math.inf not in upto:
        dropped.add("histogram without its +Inf bucket", where)
        return None
    if not all(map(math.isfinite, upto.values())):
        dropped.add("histogram with a count that is no number", where)
        return None
    counts: list[float] = []
    below = 0.0
    for bound in sorted(upto):
        counts.append(max(0.0, upto[bound] - below))
        below = max(below, upto[bound])
    return Histogram(labels, tuple(bound * scale for bound in sorted(upto)), tuple(counts))


def bound_of(labels: Mapping[str, str], where: str, dropped: Dropped) -> float | None:
    """A bucket's upper bound; ``None``, noted in ``dropped``, if its label ``le`` is not a number."""
    try:
        bound = float(labels.get("le", ""))
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        dropped.add("bucket whose label le is not a number", f"{where}: {clean(labels.get('le'))}")
        return None
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
