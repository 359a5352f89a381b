"""Groups series: the series of one variant's requests, and the series of one histogram."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

from backends.contracts import EMPTY, Histogram, Subject
from backends.dropped import Dropped, shown
from backends.errors import Malformed
from backends.metrics.exposition import Scrape, SeriesId, Wanted
from backends.metrics.preset import Preset, admits, split
from backends.metrics.ring import Snapshot, increase

Column = Callable[[str], int | None]  # from the key of a series to its column in a snapshot
Key = tuple[Subject, bool]  # the subject of the requests, and whether the requests are mirrored


class Part(Enum):
    """A part of a variant's figures, by the series that it is made of."""

    REQUESTS = "requests"
    LATENCY = "latency"
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class Buckets:
    """The cumulative buckets of one or more histograms. ``columns`` holds, for each bound, the columns to add up.

    ``between`` multiplies bounds by ``scale``.
    """

    labels: Mapping[str, str]
    bounds: tuple[float, ...]
    columns: tuple[tuple[int, ...], ...]
    scale: float = 1.0

    def between(self, old: Snapshot, new: Snapshot) -> Histogram:
        """The counts from ``old`` to ``new``, by bin."""
        counts: list[float] = []
        below = 0.0
        for columns in self.columns:
            upto = max(below, increase(old, new, columns))
            counts.append(upto - below)
            below = upto
        return Histogram(self.labels, tuple(bound * self.scale for bound in self.bounds), tuple(counts))


