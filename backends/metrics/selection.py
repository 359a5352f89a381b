"""Groups series: the series of one variant's requests, and the series of one histogram."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from backends.contracts import EMPTY, Histogram, Subject
from backends.errors import Malformed
from backends.metrics.exposition import Scrape, SeriesId
from backends.metrics.preset import Preset, admits, split
from backends.metrics.ring import Snapshot, increase

Column = Callable[[str], int | None]  # from the key of a series to its column in a snapshot


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

    @classmethod
    def of(cls, preset: Preset) -> Names:
        requests, failures = (
            frozenset(name for names in counters for name in split(names))
            for counters in (preset.requests, preset.failures)
        )
        mean = preset.latency
        time, timed = frozenset(split(mean.mean_sum)), frozenset(split(mean.mean_count))
        return cls(requests, failures, preset.latency_buckets, time, timed)

    @property
    def all(self) -> frozenset[str]:
        return self.requests | self.failures | self.buckets | self.time | self.timed


def check(scrape: Scrape, preset: Preset) -> None:
    """Raise ``Malformed`` if the counter of requests is missing, or if a series has no label with its endpoint."""
    names = Names.of(preset)
    if not names.requests & scrape.declared:
        wanted = " or ".join(sorted(names.requests))
        raise Malformed(f"the answer has no metric {wanted}", hint="set `requests` to the counter of requests")
    for series in scrape.series.values():
        if series.name not in names.requests | names.buckets or not _admitted(series, preset, names):
            continue
        if not preset.rule("endpoint").read(series.labels):
            raise Malformed(
                f"a series of {series.name} has no label {preset.rule('endpoint').told()!r}",
                hint="set `endpoint_label` to the label that names the endpoint, or `endpoint` to its name",
            )


def traffic(series: Iterable[SeriesId], preset: Preset, column: Column) -> tuple[Traffic, ...]:
    """The traffic of all subjects, in their order; live requests come before mirrored ones."""
    names = Names.of(preset)
    found: dict[tuple[Subject, bool], list[SeriesId]] = {}
    for one in series:
        if one.name in names.all and _admitted(one, preset, names):
            found.setdefault(preset.whose(one.labels), []).append(one)
    return tuple(
        _traffic(subject, mirrored, found[subject, mirrored], preset, column)
        for subject, mirrored in sorted(found)
        if any(one.name in names.requests | names.failures for one in found[subject, mirrored])
    )


def _traffic(subject: Subject, mirrored: bool, series: Sequence[SeriesId], preset: Preset, column: Column) -> Traffic:
    names, unit = Names.of(preset), preset.latency.unit
    timed = buckets((one for one in series if one.name in names.buckets), column, EMPTY)
    return Traffic(
        subject,
        mirrored,
        _columns((one for one in series if one.name in names.requests | names.failures), column),
        _errors(series, preset, names, column),
        replace(timed, scale=unit) if timed is not None else None,
        _columns((one for one in series if one.name in names.time), column),
        _columns((one for one in series if one.name in names.timed), column),
        unit,
    )


def _admitted(series: SeriesId, preset: Preset, names: Names) -> bool:
    timing = series.name in names.buckets | names.time and series.name not in names.requests
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
