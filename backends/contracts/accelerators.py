"""Accelerators, and the adapters that report them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from backends.contracts.adapter import Adapter

if TYPE_CHECKING:
    from backends.contracts.refs import Subject


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that computes on an accelerator. ``memory`` is its memory there, in bytes, or ``None`` if not
    reported."""

    pid: int
    name: str
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One accelerator, or one MIG instance of it. A field that the driver or exporter does not report is ``None``.

    ``ecc`` counts the uncorrectable memory errors since the driver was loaded; ``remapped`` counts the rows of
    memory that were replaced. ``processes`` is also empty if they are not reported. ``subject`` is the endpoint and
    variant whose pod holds the accelerator, if known, and ``shared_with`` those of the other pods that hold it too.
    ``fault`` is a sentence (an XID error, a lost device) or empty. ``xid_at`` is when the last XID error came, in
    Unix seconds, if known; an error of the past is no fault. ``simulated`` marks an accelerator without a real
    device behind it.
    """

    node: str
    index: str
    uuid: str
    model: str
    utilisation: float | None = None  # percent
    memory_used: int | None = None
    memory_total: int | None = None
    temperature: float | None = None  # °C
    power: float | None = None  # W
    clock: float | None = None  # MHz
    xid: int | None = None
    ecc: int | None = None
    remapped: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    fault: str = ""
    simulated: bool = False
    subject: Subject | None = None
    shared_with: tuple[Subject, ...] = ()
    xid_at: float | None = None

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The endpoint and variant of each pod that holds the accelerator, as far as they are known."""
        return self.shared_with if self.subject is None else (self.subject, *self.shared_with)


class Accelerators(Adapter, Protocol):
    def gpus(self) -> tuple[Gpu, ...]: ...
