"""Sources that do not answer, as reasons of the endpoints that rest on them. Serving and metrics have words of their
own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from shiftdeck.fleet.view import fault
from shiftdeck.health.verdict import Level, Reason
from shiftdeck.source_kinds.table import ACCELERATORS, ALERTS, DRIFT, IMAGES, REGISTRIES
from shiftdeck.sources.source import SourceState, SourceStatus

if TYPE_CHECKING:
    from backends.contracts import Endpoint

_JUDGED: Mapping[str, str] = MappingProxyType({ALERTS.name: "alerts", DRIFT.name: "drift", ACCELERATORS.name: "gpus"})
_TOLD: Mapping[str, str] = MappingProxyType({REGISTRIES.name: "registry", IMAGES.name: "images"})
"""What a source is about, by its kind. The first decide how an endpoint is; what the others say is shown beside it."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A source that cannot be trusted now, and the reason in words: "alerts unknown: am unreachable 40s"."""

    status: SourceStatus
    reason: Reason

    def concerns(self, endpoint: Endpoint, told: Iterable[Iterable[str]]) -> bool:
        """Whether the verdict on an endpoint rests on that source. ``told`` are the names of the sources that have said
        something of it. An alert may be about any endpoint, and so may what a source says that never answered."""
        if self.status.kind == REGISTRIES.name and not any(one.model for one in endpoint.variants):
            return False
        if self.status.kind == IMAGES.name:
            return any(one.image for one in endpoint.variants)
        first = self.status.at is None or self.status.kind == ALERTS.name
        return first or any(self.status.name in names for names in told)


def silent_sources(statuses: Iterable[SourceStatus]) -> tuple[Silent, ...]:
    """Those of the statuses that belong to a silent source. A registry that is still being opened is not told."""
    return tuple(Silent(one, reason) for one in statuses if (reason := _reason(one)) is not None)


def _reason(status: SourceStatus) -> Reason | None:
    found = fault(status)
    what = _JUDGED.get(status.kind) or _TOLD.get(status.kind)
    if found is None or what is None:
        return None
    if status.kind in _JUDGED:
        return replace(found, text=f"{what} unknown: {found.text}")
    if status.state is SourceState.STARTING:
        return None
    return replace(found, level=Level.OK, text=f"{what} unknown: {found.text}")
