"""The protocol of a kind of change: the one object through which the executor and recovery handle it.

Traffic, silences and edits of a registry are kinds. A kind defines what the journal keeps of a plan, how a call is sent
and read back, how the change is confirmed, and how an intent is judged after a crash. The executor defines the order of
these steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from backends.errors import BackendError, nothing_applied
from shiftdeck.changes.planned import P as P
from shiftdeck.changes.planned import Planned as Planned

if TYPE_CHECKING:
    from shiftdeck.changes.run import Outcome, OutcomeKind, Run
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

    def lost(self, number: int, error: BackendError) -> Mapping[str, object]:
        """The answer of the call was lost, and the call may have landed: read it back. Returns what the journal
        keeps."""

    def conflict(self, number: int, error: BackendError) -> Outcome:
        """The outcome when the subject was changed by another operator first."""

    def failed(self, number: int, error: BackendError) -> Outcome:
        """The outcome when the call was refused."""

    def confirm(self) -> Outcome:
        """After all calls were sent: observe until the outcome is known, and return it."""

    def record(self, outcome: Outcome) -> Mapping[str, object]:
        """What the journal keeps of this kind's outcome, in addition to the fields common to all kinds."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of an intent without an outcome, judged from the state of the system alone."""

    outcome: OutcomeKind
    message: str
    observed: Mapping[str, object] = field(default_factory=dict)


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


def of_kind(data: Mapping[str, object], name: str, marked: str) -> bool:
    """Whether an intent is of that kind, by its name or by the key that marked it in the previous version."""
    told = data.get(KIND)
    return told == name if told is not None else bool(data.get(marked))


def maybe_applied(error: BackendError) -> bool:
    """Whether a call that ended with this error may have landed, or may land later."""
    return not nothing_applied(error)
