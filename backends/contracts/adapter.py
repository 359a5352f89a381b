"""What every adapter has, and is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from backends.contracts.words import ProbeKind
    from backends.options import Options

_Told = TypeVar("_Told", bound="Options", covariant=True)
_Other = TypeVar("_Other", bound="Options")


CONTRACT_VERSION = 1
"""The version of the contract in ``backends.contracts``. It grows when an adapter that was written before would no
longer do: a method that is new or called otherwise, a field whose meaning has changed."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One finding of ``doctor``: ``ok`` is ``None`` where it could not be tried. ``hint`` says what to do."""

    kind: ProbeKind
    ok: bool | None
    detail: str
    hint: str = ""
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class Wiring(Generic[_Told]):
    """What an adapter is given when it is made.

    ``name`` is the source's name in the configuration; ``options`` is an instance of the adapter's ``OPTIONS``: every
    setting that it declares, validated and with defaults filled in; ``source`` gives the adapter of another source by
    (kind, name) — for adapters that read through a metrics adapter, say — as named by a setting of type ``SOURCE``.
    ``wake`` may be called from any thread when there is something new (a watch event): the source is then asked soon,
    not at its next interval.
    """

    name: str
    options: _Told
    source: Callable[[str, str], Adapter]
    clock: Callable[[], float]
    wake: Callable[[], None] = lambda: None

    def telling(self, options: _Other) -> Wiring[_Other]:
        """The same with other options: for an adapter that is made of another one."""
        return Wiring(self.name, options, self.source, self.clock, self.wake)


class Adapter(Protocol):
    """What every adapter has. It is made by ``Class(wiring)``, which does no I/O and imports no SDK. ``OPTIONS`` says
    what it can be told, and is the class of ``wiring.options``.

    The class of another distribution states which contract it is written for, as a number: ``CONTRACT = 1``. Those of
    this distribution are released together with the contract, and state none.
    """

    OPTIONS: ClassVar[type[Options]]

    def probe(self) -> tuple[Probe, ...]:
        """Try what the adapter needs, for ``doctor``. Raises nothing of ``backends.errors``; changes nothing."""
        ...

    def close(self) -> None:
        """Let go of connections and child processes. The adapter is not used afterwards."""
        ...
