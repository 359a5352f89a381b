"""The protocol of a kind of change: the one object through which the executor and recovery handle it.

Traffic, silences and edits of a registry are kinds. A kind defines what the journal keeps of a plan, how a call is sent
and read back, how the change is confirmed, and how an intent is judged after a crash. The executor defines the order of
these steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from shiftdeck.changes.planned import P as P
from shiftdeck.changes.planned import Planned as Planned

if TYPE_CHECKING:
    from backends.contracts import Call
    from backends.errors import BackendError
    from shiftdeck.changes.run import Outcome, OutcomeKind, Run
    from shiftdeck.fleet.view import FleetView
    from shiftdeck.journal.entry import Entry

KIND = "kind"
"""The key of an intent's data that names its kind. Journals of the previous version have no such key."""

SILENCES = "silences"
REGISTERED = "registered"
MARKED = (SILENCES, REGISTERED)
"""The keys by which the previous version marked the kinds other than traffic."""

BACK = "back"
"""The key that marks a change back: its intent supersedes the run under way."""


P_contra = TypeVar("P_contra", bound=Planned, contravariant=True)


class Ended(Exception):
    """The outcome is known: no further call is sent."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class Shows(Enum):
    """What a reading of the system shows of one call."""

    EFFECT = "effect"
    BEFORE = "before"  # the state before the call; the call may still be on its way
    OTHER = "other"  # a state that another change made


@dataclass(frozen=True, slots=True)
class Sight:
    """One reading, as far as it concerns one call. ``words`` and ``changed`` describe another change.

    ``exact`` is true if all that the call asks for is as asked. ``untouched`` is true if nothing was changed before
    this reading: by the system's own revision, or, in a system without one, because what was asked for is not there.
    """

    shows: Shows
    words: str = ""
    changed: tuple[str, ...] = ()
    exact: bool = False
    untouched: bool = False


@dataclass(frozen=True, slots=True)
class Fence:
    """A call that changes nothing, and after which a lost call must fail at its guard. ``send`` sends it, and raises
    ``BackendError``."""

    call: Call
    send: Callable[[], object]


class Desk(Protocol):
    """The services that the executor offers to an ``Application``."""

    @property
    def run(self) -> Run[Any]:
        """The run as it is now."""

    def update(self, **changes: object) -> None:
        """Publish the run with these fields changed."""

    def wait(self) -> None:
        """Wait for the time between two readings. Raises an exception of the executor if the program ends or the change
        was superseded."""

    def check_superseded(self) -> None:
        """Raise ``Ended`` if a change back has begun since."""

    def clock(self) -> float:
        """Elapsed seconds, for durations. A step of the wall clock does not change them."""

    def dated(self, elapsed: float) -> float:
        """The wall time of such a moment in Unix seconds, for showing."""


class Application(Protocol):
    """One change being applied. ``number`` counts the plan's steps from 0. Every method may raise ``Ended``."""

    def announced(self) -> AbstractContextManager[None]:
        """A context in which other operators see that this change is under way, if the system can tell them."""

    def before(self, number: int) -> None:
        """Wait until the call of that step may be sent."""

    def send(self, number: int) -> Mapping[str, object]:
        """Send the call of that step, and read it back if that is how its effect is proven. Returns what the journal
        keeps of the answer.

        Raises:
            BackendError: the system refused it, or its answer was lost.
        """

    def look(self, number: int) -> Sight:
        """Read the system once: does it show the effect of the call of that step, which was sent?

        Raises:
            BackendError: it cannot be read.
        """

    def fence(self, number: int) -> Fence | None:
        """After a ``look``: the fence against the call of that step; ``None`` if there is none."""

    def conflict(self, number: int, error: BackendError) -> Outcome:
        """The outcome when the subject was changed by another operator first."""

    def failed(self, number: int, error: BackendError, proof: str = "") -> Outcome:
        """The outcome when the call was refused, or when ``proof`` says how it is known that it was not applied."""

    def confirm(self) -> Outcome:
        """After all calls were sent: observe until the outcome is known, and return it. A change is settled only by a
        reading that is made after every wait."""

    def record(self, outcome: Outcome) -> Mapping[str, object]:
        """What the journal keeps of this kind's outcome, in addition to the fields common to all kinds."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of an intent without an outcome, judged from the state of the system alone. ``may_land`` is true if
    that state does not exclude that a call is still on its way. ``pending`` is true if the change was taken, and the
    system has not finished it."""

    outcome: OutcomeKind
    message: str
    observed: Mapping[str, object] = field(default_factory=dict)
    may_land: bool = False
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A system shows exactly what an intent asked for. ``by`` is the author that it names, or "". ``at`` is when it was
    read, in Unix seconds."""

    by: str
    at: float


class ChangeKind(Protocol[P_contra]):
    """A kind of change. Once it is registered in ``kinds.py``, the executor, recovery, runs, signals and exit codes
    handle it.

    ``exclusive``: at most one change of a subject is under way at a time.
    """

    @property
    def name(self) -> str: ...
    @property
    def exclusive(self) -> bool: ...

    def plans(self, plan: Planned) -> bool:
        """Whether the plan is of this kind."""

    def owns(self, data: Mapping[str, object]) -> bool:
        """Whether an intent with that data is of this kind."""

    def idle(self, plan: P_contra) -> Outcome | None:
        """The outcome of a plan that needs no call, or ``None``."""

    def refusal(self, plan: P_contra, *, reason: str, override: str) -> str:
        """Why the plan must not be sent, or ""."""

    def intent(self, plan: P_contra, *, reason: str, override: str) -> Mapping[str, object]:
        """What the journal keeps of a plan: enough to judge later, from the system alone, what became of it."""

    def apply(self, plan: P_contra, desk: Desk) -> Application:
        """The application of a plan. Sends nothing yet."""

    def judge(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Judgement:
        """What became of an intent that a crash left without an outcome. ``sent`` returns the summaries of the calls
        that the journal recorded as sent.

        Raises:
            BackendError, LookupError: the system cannot be asked.
        """

    def fence(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Fence | None:
        """The fence against the call of an intent that may still be on its way; ``None`` if there is none. Reads the
        system.

        Raises:
            BackendError, LookupError: the system cannot be asked.
        """

    def shown(self, entry: Entry, fleet: FleetView) -> Shown | None:
        """Whether the sources show exactly what an intent asked for; ``None``: they do not, or do not tell. Asks no
        system unless they give reason to."""


def of_kind(data: Mapping[str, object], name: str, marked: str) -> bool:
    """Whether an intent is of that kind, by its name or by the key that marked it in the previous version."""
    told = data.get(KIND)
    return told == name if told is not None else bool(data.get(marked))
