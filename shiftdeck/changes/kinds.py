"""Every kind of change. A new kind is registered here, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from backends.contracts import Endpoint
from backends.errors import Unsupported
from shiftdeck.changes.kind import KIND, ChangeKind, Planned
from shiftdeck.changes.registry_edit import RegistryEdits
from shiftdeck.changes.silence import SilenceAlerts
from shiftdeck.changes.timing import Timing
from shiftdeck.changes.traffic import Traffic
from shiftdeck.changes.version_rules import VersionRules
from shiftdeck.config.loader import ContextConfig
from shiftdeck.sources.adapters import Adapters


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds of change of one context."""

    traffic: Traffic
    silences: SilenceAlerts
    registry_edits: RegistryEdits

    def __iter__(self) -> Iterator[ChangeKind[Any]]:
        return iter((self.traffic, self.silences, self.registry_edits))


def kinds_of(
    context: ContextConfig,
    adapters: Adapters,
    shares: Callable[[Endpoint], Mapping[str, float] | None],
    timing: Timing,
    rules: VersionRules,
) -> Kinds:
    """The kinds of change of a context, on these adapters. Creates no adapter."""
    return Kinds(
        Traffic(adapters.serving, adapters.registries, shares, timing),
        SilenceAlerts(partial(adapters.get, "alerts"), tuple(source.name for source in context.of_kind("alerts"))),
        RegistryEdits(partial(adapters.get, "registries"), rules),
    )


def kind_of(kinds: Iterable[ChangeKind[Any]], plan: Planned) -> ChangeKind[Any]:
    """The kind of a plan.

    Raises:
        Unsupported: no kind takes it.
    """
    for kind in kinds:
        if kind.plans(plan):
            return kind
    raise Unsupported(f"no kind of change takes a {type(plan).__name__}")


def owner_of(kinds: Iterable[ChangeKind[Any]], data: Mapping[str, object]) -> ChangeKind[Any]:
    """The kind of an intent, by its data.

    Raises:
        Unsupported: no kind owns it; for instance, a newer version of shiftdeck wrote it.
    """
    for kind in kinds:
        if kind.owns(data):
            return kind
    raise Unsupported(f"this version knows no changes of kind {data.get(KIND)!r}", hint="use the version that made it")
