"""Changes that have an intent in the journal but no outcome, resolved by reading the system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backends.contracts import Endpoint, EndpointRef
from backends.errors import BackendError
from ops.journal import Entry, Journal, JournalError
from ops.runs import OutcomeKind


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
        observed = all(v.observed is None or v.desired is None or v.observed == v.desired for v in now.variants)
        return OutcomeKind.SETTLED, "applied" if observed else "applied, still on its way"
    if before.get("revision") and before.get("revision") == now.revision:
        return OutcomeKind.FAILED, "not applied: the endpoint is as it was before"
    weights = ", ".join(f"{v.name} {v.desired:g} %" for v in now.variants if v.desired is not None)
    return OutcomeKind.UNKNOWN, f"unknown: the endpoint was changed since, and is now at {weights or 'no weights'}"


def resolve(journal: Journal, context: str, read: Callable[[EndpointRef], Endpoint]) -> tuple[Finding, ...]:
    """Read each endpoint that an unfinished change of ``context`` was for, and write the outcome down.

    What cannot be read stays unfinished, to be tried again.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    findings = []
    for entry in journal.unfinished():
        if entry.context != context:
            continue
        try:
            now = read(EndpointRef.parse(entry.ref))
        except (BackendError, LookupError, ValueError) as error:
            findings.append(Finding(entry, None, f"cannot be resolved yet: {error}"))
            continue
        outcome, message = judge_intent(entry.data, now)
        observed = {variant.name: variant.observed for variant in now.variants}
        data = {"outcome": str(outcome), "message": message, "observed": observed}
        if journal.resolve(entry.seq, data) is not None:
            findings.append(Finding(entry, outcome, message))
    return tuple(findings)


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _matches(after: Mapping[str, object], now: Endpoint) -> bool:
    weights, mirror = _table(after.get("weights")), _table(after.get("mirror"))
    if not weights and not mirror:
        return False
    for variant in now.variants:
        if variant.name in weights and variant.desired != weights[variant.name]:
            return False
        if variant.name in mirror and (variant.mirror or 0.0) != (mirror[variant.name] or 0.0):
            return False
    return True


__all__ = ["Finding", "JournalError", "judge_intent", "resolve"]
