"""One endpoint with everything that was joined to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.contracts import Role
from shiftdeck.health.drift import severity

if TYPE_CHECKING:
    from backends.contracts import (
        Alert,
        DriftScore,
        Endpoint,
        EndpointRef,
        Gpu,
        Image,
        ModelVersion,
        Variant,
        VariantMetrics,
    )
    from shiftdeck.config.loader import Slo
    from shiftdeck.health.verdict import Verdict
    from shiftdeck.sources.source import SourceStatus


@dataclass(frozen=True, slots=True)
class VariantView:
    """A variant with everything that was joined to it. ``mirrored`` are the metrics of the requests copied to a shadow.
    ``image`` is what the container registry has under the image name that the variant runs."""

    variant: Variant
    metrics: VariantMetrics | None = None
    mirrored: VariantMetrics | None = None
    version: ModelVersion | None = None
    drift: tuple[DriftScore, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    image: Image | None = None

    @property
    def name(self) -> str:
        return self.variant.name


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint with everything that was joined to it, and its verdict. It is the same object in every view until
    something of it changes. Therefore ``source`` and ``metrics_source``, the statuses of its serving system and of its
    metrics source, are *lasting* statuses: while they are fresh they do not say when the source last answered.
    ``FleetView.newest`` returns the whole status. ``share_samples`` is the number of live requests that the measured
    shares rest on."""

    endpoint: Endpoint
    variants: tuple[VariantView, ...]
    verdict: Verdict
    slo: Slo
    source: SourceStatus
    metrics_source: SourceStatus | None = None
    alerts: tuple[Alert, ...] = ()
    drift: tuple[DriftScore, ...] = ()
    share_samples: int = 0

    @property
    def ref(self) -> EndpointRef:
        return self.endpoint.ref

    def variant(self, name: str) -> VariantView | None:
        return next((view for view in self.variants if view.name == name), None)

    def in_role(self, role: Role) -> VariantView | None:
        return next((view for view in self.variants if view.variant.role is role), None)

    @property
    def shown_variant(self) -> VariantView | None:
        """The variant whose figures stand for the endpoint in a table: one with a critical finding, else the canary if
        it gets traffic, else stable."""
        condemned = self.verdict.condemned()
        for view in self.variants:
            if view.name in condemned:
                return view
        canary = self.in_role(Role.CANARY)
        if canary is not None and canary.metrics is not None and canary.metrics.samples:
            return canary
        return self.in_role(Role.STABLE) or (self.variants[0] if self.variants else None)

    @property
    def rps(self) -> float | None:
        """Live requests per second over all variants; ``None`` where none is known."""
        rates = [view.metrics.rps for view in self.variants if view.metrics and view.metrics.rps is not None]
        return sum(rates) if rates else None

    @property
    def worst_drift(self) -> DriftScore | None:
        """The score furthest past its threshold, or nearest to it; ``None`` where there is no score."""
        return worst_of(self.drift)


def worst_of(scores: Iterable[DriftScore]) -> DriftScore | None:
    """The score furthest past its own threshold, in the score's direction; ``None`` where there is no score. Scores of
    how right the answers are measure quality and not drift, so they do not count."""
    known = (score for score in scores if score.value is not None and score.delay_s is None)
    return max(known, key=severity, default=None)
