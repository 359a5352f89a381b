"""The interface that every adapter implements, and the arguments of its constructor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from backends.contracts.words import ProbeKind
    from backends.options import Options

_Told = TypeVar("_Told", bound="Options", covariant=True)
_Other = TypeVar("_Other", bound="Options")


CONTRACT_VERSION = 1
"""The version of the contract in ``backends.contracts``. It grows with each change that breaks an existing adapter: a
new method, a changed signature, a field with another meaning."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One finding of ``doctor``. ``ok`` is ``None`` if the check could not be made. ``hint`` says what to do."""

    kind: ProbeKind
    ok: bool | None
    detail: str
    hint: str = ""
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class Wiring(Generic[_Told]):
    """The arguments of an adapter's constructor.

    ``name`` is the source's name in the configuration. ``options`` is an instance of the adapter's ``OPTIONS``: every
    setting that it declares, validated and with defaults filled in. ``source`` gives the adapter of another source by
    (kind, name), as named by a setting of type ``SOURCE``: for an adapter that reads through a metrics adapter, for
    example. ``clock`` returns Unix seconds, for dating; it may jump, so waits are measured by ``time.monotonic``.
    ``wake`` may be called from any thread when there is news (a watch event): the source is then asked soon, not at its
    next interval.
    """

    name: str
    options: _Told
    source: Callable[[str, str], Adapter]
    clock: Callable[[], float]
    wake: Callable[[], None] = lambda: None

    def telling(self, options: _Other) -> Wiring[_Other]:
        """The same wiring with other options, for an adapter that contains another adapter."""
        return Wiring(self.name, options, self.source, self.clock, self.wake)


class Adapter(Protocol):
    """The interface that every adapter implements. ``Class(wiring)`` makes an adapter; it does no I/O and imports no
    SDK. ``OPTIONS`` declares the adapter's settings; ``wiring.options`` is an instance of it.

    A class of another distribution states, as a number, the version of the contract that it is written for: ``CONTRACT
    = 1``. Classes of this distribution are released together with the contract, and do not state it.
    """

    OPTIONS: ClassVar[type[Options]]

    def probe(self) -> tuple[Probe, ...]:
        """Check everything that the adapter needs, for ``doctor``. Raises nothing of ``backends.errors``; changes
        nothing."""
        ...

    def close(self) -> None:
        """Close connections and end child processes. The adapter is not used afterwards."""
        ...


@runtime_checkable
class Remarks(Protocol):
    """An adapter whose answer may lack something although it is an answer: damaged items that it dropped, say."""

    def remarks(self) -> tuple[str, ...]:
        """What the last answer lacks and why, one sentence each, without secrets; empty if it lacks nothing. The source
        shows them and stays ``ok``. Called after each answer; does no I/O."""
        ...
