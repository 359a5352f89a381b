"""Whom a metrics source measured and measures no longer: an error where the control plane wants the variant, else a
remark. A target that died leaves no trace in the next answer, so an empty answer would pass for a quiet variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from shiftdeck.common.moments import utc_text
from shiftdeck.fleet.label_matching import of_single
from shiftdeck.health.judge import is_live
from shiftdeck.health.verdict import Level, Reason
from shiftdeck.source_kinds.table import METRICS
from shiftdeck.sources.source import SourceState, SourceStatus

if TYPE_CHECKING:
    from backends.contracts import Endpoint, Subject, Variant, VariantMetrics
    from shiftdeck.source_kinds.answers import MetricsReading
    from shiftdeck.source_kinds.join_keys import Key

TOLD = 5  # subjects named in a remark


class Vanished:
    """The subjects that each metrics source measures no longer, with the time of their last data. Not thread-safe."""

    def __init__(self) -> None:
        self._gone: Mapping[str, Mapping[Subject, float]] = {}

    def renew(self, readings: Mapping[str, MetricsReading | None]) -> set[Key]:
        """Take the newest answers; returns the keys of the endpoints for which something is new."""
        gone = {name: dict(one.vanished) if one is not None else {} for name, one in readings.items()}
        before, self._gone = self._gone, gone
        names = {*before, *gone}
        moved = {one for name in names for one in before.get(name, {}).items() ^ gone.get(name, {}).items()}
        return {(subject.scope, subject.endpoint) for subject, _ in moved}

    def dark(
        self,
        endpoint: Endpoint,
        keys: tuple[Key, ...],
        live: Mapping[str, VariantMetrics],
        statuses: Mapping[tuple[str, str], SourceStatus],
    ) -> tuple[SourceStatus, Reason] | None:
        """The status to judge an endpoint's metrics by, and why, if a variant that is wanted is measured no longer;
        ``None`` if all are. ``live`` are the present metrics by variant."""
        found: dict[str, tuple[float, str]] = {}
        for key in reversed(keys):
            for source, gone in self._gone.items():
                at_key = {one.variant: (at, source) for one, at in gone.items() if (one.scope, one.endpoint) == key}
                found.update(at_key)
        missing = of_single(found, endpoint)
        dark = [(*missing[one.name], one.name) for one in endpoint.variants if one.name in missing]
        dark = [(at, source, name) for at, source, name in dark if name not in live and _wanted_in(endpoint, name)]
        if not dark:
            return None
        at, source, name = min(dark)
        status = statuses.get((METRICS.name, source))
        if status is None or not status.fresh:  # a source that fails is told by itself
            return None
        words = f"{name} gone from {source}"
        gone_status = replace(status, state=SourceState.UNREACHABLE, at=at, since=at, error=words)
        return gone_status, Reason(Level.NO_DATA, words, name, since=at)

    def remarked(self, status: SourceStatus, endpoints: Callable[[Key], list[Endpoint]]) -> SourceStatus:
        """The status of a metrics source that tells whom it measures no longer. ``endpoints``
        returns those that a scope and a name may mean."""
        gone = self._gone.get(status.name) if status.kind == METRICS.name else None
        if not gone:
            return status
        wanted: list[str] = []
        rest: list[str] = []
        for one, at in gone.items():
            named = endpoints((one.scope, one.endpoint))
            into = wanted if any(_wanted_in(endpoint, one.variant) for endpoint in named) else rest
            into.append(f"{_place(one)} (last at {utc_text(at, '%H:%M:%SZ')})")
        remarks = list(status.remarks)
        if wanted:
            remarks.append(f"measured no longer, though to get traffic: {_listed(wanted)}")
        if rest:
            remarks.append(f"measured no longer: {_listed(rest)}; `shiftdeck forget {status.name}` ends this remark")
        return replace(status, remarks=tuple(remarks))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return ", ".join(names[:TOLD]) + more


def _place(subject: Subject) -> str:
    place = f"{subject.scope}/{subject.endpoint}" if subject.scope else subject.endpoint
    return f"{place} {subject.variant}".rstrip()


def _wanted_in(endpoint: Endpoint, variant: str) -> bool:
    """Whether the control plane wants a variant of that name, or the only one where no name is told."""
    named = [one for one in endpoint.variants if one.name == variant]
    single = list(endpoint.variants) if len(endpoint.variants) == 1 and not variant else []
    return any(_wanted(one) for one in named or single)


def _wanted(variant: Variant) -> bool:
    return is_live(variant) and variant.wanted != 0
