"""The changes of one context: planned against an endpoint that is read for the plan, and carried out on threads of
their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backends.errors import Rejected
from shiftdeck.changes.access import Arming
from shiftdeck.common.clock import Clock, seconds_since_boot
from shiftdeck.config.loader import ContextConfig
from shiftdeck.fleet.view import FleetView
from shiftdeck.journal.journal import Journal
from shiftdeck.sources.adapters import Adapters

if TYPE_CHECKING:
    from backends.contracts import Change, EndpointRef
    from shiftdeck.changes.kind import Planned
    from shiftdeck.changes.kinds import Kinds
    from shiftdeck.changes.plan import AliasMove, Plan
    from shiftdeck.changes.release_memory import ReleaseMemory
    from shiftdeck.changes.run import Outcome, Run
    from shiftdeck.changes.timing import Timing
    from shiftdeck.changes.version_rules import PastMove

RUNS_KEPT = 20

MOST_ENTRIES = 10_000
"""How many of the journal's newest entries are searched for moves of an alias."""

LAST_S = 5.0
"""How long the program waits at its end until a change has recorded that it has no outcome."""


class ChangeManager:
    """Plans and executes changes. ``refusal`` returns why nothing may be sent now, or "". ``moved`` is called with each
    new state of a run."""

    def __init__(
        self,
        context: ContextConfig,
        journal: Journal,
        adapters: Adapters,
        refusal: Callable[[], str],
        *,
        clock: Clock,
        timing: Timing | None,
        moved: Callable[[Run[Any]], None],
    ) -> None:
        self._context = context
        self._journal = journal
        self._adapters = adapters
        self._refusal = refusal
        self._clock = clock
        self._given = timing
        self._moved = moved
        self._lock = threading.Lock()
        self._closing = False
        self._ending = threading.Event()
        self._runs: dict[str, Run[Any]] = {}
        self._threads: list[threading.Thread] = []

    @cached_property
    def timing(self) -> Timing:
        """The timing. Without a metrics source, there is no wait for metrics."""
        from shiftdeck.changes.timing import Timing

        timing = replace(self._given or Timing(), lost_s=self._context.longest_hold_s)
        return timing if self._context.of_kind("metrics") else replace(timing, measure_s=0.0)

    @cached_property
    def memory(self) -> ReleaseMemory:
        """What the journal remembers of releases. Reading it may block."""
        from shiftdeck.changes.release_memory import ReleaseMemory

        return ReleaseMemory(self._journal, self._context.name)

    @cached_property
    def kinds(self) -> Kinds:
        """The kinds of change. The first use imports the modules that plan, check and record."""
        from shiftdeck.changes.evidence import Evidence
        from shiftdeck.changes.kinds import kinds_of
        from shiftdeck.changes.version_rules import VersionRules, alias_moves

        def moves(model: str, alias: str) -> tuple[PastMove, ...]:
            return alias_moves(self._journal.entries(MOST_ENTRIES), self._context.name, model, alias)

        evidence = Evidence(self._context, self._adapters)
        rules = VersionRules(evidence.gatings, evidence.unread, moves, self.memory.read)
        return kinds_of(self._context, self._adapters, evidence.shares, self.timing, rules)

    def plan(
        self,
        fleet: FleetView,
        arming: Arming,
        ref: EndpointRef,
        change: Change,
        *,
        move_alias: bool,
        alias_back: AliasMove | None,
        unnamed: bool = False,
    ) -> Plan:
        """The plan for ``Engine.plan``. The endpoint is read now; everything else is taken from ``fleet``."""
        from shiftdeck.changes.advisory_lock import with_advisory_check
        from shiftdeck.changes.check import Check, CheckVerdict
        from shiftdeck.changes.dry_run import with_dry_run_check
        from shiftdeck.changes.evidence import Evidence
        from shiftdeck.changes.planner import make_plan
        from shiftdeck.changes.release_memory import just_went_back, recent_change, remembered
        from shiftdeck.changes.under_way import UnderWay, with_exclusivity_check

        view = fleet.endpoint(ref)
        if view is None:
            raise Rejected(f"no endpoint {ref}", hint="shiftdeck status lists them")
        serving = self._adapters.serving(ref)
        now = self._clock.wall()
        plan = make_plan(
            fleet=fleet,
            arming=arming,
            view=view,
            fresh=remembered(serving.read(ref), self.memory.of(ref), now),
            change=change,
            serving=serving,
            registries=self._adapters.registries() if move_alias else {},
            move_alias=move_alias,
            now=now,
            gating=Evidence(self._context, self._adapters).gating(fleet, ref),
            alias_back=alias_back,
        )
        memory = self.memory.of(ref)
        went = just_went_back(plan.before, memory, now, self._journal.operator) if unnamed else ""
        if went:
            plan = replace(plan, checks=(*plan.checks, Check("taken back already", CheckVerdict.BLOCK, went)))
        others = UnderWay(self._journal, plan.context, plan.subject, self.kinds.traffic)
        plan = with_exclusivity_check(plan, others, self._clock.wall(), recent_change(memory, now))
        return with_advisory_check(with_dry_run_check(plan, serving), serving, self._clock.wall())

    def execute(self, plan: Planned, *, reason: str, override: str, then: Callable[[], None]) -> threading.Thread:
        """Start the plan on a thread of its own, for ``Engine.execute``. ``then`` is called when the run has ended."""
        from shiftdeck.changes.executor import Executor, Ports
        from shiftdeck.changes.kinds import kind_of

        ports = Ports(
            journal=self._journal,
            clock=self._clock,
            ending=self._ending,
            timing=self.timing,
            refusal=self._refusal,
        )
        kind = kind_of(self.kinds, plan)
        executor: Executor[Any] = Executor(plan, kind, ports, self._keep, reason=reason, override=override)

        def carry_out() -> None:
            executor.carry_out()
            then()

        # Not a daemon thread: the interpreter must not exit while a change is under way.
        thread = threading.Thread(target=carry_out, name=f"change-{plan.id}")
        with self._lock:
            if self._closing:
                raise Rejected("the program is ending: nothing is sent any more")
            if plan.id in self._runs:
                raise Rejected("this plan was carried out already", hint="make a new one")
            self._runs[plan.id] = executor.run
            self._threads = [*(other for other in self._threads if other.is_alive()), thread]
            thread.start()
        return thread

    def runs(self) -> tuple[Run[Any], ...]:
        """All runs as they are now, the oldest first."""
        with self._lock:
            return tuple(map(self._dated, self._runs.values()))

    def run_of(self, plan: Planned) -> Run[Any] | None:
        """The run of that plan as it is now."""
        run = self._runs.get(plan.id)
        return None if run is None else self._dated(run)

    def _dated(self, run: Run[Any]) -> Run[Any]:
        return replace(run, started=self._clock.dated(run.started), updated=self._clock.dated(run.updated))

    def reopened(self, seq: int, outcome: Outcome) -> None:
        """The outcome of the run with that number in the journal was superseded."""
        with self._lock:
            found = next((run for run in self._runs.values() if run.seq == seq and run.done), None)
        if found is not None:
            self._keep(replace(found, outcome=outcome, message=outcome.message))

    def end(self, grace_s: float) -> None:
        """Refuse new changes, and give the changes under way ``grace_s`` seconds to finish."""
        deadline = seconds_since_boot() + grace_s
        with self._lock:
            self._closing = True
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - seconds_since_boot()))
        self._ending.set()
        for thread in threads:
            thread.join(LAST_S)

    def _keep(self, run: Run[Any]) -> None:
        with self._lock:
            self._runs[run.plan.id] = run
            finished = [plan for plan, kept in self._runs.items() if kept.done]
            for plan in finished[:-RUNS_KEPT]:
                del self._runs[plan]
        self._moved(run)
