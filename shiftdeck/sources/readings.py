"""The last good answers of all sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from shiftdeck.source_kinds.table import KINDS, SourceKind, source_kind

if TYPE_CHECKING:
    from shiftdeck.sources.source import Snapshot, SourceStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Readings:
    """The last good answers of all sources, by kind and by source name.

    Raises:
        UnknownKind: ``by_kind`` names a kind that there is not.
    """

    by_kind: Mapping[str, Mapping[str, Snapshot[Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.by_kind:
            source_kind(name)

    def of(self, kind: SourceKind[T]) -> Mapping[str, Snapshot[T]]:
        """The answers of the sources of that kind, by source name."""
        return self.by_kind.get(kind.name, {})

    def statuses(self) -> tuple[SourceStatus, ...]:
        """The statuses of all sources, in the order in which kinds are shown."""
        return tuple(one.status for kind in KINDS for one in self.by_kind.get(kind, {}).values())
