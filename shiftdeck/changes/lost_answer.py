"""After a call whose answer was lost, or proves nothing: find out whether it took effect.

A reading that shows the state before the call proves nothing, because the call may still be on its way. It was not
applied if the state is as before after one of these:

- a fence was set: a call of ours that changes nothing and after which the lost call must fail at its guard;
- ``Timing.lost_s`` have passed since it was sent: nothing on the way holds a call for longer.

The call is never sent again. If the program ends first, the change stays in flight, and recovery goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from backends.errors import BackendError, Conflict
from shiftdeck.changes.kind import Application, Desk, Ended, Fence, Shows, Sight
from shiftdeck.changes.run import Outcome, OutcomeKind
from shiftdeck.changes.timing import Timing
from shiftdeck.common.clock import time_of_day

FENCE = "fence"
"""The key that marks a call in the journal as a fence. It is not a call of the plan."""

FENCE_TRIES = 3
"""How often a fence is sent if its guard does not hold, because the system's own bookkeeping came first."""

FENCED = "not applied: a fence was set after it"


class LostAnswer:
    """One call whose answer was lost. ``record`` keeps a call in the journal before it is sent. ``refusal`` returns why
    nothing may be changed now, or ""."""

    def __init__(
        self,
        application: Application,
        number: int,
        error: BackendError,
        desk: Desk,
        timing: Timing,
        *,
        sent_at: float,
        record: Callable[[Mapping[str, object]], None],
        refusal: Callable[[], str],
    ) -> None:
        self._application = application
        self._number = number
        self._error = error
        self._desk = desk
        self._timing = timing
        self._until = sent_at + timing.lost_s
        self._record = record
        self._refusal = refusal
        self._words = str(error)

    def find(self) -> Mapping[str, object]:
        """What the journal keeps of the call, which is in effect.

        Raises:
            Ended: it is not in effect, or that is not known.
        """
        self._words = f"{self._error}; reading back"
        now = self._desk.clock()
        sight = self._look_until(min(now + self._timing.read_back_s, self._until))
        fenced = _is_before(sight) and self._set_fence()
        if fenced:
            sight = self._look_until(max(now + self._timing.read_back_s, self._until), readable=True)
        elif sight is None or _is_before(sight):
            self._tell()
            sight = self._look_until(self._until)
        return self._judged(sight, fenced)

    def conflict(self) -> Mapping[str, object]:
        """The same for a conflict: the call may be in effect, and the conflict the answer to a repeated copy of it."""
        sight = self._look()
        if sight is not None and sight.exact:
            return {"answer": f"{self._error}; read back: in effect"}
        if self._error.maybe_applied and (sight is None or sight.untouched):
            return self.find()
        raise Ended(self._application.conflict(self._number, self._error))

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self) -> Sight | None:
        try:
            sight = self._application.look(self._number)
        except BackendError as error:
            self._desk.update(message=f"cannot be read: {error}; {self._words}")
            return None
        self._desk.update(message=self._words)
        return sight

    def _look_until(self, deadline: float, *, readable: bool = False) -> Sight | None:
        """The first reading that does not show the state before, else one made at the deadline or later; ``None``: it
        cannot be read. With ``readable``, the first reading at all."""
        while True:
            last = self._desk.clock() >= deadline
            sight = self._look()
            if last or (sight is not None and (readable or not _is_before(sight))):
                return sight
            self._desk.wait()

    def _tell(self) -> None:
        until = time_of_day(self._desk.dated(self._until))
        self._words = f"its answer was lost; it may be held on the way until {until}; looking again"

    # ── the fence ───────────────────────────────────────────────────────────────────────────────────────────────

    def _set_fence(self) -> bool:
        """Whether the system took a fence. The system has to be read after it."""
        if self._refusal():
            return False

        def make() -> Fence | None:
            return self._application.fence(self._number)

        def still_before() -> bool:
            self._desk.wait()
            return _is_before(self._look())

        return set_fence(make, self._record, still_before)

    # ── the result ──────────────────────────────────────────────────────────────────────────────────────────────

    def _judged(self, sight: Sight | None, fenced: bool) -> Mapping[str, object]:
        if sight is None:
            outcome = self._failed("it cannot be read to see whether it landed")
            raise Ended(replace(outcome, kind=OutcomeKind.UNKNOWN))
        if sight.shows is Shows.OTHER:
            words = f"{self._error}; since then: {sight.words}"
            raise Ended(Outcome(OutcomeKind.UNKNOWN, words, changed=sight.changed, by_look=True))
        if sight.shows is Shows.BEFORE:
            raise Ended(self._failed(FENCED if fenced else not_applied(self._timing.lost_s)))
        return {"answer": f"{self._error}; read back: applied"}

    def _failed(self, proof: str) -> Outcome:
        return replace(self._application.failed(self._number, self._error, proof), by_look=True)


def set_fence(
    make: Callable[[], Fence | None], record: Callable[[Mapping[str, object]], object], still_before: Callable[[], bool]
) -> bool:
    """Whether the system took a fence. It is recorded before it is sent. A conflict means that the system has changed
    since it was read: if it still shows the state before the lost call, the fence is made anew."""
    for _ in range(FENCE_TRIES):
        fence = make()
        if fence is None:
            return False
        record({"call": fence.call.summary, FENCE: True})
        try:
            fence.send()
        except Conflict:
            if not still_before():
                return False
            continue
        except BackendError:
            return False  # the fence may be held on the way as well; the second look decides
        return True
    return False


def not_applied(lost_s: float) -> str:
    """How it is known, without a fence, that a call was not applied."""
    return f"not applied: looked again after {lost_s:g} s"


def _is_before(sight: Sight | None) -> bool:
    return sight is not None and sight.shows is Shows.BEFORE