@dataclass(frozen=True, slots=True)
class Traffic:
    """The columns for one variant's live requests, or for its mirrored requests.

    ``errors`` is ``None`` if no code says which requests failed. ``latency`` is ``None`` if there are no buckets.
    ``time`` holds the columns of the counters of time, in units of ``unit`` seconds; ``timed`` those of the counters of
    the requests in it.
    """

    subject: Subject
    mirrored: bool
    requests: tuple[int, ...]
    errors: tuple[int, ...] | None
    latency: Buckets | None
    time: tuple[int, ...] = ()
    timed: tuple[int, ...] = ()
    unit: float = 1.0

    def mean(self, old: Snapshot, new: Snapshot) -> float | None:
        """The mean latency in seconds; ``None`` if it is unknown."""
        timed = increase(old, new, self.timed)
        return increase(old, new, self.time) / timed * self.unit if self.time and timed > 0 else None


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the samples that a preset reads."""

    requests: frozenset[str]
    failures: frozenset[str]
    buckets: frozenset[str]
    time: frozenset[str]
    timed: frozenset[str]
    summary: frozenset[str] = frozenset()

    @classmethod
    def of(cls, preset: Preset) -> Names:
        requests, failures = (
            frozenset(name for names in counters for name in split(names))
            for counters in (preset.requests, preset.failures)
        )
        time, timed = (frozenset(split(names)) for names in preset.latency.mean)
        summary = frozenset(split(preset.latency.summary))
        return cls(requests, failures, preset.latency_buckets, time, timed, summary)

    @property
    def counted(self) -> frozenset[str]:
        """The counters of requests. A variant is there as long as one of them has it."""
        return self.requests | self.failures

    @property
    def counters(self) -> frozenset[str]:
        return self.counted | self.buckets | self.time | self.timed

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.counters, self.summary)


_PARTS: Mapping[Part, Callable[[Names], frozenset[str]]] = {
    Part.REQUESTS: lambda names: names.counted,
    Part.LATENCY: lambda names: names.buckets,
    Part.MEAN: lambda names: names.time | names.timed,
}


def check(scrape: Scrape, preset: Preset) -> tuple[str, ...]:
    """Remarks on the series of a scrape that name no endpoint, which ``traffic`` leaves out.

    Raises:
        Malformed: no counter of requests is there, or no series of them names an endpoint.
    """
    names = Names.of(preset)
    if not names.counted & scrape.declared:
        wanted = " or ".join(sorted(names.counted))
        raise Malformed(f"the answer has no metric {wanted}", hint="set `requests` to the counter of requests")
    rule = preset.rule("endpoint")
    counted = [one for one in scrape.series.values() if one.name in names.counters and _admitted(one, preset, names)]
    nameless = [one for one in counted if not rule.read(one.labels)]
    if nameless and not any(rule.read(one.labels) for one in counted):
        raise Malformed(
            f"a series of {nameless[0].name} has no label {rule.told()!r}",
            hint="set `endpoint_label` to the label that names the endpoint, or `endpoint` to its name",
        )
    dropped = Dropped()
    for one in nameless:
        dropped.add(f"names no endpoint by {rule.told()}", shown(one.key))
    return dropped.remarks()


def doubtful(damaged: Iterable[SeriesId], preset: Preset) -> Mapping[Key, frozenset[Part]]:
    """By variant, the parts of its figures that damaged series make unknown."""
    names = Names.of(preset)
    found: dict[Key, set[Part]] = {}
    for one in damaged:
        if one.name in names.counters and _admitted(one, preset, names):
            parts = found.setdefault(preset.whose(one.labels), set())
            parts.update(part for part, of in _PARTS.items() if one.name in of(names))
    return {key: frozenset(parts) for key, parts in found.items()}


def summaries(scrape: Scrape, preset: Preset) -> Mapping[Key, Mapping[float, float]]:
    """By variant, the quantiles that its summaries tell, in seconds: the highest of several replicas."""
    names = Names.of(preset)
    found: dict[Key, dict[float, float]] = {}
    for key, one in scrape.series.items() if names.summary else ():
        if one.name in names.summary and _admitted(one, preset, names) and "quantile" in one.labels:
            value = scrape.values[key] * preset.latency.unit
            with suppress(ValueError):
                q = float(one.labels["quantile"])
                into = found.setdefault(preset.whose(one.labels), {})
                if math.isfinite(value):
                    into[q] = max(value, into.get(q, 0.0))
    return found


def traffic(series: Iterable[SeriesId], preset: Preset, column: Column) -> tuple[Traffic, ...]:
    """The traffic of all subjects, in their order; live requests come before mirrored ones."""
    names = Names.of(preset)
    found: dict[tuple[Subject, bool], list[SeriesId]] = {}
    for one in series:
        if one.name in names.counters and _admitted(one, preset, names) and preset.rule("endpoint").read(one.labels):
            found.setdefault(preset.whose(one.labels), []).append(one)
    return tuple(
        _traffic(subject, mirrored, found[subject, mirrored], preset, column)
        for subject, mirrored in sorted(found)
        if any(one.name in names.counted for one in found[subject, mirrored])
    )


def _traffic(subject: Subject, mirrored: bool, series: Sequence[SeriesId], preset: Preset, column: Column) -> Traffic:
    names, unit = Names.of(preset), preset.latency.unit
    timed = buckets((one for one in series if one.name in names.buckets), column, EMPTY)
    return Traffic(
        subject,
        mirrored,
        _columns((one for one in series if one.name in names.counted), column),
        _errors(series, preset, names, column),
        replace(timed, scale=unit) if timed is not None else None,
        _columns((one for one in series if one.name in names.time), column),
        _columns((one for one in series if one.name in names.timed), column),
        unit,
    )


def _admitted(series: SeriesId, preset: Preset, names: Names) -> bool:
    timing = series.name not in names.counted
    return admits(preset.latency.where if timing else preset.where, series.labels)


def _errors(series: Sequence[SeriesId], preset: Preset, names: Names, column: Column) -> tuple[int, ...] | None:
    if not preset.tells_errors:
        return None
    bad = [one for one in series if one.name in names.failures]
    for one in series:
        if one.name in names.requests and preset.code:
            verdict = preset.is_error(one.labels.get(preset.code, ""))
            if verdict is None:
                return None
            bad += [one] if verdict else []
    return _columns(bad, column)


def combined(parts: Sequence[Traffic]) -> Traffic | None:
    """The sum of several variants; ``None`` if there are none."""
    if not parts:
        return None
    errors: tuple[int, ...] | None = ()
    for part in parts:
        errors = None if errors is None or part.errors is None else errors + part.errors
    timed = [part.latency for part in parts if part.latency is not None]
    requests = tuple(column for part in parts for column in part.requests)
    time, per = (tuple(column for part in parts for column in getattr(part, name)) for name in ("time", "timed"))
    latency = _sum(timed, EMPTY)
    scaled = replace(latency, scale=timed[0].scale) if latency is not None else None
    return Traffic(parts[0].subject, parts[0].mirrored, requests, errors, scaled, time, per, parts[0].unit)


def grouped(series: Iterable[SeriesId], by: tuple[str, ...], column: Column) -> tuple[Buckets, ...]:
    """Bucket series as histograms, summed over all labels that are not in ``by``. A missing label counts as ""."""
    groups: dict[tuple[str, ...], list[SeriesId]] = {}
    for one in series:
        groups.setdefault(tuple(one.labels.get(label, "") for label in by), []).append(one)
    made = (
        buckets(group, column, {label: value for label, value in zip(by, values, strict=True) if value})
        for values, group in groups.items()
    )
    return tuple(one for one in made if one is not None)


def buckets(series: Iterable[SeriesId], column: Column, labels: Mapping[str, str]) -> Buckets | None:
    """The sum of bucket series as one histogram; ``None`` if there are none."""
    families: dict[str, dict[float, int]] = {}
    for one in series:
        where = column(one.key)
        if one.bound is not None and where is not None:
            families.setdefault(one.family, {})[one.bound] = where
    parts: list[Buckets] = []
    for family in families.values():
        bounds = tuple(sorted(family))
        parts.append(Buckets(labels, bounds, tuple((family[bound],) for bound in bounds)))
    return _sum(parts, labels)


def _sum(parts: Sequence[Buckets], labels: Mapping[str, str]) -> Buckets | None:
    """The sum of histograms: cumulative counts add up at the bounds that all parts have; +Inf is always one of them."""
    if not parts:
        return None
    shared = set(parts[0].bounds).intersection(*(part.bounds for part in parts[1:])) | {math.inf}
    columns: dict[float, list[int]] = {bound: [] for bound in sorted(shared)}
    for part in parts:
        for bound, part_columns in zip(part.bounds, part.columns, strict=True):
            if bound in columns:
                columns[bound].extend(part_columns)
    return Buckets(labels, tuple(columns), tuple(tuple(one) for one in columns.values()))


def _columns(series: Iterable[SeriesId], column: Column) -> tuple[int, ...]:
    found = (column(one.key) for one in series)
    return tuple(where for where in found if where is not None)
