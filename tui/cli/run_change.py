"""Carries out a change of traffic on the command line: from the verb to the journalled outcome."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backends.contracts import Change, EndpointRef, Role, Rollback, Split
from backends.errors import BackendError, Rejected
from shiftdeck.changes.check import blocked_by
from shiftdeck.changes.plan import Friction, Plan
from shiftdeck.changes.release_memory import Memory, just_went_back, remembered_view
from shiftdeck.changes.run import Outcome, OutcomeKind, Run
from shiftdeck.changes.timing import Timing
from shiftdeck.config.loader import ContextConfig
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.journal.journal import Journal, JournalError
from tui.cli.apply import Attempt, Manner, arm, check_usage
from tui.cli.call_face import OVERRIDE
from tui.cli.endpoint_names import NotAnEndpoint, remember, resolve_ref
from tui.cli.engine_session import (
    LOADED_WITHIN_S,
    OPENED_WITHIN_S,
    judged,
    metrics_sources,
    not_found,
    observe,
    observed_s,
    running,
    unfinished,
    wait_loaded,
    wait_recovered,
)
from tui.cli.json_output import Printer, plan_json
from tui.cli.load_config import Place, find_place
from tui.cli.options import Common, Failure, Misused, Refused, stop
from tui.cli.text_output import outcome_lines, plan_lines, run_line
from tui.cli.watch import rising, watch

CHOOSING_S = 20.0
"""Seconds of observation before a release to go back to is chosen. The choice depends on which variants are bad."""

MEASURE_S = 60.0

KINDS = ("serving", "metrics", "drift", "alerts")
"""The kinds of sources that every plan needs. A registry is used only if its alias moves, or if promotion gates are
configured: opening one can take seconds."""

PROMOTIONS = 50
"""How many of the journal's newest entries are searched for a promotion that moved an alias."""


def never(place: Place) -> bool:
    """False: no registry takes part."""
    return False


def always(place: Place) -> bool:
    """True: a registry takes part, if one is configured."""
    return True


def gated(place: Place) -> bool:
    """Whether gates are configured: then a registry takes part."""
    return place.context.gates.configured


def promoted(text: str) -> Callable[[Place], bool]:
    """A condition: the journal has a promotion of the endpoint of that ref or name that moved an alias. A rollback then
    moves the alias back; any other rollback does not wait for a registry."""

    def asks(place: Place) -> bool:
        try:
            entries = Journal(place.config.journal).tail(PROMOTIONS)
        except JournalError:
            return False
        return any(
            one.context == place.context.name
            and one.data.get("alias")
            and text in (one.ref, one.ref.rpartition("/")[2])
            for one in entries
        )

    return asks


@dataclass(frozen=True, slots=True)
class Intent:
    """The requested change, by the present state of the endpoint. ``judges`` is true if the choice of the change
    depends on how the variants behave."""

    change: Change
    move_alias: bool = True
    judges: bool = False


def act(
    common: Common,
    text: str,
    intend: Callable[[EndpointView], Intent],
    manner: Manner,
    words: tuple[str, ...],
    *,
    registry: Callable[[Place], bool] = never,
) -> None:
    """Carry an intent out, and end the command with its exit code. ``text`` names the endpoint, ``words`` are the typed
    arguments, and ``registry`` returns whether a model registry takes part: one of the functions above."""
    check_usage(manner)
    printer = common.printer()
    place = find_place(common)
    pending = unfinished(Journal(place.config.journal), place.context.name)
    timing = Timing(settle_s=manner.timeout_s, measure_s=min(MEASURE_S, manner.timeout_s))
    asks = registry(place)
    kinds = (*KINDS, "registries") if asks else KINDS
    within_s = OPENED_WITHIN_S if registry is always else LOADED_WITHIN_S
    with running(place, kinds=kinds, timing=timing) as engine:
        if manner.arm:
            arm(engine)
        ref, intent = _intent(engine, text, intend, manner, printer, place.context, within_s)
        for line in wait_recovered(engine, pending):
            printer.err(line)
        if intent.judges:
            _refuse_second(engine, ref, intent.change)
        plan = _plan(engine, ref, intent)
        if asks and intent.move_alias and plan.alias is None and not isinstance(intent.change, Split):
            note_registry(engine.view, printer)
        override = manner.reason if manner.override and plan.blocked else ""
        face = TrafficFace(_again(common, words, manner))
        attempt = Attempt(engine, plan, manner, printer, face, override)
        stop(attempt.carry_out())


def _intent(
    engine: Engine,
    text: str,
    intend: Callable[[EndpointView], Intent],
    manner: Manner,
    printer: Printer,
    context: ContextConfig,
    within_s: float,
) -> tuple[EndpointRef, Intent]:
    """The endpoint and the intent, after an observation that is long enough to judge the variants."""
    view = wait_loaded(engine, printer.err, within_s)
    remember(view)
    try:
        ref = resolve_ref(text, view)
    except NotAnEndpoint as error:
        raise not_found(str(error), view, "serving") from None
    memory = engine.changes.memory.of(ref)
    intent = _intended(view, ref, intend, memory)
    found = view.endpoint(ref)
    assert found is not None
    if intent.judges or rising(found, intent.change) or manner.observe_s is not None:
        if intent.judges:
            view = _choose_from(engine, view, ref, manner, printer)
        else:
            asked_s, say = manner.observe_s, printer.err
            view = watch(engine, view, ref, intent.change, context=context, asked_s=asked_s, say=say)
        memory = engine.changes.memory.of(ref)
        intent = _intended(view, ref, intend, memory)
        for line in unjudged(view, ref, intent) if intent.judges else ():
            printer.err(line)
    return ref, intent


