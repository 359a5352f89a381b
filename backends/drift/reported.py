"""Scores that another program computed: checks whether its scorer is alive, and adds a history."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from backends.contracts import Direction, DriftScore, Gap, ModelRef, Subject
from backends.drift.history import History
from backends.drift.methods import METHODS
from backends.options import Options, text

GONE_S = 24 * 3600.0
"""A score that is no longer reported is shown as dead for this time, and then dropped."""

AHEAD_S = 24 * 3600.0
"""A time that is further ahead of this machine's clock than this is not valid."""

Points = tuple[tuple[float, float], ...]  # (time, value), oldest first


@dataclass(frozen=True, slots=True)
class Report:
    """One score as reported.

    ``at`` is the time of its computation. ``at``, ``threshold`` and ``direction`` are ``None`` if the report has none.
    ``past`` holds older values in the report. ``lacking`` says why the data behind the value is not sufficient.
    """

    subject: Subject
    model: ModelRef | None
    feature: str
    method: str
    value: float
    threshold: float | None = None
    direction: Direction | None = None
    at: float | None = None
    samples: int = 0
    window_s: float = 0.0
    baseline: str = ""
    delay_s: float | None = None
    past: Points = ()
    lacking: str = ""

    @property
    def key(self) -> tuple[Subject, ModelRef | None, str, str]:
        return self.subject, self.model, self.feature, self.method


@dataclass(slots=True)
class _Seen:
    """A score as it was last read, and since when it has had its value."""

    report: Report
    value: float
    since: float  # the time of the first read of that value
    last: float  # the time of the last report


class AboutOptions(Options):
    """Options: the subject or model of scores that name none."""

    endpoint = text("the endpoint of scores that name none")
    variant = text("the variant of scores that name none")
    scope = text("the scope of scores that name none")
    model = text("the model of scores that name none, instead of the endpoint")
    version = text("the version of that model; without one, all versions")


def about(options: AboutOptions, told: Mapping[str, str]) -> tuple[Subject, ModelRef | None]:
    """The subject and model of a report: those in the report, or else those in the options."""
    endpoint = told.get("endpoint") or options.endpoint or ""
    variant = told.get("variant") or options.variant or ""
    scope = told.get("scope") or options.scope or ""
    model = told.get("model") or options.model or ""
    version = told.get("version") or options.version or ""
    return Subject(endpoint, variant, scope), ModelRef(model, version) if model else None


DISTANCES = re.compile(
    "distances?|dist|divergence|drift|score|psi|js|kl|ks|jensen|kullback|wasserstein|hellinger|energy|emd|linf|infinity"
)
"""Words in the names of methods whose greater values are further from the reference."""


def direction_of(method: str) -> Direction | None:
    """The side of the threshold on which a method alarms, by its name: p-values below it, distances above it; ``None``
    if the name does not tell."""
    known = METHODS.get(method)
    if known is not None:
        return known.direction
    word = method.lower().replace("-", "_").replace(" ", "_").replace("__", "_")
    if "p_val" in word or "pvalue" in word:
        return Direction.BELOW
    return Direction.ABOVE if any(DISTANCES.fullmatch(part) for part in re.split("[^a-z]+", word)) else None


def counted_of(value: float | None) -> int:
    """The value of a gauge as a count; 0 if it is not a valid count."""
    return round(value) if value is not None and 0 < value < math.inf else 0


def _plausible(report: Report, now: float) -> Report:
    """The report without an impossible time (for example milliseconds), and without a threshold that is not finite."""
    if report.at is not None and not 0 <= report.at < now + AHEAD_S:
        report = replace(report, at=None)
    if report.threshold is not None and not math.isfinite(report.threshold):
        report = replace(report, threshold=None)
    return report


