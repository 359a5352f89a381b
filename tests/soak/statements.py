"""What the program said of a change, held against what the system really did.

Judged is by facts alone. The facts of a change are the writes that the proxy saw the server take, and the server's own
state, both past shiftdeck. The statements are the run's outcome and every outcome in the journal, in their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shiftdeck.changes.run import OutcomeKind
from shiftdeck.journal.journal import Entry

NOT_APPLIED = frozenset({OutcomeKind.FAILED, OutcomeKind.REFUSED, OutcomeKind.CONFLICT})
"""Outcomes that say: this change is not in effect, and never was."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One outcome that was said, at that Unix time."""

    kind: OutcomeKind
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class Facts:
    """``taken`` are the Unix times at which the system took the change, ``lost`` those at which somebody else's write
    replaced it. ``in_effect``: what the system shows at the end is the change."""

    taken: tuple[float, ...]
    in_effect: bool
    lost: tuple[float, ...] = ()

    @property
    def replaced(self) -> bool:
        """Whether somebody else's write came after the change was taken."""
        return bool(self.taken) and any(at > min(self.taken) for at in self.lost)

    def held_at(self, at: float, slack_s: float) -> bool:
        """Whether the change was in effect at a moment of the ``slack_s`` seconds before ``at``: a reading takes its
        time, and what happens after it cannot be known."""
        ends = [*(time for time in self.lost), float("inf")]
        for begun in self.taken:
            end = min(time for time in ends if time >= begun)
            if begun <= at and end >= at - slack_s:
                return True
        return False


class Wrong(StrEnum):
    """How a statement can be wrong."""

    DENIED = "said not applied, and it was"
    CLAIMED = "said settled, and it was not in effect"
    TIMED = "too early or too late"
    FAILED = "a test that fails"


class Standing(StrEnum):
    """How a change ended, where nothing wrong was said."""

    RIGHT = "right"
    OPEN = "unknown to the end"
    REPLACED = "sent, and replaced by somebody else"
    REOPENED = "reopened, and then right"


@dataclass(frozen=True, slots=True)
class Judged:
    """One change, judged. ``label`` says how it can be made again: its number and what was done to it."""

    label: str
    standing: Standing | Wrong
    statements: tuple[Statement, ...]

    @property
    def wrong(self) -> bool:
        return isinstance(self.standing, Wrong)

    def __str__(self) -> str:
        said = "; then ".join(f"{one.kind}: {one.message}" for one in self.statements)
        return f"{self.label}: {self.standing}: {said or 'nothing'}"


def statements(entries: Iterable[Entry], seq: int | None) -> tuple[Statement, ...]:
    """The outcomes of that intent in the journal, oldest first. A refusal is an entry of its own number."""
    found = []
    for entry in entries:
        said = entry.data.get("outcome")
        if said is not None and seq is not None and seq in (entry.intent, entry.seq):
            found.append(Statement(OutcomeKind(str(said)), str(entry.data.get("message", "")), entry.at))
    return tuple(found)


def judge(label: str, said: Sequence[Statement], facts: Facts, *, slack_s: float = 0.5) -> Judged:
    """Judge the statements of one change. "Not applied" must hold to the end: a call that lands later makes it wrong,
    unless it is taken back by a later statement. "Settled" must hold when it is said."""
    claimed = [one for one in said if one.kind is OutcomeKind.SETTLED and not facts.held_at(one.at, slack_s)]
    last = said[-1] if said else None
    standing: Standing | Wrong = Standing.RIGHT
    if claimed:
        standing = Wrong.CLAIMED
    elif last is not None and last.kind in NOT_APPLIED and facts.taken:
        standing = Wrong.DENIED
    elif last is None or last.kind in (OutcomeKind.UNKNOWN, OutcomeKind.SUPERSEDED):
        standing = Standing.REPLACED if facts.replaced else Standing.OPEN
    elif any(one.kind in NOT_APPLIED for one in said[:-1]) and facts.taken:
        standing = Standing.REOPENED
    return Judged(label, standing, tuple(said))


@dataclass(slots=True)
class Tally:
    """The changes of one run, and what was wrong."""

    name: str
    seed: int
    judged: list[Judged] = field(default_factory=list)

    @property
    def wrong(self) -> list[Judged]:
        return [one for one in self.judged if one.wrong]

    @property
    def open(self) -> list[Judged]:
        return [one for one in self.judged if one.standing is Standing.OPEN]

    def __str__(self) -> str:
        counts = Counter(str(one.standing) for one in self.judged)
        told = ", ".join(f"{count} {standing}" for standing, count in sorted(counts.items()))
        return f"{self.name}: {len(self.judged)} changes (seed {self.seed}), {len(self.wrong)} wrong statements: {told}"


def right(tally: Tally) -> None:
    """Nothing wrong was said.

    Raises:
        AssertionError: something was.
    """
    assert tally.judged
    assert not tally.wrong, "\n".join([str(tally), *map(str, tally.wrong)])


def resolved(tally: Tally) -> None:
    """The same, and everything was found out."""
    right(tally)
    assert not tally.open, "\n".join([str(tally), *map(str, tally.open)])
