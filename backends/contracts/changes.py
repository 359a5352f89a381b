"""What can be asked of an endpoint. ``Change`` is one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from backends.contracts.words import Action
from backends.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Split:
    """Live traffic in percent by variant name; names every variant that may get traffic, and sums to 100."""

    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copy ``percent`` of the requests to ``variant``; 0 stops it."""

    variant: str
    percent: float


@dataclass(frozen=True, slots=True)
class Promote:
    """All traffic to ``variant``, which becomes the stable one."""

    variant: str


@dataclass(frozen=True, slots=True)
class Rollback:
    """Back to the release of that id."""

    release: str


@dataclass(frozen=True, slots=True)
class Advance:
    """On to the next step of a stepped rollout; ``full`` skips all that are left."""

    full: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Hold a rollout where it is."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Let a paused rollout go on."""


@dataclass(frozen=True, slots=True)
class Abort:
    """Give a rollout up: traffic back to stable."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Begin an aborted rollout again."""


Change = Split | Mirror | Promote | Rollback | Advance | Pause | Resume | Abort | Retry
_ACTION_OF: Mapping[type, Action] = MappingProxyType(
    {
        Split: Action.SHIFT,
        Mirror: Action.MIRROR,
        Promote: Action.PROMOTE,
        Rollback: Action.ROLLBACK,
        Advance: Action.ADVANCE,
        Pause: Action.PAUSE,
        Resume: Action.RESUME,
        Abort: Action.ABORT,
        Retry: Action.RETRY,
    }
)


def action_of(change: Change) -> Action:
    """The action that a change is one of.

    Raises:
        Unsupported: it is no change of this contract, as from a newer version.
    """
    try:
        return _ACTION_OF[type(change)]
    except KeyError:
        raise Unsupported(f"shiftdeck knows no change {type(change).__name__}") from None
