"""The kind of change that edits a registry: aliases, tags and stages of registered versions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from backends.contracts import Adapter, Annotates, Call, ModelRef, ModelVersion, Registry
from backends.errors import BackendError, Malformed, Rejected, Unsupported
from shiftdeck.changes.check import Check, blocked_by, blocks_of
from shiftdeck.changes.kind import (
    REGISTERED,
    Desk,
    Fence,
    Judgement,
    Planned,
    Shown,
    Shows,
    Sight,
    of_kind,
)
from shiftdeck.changes.plan import Step
from shiftdeck.changes.run import Outcome, OutcomeKind
from shiftdeck.fleet.view import FleetView

if TYPE_CHECKING:
    from shiftdeck.changes.version_rules import VersionRules
    from shiftdeck.journal.entry import Entry


PRODUCTION = "production"


class Kind(StrEnum):
    """The part of a registry that is changed."""

    ALIAS = "alias"
    TAG = "tag"
    STAGE = "stage"


@dataclass(frozen=True, slots=True)
class Registered:
    """One change to a registered version: ``ref`` gets the alias ``name``, gets the tag ``name`` with ``value`` ("":
    the tag is removed), or goes to the stage ``value``. ``before`` is the version that an alias names until then."""

    kind: Kind
    ref: ModelRef
    name: str = ""
    value: str = ""
    before: str = ""

    @property
    def deploys(self) -> bool:
        """Whether serving systems may follow this change: tags deploy nothing."""
        return self.kind is Kind.ALIAS or (self.kind is Kind.STAGE and self.value.lower() == PRODUCTION)

    @property
    def words(self) -> str:
        """ "tag scan=passed of m/7"."""
        if self.kind is Kind.ALIAS:
            return f"alias {self.name} of {self.ref.model} to {self.ref.version}"
        if self.kind is Kind.STAGE:
            return f"stage of {self.ref} to {self.value}"
        return f"tag {self.name}={self.value} of {self.ref}" if self.value else f"untag {self.name} of {self.ref}"

    def holds(self, now: ModelVersion) -> bool:
        """Whether this change is in effect in a version."""
        if self.kind is Kind.ALIAS:
            return self.name in now.aliases
        if self.kind is Kind.STAGE:
            return (now.stage or "None").lower() == self.value.lower()
        return now.tags.get(self.name, "") == self.value


@dataclass(frozen=True, slots=True)
class RegistryPlan:
    """The calls to ``source``, one for each of ``changes``. Changes that are in effect already are left out. A plan
    with a check that blocks is applied only with an override and a reason."""

    id: str
    context: str
    source: str
    changes: tuple[Registered, ...]
    calls: tuple[Call, ...]
    reason: str
    back: bool = False
    checks: tuple[Check, ...] = ()

    @property
    def blocked(self) -> bool:
        return bool(blocks_of(self.checks))

    @property
    def subject(self) -> str:
        return str(self.changes[0].ref) if self.changes else ""

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(Step(self.source, "registries", call) for call in self.calls)

    @property
    def words(self) -> str:
        return ", ".join(change.words for change in self.changes) or "nothing: it is so already"


Own = Callable[[str, ModelRef], ModelVersion]
"""Returns a version as a registry source has it now, without the data of its run. Raises ``BackendError`` or
``LookupError``."""


# ── the kind ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class RegistryEdits:
    """Edits of the registries of one context. ``adapter`` returns the adapter of a registry. ``rules`` check what
    deploys a version; edits that are only recovered need none. Planning may block."""

    adapter: Callable[[str], Adapter]
    rules: VersionRules | None = None
    name: str = "registry edit"
    exclusive: bool = False

    def plan(self, fleet: FleetView, changes: Sequence[Registered], *, reason: str) -> RegistryPlan:
        """The plan of changes to one model, against the registry as it is now. Changes that are in effect already are
        left out.

        Raises:
            BackendError: the version is not registered, the registry has no such alias, tag or stage, or it cannot be
                read.
        """
        model = changes[0].ref.model
        source = fleet.registry_of.get(model)
        if source is None:
            raise Rejected(
                f"no version of a model {model!r} was read", hint="shiftdeck status says which registries answer"
            )
        adapter = self._annotates(source, f"{source} has neither tags nor stages")
        kept: list[Registered] = []
        calls: list[Call] = []
        checks: list[Check] = []
        back = False
        for change in changes:
            now = adapter.own(change.ref)
            holder = _holder(fleet, change)
            made = _calls(adapter, change, now, holder)
            kept += [replace(change, before=holder or "")] * len(made)
            calls += made
            if made and change.deploys and self.rules is not None:
                checks += self.rules.checks(fleet, now, change.name, holder)
                back = back or self.rules.back(change.ref, change.name, holder) is not None
        plan = uuid.uuid4().hex[:12]
        return RegistryPlan(plan, fleet.context, source, tuple(kept), tuple(calls), reason, back, tuple(checks))

    def own(self, source: str, ref: ModelRef) -> ModelVersion:
        """A version as a registry has it now, without the data of its run.

        Raises:
            LookupError: there is no such source.
            Unsupported: the registry cannot read single versions.
        """
        return self._annotates(source, f"{source} does not tell of single versions").own(ref)

    def _annotates(self, source: str, otherwise: str) -> Annotates:
        adapter = self.adapter(source)
        if not isinstance(adapter, Annotates):
            raise Unsupported(otherwise)
        return adapter

    def plans(self, plan: Planned) -> bool:
        return isinstance(plan, RegistryPlan)

    def owns(self, data: Mapping[str, object]) -> bool:
        return of_kind(data, self.name, REGISTERED)

    def idle(self, plan: RegistryPlan) -> Outcome | None:
        return None if plan.calls else Outcome(OutcomeKind.SETTLED, "it is so already; nothing was sent")

    def refusal(self, plan: RegistryPlan, *, reason: str, override: str) -> str:
        return "" if override.strip() and reason.strip() else blocked_by(plan.checks)

    def intent(self, plan: RegistryPlan, *, reason: str = "", override: str = "") -> Mapping[str, object]:
        return intent_data(plan, override)

    def apply(self, plan: RegistryPlan, desk: Desk) -> RegistryApplication:
        return RegistryApplication(plan, desk, cast("Registry", self.adapter(plan.source)), self.own)

    def judge(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Judgement:
        outcome, message = judge_registered(entry.data, self.own)
        return Judgement(outcome, message, may_land=outcome is not OutcomeKind.SETTLED)

    def fence(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Fence | None:
        """None: registries compare before they write, and have no guard."""
        return None

    def shown(self, entry: Entry, fleet: FleetView) -> Shown | None:
        changes = _changes_of(entry.data)
        held = {one.ref: one for one in fleet.versions}
        status = fleet.source(changes[0][0])
        if status is None or not status.fresh or status.at is None:
            return None
        shown = all(change.ref in held and change.holds(held[change.ref]) for _, change in changes)
        return Shown("", status.at) if shown else None


def _holder(fleet: FleetView, change: Registered) -> str | None:
    """The version that the alias, or the newest version that the stage, of a change names now."""
    if not change.deploys:
        return None
    of_model = (one for one in fleet.versions if one.ref.model == change.ref.model)
    return next((one.ref.version for one in of_model if change.holds(one)), None)


def _calls(adapter: Annotates, change: Registered, now: ModelVersion, holder: str | None) -> Sequence[Call]:
    if change.kind is Kind.TAG:
        return adapter.compile_tag(change.ref, change.name, change.value, now.tags.get(change.name))
    if change.kind is Kind.STAGE:
        return adapter.compile_stage(change.ref, change.value, now.stage)
    return cast("Registry", adapter).compile_alias(change.ref.model, change.name, change.ref.version, holder)


class RegistryApplication:
    """One plan being applied. The adapter compares before each call and reads back after it."""

    def __init__(self, plan: RegistryPlan, desk: Desk, registry: Registry, own: Own) -> None:
        self._plan = plan
        self._desk = desk
        self._registry = registry
        self._own = own
        self._said: list[str] = []

    def announced(self) -> AbstractContextManager[None]:
        return nullcontext()

    def before(self, number: int) -> None:
        """The calls are independent: none waits for another."""

    def send(self, number: int) -> Mapping[str, object]:
        self._said.append(self._registry.send(self._plan.calls[number]).detail)
        return {"answer": self._said[-1]}

    def look(self, number: int) -> Sight:
        holds = self._holds(self._plan.changes[number])
        return Sight(Shows.EFFECT if holds else Shows.BEFORE, exact=holds, untouched=not holds)

    def fence(self, number: int) -> Fence | None:
        return None

    def conflict(self, number: int, error: BackendError) -> Outcome:
        return Outcome(OutcomeKind.CONFLICT, f"{self._count(number)}{error}; nothing was sent over it")

    def failed(self, number: int, error: BackendError, proof: str = "") -> Outcome:
        words = f"{error}; {proof}" if proof else f"{error}"
        if number:
            return Outcome(OutcomeKind.UNKNOWN, f"{self._count(number)}{words}")
        return Outcome(OutcomeKind.FAILED, words if proof else f"nothing was changed: {words}")

    def confirm(self) -> Outcome:
        """Settled only if every edit still holds: an edit may have been undone while the later ones were sent."""
        try:
            gone = [change.words for change in self._plan.changes if not self._holds(change)]
        except BackendError as error:
            return Outcome(OutcomeKind.UNKNOWN, f"sent; it cannot be read back: {error}", by_look=True)
        read_at = self._desk.dated(self._desk.clock())
        if gone:
            return Outcome(OutcomeKind.UNKNOWN, f"sent, but changed again since: {', '.join(gone)}", by_look=True)
        told = "; ".join(self._said) or self._plan.words
        return Outcome(OutcomeKind.SETTLED, f"read back: {told}", confirmed=True, read_at=read_at)

    def _holds(self, change: Registered) -> bool:
        return change.holds(self._own(self._plan.source, change.ref))

    def record(self, outcome: Outcome) -> Mapping[str, object]:
        return {}

    def _count(self, number: int) -> str:
        return f"{number} of {len(self._plan.calls)} calls sent, then: " if number else ""


# ── the journal ─────────────────────────────────────────────────────────────────────────────────────────────────


def intent_data(plan: RegistryPlan, override: str = "") -> dict[str, object]:
    """What the journal keeps of a plan: enough to judge later, from the registry alone, what became of it."""
    return {
        "plan": plan.id,
        "change": plan.words,
        "reason": plan.reason,
        "override": override,
        "checks": [
            {"name": check.name, "verdict": str(check.verdict), "evidence": check.evidence} for check in plan.checks
        ],
        REGISTERED: [
            {
                "source": plan.source,
                "kind": str(change.kind),
                "model": change.ref.model,
                "version": change.ref.version,
                "name": change.name,
                "value": change.value,
                "before": change.before,
            }
            for change in plan.changes
        ],
        "calls": [
            {"source": plan.source, "method": call.method, "path": call.path, "body": call.body} for call in plan.calls
        ],
    }


def judge_registered(data: Mapping[str, object], own: Own) -> tuple[OutcomeKind, str]:
    """Applied, not applied, or unknown, judged from the journal's record of a plan and the registry's present data.

    Raises:
        BackendError, LookupError: the registry cannot be asked, or the journal holds something else.
    """
    shown = [change.holds(own(source, change.ref)) for source, change in _changes_of(data)]
    if all(shown):
        return OutcomeKind.SETTLED, "applied"
    if any(shown):
        return OutcomeKind.UNKNOWN, f"unknown: {sum(shown)} of {len(shown)} changes are in effect"
    return OutcomeKind.FAILED, "not applied: the registry is as it was"


def _changes_of(data: Mapping[str, object]) -> list[tuple[str, Registered]]:
    """The changes that the journal keeps of a plan, each with its source."""
    found = []
    for raw in cast("Sequence[object]", data[REGISTERED]):
        if not isinstance(raw, Mapping) or raw.get("kind") not in tuple(Kind):
            raise Malformed("not what the journal keeps of a change to a registry")
        told = {key: str(raw.get(key, "")) for key in ("source", "model", "version", "name", "value")}
        ref = ModelRef(told["model"], told["version"])
        found.append((told["source"], Registered(Kind(str(raw["kind"])), ref, told["name"], told["value"])))
    return found


def alias_is_at(registry: Registry, model: str, alias: str, version: str, expected: str | None) -> bool:
    """Whether an alias points at ``version``, read now; with "", whether it does not point at ``expected`` any more."""
    at = version or expected or ""
    if isinstance(registry, Annotates):
        holds = alias in registry.own(ModelRef(model, at)).aliases
    else:
        holds = any(one.ref == ModelRef(model, at) and alias in one.aliases for one in registry.versions())
    return holds if version else not holds
