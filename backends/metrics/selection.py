"""Which series belong together: those of one variant's requests, and those of one histogram."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from backends.contracts import EMPTY, Histogram, Subject
from backends.errors import Malformed
from backends.metrics.exposition import Scrape, SeriesId
from backends.metrics.ring import Snapshot, increase

Column = Callable[[str], int | None]  # where in a snapshot the series of that key is


@dataclass(frozen=True, slots=True)
class Labelling:
    """The names of the labels that say whose request it was, and which values of ``code`` are errors."""

    endpoint: str
    variant: str
    scope: str
    code: str
    mirrored: str
    errors: re.Pattern[str]

    def whose(self, series: SeriesId) -> tuple[Subject, bool]:
        """Whose requests it counts, and whether those are mirrored ones."""
        label = series.labels.get
        subject = Subject(label(self.endpoint, ""), label(self.variant, ""), label(self.scope, ""))
        return subject, label(self.mirrored, "").lower() in ("true", "1", "yes")


@dataclass(frozen=True, slots=True)
class Buckets:
    """The cumulative buckets of one or more histograms: by bound, the columns that add up to it."""

    labels: Mapping[str, str]
    bounds: tuple[float, ...]
    columns: tuple[tuple[int, ...], ...]

    def between(self, old: Snapshot, new: Snapshot) -> Histogram:
        """What was counted from ``old`` to ``new``, by bin."""
        counts: list[float] = []
        below = 0.0
        for columns in self.columns:
            upto = max(below, increase(old, new, columns))
            counts.append(upto - below)
            below = upto
        return Histogram(self.labels, self.bounds, tuple(counts))


@dataclass(frozen=True, slots=True)
class Traffic:
    """The columns that tell of one variant's live requests, or of its mirrored ones.

    ``errors`` is ``None`` where no code tells which requests failed, ``latency`` where there are no buckets.
    """

    subject: Subject
    mirrored: bool
    requests: tuple[int, ...]
    errors: tuple[int, ...] | None
    latency: Buckets | None


def check(scrape: Scrape, requests: str, latency: str, labelling: Labelling) -> None:
    """Raise ``Malformed`` where the counter of requests is missing, or a series does not tell whose it is."""
    if requests not in scrape.declared:
        raise Malformed(f"the answer has no metric {requests}", hint="set `requests` to the counter of requests")
    for series in scrape.series.values():
        if series.name in (requests, latency) and not series.labels.get(labelling.endpoint):
            raise Malformed(
                f"a series of {series.name} has no label {labelling.endpoint!r}",
                hint="set `endpoint_label` to the label that names the endpoint",
            )


def traffic(
    series: Iterable[SeriesId], requests: str, latency: str, labelling: Labelling, column: Column
) -> tuple[Traffic, ...]:
    """Everything that is counted, in the order of the subjects, live before mirrored."""
    counted: dict[tuple[Subject, bool], list[SeriesId]] = {}
    timed: dict[tuple[Subject, bool], list[SeriesId]] = {}
    for one in series:
        group = {requests: counted, latency: timed}.get(one.name)
        if group is not None:
            group.setdefault(labelling.whose(one), []).append(one)
    return tuple(
        Traffic(
            subject,
            mirrored,
            _columns(counted[subject, mirrored], column),
            _errors(counted[subject, mirrored], labelling, column),
            buckets(timed.get((subject, mirrored), ()), column, EMPTY),
        )
        for subject, mirrored in sorted(counted)
    )


def _errors(series: Sequence[SeriesId], labelling: Labelling, column: Column) -> tuple[int, ...] | None:
    if any(labelling.code not in one.labels for one in series):
        return None
    return _columns((one for one in series if labelling.errors.fullmatch(one.labels[labelling.code])), column)


def combined(parts: Sequence[Traffic]) -> Traffic | None:
    """Several variants as one, or ``None`` where there are none."""
    if not parts:
        return None
    errors: tuple[int, ...] | None = ()
    for part in parts:
        errors = None if errors is None or part.errors is None else errors + part.errors
    timed = [part.latency for part in parts if part.latency is not None]
    requests = tuple(column for part in parts for column in part.requests)
    return Traffic(parts[0].subject, parts[0].mirrored, requests, errors, _sum(timed, EMPTY))


def grouped(series: Iterable[SeriesId], by: tuple[str, ...], column: Column) -> tuple[Buckets, ...]:
    """Bucket series as histograms, summed over all labels that are not in ``by``; a label that is not there is ""."""
    groups: dict[tuple[str, ...], list[SeriesId]] = {}
    for one in series:
        groups.setdefault(tuple(one.labels.get(label, "") for label in by), []).append(one)
    made = (
        buckets(group, column, {label: value for label, value in zip(by, values, strict=True) if value})
        for values, group in groups.items()
    )
    return tuple(one for one in made if one is not None)


def buckets(series: Iterable[SeriesId], column: Column, labels: Mapping[str, str]) -> Buckets | None:
    """Bucket series added up to one histogram, or ``None`` where there are none."""
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
    """Cumulative counts add up at the bounds that all parts share; +Inf is always one of them."""
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
