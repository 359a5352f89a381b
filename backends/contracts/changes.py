"""The changes that an operator can make to an endpoint. ``Change`` is the union of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from backends.contracts.words import Action
from backends.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Split:
    """Set the live traffic, in percent by variant name. Every variant that may get traffic is named; the sum is 100.

    ``unpin`` names variants whose autoscalers get their own bounds back, in systems where a split pins autoscalers: the
    way back from a split that pinned them.
    """

    weights: Mapping[str, float]
    unpin: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copy ``percent`` of the requests to ``variant``; 0 stops the mirror."""

    variant: str
    percent: float


@dataclass(frozen=True, slots=True)
class Promote:
    """Send all traffic to ``variant``, which becomes the stable variant."""

    variant: str


@dataclass(frozen=True, slots=True)
class Rollback:
    """Go back to the release with that id."""

    release: str


@dataclass(frozen=True, slots=True)
class Advance:
    """Go to the next step of a stepped rollout; ``full`` skips all remaining steps."""

    full: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Pause a rollout at its current step."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Continue a paused rollout."""


@dataclass(frozen=True, slots=True)
class Abort:
    """Abort a rollout: all traffic goes back to the stable variant."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Start an aborted rollout again."""


@dataclass(frozen=True, slots=True)
class Unpin:
    """Give the autoscalers that a split pinned their own bounds back."""


Change = Split | Mirror | Promote | Rollback | Advance | Pause | Resume | Abort | Retry | Unpin
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
        Unpin: Action.UNPIN,
    }
)


def action_of(change: Change) -> Action:
    """The action that corresponds to a change.

    Raises:
        Unsupported: this version of the contract has no such change.
    """
    try:
        return _ACTION_OF[type(change)]
    except KeyError:
        raise Unsupported(f"shiftdeck knows no change {type(change).__name__}") from None
