"""Changes of aliases, tags and stages of registered versions: what they are, what the journal keeps of them, and what
became of them. Pure, but for reading versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from backends.contracts import Call, ModelRef, ModelVersion
from backends.errors import Malformed, Unsupported
from shiftdeck.changes.run import OutcomeKind

REGISTERED = "registered"
"""The key of a journal entry's data that tells changes of a registry from changes to endpoints."""


class Kind(StrEnum):
    """What is changed."""

    ALIAS = "alias"
    TAG = "tag"
    STAGE = "stage"


@dataclass(frozen=True, slots=True)
class Registered:
    """One change: ``ref`` gets the alias ``name``, has the tag ``name`` set to ``value`` ("": taken away), or goes to
    the stage ``value``."""

    kind: Kind
    ref: ModelRef
    name: str = ""
    value: str = ""

    @property
    def words(self) -> str:
        """ "tag scan=passed of m/7"."""
        if self.kind is Kind.ALIAS:
            return f"alias {self.name} of {self.ref.model} to {self.ref.version}"
        if self.kind is Kind.STAGE:
            return f"stage of {self.ref} to {self.value}"
        return f"tag {self.name}={self.value} of {self.ref}" if self.value else f"untag {self.name} of {self.ref}"

    def holds(self, now: ModelVersion) -> bool:
        """Whether a version is as this change wants it."""
        if self.kind is Kind.ALIAS:
            return self.name in now.aliases
        if self.kind is Kind.STAGE:
            return (now.stage or "None").lower() == self.value.lower()
        return now.tags.get(self.name, "") == self.value


@dataclass(frozen=True, slots=True)
class RegistryPlan:
    """``calls`` are what is sent to ``source``, one for each of ``changes``; what is so already is left out."""

    id: str
    context: str
    source: str
    changes: tuple[Registered, ...]
    calls: tuple[Call, ...]
    reason: str

    @property
    def words(self) -> str:
        return ", ".join(change.words for change in self.changes) or "nothing: it is so already"


Own = Callable[[str, ModelRef], ModelVersion]
"""A version as a registry source has it now, without what its run tells. Raises ``BackendError`` or ``LookupError``."""


# ── the journal ─────────────────────────────────────────────────────────────────────────────────────────────────


def intent_data(plan: RegistryPlan) -> dict[str, object]:
    """What the journal keeps of a plan: enough to tell later, from the registry alone, what became of it."""
    return {
        "plan": plan.id,
        "change": plan.words,
        "reason": plan.reason,
        REGISTERED: [
            {
                "source": plan.source,
                "kind": str(change.kind),
                "model": change.ref.model,
                "version": change.ref.version,
                "name": change.name,
                "value": change.value,
            }
            for change in plan.changes
        ],
        "calls": [
            {"source": plan.source, "method": call.method, "path": call.path, "body": call.body} for call in plan.calls
        ],
    }


def judge_registered(data: Mapping[str, object], own: Own) -> tuple[OutcomeKind, str]:
    """Applied, not applied, or partly, from what the journal kept of a plan and what the registry shows.

    Raises:
        BackendError, LookupError: the registry cannot be asked, or the journal holds something else.
    """
    shown = []
    for raw in cast("Sequence[object]", data[REGISTERED]):
        if not isinstance(raw, Mapping) or raw.get("kind") not in tuple(Kind):
            raise Malformed("not what the journal keeps of a change to a registry")
        told = {key: str(raw.get(key, "")) for key in ("source", "model", "version", "name", "value")}
        change = Registered(
            Kind(str(raw["kind"])), ModelRef(told["model"], told["version"]), told["name"], told["value"]
        )
        shown.append(change.holds(own(told["source"], change.ref)))
    if all(shown):
        return OutcomeKind.SETTLED, "applied"
    if any(shown):
        return OutcomeKind.UNKNOWN, f"unknown: {sum(shown)} of {len(shown)} changes are in effect"
    return OutcomeKind.FAILED, "not applied: the registry is as it was"


def no_registry(source: str, ref: ModelRef) -> ModelVersion:
    """For a context without a registry.

    Raises:
        Unsupported: always.
    """
    raise Unsupported(f"{source} does not tell of {ref}")