class Reports:
    """Keeps the reports. Not thread-safe.

    A scorer is dead if its score is older than ``stale_after_s``, or is no longer reported. A score without a time is
    dead if it has not changed for ``stale_after_s``.
    """

    def __init__(self, stale_after_s: float, threshold: float | None = None) -> None:
        self._stale_after_s = stale_after_s
        self._threshold = threshold
        self._seen: dict[object, _Seen] = {}
        self._history = History()

    def scores(self, reports: Iterable[Report], now: float) -> tuple[DriftScore, ...]:
        """The scores of all reports so far. If there are two reports of the same score, the newer one counts."""
        newest: dict[object, Report] = {}
        for report in (_plausible(report, now) for report in reports):
            known = newest.get(report.key)
            if known is None or (report.at or 0.0) >= (known.at or 0.0):
                newest[report.key] = report
        for key, report in newest.items():
            seen = self._seen.get(key)
            if seen is None or seen.value != report.value:
                self._seen[key] = _Seen(report, report.value, now, now)
            else:
                seen.report, seen.last = report, now
        for key in [key for key, seen in self._seen.items() if seen.last < now - GONE_S]:
            del self._seen[key]
        self._history.keep(self._seen)
        return tuple(self._score(key, seen, now) for key, seen in self._seen.items())

    def _score(self, key: object, seen: _Seen, now: float) -> DriftScore:
        report = seen.report
        direction = report.direction or direction_of(report.method) or Direction.ABOVE
        known = METHODS.get(report.method)
        told = report.threshold if report.threshold is not None else self._threshold
        threshold = told if told is not None else known.threshold if known else None
        gap, note = self._gap(seen, threshold, now)
        at = report.at if report.at is not None else seen.last
        times, values = _joined(report, at) if report.past else self._remembered(key, report, at, gap)
        return DriftScore(
            report.subject,
            report.feature,
            report.method,
            None if gap else report.value,
            threshold if threshold is not None else 0.0,
            direction,
            report.samples,
            report.window_s,
            at,
            baseline=report.baseline,
            note=note,
            history=() if gap else values,
            times=() if gap else times,
            gap=gap,
            watch=known.watch if known and threshold == known.threshold else None,
            model=report.model,
            delay_s=report.delay_s,
        )

    def _remembered(
        self, key: object, report: Report, at: float, gap: Gap | None
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return ((), ()) if gap else self._history.add(key, at, report.value)

    def _gap(self, seen: _Seen, threshold: float | None, now: float) -> tuple[Gap | None, str]:
        report, limit = seen.report, self._stale_after_s
        if seen.last < now:
            return Gap.DEAD, f"no longer reported for {_age(now - seen.last)}"
        if report.at is not None and now - report.at > limit:
            return Gap.DEAD, f"computed {_age(now - report.at)} ago"
        if report.at is None and now - seen.since > limit:
            return Gap.DEAD, f"unchanged for {_age(now - seen.since)}"
        if report.lacking or not math.isfinite(report.value):
            return Gap.FEW, report.lacking or "the scorer gives no number"
        if threshold is None:
            return Gap.NO_REFERENCE, f"{report.method} {report.value:.2g}, and no threshold is told"
        if report.direction is None and direction_of(report.method) is None:
            words = "whether more or less of it is drift is not known"
            return Gap.NO_REFERENCE, f"{report.method} {report.value:.2g}: {words}"
        return None, ""


def _joined(report: Report, at: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    points = [*(point for point in report.past if point[0] < at), (at, report.value)]
    return tuple(when for when, _ in points), tuple(value for _, value in points)


SHORT = 0.2
"""A chunk with less than this part of the usual number of samples is what was left over: its score is chance."""


def with_past(reports: Iterable[Report]) -> tuple[Report, ...]:
    """The newest report of each score, with the values of older reports as its past.

    A report of far fewer samples than usual (the rows that were left over after the last whole chunk) is no score, and
    no past of one either.
    """
    ordered: dict[object, list[Report]] = {}
    for report in sorted(reports, key=lambda one: one.at or 0.0):
        ordered.setdefault(report.key, []).append(report)
    found = []
    for some in ordered.values():
        sizes = [one.samples for one in some if one.samples]
        usual = median(sizes) if sizes else 0.0
        whole = (one for one in some[:-1] if math.isfinite(one.value) and not _is_short(one, usual))
        past = tuple((one.at or 0.0, one.value) for one in whole)
        newest = some[-1]
        if _is_short(newest, usual) and not newest.lacking:
            newest = replace(newest, lacking=f"{newest.samples:,} of about {usual:,.0f} samples: a leftover chunk")
        found.append(replace(newest, past=past[-240:]))
    return tuple(found)


def _is_short(report: Report, usual: float) -> bool:
    return 0 < report.samples < SHORT * usual


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= 2 * length or (unit != "d" and seconds >= length):
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"
