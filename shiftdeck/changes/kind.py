"""What a kind of change is: the one object by which the executor and recovery know it.

Traffic, silences and edits of a registry are kinds. Each says what the journal keeps of a plan, how a call is sent and
read back, how the whole is confirmed, and how a crash is judged. The executor holds the order of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from backends.errors import BackendError, Malformed, TimedOut
from shiftdeck.changes.planned import P as P
from shiftdeck.changes.planned import Planned as Planned

if TYPE_CHECKING:
    from shiftdeck.changes.run import Outcome, OutcomeKind, Run
    from shiftdeck.journal.entry import Entry

KIND = "kind"
"""The key of an intent's data that names its kind. Journals of the version before have none."""

SILENCES = "silences"
REGISTERED = "registered"
MARKED = (SILENCES, REGISTERED)
"""The keys by which the version before told the kinds that are not traffic."""

BACK = "back"
"""The key that marks a way back: an intent that supersedes the run under way."""


P_contra = TypeVar("P_contra", bound=Planned, contravariant=True)


class Ended(Exception):
    """The outcome is known: no further call is sent."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class Desk(Protocol):
    """What a change that is being applied may ask of its executor."""

    @property
    def run(self) -> Run[Any]:
        """The run as it is now."""

    def update(self, **changes: object) -> None:
        """Publish the run with these fields changed."""

    def wait(self) -> None:
        """Let the time between two readings pass. Leaves by an exception of the executor's where the program ends or
        the change was superseded."""

    def check_superseded(self) -> None:
        """Leaves by ``Ended`` where a change back began since."""

    def clock(self) -> float: ...


class Application(Protocol):
    """One change being applied. ``number`` counts the plan's steps from 0. Every method may raise ``Ended``."""

    def announced(self) -> AbstractContextManager[None]:
        """Tell other operators for as long as it takes, where the system can."""

    def before(self, number: int) -> None:
        """Wait until that call may be sent."""

    def send(self, number: int) -> Mapping[str, object]:
        """Send that call, and read back where that proves it. Returns what the journal keeps of the answer.

        Raises:
            BackendError: the system refused it, or its answer was lost.
        """

    def lost(self, number: int, error: BackendError) -> Mapping[str, object]:
        """The call may have landed, and its answer was lost: read back. Returns what the journal keeps."""

    def conflict(self, number: int, error: BackendError) -> Outcome:
        """Somebody else changed it first."""

    def failed(self, number: int, error: BackendError) -> Outcome:
        """That call was refused."""

    def confirm(self) -> Outcome:
        """All calls are sent: observe until the outcome is known."""

    def record(self, outcome: Outcome) -> Mapping[str, object]:
        """What the journal keeps of the outcome, beside what it keeps of any."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of an intent without an outcome, told from the system alone."""

    outcome: OutcomeKind
    message: str
    observed: Mapping[str, object] = field(default_factory=dict)


class ChangeKind(Protocol[P_contra]):
    """Register one in ``kinds.py``, and the executor, recovery, runs, signals and exit codes know it.

    ``exclusive``: at most one change of a subject is under way at a time.
    """

    @property
    def name(self) -> str: ...
    @property
    def exclusive(self) -> bool: ...

    def plans(self, plan: Planned) -> bool:
        """Whether that plan is of this kind."""

    def owns(self, data: Mapping[str, object]) -> bool:
        """Whether an intent with that data is of this kind."""

    def idle(self, plan: P_contra) -> Outcome | None:
        """The outcome of a plan that needs no call, or ``None``."""

    def refusal(self, plan: P_contra, *, reason: str, override: str) -> str:
        """Why the plan must not be sent, or ""."""

    def intent(self, plan: P_contra, *, reason: str, override: str) -> Mapping[str, object]:
        """What the journal keeps of a plan: enough to tell later, from the system alone, what became of it."""

    def apply(self, plan: P_contra, desk: Desk) -> Application:
        """Begin to apply a plan."""

    def judge(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Judgement:
        """What became of an intent that a crash left without an outcome. ``sent`` gives the summaries of the calls that
        the journal knows to be sent.

        Raises:
            BackendError, LookupError: the system cannot be asked.
        """


def of_kind(data: Mapping[str, object], name: str, marked: str) -> bool:
    """Whether an intent is of that kind, by its name or by the key that marked it in the version before."""
    told = data.get(KIND)
    return told == name if told is not None else bool(data.get(marked))


def maybe_applied(error: BackendError) -> bool:
    """Whether a call that ended so may have landed: its answer was lost, or is not understood."""
    return isinstance(error, Malformed) or (isinstance(error, TimedOut) and error.maybe_applied)
