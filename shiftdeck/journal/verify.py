"""Verifies a journal: every line is sound, every line follows the one before, and none is cut off. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from shiftdeck.journal.entry import GENESIS, Entry, read_line
from shiftdeck.journal.storage import parse_head


@dataclass(frozen=True, slots=True)
class Problem:
    """``line`` counts from 1; 0 is the head, the file beside the journal that names its newest entry."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """``entries`` is the number of lines. ``tip`` is the hash of the newest entry, which depends on all entries before
    it. A tip that is kept elsewhere shows even that a journal was rewritten from the beginning. ``found`` is the number
    of the entry with the expected hash; ``None``: none has it, or none was expected."""

    entries: int
    problems: tuple[Problem, ...]
    tip: str = GENESIS
    found: int | None = None

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class _Chain:
    """The state of following the chain. ``seq`` is the number of the last entry. ``accepted`` are the hashes that the
    next line may name; empty: any hash, since the line before cannot be read."""

    seq: int = 0
    accepted: tuple[str, ...] = (GENESIS,)
    problems: list[Problem] = field(default_factory=list)

    def follow(self, number: int, line: bytes) -> str | None:
        """Check the next line; returns its hash if the line is sound."""
        if not line.endswith(b"\n"):
            self._say(number, "is torn: its end is missing")
            self.seq, self.accepted = self.seq + 1, ()
            return None
        try:
            read = read_line(line[:-1])
        except ValueError:
            self._say(number, "was changed: it is not an entry any more")
            self.seq, self.accepted = self.seq + 1, ()
            return None
        entry = read.entry
        if not read.sound:
            self._say(number, "was changed: it does not match its hash")
            self.seq, self.accepted = self.seq + 1, (entry.hash, read.computed)
            return None
        if entry.seq <= self.seq:
            self._say(number, f"does not belong here: it is entry {entry.seq}, and {self.seq} came before")
            return None
        if entry.seq > self.seq + 1:
            self._say(number, f"follows a gap: {_span(self.seq + 1, entry.seq - 1)} missing")
        elif self.accepted and entry.prev not in self.accepted:
            self._say(number, "does not follow from the line before: something was replaced or put in")
        self.seq, self.accepted = entry.seq, (entry.hash,)
        return entry.hash

    def _say(self, number: int, what: str) -> None:
        self.problems.append(Problem(number, f"line {number} {what}"))


def check_lines(lines: Iterable[bytes], head: bytes | None, expected: str = "") -> Verification:
    """Verify these lines. ``lines`` have their newlines. ``head`` is the content of the head file (``None``: none).
    ``expected`` is the hash of an entry that was kept elsewhere."""
    chain = _Chain()
    count, found = 0, 0 if expected == GENESIS else None
    hashes = deque([GENESIS], maxlen=2)
    for count, line in enumerate(lines, 1):
        digest = chain.follow(count, line)
        if digest is not None:
            hashes.append(digest)
            found = chain.seq if digest == expected else found
    problem = _check_head(chain, head, count, tuple(hashes))
    problems = (*chain.problems, problem) if problem else tuple(chain.problems)
    return Verification(count, problems, hashes[-1], found)


def newest_of(line: bytes | None, head: bytes | None) -> Entry | None:
    """The entry on the newest line, which is without its newline; ``None``: there is none, and no head either.

    Raises:
        ValueError: the line is not as it was written, or the head does not know it, nor the one before.
    """
    if line is None and head is None:
        return None
    read, known = read_line(line or b""), parse_head(head or b"")
    entry = read.entry
    if not read.sound or (known.seq, known.hash) not in ((entry.seq, entry.hash), (entry.seq - 1, entry.prev)):
        raise ValueError("the newest entry is not the one that was written last")
    return entry


def _check_head(chain: _Chain, written: bytes | None, count: int, newest: tuple[str, ...]) -> Problem | None:
    """The head may be one entry behind, since a crash may come between the two writes."""
    if written is None:
        words = "the file that names the newest entry is missing: a cut-off end would leave no trace"
        return Problem(0, words) if chain.seq > 1 else None
    try:
        head = parse_head(written)
    except ValueError:
        return Problem(0, "the file that names the newest entry cannot be read as such")
    if head.seq > chain.seq:
        return Problem(count + 1, f"the end was cut off after line {count}: {_span(chain.seq + 1, head.seq)} missing")
    if chain.seq - head.seq > 1:
        return Problem(0, f"{_span(head.seq + 1, chain.seq)} not known to the file that names the newest entry")
    if head.hash not in newest and not chain.problems:
        return Problem(0, f"the newest entry was {head.hash[:12]}…, which is not in the journal")
    return None


def _span(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first}–{last} are"
