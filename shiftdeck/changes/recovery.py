"""Changes that have an intent in the journal but no outcome, resolved by reading the system."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backends.contracts import Endpoint, EndpointRef, Silence
from shiftdeck.changes.registry_edit import REGISTERED, Own, judge_registered, no_registry
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.silence import SILENCES, judge_silences, no_silences
from shiftdeck.journal.entry import EntryKind
from shiftdeck.journal.journal import Entry, Journal, JournalError

RETRY_S = 10.0
"""What could not be resolved, because the journal or an endpoint could not be read, is tried again this often."""

TOLERANCE = 0.01
"""Percentage points: systems round their weights."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one unfinished change. ``outcome`` is ``None`` while the endpoint cannot be read."""

    entry: Entry
    outcome: OutcomeKind | None
    message: str


def judge_intent(data: Mapping[str, object], now: Endpoint) -> tuple[OutcomeKind, str]:
    """Pure. Applied, not applied, or unknown, from what the journal kept of a plan and the endpoint as it is."""
    before, after = _table(data.get("before")), _table(data.get("after"))
    if _matches(after, now):
        arrived = all(v.observed is None or v.desired is None or _same(v.observed, v.desired) for v in now.variants)
        words = "applied" if arrived else "applied, still on its way"
        alias = _table(data.get("alias"))
        if alias:
            words += f"; look whether {alias.get('alias')} of {alias.get('model')} moved to {alias.get('version')}"
        return OutcomeKind.SETTLED, words
    if before.get("revision") and before.get("revision") == now.revision:
        return OutcomeKind.FAILED, "not applied: the endpoint is as it was before"
    weights = ", ".join(f"{v.name} {v.desired:g} %" for v in now.variants if v.desired is not None)
    return OutcomeKind.UNKNOWN, f"unknown: the endpoint was changed since, and is now at {weights or 'no weights'}"


def resolve(
    journal: Journal,
    context: str,
    read: Callable[[EndpointRef], Endpoint],
    silences: Callable[[str], tuple[Silence, ...]] = no_silences,
    own: Own = no_registry,
) -> tuple[Finding, ...]:
    """Read each endpoint that an unfinished change of ``context`` was for, and write the outcome down; of a silence,
    ask the source of alerts that it was sent to.

    What cannot be read stays unfinished, to be tried again.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    findings = []
    for entry in journal.unfinished():
        if entry.context != context:
            continue
        try:
            observed: Mapping[str, object] = {}
            if entry.data.get(SILENCES):
                outcome, message = judge_silences(entry.data, silences)
            elif entry.data.get(REGISTERED):
                outcome, message = judge_registered(entry.data, own)
                observed = {}
            else:
                now = read(EndpointRef.parse(entry.ref))
                outcome, message = judge_intent(entry.data, now)
                if outcome is OutcomeKind.UNKNOWN:
                    message += _part_way(journal, entry)
                observed = {variant.name: variant.observed for variant in now.variants}
        except Exception as error:  # noqa: BLE001 - a defect in one adapter must not hide the other unfinished changes
            findings.append(Finding(entry, None, f"cannot be resolved yet: {error}"))
            continue
        data = {"outcome": str(outcome), "message": message, "observed": observed}
        if journal.resolve(entry.seq, data) is not None:
            findings.append(Finding(entry, outcome, message))
    return tuple(findings)


def _part_way(journal: Journal, entry: Entry) -> str:
    """Which calls the journal knows to be out, where the change has several and not all are; else ""."""
    calls = entry.data.get("calls")
    if not isinstance(calls, list) or len(calls) < 2:
        return ""
    sent = [
        one for one in journal.entries(newest_first=False) if one.kind is EntryKind.SENT and one.intent == entry.seq
    ]
    if len(sent) >= len(calls):
        return ""
    out = "; ".join(str(one.data.get("call", "")) for one in sent) or "none"
    return (
        f"; {len(sent)} of {len(calls)} calls are known to be sent: {out}. The way back: {entry.data.get('way_back')}"
    )


class Recovery:
    """Looks after the unfinished changes of one context, on a thread of its own, until all are resolved.

    ``changed`` is called, on that thread, whenever something new is known.
    """

    def __init__(
        self,
        journal: Journal,
        context: str,
        read: Callable[[EndpointRef], Endpoint],
        changed: Callable[[], None],
        silences: Callable[[str], tuple[Silence, ...]] = no_silences,
        own: Own = no_registry,
    ) -> None:
        self._journal = journal
        self._context = context
        self._read = read
        self._changed = changed
        self._silences = silences
        self._own = own
        self._lock = threading.Lock()
        self._findings: dict[int, Finding] = {}
        self._thread: threading.Thread | None = None
        self._tried_at: float | None = None
        self._again = True

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is known so far, oldest first."""
        with self._lock:
            return tuple(finding for _, finding in sorted(self._findings.items()))

    @property
    def unfinished(self) -> tuple[Entry, ...]:
        """The changes that are still without an outcome."""
        return tuple(finding.entry for finding in self.findings if finding.outcome is None)

    def resolve(self) -> tuple[Finding, ...]:
        """Try now, on the caller's thread; returns what this found.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        findings = resolve(self._journal, self._context, self._read, self._silences, self._own)
        with self._lock:
            # Those that are open no more, and not among the findings, were resolved by another process.
            kept = {seq: finding for seq, finding in self._findings.items() if finding.outcome is not None}
            self._findings = kept | {finding.entry.seq: finding for finding in findings}
        self._changed()
        return findings

    def tend(self) -> None:
        """Begin an attempt if one is due; returns at once."""
        busy = self._thread is not None and self._thread.is_alive()
        rested = self._tried_at is None or time.monotonic() - self._tried_at > RETRY_S
        if self._again and rested and not busy:
            self._tried_at = time.monotonic()
            self._thread = threading.Thread(target=self._attempt, name="recovery", daemon=True)
            self._thread.start()

    def _attempt(self) -> None:
        try:
            self.resolve()
        except JournalError:
            return
        self._again = bool(self.unfinished)


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _matches(after: Mapping[str, object], now: Endpoint) -> bool:
    weights, mirror = _table(after.get("weights")), _table(after.get("mirror"))
    if not weights and not mirror:
        return False
    live = {variant.name: variant.desired for variant in now.variants}
    copied = {variant.name: variant.mirror or 0.0 for variant in now.variants}
    return all(_same(live.get(name), weight) for name, weight in weights.items() if weight or live.get(name)) and all(
        _same(copied.get(name, 0.0), percent or 0.0) for name, percent in mirror.items()
    )


def _same(one: object, other: object) -> bool:
    return (
        isinstance(one, int | float) and isinstance(other, int | float) and abs(float(one) - float(other)) <= TOLERANCE
    )


__all__ = ["Finding", "JournalError", "Recovery", "judge_intent", "resolve"]
