"""The last good answers of all sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shiftdeck.sources.source import IN_ORDER

if TYPE_CHECKING:
    from backends.contracts import Alert, DriftScore, Endpoint, Gpu, Image, ModelVersion, VariantMetrics
    from shiftdeck.sources.source import Snapshot, SourceStatus


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """What one metrics source answered: ``current`` over its window, ``recent`` over the short one that traffic shares
    are measured in."""

    current: tuple[VariantMetrics, ...]
    recent: tuple[VariantMetrics, ...]


@dataclass(frozen=True, slots=True)
class Readings:
    """The last good answers of all sources, by source name."""

    serving: Mapping[str, Snapshot[tuple[Endpoint, ...]]] = field(default_factory=dict)
    metrics: Mapping[str, Snapshot[MetricsReading]] = field(default_factory=dict)
    registries: Mapping[str, Snapshot[tuple[ModelVersion, ...]]] = field(default_factory=dict)
    accelerators: Mapping[str, Snapshot[tuple[Gpu, ...]]] = field(default_factory=dict)
    drift: Mapping[str, Snapshot[tuple[DriftScore, ...]]] = field(default_factory=dict)
    alerts: Mapping[str, Snapshot[tuple[Alert, ...]]] = field(default_factory=dict)
    images: Mapping[str, Snapshot[tuple[Image, ...]]] = field(default_factory=dict)

    def statuses(self) -> tuple[SourceStatus, ...]:
        return tuple(one.status for kind in IN_ORDER for one in getattr(self, kind).values())
