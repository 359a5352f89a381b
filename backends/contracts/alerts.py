"""Alerts and silences, and the adapters that report them."""

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
    """One alert. ``subject`` is the endpoint and variant that its labels name, if any. ``source`` is the name of the
    source that reported it. ``silenced_by`` are the ids of the silences that match it, and ``silenced_until`` is when
    the last of these ends."""

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
    """Alerts with all labels in ``matchers`` are silenced from ``starts`` until ``ends``. ``state`` is the system's own
    word ("active", "pending", "expired")."""

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
    """An alerts adapter whose system can silence alerts for a while."""

    def silences(self) -> tuple[Silence, ...]:
        """All silences that the system still has, expired silences included."""
        ...

    def compile_silence(self, alert: Alert, *, starts: float, duration_s: float, author: str, comment: str) -> Call:
        """Pure. The call that silences exactly this alert.

        Raises:
            Rejected: there is no duration or no comment, or the alert has no labels.
        """
        ...

    def compile_expire(self, silence: str) -> Call:
        """Pure. The call that ends the silence of that id."""
        ...

    def send(self, call: Call) -> Receipt:
        """Send one compiled call unchanged. For a new silence, ``Receipt.revision`` is its id."""
        ...
