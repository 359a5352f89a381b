"""Aliases, tags and stages through a running engine: planned, and carried out. May block: not for the UI's thread."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import cast

from backends.contracts import Annotates, Call, Registry
from backends.errors import BackendError, Conflict, Malformed, Rejected, TimedOut, Unsupported
from shiftdeck.changes.registry_edit import Kind, Registered, RegistryPlan, intent_data
from shiftdeck.changes.run import Outcome, OutcomeKind
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.journal import JournalError


def propose(engine: Engine, changes: tuple[Registered, ...], *, reason: str) -> RegistryPlan:
    """Work changes of one model out against the registry as it is now. May block.

    Raises:
        BackendError: the version is not registered, or the registry has no such alias, tag or stage, or cannot be read.
    """
    model = changes[0].ref.model
    source = engine.view.registry_of.get(model)
    if source is None:
        raise Rejected(f"no model {model!r} is registered", hint="shiftdeck status says which registries answer")
    adapter = engine.adapter("registries", source)
    if not isinstance(adapter, Annotates):
        raise Unsupported(f"{source} has neither tags nor stages")
    kept: list[Registered] = []
    calls: list[Call] = []
    for change in changes:
        now = adapter.own(change.ref)
        if change.kind is Kind.TAG:
            made = adapter.compile_tag(change.ref, change.name, change.value, now.tags.get(change.name))
        elif change.kind is Kind.STAGE:
            made = adapter.compile_stage(change.ref, change.value, now.stage)
        else:
            registry = cast("Registry", adapter)
            holder = next(
                (
                    one.ref.version
                    for one in engine.view.versions
                    if one.ref.model == model and change.name in one.aliases
                ),
                None,
            )
            made = registry.compile_alias(model, change.name, change.ref.version, holder)
        kept += [change] * len(made)
        calls += made
    return RegistryPlan(uuid.uuid4().hex[:12], engine.context.name, source, tuple(kept), tuple(calls), reason)


def apply(engine: Engine, plan: RegistryPlan) -> tuple[Outcome, int | None]:
    """Record, send, record; the adapter compares before and reads back after each call. Returns the outcome and the
    journal's number of the intent. Raises nothing."""
    if not plan.calls:
        return Outcome(OutcomeKind.SETTLED, "it is so already; nothing was sent"), None
    data = intent_data(plan)
    ref = str(plan.changes[0].ref)
    refusal = engine.gate.refusal()
    journal = engine.journal
    if refusal:
        try:
            noted = {**data, "outcome": "refused", "message": refusal}
            return Outcome(OutcomeKind.REFUSED, refusal), journal.note(context=plan.context, ref=ref, data=noted).seq
        except JournalError:
            return Outcome(OutcomeKind.REFUSED, refusal), None
    try:
        flight = journal.begin(context=plan.context, ref=ref, data=data)
    except JournalError as error:
        return Outcome(OutcomeKind.REFUSED, f"nothing was sent: {error}"), None
    outcome = _sent(engine, plan, flight.sent)
    try:
        flight.finish({"outcome": str(outcome.kind), "message": outcome.message})
    except JournalError as error:
        flight.leave()
        outcome = Outcome(outcome.kind, f"{outcome.message}; the outcome could not be recorded: {error}")
    engine.refresh(plan.source)
    return outcome, flight.seq


def _sent(engine: Engine, plan: RegistryPlan, record: Callable[[Mapping[str, object]], object]) -> Outcome:
    registry = cast("Registry", engine.adapter("registries", plan.source))
    said: list[str] = []
    for call in plan.calls:
        before = f"{len(said)} of {len(plan.calls)} calls sent, then: " if said else ""
        try:
            said.append(registry.send(call).detail)
        except Conflict as error:
            return Outcome(OutcomeKind.CONFLICT, f"{before}{error}; nothing was sent over it")
        except BackendError as error:
            lost = isinstance(error, Malformed) or (isinstance(error, TimedOut) and error.maybe_applied)
            kind = OutcomeKind.UNKNOWN if lost or said else OutcomeKind.FAILED
            return Outcome(kind, f"{before or ('' if lost else 'nothing was changed: ')}{error}")
        try:
            record({"call": call.summary, "answer": said[-1]})
        except JournalError:
            continue  # the call is out; the outcome, if it can be recorded, says so as well
    return Outcome(OutcomeKind.SETTLED, f"read back: {'; '.join(said)}", confirmed=True)
