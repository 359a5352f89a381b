"""The state of one Argo Rollout and its current step, from its object, its ReplicaSets and its analysis runs. Pure.

Field names and rules are those of Argo Rollouts 1.9 (``argoproj.io/v1alpha1``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    dig,
    flag,
    generation_of,
    items,
    labels_of,
    name_of,
    namespace_of,
    number,
    revision_of,
    table,
    text,
    whole,
)
from backends.serving.workloads import left_behind, progressed_at, ratio, ready_of, revision_number, short

ROLLOUT = Kind("argoproj.io", "v1alpha1", "rollouts", "Rollout")
ANALYSIS_RUN = Kind("argoproj.io", "v1alpha1", "analysisruns", "AnalysisRun")
HASH_LABEL = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"

INCONCLUSIVE = frozenset({"InconclusiveAnalysisRun", "InconclusiveExperiment"})
HOLDS = frozenset({"pause", "analysis", "experiment", "plugin"})
"""Kinds of steps at which a rollout stays for a while; it passes other steps by itself."""


@dataclass(frozen=True)
class RolloutState:
    """``sets`` are the ReplicaSets by pod hash, ``runs`` the analysis runs by name. ``workload`` is the Deployment that
    the template comes from, if any."""

    rollout: Object
    sets: Mapping[str, Object]
    runs: Mapping[str, Object]
    workload: Object | None = None

    # ── identity ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def name(self) -> str:
        return name_of(self.rollout)

    @property
    def namespace(self) -> str:
        return namespace_of(self.rollout)

    @cached_property
    def blue_green(self) -> bool:
        return bool(table(self.rollout, "spec", "strategy", "blueGreen"))

    @property
    def routed(self) -> bool:
        """Whether a router splits the traffic; without a router the shares follow the ready pods."""
        return bool(table(self.rollout, "spec", "strategy", "canary", "trafficRouting"))

    @cached_property
    def current(self) -> str:
        """The pod hash of the spec."""
        return text(self.rollout, "status", "currentPodHash")

    @cached_property
    def stable(self) -> str:
        """The pod hash that was last rolled out in full; "" during the very first rollout."""
        return text(self.rollout, "status", "stableRS")

    @cached_property
    def active(self) -> str:
        """The pod hash that gets the traffic of a blue/green rollout."""
        return text(self.rollout, "status", "blueGreen", "activeSelector") or self.stable

    @property
    def seen(self) -> bool:
        """Whether the controller has seen this spec, and no other. ``observedGeneration`` is a string, and a hash in
        old versions."""
        observed = whole(self.rollout, "status", "observedGeneration")
        generation = generation_of(self.rollout)
        return observed is None or generation is None or observed == generation

    @property
    def stuck(self) -> str:
        """The controller's reason why the spec's version does not get its replicas, or "". After an abort it wants
        none."""
        if not self.seen or self.aborted or self.phase != "Degraded":
            return ""
        return text(self.rollout, "status", "message") or "degraded"

    @cached_property
    def under_way(self) -> bool:
        """Whether the spec's version is not the stable one."""
        return bool(self.stable and self.current) and self.current != self.stable

    # ── pauses and ends ─────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def aborted(self) -> bool:
        return flag(self.rollout, "status", "abort")

    @property
    def promoting(self) -> bool:
        return flag(self.rollout, "status", "promoteFull")

    @cached_property
    def held(self) -> bool:
        """Whether an operator paused it (``spec.paused``)."""
        return flag(self.rollout, "spec", "paused")

    @cached_property
    def pauses(self) -> tuple[str, ...]:
        """The controller's reasons for a pause."""
        return tuple(text(one, "reason") for one in items(self.rollout, "status", "pauseConditions"))

    @property
    def inconclusive(self) -> bool:
        return bool(INCONCLUSIVE & set(self.pauses))

    @property
    def phase(self) -> str:
        return text(self.rollout, "status", "phase")

    # ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def steps(self) -> Sequence[Object]:
        return items(self.rollout, "spec", "strategy", "canary", "steps")

    @cached_property
    def index(self) -> int:
        """The index of the current step, from 0; the number of steps once all are done."""
        found = whole(self.rollout, "status", "currentStepIndex")
        return min(found or 0, len(self.steps))

    @property
    def step(self) -> Object:
        """The current step; empty after the last."""
        return self.steps[self.index] if self.index < len(self.steps) else {}

    @property
    def holding(self) -> bool:
        """Whether the rollout waits now: at a step that holds, at a pause, or because it is done."""
        if self.held or self.pauses or not self.under_way:
            return True
        return not self.blue_green and kind_of(self.step) in HOLDS

    def next_hold(self, start: int) -> int:
        """The index of the first step from ``start`` on that holds; the number of steps if there is none."""
        holds = (index for index in range(start, len(self.steps)) if kind_of(self.steps[index]) in HOLDS)
        return next(holds, len(self.steps))

    def weight_at(self, index: int) -> float:
        """Percent for the canary at that step: the last ``setWeight`` up to and including it, 0 before the first
        ``setWeight``, 100 after the last step (``GetCurrentSetWeight`` of the controller). Weights are relative to
        ``maxTrafficWeight``."""
        if index >= len(self.steps):
            return 100.0
        told = [weight for step in self.steps[: index + 1] if (weight := number(step, "setWeight")) is not None]
        return 100.0 * told[-1] / self.full_weight if told else 0.0

    @cached_property
    def full_weight(self) -> float:
        return number(self.rollout, "spec", "strategy", "canary", "trafficRouting", "maxTrafficWeight") or 100.0

    @property
    def mirrored(self) -> float | None:
        """Percent of the requests that the steps so far copy to the canary; ``None`` if they copy none."""
        if not self.under_way or self.aborted:
            return None
        routes: dict[str, float] = {}
        for step in self.steps[: self.index + 1]:
            route = table(step, "setMirrorRoute")
            if "match" in route:
                percent = number(route, "percentage")
                routes[text(route, "name")] = 100.0 if percent is None else percent
            elif route:
                routes.pop(text(route, "name"), None)
        return max(routes.values(), default=None)

    # ── weights ─────────────────────────────────────────────────────────────────────────────────────────────────

    def desired(self) -> dict[str, float]:
        """Percent by pod hash at the current step."""
        if not self.under_way:
            return {self.current: 100.0} if self.current else {}
        if self.aborted:
            canary = 0.0
        elif self.promoting:
            canary = 100.0
        elif self.blue_green:
            canary = 100.0 if self.active == self.current else 0.0
        else:
            canary = self.weight_at(self.index)
        return {self.stable: 100.0 - canary, self.current: canary}

    def observed(self) -> dict[str, float | None]:
        """Percent by pod hash, as the controller reports it; without a router, the share of the ready pods."""
        if self.blue_green:
            return {one: 100.0 if one == self.active else 0.0 for one in self.live} if self.active else {}
        if not self.routed:
            return ratio({one: ready_of(self.sets[one]) for one in self.live if one in self.sets})
        if self.unverified:
            return dict.fromkeys(self.live)
        weights = table(self.rollout, "status", "canary", "weights")
        told: dict[str, float] = {}
        for entry, fallback in ((table(weights, "stable"), self.stable), (table(weights, "canary"), self.current)):
            if (weight := number(entry, "weight")) is not None:
                # After the rollout the canary's entry also has the stable hash, with weight 0.
                pod_hash = text(entry, "podTemplateHash") or fallback
                told[pod_hash] = told.get(pod_hash, 0.0) + 100.0 * weight / self.full_weight
        if not self.under_way:
            return {self.current: 100.0 if not told else told.get(self.current)}
        return {one: told.get(one) for one in self.live}

    @property
    def unverified(self) -> bool:
        """Whether the load balancer has not confirmed the weights of the status yet."""
        return self.routed and dig(self.rollout, "status", "canary", "weights", "verified") is False

    @cached_property
    def live(self) -> tuple[str, ...]:
        """The pod hashes that may get traffic, stable first."""
        return tuple(dict.fromkeys(one for one in (self.stable, self.current) if one))

    # ── history ─────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def history(self) -> tuple[tuple[str, str], ...]:
        """(revision, pod hash) of every ReplicaSet that has a revision, newest first."""
        found = [(revision_number(one, REVISION), pod_hash) for pod_hash, one in self.sets.items()]
        return tuple((str(revision), pod_hash) for revision, pod_hash in sorted(found, reverse=True) if revision)

    @cached_property
    def left(self) -> Mapping[str, str]:
        """Why each pod hash that was left is no version to go back to: an older one was rolled out after it, or its
        own rollout failed. Going back to an older one counts only until that is aborted."""
        aborted = self.current if self.aborted and self.under_way else ""
        sets = {name: one for name, one in self.sets.items() if name != aborted}
        found = {
            name: f"was rolled back from, to revision {self.revision_of_hash(back_to)}"
            for name, back_to in left_behind(sets, REVISION).items()
        }
        for name, run in self.runs.items():
            pod_hash, how = text(labels_of(run), HASH_LABEL), text(run, "status", "phase")
            if how in ("Failed", "Error") and pod_hash in self.sets and pod_hash not in (self.stable, self.current):
                found.setdefault(pod_hash, f"was given up: analysis {name} {how}")
        return found | ({aborted: "was aborted"} if aborted else {})

    @property
    def returned_at(self) -> float | None:
        """When somebody went back to the current version, as ``progressed_at`` tells; ``None`` if nobody did."""
        returned = self.current in left_behind(self.sets, REVISION).values()
        return progressed_at(self.rollout) if returned else None

    def revision_of_hash(self, pod_hash: str) -> str:
        return next((revision for revision, one in self.history if one == pod_hash), "")

    def hash_of_revision(self, revision: str) -> str:
        return next((one for number_, one in self.history if number_ == revision), "")

    def skips_steps(self, revision: str) -> bool:
        """Whether a rollback to that revision is within ``rollbackWindow``, so that the controller skips the steps."""
        window = whole(self.rollout, "spec", "rollbackWindow", "revisions")
        if not window or self.stable == "":
            return False
        order = [one for one, _ in self.history]
        last = self.revision_of_hash(self.stable)
        return revision in order and last in order and 0 < order.index(revision) - order.index(last) <= window

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def place(self) -> str:
        """ "step 3 of 6: weight 40 %", or "" if there are no steps."""
        if not self.steps:
            return ""
        if self.index >= len(self.steps):
            return f"all {len(self.steps)} steps done"
        return f"step {self.index + 1} of {len(self.steps)}: {step_words(self.step)}"

    @property
    def running_analysis(self) -> str:
        """The running analysis of the current step: its name and its counts, or ""."""
        status = table(self.rollout, "status", "canary", "currentStepAnalysisRunStatus")
        name = text(status, "name")
        if not name or text(status, "status") not in ("Running", "Pending", ""):
            return ""
        run = self.runs.get(name, {})
        results = items(run, "status", "metricResults")
        counted = sum(whole(one, "count") or 0 for one in results)
        failed = sum(whole(one, "failed") or 0 for one in results)
        words = [f"{counted} measured"] if results else []
        words += [f"{failed} failed"] if failed else []
        return f"{name} ({', '.join(words)})" if words else name

    @property
    def failed_analysis(self) -> str:
        """The failure that the last analysis of the current step found, or ""."""
        for where in ("currentStepAnalysisRunStatus", "currentBackgroundAnalysisRunStatus"):
            status = table(self.rollout, "status", "canary", where)
            if (how := text(status, "status")) in ("Failed", "Error", "Inconclusive"):
                why = text(status, "message") or _failing(self.runs.get(text(status, "name"), {}))
                return f"analysis {text(status, 'name')} {how}" + (f": {why}" if why else "")
        return ""

    def matters(self) -> dict[str, object]:
        """The fields that a change depends on, by JSON pointer; ``None`` if absent. A patch tests these and not the
        whole object: the controller updates the replica counts in the status all the time, and an abort must not fail
        because of that."""
        fields = ("currentPodHash", "stableRS", "currentStepIndex", "pauseConditions", "abort", "promoteFull")
        return {
            "/metadata/uid": dig(self.rollout, "metadata", "uid"),
            "/metadata/generation": generation_of(self.rollout),
            **{f"/status/{field}": dig(self.rollout, "status", field) for field in fields},
        }

    @property
    def token(self) -> str:
        """``matters`` in a few words: the endpoint's revision."""
        words = [
            f"generation {generation_of(self.rollout)}" if generation_of(self.rollout) else revision_of(self.rollout)
        ]
        words += [f"step {self.index + 1}/{len(self.steps)}"] if self.steps and self.under_way else []
        words += [self.current] if self.current else []
        words += [f"after {self.stable}"] if self.under_way else []
        flags = {"aborted": self.aborted, "promoting": self.promoting, "paused": bool(self.pauses)}
        return " ".join([*words, *(word for word, is_so in flags.items() if is_so)])


