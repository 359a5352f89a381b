"""The checks of a registry edit that deploys a version. Serving systems may follow an alias or the stage Production,
so such an edit follows the rules of a change forward. To move an alias back to the version that it named before is a
change back: no gate applies to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from backends.contracts import ModelRef, ModelVersion
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.kind import BACK, REGISTERED
from shiftdeck.changes.promotion_gates import Gating, candidate_for, gate_checks
from shiftdeck.changes.release_memory import NOT_APPLIED, Memory
from shiftdeck.common.durations import age
from shiftdeck.fleet.view import FleetView
from shiftdeck.journal.entry import Entry, EntryKind

READY = "READY"
"""The status of a version whose registration has ended well, as MLflow names it. "": the registry has no status."""


@dataclass(frozen=True, slots=True)
class PastMove:
    """A move of an alias that the journal keeps. ``before`` is the version that the alias named until then; ``None``:
    it named none, or the entry does not tell."""

    seq: int
    at: float
    by: str
    before: str | None
    version: str
    back: bool


def alias_moves(entries: Sequence[Entry], context: str, model: str, alias: str) -> tuple[PastMove, ...]:
    """The moves of one alias that may have been applied, newest first, by edits and by promotions. ``entries`` are the
    journal's, newest first."""
    outcomes: dict[int | None, object] = {}
    found = []
    for entry in entries:
        if entry.context != context:
            continue
        if entry.kind is EntryKind.OUTCOME:
            outcomes.setdefault(entry.intent, entry.data.get("outcome"))
        elif entry.kind is EntryKind.INTENT and outcomes.get(entry.seq) not in NOT_APPLIED:
            for move in _moves_in(entry):
                if (move.get("model"), move.get("alias")) == (model, alias):
                    before, version = move.get("before"), str(move.get("version"))
                    back = entry.data.get(BACK) is True
                    found.append(
                        PastMove(entry.seq, entry.at, entry.operator, str(before) if before else None, version, back)
                    )
    return tuple(found)


def _moves_in(entry: Entry) -> Iterator[Mapping[str, object]]:
    promoted, edits = entry.data.get("alias"), entry.data.get(REGISTERED)
    if isinstance(promoted, Mapping):
        yield promoted
    for edit in edits if isinstance(edits, Sequence) else ():
        if isinstance(edit, Mapping) and edit.get("kind") == "alias":
            yield {**edit, "alias": edit.get("name")}


@dataclass(frozen=True, slots=True)
class VersionRules:
    """What the edits of one context are checked by. ``gatings`` returns the gates of the endpoints that serve a model,
    ``unread`` why it is not known which endpoints do, or "",
    ``moves`` the past moves of an alias of a model, ``memories`` what the journal remembers of each endpoint."""

    gatings: Callable[[FleetView, str], tuple[Gating, ...]]
    unread: Callable[[FleetView], str]
    moves: Callable[[str, str], tuple[PastMove, ...]]
    memories: Callable[[], Mapping[str, Memory]]

    def back(self, ref: ModelRef, alias: str, before: str | None) -> PastMove | None:
        """The newest move of the alias, if its move from ``before`` to ``ref`` reverts that; ``None``: it goes forward,
        as a move to a stage (``alias`` is "") always does."""
        newest = next(iter(self.moves(ref.model, alias)), None) if alias else None
        if newest is None or newest.back or (newest.before, newest.version) != (ref.version, before):
            return None
        return newest

    def checks(self, fleet: FleetView, now: ModelVersion, alias: str, before: str | None) -> Iterator[Check]:
        """The checks of an edit that deploys ``now`` by an alias, or by the stage Production if ``alias`` is "".
        ``before`` is the version that the alias or stage names until then."""
        ref, reverted = now.ref, self.back(now.ref, alias, before)
        yield _names(fleet, now, alias, before, reverted)
        if now.status not in ("", READY):
            verdict = CheckVerdict.WARN if reverted else CheckVerdict.BLOCK
            yield Check("registration", verdict, f"the status of {ref} is {now.status}, not {READY}")
        if reverted:
            return
        if left := self._left(fleet, ref, alias):
            yield Check("rolled back", CheckVerdict.WARN, left)
        if unread := self.unread(fleet):
            yield Check("endpoints", CheckVerdict.BLOCK, f"gates of endpoints may apply, and {unread}")
        behind = ModelRef(ref.model, before) if before else None
        candidate = candidate_for(fleet, f"version {ref.version}", ref, behind)
        found = (
            check
            for gating in self.gatings(fleet, ref.model)
            for check in gate_checks(candidate, gating.gates, gating.describe)
        )
        yield from dict.fromkeys(found)

    def _left(self, fleet: FleetView, version: ModelRef, alias: str) -> str:
        """The change that went back from that version, in words; "": the journal knows none."""
        for ref, memory in self.memories().items():
            for name, past in memory.left.items():
                if past.leaves.get(name, ("", ""))[0] == str(version):
                    return f"{ref}: {past.told(fleet.at)}"
        moves = self.moves(version.model, alias) if alias else ()
        for move in moves:
            if move.version == version.version:
                break
            if move.back and move.before == version.version:
                return f"#{move.seq} moved the alias back from it, by {move.by} {age(fleet.at - move.at)} ago"
        return ""


def _names(fleet: FleetView, now: ModelVersion, alias: str, before: str | None, reverted: PastMove | None) -> Check:
    """What the edit deploys."""
    parts = [f"{before or 'unset'} → {now.ref.version}" if alias else now.ref.version]
    if now.created is not None:
        parts.append(f"registered {age(fleet.at - now.created)} ago")
    parts += [f"run {now.run}"] if now.run else []
    parts += [f"from {now.source}"] if now.source else []
    parts += [now.status] if now.status else []
    parts += [f"back from #{reverted.seq}"] if reverted else []
    return Check(f"{alias or 'Production'} names", CheckVerdict.PASS, ", ".join(parts))
