"""The attributes that plans of every kind of change have."""

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
    """A plan of any kind."""

    @property
    def id(self) -> str: ...
    @property
    def context(self) -> str: ...

    @property
    def subject(self) -> str:
        """The thing that is changed, as the journal's ref: an endpoint, a model version, or ""."""

    @property
    def words(self) -> str:
        """The change in words: "shift v7=75 v8=25"."""

    @property
    def steps(self) -> Sequence[Sendable]:
        """The calls, in the order in which they are sent."""

    @property
    def back(self) -> bool:
        """Whether it is a change back. A run under way does not block it; it supersedes that run."""


P = TypeVar("P", bound=Planned)
