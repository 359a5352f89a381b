"""The calls that make a change, and their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backends.contracts.words import EMPTY


@dataclass(frozen=True, slots=True)
class Call:
    """One native call, exactly as it will be sent.

    ``body`` can be written as JSON; it is a list if the system takes a list (a JSON patch). ``guard`` says in words
    what makes a lost update fail ("If-Match 17"), or is empty if the system has no guard. ``command`` is the command
    that a human would type instead. ``summary`` says what changes, in the system's own field names ("traffic v7 90 →
    100, v8 10 → 0"). None of these fields holds a secret.
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
    """A system's answer to a call that it accepted. ``revision`` is the object's new revision token, or "" if
    unknown."""

    revision: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """The control plane reports the change as in effect.

    ``proven`` is false if the control plane has the change, and does not tell whether it is in effect: then the change
    is in effect once the metrics agree, and without them it is not known.
    """

    message: str = ""
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Pending:
    """The change is under way. ``message`` says what it waits for. ``stalled``: the system itself reports it as
    stuck."""

    message: str = ""
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class Diverged:
    """The endpoint is in another state than the change asked for. ``message`` says which, and who changed it if
    known."""

    message: str


Progress = Settled | Pending | Diverged
