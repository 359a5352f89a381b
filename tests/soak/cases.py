"""The systems that changes are made on, and the changes: what every run needs of them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol, cast

from shiftdeck.changes.kind import Planned
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.journal import Entry, EntryKind
from tests.treatments import Decide, Write


class Proxy(Protocol):
    """What ``FaultProxy`` and ``RawFaultProxy`` have in common."""

    decide: Decide | None
    writes: list[Write]

    @property
    def idle(self) -> bool: ...

    def close(self) -> None: ...


def same_body(body: object, write: Write) -> bool:
    """Whether that is what was written."""
    try:
        return bool(json.loads(write.body or b"null") == body)
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Case:
    """One change. ``matches`` tells its writes (method, path, body) from those of others. ``in_effect`` asks the system
    itself, past shiftdeck, whether the change is what it has now. ``same``: whether a write is the call of that body.
    ``words`` make the same change by the command line."""

    name: str
    matches: Callable[[str, str, bytes], bool]
    plan: Callable[[Engine], Planned]
    in_effect: Callable[[], bool]
    same: Callable[[object, Write], bool] = same_body
    words: tuple[str, ...] = ()

    def taken(self, intent: Entry | None, writes: Sequence[Write]) -> tuple[float, ...]:
        """When the system took a call of the change, also where it was sent again. Without an intent nothing may have
        been written."""
        mine = [one for one in writes if one.taken and self.matches(one.method, one.path, one.body)]
        if intent is None or intent.kind is not EntryKind.INTENT:
            return tuple(one.at for one in mine)
        calls = cast("list[Mapping[str, object]]", intent.data["calls"])
        return tuple(one.at for one in mine if any(self.same(call["body"], one) for call in calls))


class System(ABC):
    """One real system behind a proxy. Each case is a subject of its own, so that many run at once."""

    name: str
    proxy: Proxy
    most = 40
    """Cases at once."""

    settle_s = 4.0
    """How long a change may take to come into effect once it was taken."""

    @property
    @abstractmethod
    def sources(self) -> str:
        """The TOML tables of the sources of the context ``soak``."""

    @abstractmethod
    def cases(self, count: int, random: Random) -> list[Case]:
        """So many new changes, each of a subject of its own."""

    @abstractmethod
    def close(self) -> None: ...


Opened = Callable[[Path, int], System]
"""Starts a system in a folder, with a seed."""
