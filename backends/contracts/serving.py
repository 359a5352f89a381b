"""Serving systems, and the optional abilities that only some of them have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from backends.contracts.adapter import Adapter

if TYPE_CHECKING:
    from backends.contracts.calls import Call, Progress, Receipt
    from backends.contracts.changes import Change
    from backends.contracts.endpoints import Endpoint, Variant
    from backends.contracts.refs import EndpointRef


class Serving(Adapter, Protocol):
    """A system that serves endpoints."""

    def endpoints(self) -> tuple[Endpoint, ...]: ...

    def read(self, ref: EndpointRef) -> Endpoint:
        """One endpoint, read now. Raises ``Rejected`` if there is no endpoint of that name."""
        ...

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        """Pure. The exact calls that make ``change``, guarded by ``endpoint.revision``.

        Raises:
            Unsupported: this system has no such change.
            Rejected: the change does not fit this endpoint (an unknown variant or release, a sum that is not 100).
        """
        ...

    def send(self, call: Call) -> Receipt:
        """Send one compiled call unchanged. Raises ``Conflict`` if the guard did not hold."""
        ...

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        """Pure. How far the control plane is with ``change``, which was compiled from ``before``."""
        ...


@runtime_checkable
class Previews(Protocol):
    """A serving adapter whose system can try a call without making the change (Kubernetes' ``dryRun=All``)."""

    def preview(self, call: Call) -> str:
        """Have the system validate ``call``; returns its answer in a few words. Changes nothing.

        Raises:
            BackendError: the system would refuse the call, or could not be asked.
            Unsupported: the system cannot validate this call.
        """
        ...


@runtime_checkable
class Fences(Protocol):
    """A serving adapter whose system can be brought to refuse a call that was sent and whose answer was lost."""

    def fence(self, endpoint: Endpoint, lost: Call) -> Call | None:
        """Pure. The call that moves no traffic and after which ``lost`` must fail at its guard, if it still arrives.

        ``endpoint`` was read after the answer was lost. ``lost`` is as compiled, or as the journal recorded it. The
        answer to the fence alone proves nothing of ``lost``: read the endpoint after it. ``None``: nothing that could
        be sent makes ``lost`` fail.
        """
        ...


@runtime_checkable
class Runs(Protocol):
    """A serving adapter that can ask which images the replicas run, although the endpoints do not report it."""

    def running(self, scope: str) -> Mapping[str, tuple[str, ...]]:
        """The digests that replicas in that scope run, by image as specified. Raises ``BackendError``."""
        ...


@runtime_checkable
class Captures(Protocol):
    """A serving adapter that can write what its system holds of an endpoint, for a bug report."""

    def capture(self, ref: EndpointRef) -> Mapping[str, object]:
        """The endpoint's objects as JSON, under neutral names and without secrets. Raises ``BackendError``."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """An operator is at work on an endpoint: ``by`` is the operator's name in the system, ``since`` the start."""

    by: str
    since: float | None = None


@runtime_checkable
class Courteous(Protocol):
    """A serving adapter whose system can show other operators that one of them is at work on an endpoint. This is
    advisory and prevents no change: a change is guarded by the guard of its calls."""

    def at_work(self, ref: EndpointRef) -> Held | None:
        """The other operator at work, or ``None``. Raises ``BackendError``; ``Unsupported`` if this is turned off."""
        ...

    def begin_work(self, ref: EndpointRef, for_s: float) -> Held | None:
        """Announce our work, for ``for_s`` seconds at most. If another operator is at work already, that entry stays
        and is returned.

        Raises:
            BackendError: as ``at_work``.
        """
        ...

    def end_work(self, ref: EndpointRef) -> None:
        """Announce the end of our work. Raises ``BackendError``."""
        ...


@dataclass(frozen=True, slots=True)
class Forecast:
    """The effect of a change by the system's own rules.

    ``weights`` is percent by variant once the change is in effect, or ``None`` if that cannot be known. ``cautions``
    are sentences for the operator to read before the change is sent ("skips step 3 of 6: analysis success-rate, which
    is running"). ``undo`` is the change that leads back, if it is not the one that follows from the current release or
    from the kind of change. ``final``: no change leads back. ``deploys`` is the version that a step brings into
    service, where the change itself does not name it: a variant of the endpoint, or one that does not exist yet.
    """

    weights: Mapping[str, float] | None
    cautions: tuple[str, ...] = ()
    undo: Change | None = None
    final: bool = False
    deploys: Variant | None = None


@runtime_checkable
class Forecasts(Protocol):
    """A serving adapter whose system has steps of its own, so that the change alone does not tell its result."""

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        """Pure. Raises as ``Serving.compile``."""
        ...
