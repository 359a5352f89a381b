"""Flagger's Canary (``flagger.app/v1beta1``): read in full; changed only through its gates.

Flagger sets the weights itself and would overwrite any other change of them. An operator can open and close the gates
of Flagger's load tester, which its webhooks ask (https://docs.flagger.app/usage/webhooks#manual-gating).
``confirm-rollout``, ``confirm-traffic-increase`` and ``confirm-promotion`` hold the canary until ``/gate/check`` says
yes; ``rollback`` rolls it back once ``/rollback/check`` says yes. The load tester is reached through the API server's
proxy of its Service.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

from backends.contracts import (
    Abort,
    Action,
    Advance,
    Call,
    Change,
    Diverged,
    Endpoint,
    EndpointRef,
    Forecast,
    Pause,
    Pending,
    Phase,
    Progress,
    Release,
    Resume,
    Role,
    Settled,
    Variant,
)
from backends.errors import Unsupported
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.platforms.kubernetes.objects import (
    Object,
    conditions,
    flag,
    items,
    name_of,
    namespace_of,
    revision_of,
    seconds_of,
    table,
    text,
    whole,
)
from backends.serving.flagger_weights import UNTOLD, matches_of, percent_of, weight_of
from backends.serving.kubernetes import Kind, KubernetesServing, Need, Objects, Part, System
from backends.serving.split import possible
from backends.serving.workloads import image_of, model_of, ready_of, wanted_of

CANARY = Kind("flagger.app", "v1beta1", "canaries", "Canary")
PROXY = Kind("", "v1", "services", "Service")

PRIMARY_NAME, CANARY_NAME = "primary", "canary"

PHASES = {
    "Initializing": Phase.PROGRESSING,
    "Initialized": Phase.STEADY,
    "Waiting": Phase.PAUSED,
    "Progressing": Phase.PROGRESSING,
    "WaitingPromotion": Phase.PAUSED,
    "Promoting": Phase.PROGRESSING,
    "Finalising": Phase.PROGRESSING,
    "Succeeded": Phase.STEADY,
    "Failed": Phase.FAILED,
    "Terminating": Phase.PROGRESSING,
    "Terminated": Phase.UNKNOWN,
}
GATE_OF = {
    "Waiting": "confirm-rollout",
    "WaitingPromotion": "confirm-promotion",
    "Progressing": "confirm-traffic-increase",
}
"""The webhook that holds a canary, by phase."""

ROLLING_BACK = frozenset({"Progressing", "Waiting", "WaitingPromotion"})
"""The phases in which Flagger asks the ``rollback`` webhook."""

OVERWRITTEN = "Flagger sets the weights itself and would overwrite this"


class Gate(NamedTuple):
    """A gate of the load tester: the webhook's type (``hook``), the load tester's Service, and the gate's path in
    it."""

    hook: str
    namespace: str
    service: str
    port: str
    folder: str

    def path(self, verb: str) -> str:
        """The path of a request to the gate, through the API server's proxy of that Service."""
        return f"{PROXY.path(self.namespace, self.service)}:{self.port}/proxy/{self.folder}/{verb}"


class Flagger(System):
    """A Canary is an endpoint with two variants, "primary" and "canary"."""

    name: ClassVar[str] = "flagger"
    kinds: ClassVar[tuple[Kind, ...]] = (CANARY, DEPLOYMENT)
    by_namespace: ClassVar[bool] = True

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        deployments = objects.of(DEPLOYMENT)
        found = []
        for (namespace, name), canary in sorted(objects.of(CANARY).items()):
            target = text(canary, "spec", "targetRef", "name") or name
            primary = deployments.get((namespace, f"{target}-primary"), {})
            found.append(_endpoint(canary, primary, deployments.get((namespace, target), {}), backend))
        return tuple(found)

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        canary = objects.of(CANARY).get((ref.scope, ref.name), {})
        first = Part(CANARY, ref.scope, ref.name)
        target = text(canary, "spec", "targetRef", "name")
        if not target or text(canary, "spec", "targetRef", "kind") != "Deployment":
            return (first,)
        return (first, Part(DEPLOYMENT, ref.scope, target), Part(DEPLOYMENT, ref.scope, f"{target}-primary"))

    def needs(self, endpoint: Endpoint, action: Action) -> tuple[Need, ...]:
        canary = _canary(endpoint)
        gate = _hook(canary, "rollback") if action is Action.ABORT else _gate(canary)
        return (Need("create", PROXY, "proxy", gate.namespace if gate is not None else ""),)

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        possible(endpoint, change, "Flagger")
        canary = _canary(endpoint)
        match change:
            case Advance(full=False) | Resume():
                return (_call(canary, _gate(canary), "open"),)
            case Pause():
                return (_call(canary, _gate(canary), "close"),)
            case Abort():
                return (_call(canary, _hook(canary, "rollback"), "open"),)
        raise Unsupported(f"Flagger knows no {type(change).__name__.lower()} of that kind")

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        """As ``backends.contracts.Forecasts``."""
        match change:
            case Advance() | Resume():
                return Forecast(None, ("the gate stays open, for later rollouts as well, until it is closed (pause)",))
            case Pause():
                return Forecast(_weights(endpoint), ("it is held at the next gate, not before",))
            case Abort():
                back = {PRIMARY_NAME: 100.0, CANARY_NAME: 0.0}
                caution = "the rollback gate stays open and takes the next rollout back too, until it is closed by hand"
                return Forecast(back, (f"{caution}: POST {_closing(_canary(endpoint))}",))
        return Forecast(None)

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        phase, was = _phase_of(now), _phase_of(before)
        weight, old = weight_of(_canary(now)), weight_of(_canary(before))
        match change:
            case Abort():
                if phase == "Failed":
                    return Settled("rolled back: all traffic is on the primary")
                if phase in ("Promoting", "Finalising", "Succeeded"):
                    return Diverged(f"it was promoted before the rollback gate was asked: {phase}")
                return Pending(f"waiting for Flagger to ask the rollback gate: {phase}")
            case Advance() | Resume():
                if phase == "Failed" and was != "Failed":
                    return Diverged("Flagger rolled it back: " + (now.message or "its checks failed"))
                if phase != was or weight != old:
                    at = f"{percent_of(weight)} %"
                    return Settled(f"{was} → {phase}, {at}" if phase != was else f"at {at}")
                return Pending(f"waiting for Flagger to ask the gate: {phase} at {percent_of(weight)} %")
            case Pause():
                if phase in ("Failed", "Succeeded"):
                    return Diverged(f"it ended before it could be held: {phase}")
                return Settled(f"the gate is closed: it is held at the next one ({phase} at {percent_of(weight)} %)")
        raise Unsupported(f"Flagger knows no {type(change).__name__.lower()}")


