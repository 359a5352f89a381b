"""What the journal remembers of an endpoint's releases: which variants a change back left, who gave a variant its
traffic, and the last change; and which releases this program saw fail.

Systems forget this: a Deployment numbers its revisions anew, a rollout drops an abort with the next version. A variant
counts as left until a change gives it traffic again, and only while it still is of the model and image that were left.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from backends.contracts import Endpoint, Release
from shiftdeck.changes.kind import BACK, KIND, MARKED
from shiftdeck.changes.way_back import RECENT_BACK_S, ROLLED_BACK, current_release, shares_of, went_back
from shiftdeck.common.durations import age
from shiftdeck.journal.entry import Entry, EntryKind
from shiftdeck.journal.journal import Journal, JournalError

if TYPE_CHECKING:
    from shiftdeck.fleet.endpoint import EndpointView

MOST_BYTES = 16 * 2**20
"""How much of the journal's end is read at first; after that, only what is new."""

MOST_CHANGES = 50
"""How many changes are remembered of one endpoint."""

RECENT_SELF_S = 60.0
"""How long after an operator's own way back the next one must name its release."""

RECENT_CHANGE_S = 3600.0
"""How old a change of the journal may be that an endpoint is still on its way to."""

NOT_APPLIED = frozenset({"refused", "conflict", "failed"})
"""The outcomes of changes of which nothing was applied."""

TRAFFIC = "traffic"


@dataclass(frozen=True, slots=True)
class Past:
    """One change of the journal that may have been applied. ``leaves`` are the variants that it took out of service,
    with their model and image as far as known; ``gives`` those that it gave traffic to."""

    seq: int
    at: float
    by: str
    words: str
    back: bool
    leaves: Mapping[str, tuple[str, str]]
    gives: frozenset[str]
    outcome: str = ""

    def told(self, now: float) -> str:
        end = "" if self.outcome else ", without an outcome yet"
        return f"#{self.seq} {self.words} by {self.by} {age(now - self.at)} ago{end}"


@dataclass(frozen=True, slots=True)
class Memory:
    """``left`` are the variants that were left for good, each with the change that left it; ``given`` those that got
    traffic, each with the newest change that gave it. ``newest`` is the newest change of the endpoint that may have
    been applied. ``failed`` are the variants whose release this program saw fail, each with the reason."""

    left: Mapping[str, Past] = field(default_factory=dict)
    given: Mapping[str, Past] = field(default_factory=dict)
    newest: Past | None = None
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def back(self) -> Past | None:
        """The newest change, if it went back and left something."""
        newest = self.newest
        return newest if newest is not None and newest.back and newest.leaves else None


def memory_of(changes: Iterable[Past]) -> Memory:
    """The memory of one endpoint, from its changes, the oldest first."""
    left: dict[str, Past] = {}
    given: dict[str, Past] = {}
    newest: Past | None = None
    for one in changes:
        if one.outcome in NOT_APPLIED:
            continue
        if one.outcome == "settled":
            left = {name: past for name, past in left.items() if name not in one.gives}
        if one.back:
            left |= dict.fromkeys(one.leaves, one)
        given |= dict.fromkeys(one.gives, one)
        newest = one
    return Memory(left, given, newest)


def remembered(endpoint: Endpoint, memory: Memory, now: float) -> Endpoint:
    """The endpoint with what is remembered of its releases. What the system vouches for itself stays good, and the
    author that it names stays the author."""
    if memory == Memory():
        return endpoint
    return replace(endpoint, releases=tuple(_marked(one, endpoint, memory, now) for one in endpoint.releases))


def _marked(release: Release, endpoint: Endpoint, memory: Memory, now: float) -> Release:
    shares = shares_of(release)
    author = memory.given.get(next(iter(shares))) if len(shares) == 1 else None
    if author is not None and not release.by:
        release = replace(release, by=author.by)
    if release.current or release.good is not None:
        return release
    bad = ((name, why) for name in shares if (why := _why_bad(endpoint, name, memory, now)))
    name, why = next(bad, ("", ""))
    if not why:
        return release
    return replace(release, good=False, why=why if len(shares) == 1 else f"gives traffic to {name}, which {why}")


def _why_bad(endpoint: Endpoint, name: str, memory: Memory, now: float) -> str:
    past = memory.left.get(name)
    if past is not None and _is_same(endpoint, name, past.leaves[name]):
        return f"{ROLLED_BACK} {age(now - past.at)} ago by {past.by} (#{past.seq})"
    return memory.failed.get(name, "")


def _is_same(endpoint: Endpoint, name: str, was: tuple[str, str]) -> bool:
    """Whether the variant is still of the model and image that were left, as far as both are known."""
    variant = endpoint.variant(name)
    if variant is None:
        return True
    now = (str(variant.model or ""), variant.image or "")
    return all(not one or not other or one == other for one, other in zip(was, now, strict=True))


def recent_change(memory: Memory, now: float) -> str:
    """The newest change of the endpoint that may have been applied, in words; "" if it is not recent."""
    newest = memory.newest
    return newest.told(now) if newest is not None and now - newest.at < RECENT_CHANGE_S else ""


