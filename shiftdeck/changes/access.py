"""Whether changes may be made now: by the configured access, and by the time for which the context was armed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backends.errors import Rejected
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.common.clock import Clock
from shiftdeck.config.loader import Access, ContextConfig


@dataclass(frozen=True, slots=True)
class Arming:
    """What may be changed now. ``until`` is when a time-boxed arming ends, in Unix seconds by
    the clock as it is now (``None``: it does not)."""

    access: Access
    writable: bool
    until: float | None = None


def writable(arming: Arming) -> Check:
    if arming.writable:
        return Check("read-write", CheckVerdict.PASS, "this context may be changed")
    if arming.access is Access.ARM:
        return Check("read-write", CheckVerdict.BLOCK, "read-only until armed, or with --arm")
    return Check("read-write", CheckVerdict.BLOCK, 'the configuration says access = "read-only" for this context')


class Gate:
    """The access to one context. Its state follows from the elapsed time, so there is no timer that could fail to
    fire, and no step of the wall clock keeps it open."""

    def __init__(self, context: ContextConfig, clock: Clock) -> None:
        self._context = context
        self._clock = clock
        self._until: float | None = None

    def arm(self, seconds: float | None = None) -> None:
        """Open the gate for ``seconds`` (default: as configured). A read-write context that was disarmed, and is armed
        without ``seconds``, is read-write again without a time limit.

        Raises:
            Rejected: the context is read-only.
        """
        access = self._context.access
        if access is Access.READ_ONLY:
            raise Rejected(
                f"context {self._context.name} is read-only", hint='set access = "arm" or "read-write" in its table'
            )
        if seconds is None and access is Access.READ_WRITE:
            self._until = None
        else:
            self._until = self._clock.elapsed() + (self._context.arm_for_s if seconds is None else seconds)

    def disarm(self) -> None:
        """Close the gate until it is armed again. This works in a read-write context too."""
        self._until = -math.inf

    def state(self) -> Arming:
        """The state now. A read-write context that was disarmed, or armed for a time, has the access ``ARM`` here."""
        access, until = self._context.access, self._until
        if access is Access.READ_WRITE and until is None:
            return Arming(access, True)
        shown = access if access is Access.READ_ONLY else Access.ARM
        if access is Access.READ_ONLY or until is None or self._clock.elapsed() >= until:
            return Arming(shown, False)
        return Arming(shown, True, self._clock.dated(until))

    def refusal(self) -> str:
        """Why nothing may be changed now, or ""."""
        check = writable(self.state())
        return check.evidence if check.verdict is CheckVerdict.BLOCK else ""