class FlaggerServing(KubernetesServing):
    """Serving through Flagger. Its gates take no guard: ``fence`` returns ``None``."""

    system: ClassVar[System] = Flagger()

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        return Flagger().forecast(endpoint, change)


def _canary(endpoint: Endpoint) -> Object:
    return table(endpoint.native, "canary")


def _phase_of(endpoint: Endpoint) -> str:
    return text(_canary(endpoint), "status", "phase")


def _weights(endpoint: Endpoint) -> dict[str, float] | None:
    told = {one.name: one.observed for one in endpoint.variants}
    return None if None in told.values() else {name: weight or 0.0 for name, weight in told.items()}


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _endpoint(canary: Object, primary: Object, target: Object, backend: str) -> Endpoint:
    phase = text(canary, "status", "phase")
    return Endpoint(
        ref=EndpointRef(backend, namespace_of(canary), name_of(canary)),
        variants=tuple(_variants(canary, primary, target)),
        phase=PHASES.get(phase, Phase.UNKNOWN),
        message=_message(canary),
        releases=tuple(_releases(canary)),
        revision=_token(canary),
        actions=_actions(canary),
        native={"canary": canary},
    )


def _variants(canary: Object, primary: Object, target: Object) -> Iterator[Variant]:
    weight = weight_of(canary) if text(canary, "status", "phase") else None
    observed = {} if weight is None else {PRIMARY_NAME: 100.0 - weight, CANARY_NAME: weight}
    active = text(canary, "status", "phase") in (*ROLLING_BACK, "Promoting", "Finalising")
    for name, deployment in ((PRIMARY_NAME, primary), (CANARY_NAME, target)):
        template = table(deployment, "spec", "template")
        role = Role.STABLE if name == PRIMARY_NAME else Role.CANARY if active else Role.IDLE
        yield Variant(
            name=name,
            role=role,
            # After the analysis the target's template is the one that the primary was copied from; the target gets no
            # traffic.
            model=model_of(template, deployment) if deployment else None,
            image=image_of(template),
            ready=ready_of(deployment) if deployment else None,
            wanted=wanted_of(deployment) if deployment else None,
            observed=observed.get(name),
        )


def _message(canary: Object) -> str:
    status = table(canary, "status")
    phase = text(status, "phase") or "not seen by Flagger yet"
    words = [phase]
    if phase in ROLLING_BACK and (failed := whole(status, "failedChecks")):
        limit = whole(canary, "spec", "analysis", "threshold")
        words.append(f"{failed} of {limit} failed checks" if limit else f"{failed} failed checks")
    if iterations := whole(canary, "spec", "analysis", "iterations"):
        words.append(f"iteration {whole(status, 'iterations') or 0} of {iterations}")
    if phase in ("Waiting", "WaitingPromotion"):
        words.append(f"waits at its gate ({GATE_OF[phase]})")
    if phase in (*UNTOLD, "Progressing") and weight_of(canary) is None:
        if matches := matches_of(canary):
            words.append(f"only requests that match go to the canary ({' or '.join(matches)}): no share is told")
        else:
            words.append("the routes may still send requests to the canary: Flagger tells no weight now")
    promoted = conditions(canary).get("Promoted")
    if promoted is not None and promoted.message and phase in ("Failed", "Progressing", "WaitingPromotion"):
        words.append(promoted.message)
    if flag(canary, "spec", "suspend"):
        words.append("suspended: Flagger does nothing with it")
    if flag(canary, "spec", "skipAnalysis"):
        words.append("skipAnalysis: the next version goes live without an analysis")
    return "; ".join(words)


