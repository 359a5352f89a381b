"""Discovery: the systems that the installed adapters find by themselves, for a first configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backends.contracts import Discovered, Discovers
from backends.discovery import adapter_class, adapter_names
from backends.errors import BackendError
from shiftdeck.source_kinds.table import KINDS


@dataclass(frozen=True, slots=True)
class FoundSource:
    """One discovery: in words, and as the table of a source (``None``: there is nothing to configure)."""

    kind: str
    name: str
    words: str
    table: Mapping[str, object] | None = None


def discover(env: Mapping[str, str]) -> Iterator[FoundSource]:
    """Ask each adapter that has a discovery for the systems that it finds. The same failure is reported once."""
    told: set[str] = set()
    for kind in KINDS:
        for name in adapter_names(kind):
            try:
                cls: object = adapter_class(kind, name)
                found = cls.discover(env) if isinstance(cls, Discovers) else None
            except BackendError as error:
                found = Discovered(f"{error}" + (f" ({error.hint})" if error.hint else ""))
            except Exception as error:  # noqa: BLE001 - a third party's adapter may raise anything; the others go on
                found = Discovered(f"{kind}.{name} could not look: {type(error).__name__}")
            if found is not None and found.words not in told:
                told.add(found.words)
                yield FoundSource(kind, name, found.words, found.table)