def kind_of(step: Object) -> str:
    """The kind of a step, which is its only key ("setWeight", "pause", "analysis", …), or ""."""
    return next(iter(step), "")


def step_words(step: Object) -> str:
    """A step in words."""
    match kind_of(step):
        case "setWeight":
            return f"weight {short(number(step, 'setWeight') or 0.0)} %"
        case "pause":
            duration = dig(step, "pause", "duration")
            return "pause until advanced" if duration is None else f"pause {duration}{'s' * isinstance(duration, int)}"
        case "analysis":
            names = [text(one, "templateName") for one in items(step, "analysis", "templates")]
            return "analysis " + ", ".join(names) if names else "analysis"
        case "setCanaryScale":
            return "scale the canary"
        case "setHeaderRoute":
            return "route by header"
        case "setMirrorRoute":
            return "mirror"
        case "plugin":
            return f"plugin {text(step, 'plugin', 'name')}"
        case other:
            return other or "nothing"


def version_note(template: Object, image: str | None) -> str:
    """A name for a revision: its change cause if there is one, else its image."""
    return text(annotations_of(template), "kubernetes.io/change-cause") or (image or "").rpartition("/")[2]


def hash_of(replica_set: Object) -> str:
    return text(labels_of(replica_set), HASH_LABEL)


def _failing(run: Object) -> str:
    bad = [one for one in items(run, "status", "metricResults") if text(one, "phase") in ("Failed", "Error")]
    return ", ".join(f"{text(one, 'name')}: {text(one, 'message') or text(one, 'phase')}" for one in bad)
