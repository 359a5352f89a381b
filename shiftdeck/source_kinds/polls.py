"""How an adapter of each kind is asked. Each function makes one round of calls and raises what the adapter raises.

Contracts and answer types are imported inside functions: the configuration needs the table of kinds before the first
frame, and no poll.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.contracts import (
        Accelerators,
        Alert,
        Alerts,
        Drift,
        DriftScore,
        Endpoint,
        Gpu,
        Image,
        Images,
        Metrics,
        ModelVersion,
        Registry,
        Serving,
        VariantMetrics,
    )
    from shiftdeck.source_kinds.answers import MetricsReading, PollContext


def registry_versions(adapter: Registry, context: PollContext) -> tuple[ModelVersion, ...]:
    """The versions of a registry, those that variants serve among them, however old they are."""
    from backends.contracts import VersionsByName

    return adapter.versions_with(context.served()) if isinstance(adapter, VersionsByName) else adapter.versions()


def endpoints(adapter: Serving, _: PollContext) -> tuple[Endpoint, ...]:
    return adapter.endpoints()


def metrics(adapter: Metrics, context: PollContext) -> MetricsReading:
    from backends.contracts import Vanishes
    from shiftdeck.source_kinds.answers import MetricsReading

    current, recent = adapter.current(context.window_s), rates(adapter, context.share_window_s)
    gone = adapter.vanished() if isinstance(adapter, Vanishes) else {}
    vanished = tuple((one, at) for one, at in gone.items() if not context.forgotten(one, at))
    return MetricsReading(current, recent, vanished)


def rates(adapter: Metrics, window_s: float) -> tuple[VariantMetrics, ...]:
    """Requests/s by variant over a short window, by the cheaper call where the adapter has one."""
    from backends.contracts import Rates

    return adapter.rates(window_s) if isinstance(adapter, Rates) else adapter.current(window_s)


def drift_scores(adapter: Drift, _: PollContext) -> tuple[DriftScore, ...]:
    return adapter.scores()


def alerts(adapter: Alerts, _: PollContext) -> tuple[Alert, ...]:
    return adapter.alerts()


def gpus(adapter: Accelerators, _: PollContext) -> tuple[Gpu, ...]:
    return adapter.gpus()


def images(adapter: Images, context: PollContext) -> tuple[Image, ...]:
    """What a container registry has under the images that variants were asked to run, with the digests that replicas
    run where their serving system can be asked. A serving system that cannot answer leaves these digests unknown and
    does not fail the poll."""
    from backends.contracts import Runs
    from backends.errors import BackendError

    asked = context.images()
    found = adapter.images(list(dict.fromkeys(image for _, image in asked)))
    resolved = {image.reference for image in found if image.digest is not None}
    running: dict[tuple[str, str], Mapping[str, tuple[str, ...]]] = {}
    for place in dict.fromkeys(place for place, image in asked if image in resolved):
        source, scope = place
        with suppress(BackendError, LookupError):
            serving = context.adapter("serving", source)
            if isinstance(serving, Runs):
                running[place] = serving.running(scope)
    return tuple(
        replace(
            image,
            running={
                place: digests[image.reference] for place, digests in running.items() if image.reference in digests
            },
        )
        for image in found
    )