def _refuse_second(engine: Engine, ref: EndpointRef, change: Change) -> None:
    """Refuse a rollback that names no release where somebody has just gone back: it would go back two releases.

    Raises:
        Refused: somebody has.
    """
    view, memory = engine.view, engine.changes.memory.of(ref)
    found = view.endpoint(ref)
    went = just_went_back(found.endpoint, memory, view.at, engine.journal.operator) if found is not None else ""
    if went and isinstance(change, Rollback):
        further = f"to go back further, name the release: shiftdeck rollback {ref} {change.release}"
        raise Refused(f"{ref} was taken back already: {went}", further)


def _intended(view: View, ref: EndpointRef, intend: Callable[[EndpointView], Intent], memory: Memory) -> Intent:
    found = view.endpoint(ref)
    if found is None:
        raise Failure(f"{ref} is gone")
    try:
        return intend(remembered_view(found, memory, view.at))
    except Rejected as error:
        raise Misused(error.message, error.hint) from None


@dataclass(frozen=True, slots=True)
class TrafficFace:
    """The command line's view of a change of traffic. ``again`` is the command for another try."""

    again: str

    def lines(self, plan: Plan) -> Sequence[str]:
        return plan_lines(plan)

    def json(self, plan: Plan) -> Mapping[str, object]:
        return plan_json(plan)

    def refused(self, plan: Plan, *, override: bool) -> str:
        return plan.unable or ("" if override else blocked_by(plan.checks))

    def question(self, plan: Plan) -> tuple[str, str]:
        """The confirmation: Enter for a change back, "yes" for a change forward, the endpoint's name in production."""
        name = plan.ref.name
        return {
            Friction.ENTER: ("Enter applies it, anything else cancels", ""),
            Friction.CHOOSE: ("Type yes to apply it", "yes"),
            Friction.TYPE_NAME: (f"Type {name} to apply it", name),
        }[plan.friction]

    def progress(self, run: Run[Plan]) -> str:
        return run_line(run)

    def outcome(self, outcome: Outcome, run: Run[Plan] | None) -> Sequence[str]:
        return outcome_lines(outcome, run)

    def advice(self, plan: Plan, outcome: Outcome) -> str:
        if outcome.kind is OutcomeKind.CONFLICT:
            return f"look at it again, and if it still fits: {self.again}"
        if plan.blocked and outcome.kind is OutcomeKind.REFUSED and not plan.unable:
            return OVERRIDE
        return ""


def note_registry(view: View, printer: Printer) -> None:
    """Print that the alias does not move, for each registry that does not answer."""
    for status in view.sources:
        if status.kind == "registries" and status.at is None:
            printer.err(f"the champion alias stays where it is: {status.name} is {status.state}: {status.error}")


def unjudged(view: View, ref: EndpointRef, intent: Intent) -> list[str]:
    """A warning for each canary that would still get traffic after a rollback and has too few requests to be judged."""
    found = view.endpoint(ref)
    if found is None or not isinstance(intent.change, Rollback):
        return []
    release = next((one for one in found.endpoint.releases if one.id == intent.change.release), None)
    return [
        f"{one.name} would still get {release.weights[one.name]:g} %: there are too few requests to judge it by; "
        "give --observe more seconds, or name a release"
        for one in found.variants
        if release is not None
        and release.weights.get(one.name, 0.0) > 0
        and one.variant.role is Role.CANARY
        and (one.metrics is None or one.metrics.samples < found.slo.min_samples)
    ]


def _choose_from(engine: Engine, view: View, ref: EndpointRef, manner: Manner, printer: Printer) -> View:
    """Observe metrics for the requested time, or else until every live variant can be judged, at most
    ``CHOOSING_S``."""
    wanted = CHOOSING_S if manner.observe_s is None else manner.observe_s

    def enough(view: View) -> bool:
        found = view.endpoint(ref)
        if observed_s(view) >= wanted:
            return True
        return manner.observe_s is None and found is not None and judged(found)

    if enough(view) or not metrics_sources(view):
        return view
    up_to = "up to " if manner.observe_s is None else ""
    printer.err(f"watching for {up_to}{wanted:g} s so that there is something to judge by")
    return observe(engine, wanted, enough)


def _plan(engine: Engine, ref: EndpointRef, intent: Intent) -> Plan:
    try:
        return engine.plan(ref, intent.change, move_alias=intent.move_alias, unnamed=intent.judges)
    except BackendError as error:
        raise Failure(f"no plan could be made: {error.message}", error.hint) from None


def _again(common: Common, words: tuple[str, ...], manner: Manner) -> str:
    """The command to type for another try."""
    before = [*(("--config", str(common.config)) if common.config else ())]
    before += [*(("--context", common.context) if common.context else ())]
    return shlex.join(["shiftdeck", *before, *words, "--reason", manner.reason])