def just_went_back(endpoint: Endpoint, memory: Memory, now: float, operator: str) -> str:
    """Who has just gone back on this endpoint, in words, by the journal or else by the system; "" if nobody has. The
    next rollback must then name its release: of two operators who go back at once, the second would go back two.

    A current release that still has what was left was not gone back from yet: after an abort, the spec goes on asking
    for it until a rollback, and a rollback on its way is not in effect.
    """
    back, current = memory.back, current_release(endpoint)
    if back is not None and current is not None and shares_of(current).keys() & back.leaves.keys():
        return ""
    if back is not None and (back.by != operator or not back.outcome or now - back.at < RECENT_SELF_S):
        return back.told(now) if now - back.at < RECENT_BACK_S else ""
    return "" if back is not None else went_back(endpoint, now)


def remembered_view(view: EndpointView, memory: Memory, now: float) -> EndpointView:
    endpoint = remembered(view.endpoint, memory, now)
    return view if endpoint is view.endpoint else replace(view, endpoint=endpoint)


class ReleaseMemory:
    """The memory of one context, kept up to date from its journal. Thread-safe. Making one does no I/O."""

    def __init__(self, journal: Journal, context: str) -> None:
        self._journal = journal
        self._context = context
        self._lock = threading.Lock()
        self._stamp: object = None
        self._seq = 0
        self._changes: dict[str, list[Past]] = {}
        self._memories: Mapping[str, Memory] = {}
        self._failed: dict[str, dict[str, str]] = {}

    def read(self) -> Mapping[str, Memory]:
        """The memories by endpoint, as text. Reads what was written to the journal since the last call; what cannot be
        read is as before."""
        with self._lock:
            stamp = self._journal.stamp()
            if stamp != self._stamp:
                try:
                    self._take(self._journal.since(self._seq, most_bytes=None if self._seq else MOST_BYTES))
                except JournalError:
                    return self._memories
                self._stamp = stamp
            return self._memories

    def saw(self, endpoints: Iterable[Endpoint]) -> None:
        """Remember the current releases of these endpoints that fail now. A system may forget it with the next version:
        a ReplicaSet at 0 replicas does not tell whether it ever had a ready pod."""
        for endpoint in endpoints:
            ref = str(endpoint.ref)
            current = current_release(endpoint)
            if current is None or current.good is None or (current.good and ref not in self._failed):
                continue
            with self._lock:
                failed = self._failed.setdefault(ref, {})
                for name in shares_of(current):
                    failed.pop(name, None)
                    if current.good is False:
                        failed[name] = current.why or "failed"
                self._memories = {**self._memories, ref: replace(self._known(ref), failed=dict(failed))}

    def _known(self, ref: str) -> Memory:
        return self._memories.get(ref, Memory())

    def of(self, ref: object) -> Memory:
        return self.read().get(str(ref), Memory())

    def _take(self, entries: Sequence[Entry]) -> None:
        touched = set()
        for entry in entries:
            self._seq = max(self._seq, entry.seq)
            if entry.context != self._context or not entry.ref:
                continue
            changes = self._changes.setdefault(entry.ref, [])
            if entry.kind is EntryKind.INTENT and _is_traffic(entry.data):
                changes.append(past_of(entry))
                del changes[:-MOST_CHANGES]
            elif entry.kind is EntryKind.OUTCOME:
                outcome = str(entry.data.get("outcome", ""))
                changes[:] = [replace(one, outcome=outcome) if one.seq == entry.intent else one for one in changes]
            else:
                continue
            touched.add(entry.ref)
        made = {ref: replace(memory_of(self._changes[ref]), failed=self._known(ref).failed) for ref in touched}
        self._memories = {**self._memories, **made}


def past_of(entry: Entry) -> Past:
    """The change of an intent. Journals of earlier versions tell only the weights before and after."""
    data = entry.data
    words = str(data.get("change", ""))
    told = data.get("leaves")
    before, after = _weights(data, "before"), _weights(data, "after")
    taken = [name for name, weight in before.items() if weight > 0 and after and after.get(name, 0.0) == 0]
    leaves = _table(told) if told is not None else dict.fromkeys(taken)
    gives = data.get("gives")
    grown = {name for name, weight in after.items() if weight > before.get(name, 0.0)}
    return Past(
        entry.seq,
        entry.at,
        entry.operator,
        words,
        data.get(BACK) is True if KIND in data else words == "abort" or words.startswith("roll back"),
        {name: _identity(_table(leaves[name])) for name in leaves},
        frozenset(map(str, gives)) | grown if isinstance(gives, list) else frozenset(grown),
    )


def _is_traffic(data: Mapping[str, object]) -> bool:
    told = data.get(KIND)
    return told == TRAFFIC if told is not None else not any(data.get(key) for key in MARKED)


def _identity(told: Mapping[str, object]) -> tuple[str, str]:
    return str(told.get("model") or ""), str(told.get("image") or "")


def _weights(data: Mapping[str, object], when: str) -> dict[str, float]:
    weights = _table(_table(data.get(when)).get("weights"))
    return {name: float(weight) for name, weight in weights.items() if isinstance(weight, int | float)}


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