def _releases(canary: Object) -> Iterator[Release]:
    """The last promoted release. Flagger keeps only its hash and no history, so there is no release to go back to."""
    if promoted := text(canary, "status", "lastPromotedSpec"):
        weight = weight_of(canary)
        yield Release(
            id=promoted,
            weights={} if weight is None else {PRIMARY_NAME: 100.0 - weight, CANARY_NAME: weight},
            at=seconds_of(canary.get("status", {}).get("lastTransitionTime")),
            note="promoted last",
            current=True,
            good=True,
        )


def _token(canary: Object) -> str:
    status = table(canary, "status")
    words = [text(status, "phase"), f"{percent_of(weight_of(canary))} %", text(status, "lastAppliedSpec")]
    generation = whole(canary, "metadata", "generation")
    head = f"generation {generation}" if generation else revision_of(canary)
    return " ".join([head, *(word for word in words if word)])


def _actions(canary: Object) -> dict[Action, str | None]:
    phase = text(canary, "status", "phase")
    gate, back = _gate(canary), _hook(canary, "rollback")
    if flag(canary, "spec", "suspend"):
        going: str | None = "it is suspended: Flagger asks no gates"
    elif phase not in ROLLING_BACK:
        going = f"nothing is being rolled out: {phase or 'not seen yet'}"
    else:
        going = None
    hook = GATE_OF.get(phase, "confirm-promotion")
    no_gate = going or (None if gate else _no_gate(canary, hook))
    held = phase != "Progressing" or (gate is not None and gate.hook == GATE_OF["Progressing"])
    opens, takes_back = ": advance opens its gate", ": abort takes a running analysis back"
    return {
        Action.SHIFT: OVERWRITTEN,
        Action.PROMOTE: "Flagger promotes by itself once its analysis has passed" + opens * bool(gate),
        Action.ROLLBACK: "Flagger keeps no history" + takes_back * bool(back),
        Action.ADVANCE: no_gate or (None if held else "it waits at no gate"),
        Action.PAUSE: no_gate,
        Action.RESUME: no_gate,
        Action.ABORT: going or (None if back else _no_gate(canary, "rollback")),
    }


# ── gates ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _gate(canary: Object) -> Gate | None:
    """The gate that holds the canary now, else the next gate that would hold it."""
    phase = text(canary, "status", "phase")
    hooks = [GATE_OF[phase]] if phase in GATE_OF else []
    hooks += ["confirm-promotion"] if phase == "Progressing" else []
    return next((gate for hook in hooks if (gate := _hook(canary, hook)) is not None), None)


def _webhooks(canary: Object) -> tuple[Object, ...]:
    return items(canary, "spec", "analysis", "webhooks") or items(canary, "spec", "canaryAnalysis", "webhooks")


def _hook(canary: Object, hook: str) -> Gate | None:
    """The load tester's gate behind the first webhook of that type; ``None`` if all such webhooks ask other
    services."""
    for one in _webhooks(canary):
        if text(one, "type") == hook and (gate := _parsed(hook, text(one, "url"))) is not None:
            return gate
    return None


def _parsed(hook: str, url: str) -> Gate | None:
    """The gate in ``http://loadtester.test[.svc[.cluster.local]][:80]/gate/check``; ``None`` for an address outside the
    cluster."""
    folder = "rollback" if hook == "rollback" else "gate"
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        return None
    service, _, rest = (parts.hostname or "").partition(".")
    namespace, _, domain = rest.partition(".")
    inside = domain == "" or domain == "svc" or domain.startswith("svc.")
    if parts.scheme != "http" or not service or not namespace or not inside:
        return None
    return Gate(hook, namespace, service, str(port), folder) if parts.path == f"/{folder}/check" else None


def _no_gate(canary: Object, hook: str) -> str:
    urls = [text(one, "url") for one in _webhooks(canary) if text(one, "type") == hook]
    if not urls:
        return f"it has no {hook} webhook: there is no gate"
    return f"its {hook} webhook asks {urlsplit(urls[0]).hostname or urls[0]}, which is no load tester's gate"


def _call(canary: Object, gate: Gate | None, verb: str) -> Call:
    assert gate is not None
    body: Mapping[str, object] = {"name": name_of(canary), "namespace": namespace_of(canary)}
    path = gate.path(verb)
    command = f"echo {shlex.quote(json.dumps(body))} | kubectl create --raw {shlex.quote(path)} -f -"
    return Call("POST", path, body, summary=f"{gate.hook} gate: {verb}", command=command)


def _closing(canary: Object) -> str:
    gate = _hook(canary, "rollback")
    return gate.path("close") if gate is not None else "/rollback/close"
