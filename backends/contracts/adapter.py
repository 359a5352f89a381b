"""What every adapter has, and is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from backends.contracts.words import ProbeKind
    from backends.settings import Setting


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
class Wiring:
    """What an adapter is given when it is made.

    ``name`` is the source's name in the configuration; ``options`` holds every setting that the adapter declares,
    validated and with defaults filled in; ``source`` gives the adapter of another source by (kind, name) — for adapters
    that read through a metrics adapter, say — as named by a setting of type ``SOURCE``. ``wake`` may be called from any
    thread when there is something new (a watch event): the source is then asked soon, not at its next interval.
    """

    name: str
    options: Mapping[str, object]
    source: Callable[[str, str], Adapter]
    clock: Callable[[], float]
    wake: Callable[[], None] = lambda: None


class Adapter(Protocol):
    """What every adapter has. It is made by ``Class(wiring)``, which does no I/O and imports no SDK.

    The class of another distribution states which contract it is written for, as a number: ``CONTRACT = 1``. Those of
    this distribution are released together with the contract, and state none.
    """

    SETTINGS: ClassVar[tuple[Setting, ...]]

    def probe(self) -> tuple[Probe, ...]:
        """Try what the adapter needs, for ``doctor``. Raises nothing of ``backends.errors``; changes nothing."""
        ...

    def close(self) -> None:
        """Let go of connections and child processes. The adapter is not used afterwards."""
        ...
