"""What the plan of any kind of change tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from backends.contracts import Call


class Sendable(Protocol):
    """One call to one source."""

    @property
    def source(self) -> str: ...
    @property
    def call(self) -> Call: ...


class Planned(Protocol):
    """What the plan of any kind tells."""

    @property
    def id(self) -> str: ...
    @property
    def context(self) -> str: ...

    @property
    def subject(self) -> str:
        """What it changes, as the journal's ref: an endpoint, a model version, or ""."""

    @property
    def words(self) -> str:
        """What it does: "shift v7=75 v8=25"."""

    @property
    def steps(self) -> Sequence[Sendable]:
        """The calls, in the order in which they are sent."""

    @property
    def back(self) -> bool:
        """Whether it leads back: it is not hindered by a run under way, and supersedes it."""


P = TypeVar("P", bound=Planned)
