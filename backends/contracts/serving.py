"""Serving systems, and what only some of them can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from backends.contracts.adapter import Adapter

if TYPE_CHECKING:
    from backends.contracts.calls import Call, Progress, Receipt
    from backends.contracts.changes import Change
    from backends.contracts.endpoints import Endpoint
    from backends.contracts.refs import EndpointRef


class Serving(Adapter, Protocol):
    """A system that serves endpoints."""

    def endpoints(self) -> tuple[Endpoint, ...]: ...

    def read(self, ref: EndpointRef) -> Endpoint:
        """One endpoint, afresh. Raises ``Rejected`` where there is none of that name."""
        ...

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        """Pure. The exact calls that make ``change``, guarded by ``endpoint.revision``.

        Raises:
            Unsupported: this system has no such change.
            Rejected: the change does not fit this endpoint (an unknown variant or release, a sum that is not 100).
        """
        ...

    def send(self, call: Call) -> Receipt:
        """Send one compiled call, just as it is. Raises ``Conflict`` where the guard did not hold."""
        ...

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        """Pure. How far the control plane is with ``change``, which was compiled from ``before``."""
        ...


@runtime_checkable
class Previews(Protocol):
    """A serving adapter whose system can try a call without making the change (Kubernetes' ``dryRun=All``)."""

    def preview(self, call: Call) -> str:
        """Have the system validate ``call``; returns what it says, in a few words. Changes nothing.

        Raises:
            BackendError: the system would refuse the call, or could not be asked. ``Unsupported``: not for this call.
        """
        ...


@runtime_checkable
class Runs(Protocol):
    """A serving adapter whose system can be asked what its replicas run, where its endpoints do not tell."""

    def running(self, scope: str) -> Mapping[str, tuple[str, ...]]:
        """By image as it was asked for, the digests that replicas in that scope run. Raises ``BackendError``."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody is at work on an endpoint: ``by`` whom, as the system has it, and ``since`` when."""

    by: str
    since: float | None = None


@runtime_checkable
class Courteous(Protocol):
    """A serving adapter whose system can tell other operators that somebody is at work on an endpoint. It keeps nobody
    from anything: what guards a change is the guard of its calls."""

    def at_work(self, ref: EndpointRef) -> Held | None:
        """Who else is, or ``None`` where nobody is. Raises ``BackendError``; ``Unsupported`` where this is off."""
        ...

    def begin_work(self, ref: EndpointRef, for_s: float) -> Held | None:
        """Say that we are, for ``for_s`` seconds at most. Whoever is there already stays, and is returned.

        Raises:
            BackendError: as above.
        """
        ...

    def end_work(self, ref: EndpointRef) -> None:
        """Say that we are done. Raises ``BackendError``."""
        ...


@dataclass(frozen=True, slots=True)
class Forecast:
    """What only the system's own rules tell of a change: ``weights`` is percent by variant once it is in effect, or
    ``None`` where that cannot be told. ``cautions`` are sentences for the operator to read before it is sent ("skips
    step 3 of 6: analysis success-rate, which is running"). ``undo`` is the way back, where it is not the one that the
    current release or the kind of change tells; ``final`` says that there is none: nothing here leads back.
    """

    weights: Mapping[str, float] | None
    cautions: tuple[str, ...] = ()
    undo: Change | None = None
    final: bool = False


@runtime_checkable
class Forecasts(Protocol):
    """A serving adapter whose system has steps of its own, so that a change's end is not plain from the change."""

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        """Pure. Raises as ``Serving.compile``."""
        ...
