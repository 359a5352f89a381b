"""The calls that make a change, and what comes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backends.contracts.words import EMPTY


@dataclass(frozen=True, slots=True)
class Call:
    """One native call, exactly as it will be sent.

    ``body`` is what JSON can hold, a list where the system takes one (a JSON patch). ``guard`` says in words what makes
    a lost update fail ("If-Match 17"), or is empty where the system has none. ``command`` is what a human
    would type instead; ``summary`` what changes, in the system's own field names ("traffic v7 90 → 100, v8 10 → 0").
    None of them holds a secret.
    """

    method: str
    path: str
    body: Mapping[str, object] | Sequence[object] | None
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    guard: str = ""
    summary: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a system answered to a call that it took. ``revision`` is the object's new token, where it tells."""

    revision: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """The control plane reports the change as in effect."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """On its way. ``message`` says what it waits for; ``stalled`` that the system itself says it is stuck."""

    message: str = ""
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class Diverged:
    """The endpoint went somewhere else: ``message`` says where, and who did it if known."""

    message: str


Progress = Settled | Pending | Diverged
