"""Alerts and silences, and the systems that have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from backends.contracts.adapter import Adapter
from backends.contracts.words import EMPTY, AlertState

if TYPE_CHECKING:
    from backends.contracts.calls import Call, Receipt
    from backends.contracts.refs import Subject


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. ``subject`` is what it is about, where its labels say; ``source`` the name of the source that told of
    it, ``silenced_by`` the silences that keep it quiet, and ``silenced_until`` when the last of them ends."""

    name: str
    state: AlertState
    severity: str = ""
    summary: str = ""
    since: float | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    subject: Subject | None = None
    fingerprint: str = ""
    source: str = ""
    silenced_by: tuple[str, ...] = ()
    silenced_until: float | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts with all of these labels are kept quiet from ``starts`` until ``ends``. ``state`` is the system's own word
    ("active", "pending", "expired")."""

    id: str
    matchers: Mapping[str, str]
    starts: float
    ends: float
    author: str
    comment: str
    state: str = ""


class Alerts(Adapter, Protocol):
    def alerts(self) -> tuple[Alert, ...]: ...


@runtime_checkable
class Silences(Protocol):
    """An alerts adapter whose system can keep alerts quiet for a while."""

    def silences(self) -> tuple[Silence, ...]:
        """All that the system still knows of, expired ones among them."""
        ...

    def compile_silence(self, alert: Alert, *, starts: float, duration_s: float, author: str, comment: str) -> Call:
        """Pure. The call that keeps exactly this alert quiet.

        Raises:
            Rejected: no duration, no comment, or an alert without labels.
        """
        ...

    def compile_expire(self, silence: str) -> Call:
        """Pure. The call that ends the silence of that id."""
        ...

    def send(self, call: Call) -> Receipt:
        """Send one compiled call, just as it is. Of a new silence, ``Receipt.revision`` is its id."""
        ...
