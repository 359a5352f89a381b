"""The kinds of sources: one record for each. The configuration, the sources, the joiner and the engine read them.

The configuration is read before the first frame, so this module imports no contract and no answer type at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shiftdeck.source_kinds import join_keys, polls

if TYPE_CHECKING:
    from backends.contracts import Alert, DriftScore, Endpoint, Gpu, Image, ModelVersion
    from shiftdeck.source_kinds.answers import MetricsReading, PollContext

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SourceKind(Generic[T]):
    """One kind of source. ``T`` is the type of its answers.

    ``name`` is the table's name in the configuration and the first part of an adapter's name (``serving.kserve``).
    ``every_s`` is the usual poll interval in seconds. ``poll`` asks an adapter of that kind once. ``joined_by`` tells
    from an item of an answer what it is about, in a set where that may be several; there is one function for each index
    that the joiner keeps. A kind that
    ``rests_when_hidden`` is polled less often while no visible pane shows it. A kind that ``starts_first`` is polled
    before all others at the start. ``items`` names the contract's type of the items of an answer.
    """

    name: str
    every_s: float
    poll: Callable[[Any, PollContext], T]
    joined_by: tuple[Callable[[Any], Any], ...] = ()
    rests_when_hidden: bool = False
    starts_first: bool = False
    items: str = ""


REGISTRIES: SourceKind[tuple[ModelVersion, ...]] = SourceKind(
    "registries", 15.0, polls.registry_versions, (join_keys.version_key,), rests_when_hidden=True, items="ModelVersion"
)
SERVING: SourceKind[tuple[Endpoint, ...]] = SourceKind(
    "serving", 2.0, polls.endpoints, starts_first=True, items="Endpoint"
)
"""The answers of the other kinds are joined to its endpoints, so it has no key of its own."""

METRICS: SourceKind[MetricsReading] = SourceKind(
    "metrics", 5.0, polls.metrics, (join_keys.metrics_key,), items="VariantMetrics"
)
DRIFT: SourceKind[tuple[DriftScore, ...]] = SourceKind(
    "drift",
    15.0,
    polls.drift_scores,
    (join_keys.drift_endpoint_key, join_keys.drift_model_key),
    rests_when_hidden=True,
    items="DriftScore",
)
ALERTS: SourceKind[tuple[Alert, ...]] = SourceKind("alerts", 5.0, polls.alerts, (join_keys.subject_key,), items="Alert")
ACCELERATORS: SourceKind[tuple[Gpu, ...]] = SourceKind(
    "accelerators", 5.0, polls.gpus, (join_keys.holder_keys,), rests_when_hidden=True, items="Gpu"
)
IMAGES: SourceKind[tuple[Image, ...]] = SourceKind("images", 60.0, polls.images, (join_keys.image_key,), items="Image")

SOURCE_KINDS: Mapping[str, SourceKind[Any]] = MappingProxyType(
    {kind.name: kind for kind in (REGISTRIES, SERVING, METRICS, DRIFT, ALERTS, ACCELERATORS, IMAGES)}
)
"""Every kind by its name, in the order in which sources are shown."""

KINDS = tuple(SOURCE_KINDS)
"""The names of the kinds, in that order."""


class UnknownKind(LookupError):
    """There is no kind of source of that name; the message names those that there are."""


def source_kind(name: str) -> SourceKind[Any]:
    """The record of the kind of that name.

    Raises:
        UnknownKind: there is none.
    """
    found = SOURCE_KINDS.get(name)
    if found is None:
        raise UnknownKind(f"no kind of source {name!r}: known are {', '.join(KINDS)}")
    return found
