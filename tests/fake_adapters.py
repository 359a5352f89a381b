"""Adapters that talk to the in-memory world of the tests. Use them through ``tests.fakes``, which says how."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, cast

from backends.contracts import (
    Alert,
    Call,
    Change,
    Diverged,
    DriftScore,
    Drill,
    Endpoint,
    EndpointRef,
    Gpu,
    Histogram,
    Measure,
    Mirror,
    ModelRef,
    ModelVersion,
    Pending,
    Probe,
    ProbeKind,
    Progress,
    Promote,
    Receipt,
    Rollback,
    Sample,
    Series,
    Settled,
    Split,
    Subject,
    VariantMetrics,
    Wiring,
)
from backends.errors import Conflict, Rejected, TimedOut, Unsupported
from backends.options import Options
from tests.fake_world import EndpointState, FakeWorld

DRILLS: Mapping[str, str] = {
    "bad-canary": "sentiment v8 answers with errors, slowly",
    "latency-regression": "pricing v22 takes three times as long",
    "feature-drift": "the amounts that fraud sees move upwards",
    "gpu-fault": "a GPU of eta falls off the bus",
}


class _Fake:
    OPTIONS: ClassVar[type[Options]] = Options
    kind: ClassVar[str] = ""

    def __init__(self, world: FakeWorld, wiring: Wiring[Options] | None = None) -> None:
        self.world = world
        self.name = wiring.name if wiring else {"serving": "lab"}.get(self.kind, self.kind)
        self.closed = False
        if wiring is not None:
            world.wake[self.name] = wiring.wake

    def probe(self) -> tuple[Probe, ...]:
        return (Probe(ProbeKind.REACH, True, "in memory", latency_s=0.0),)

    def close(self) -> None:
        self.closed = True

    def _called(self, operation: str) -> None:
        self.world.called(self.name, self.kind, operation)


class FakeServing(_Fake):
    """The lab's rules: a PUT of the whole split, guarded by If-Match."""

    kind = "serving"

    def endpoints(self) -> tuple[Endpoint, ...]:
        self._called("endpoints")
        with self.world.lock:
            return tuple(state.as_read() for ref, state in self.world.states.items() if ref.backend == self.name)

    def read(self, ref: EndpointRef) -> Endpoint:
        self._called("read")
        with self.world.lock:
            state = self.world.endpoint(ref)
            if state.desired != state.observed:
                state.behind -= 1
                if state.behind <= 0:
                    state.observed = dict(state.desired)
            return state.as_read()

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        weights, mirror, stable = _after(endpoint, change)
        if abs(math.fsum(weights.values()) - 100.0) > 0.01:
            raise Rejected(f"the weights add up to {math.fsum(weights.values()):g} percent, not 100")
        body: dict[str, object] = {"weights": weights, "mirror": mirror, "stable": stable}
        if isinstance(change, Rollback):
            body["release"] = change.release
        path = f"/v1/endpoints/{endpoint.ref.scope}/{endpoint.ref.name}/traffic"
        moves = _moves("traffic", endpoint, "desired", weights) + _moves("mirror", endpoint, "mirror", mirror)
        url = f"http://127.0.0.1:8080{path}"
        return (
            Call(
                "PUT",
                path,
                body,
                {"If-Match": endpoint.revision},
                guard=f"If-Match {endpoint.revision}",
                summary=", ".join(moves) or "nothing changes",
                command=f"curl -X PUT -H 'If-Match: \"{endpoint.revision}\"' {url} -d @traffic.json",
            ),
        )

    def send(self, call: Call) -> Receipt:
        self._called("send")
        world = self.world
        if world.hold_s is not None and not (isinstance(call.body, Mapping) and "fence" in call.body):
            world.hold(lambda: self._take(call))
            raise TimedOut("no answer within 5 s", maybe_applied=True)
        with world.lock:
            receipt = self._take(call)
            if world.lost_answers:
                world.lost_answers -= 1
                raise TimedOut("no answer within 5 s", maybe_applied=True)
            return receipt

    def _take(self, call: Call) -> Receipt:
        """Apply a write that has arrived."""
        *_, scope, name, _ = call.path.split("/")
        with self.world.lock:
            state = self.world.endpoint(EndpointRef(self.name, scope, name))
            if call.headers["If-Match"] != state.revision:
                raise Conflict(f"revision {state.generation} is there, not {call.headers['If-Match']}")
            assert isinstance(call.body, Mapping)
            weights = cast("dict[str, float]", call.body["weights"])
            mirror = cast("dict[str, float]", call.body["mirror"])
            note = f"roll back to {call.body['release']}" if "release" in call.body else ""
            state.put(weights, mirror, self.world.clock(), self.world.me, note)
            state.stable = str(call.body["stable"])
            state.behind = self.world.propagation
            if state.behind == 0:
                state.observed = dict(state.desired)
            self.world.sent.append(call.summary)
            return Receipt(state.revision, "accepted")

    def fence(self, endpoint: Endpoint, lost: Call) -> Call | None:
        """The present split, written again under the present revision."""
        if not self.world.fences:
            return None
        weights, mirror, stable = _after(endpoint, Split({one.name: one.desired or 0.0 for one in endpoint.variants}))
        body = {"weights": weights, "mirror": mirror, "stable": stable, "fence": True}
        headers = {"If-Match": endpoint.revision}
        return Call("PUT", lost.path, body, headers, guard=f"If-Match {endpoint.revision}", summary="fence: no change")

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        weights, mirror, _ = _after(before, change)
        if now.revision and now.revision == before.revision:
            return Pending("not taken up yet")
        if any((variant.desired or 0.0) != weights[variant.name] for variant in now.variants):
            by = next((release.by for release in now.releases if release.current), "")
            there = ", ".join(f"{variant.name} {variant.desired or 0.0:g} %" for variant in now.variants)
            return Diverged(f"{by or 'somebody'} changed it to {there}")
        if any((variant.mirror or 0.0) != mirror[variant.name] for variant in now.variants):
            return Diverged("the mirroring was changed")
        if all((variant.observed or 0.0) == weights[variant.name] for variant in now.variants):
            return Settled("in effect")
        return Pending("the split is propagating")


class FakeRehearsal(FakeServing):
    """A serving system that plays drills; used while ``world.rehearsal`` is true."""

    def drills(self) -> tuple[Drill, ...]:
        self._called("drills")
        running = self.world.drills
        return tuple(Drill(name, text, name in running, running.get(name)) for name, text in DRILLS.items())

    def set_drill(self, name: str, running: bool) -> None:
        """Starting one makes the fault; ending it is only remembered."""
        self._called("set_drill")
        if name not in DRILLS:
            raise Rejected(f"there is no drill {name!r}")
        world = self.world
        if not running:
            world.drills.pop(name, None)
            return
        world.drills[name] = world.clock()
        match name:
            case "bad-canary":
                world.make_bad_canary()
            case "latency-regression":
                world.make_slow()
            case "feature-drift":
                world.make_drift()
            case "gpu-fault":
                world.make_gpu_fault()


class FakeRegistry(_Fake):
    kind = "registries"

    def versions(self) -> tuple[ModelVersion, ...]:
        self._called("versions")
        with self.world.lock:
            return tuple(self.world.versions)

    def compile_alias(self, model: str, alias: str, version: str, expected: str | None) -> tuple[Call, ...]:
        return (
            Call(
                "POST",
                "/api/2.0/mlflow/registered-models/alias",
                {"name": model, "alias": alias, "version": version, "expected": expected},
                guard=f"alias {alias} at {expected or 'nothing'}",
                summary=f"{model} {alias} {expected or 'nothing'} → {version}",
                command=f"python -c 'from mlflow import MlflowClient as C; "
                f'C().set_registered_model_alias("{model}", "{alias}", "{version}")\'',
            ),
        )

    def send(self, call: Call) -> Receipt:
        self._called("send")
        assert isinstance(call.body, Mapping)
        if "alias" not in call.body:
            return self._annotated(call.body, call.summary)
        model, alias, version = (str(call.body[key]) for key in ("name", "alias", "version"))
        with self.world.lock:
            holder = self.alias(model, alias)
            if holder != call.body["expected"]:
                words = f"{alias} of {model} is at {holder or 'nothing'}, not at {call.body['expected']}"
                raise Conflict(words, maybe_applied=False)
            self.set_alias(model, alias, version)
            self.world.sent.append(call.summary)
        return Receipt(detail=f"{alias} is at {version}")

    def own(self, ref: ModelRef) -> ModelVersion:
        self._called("own")
        return next(one for one in self.world.versions if one.ref == ref)

    def compile_tag(self, ref: ModelRef, key: str, value: str, expected: str | None) -> tuple[Call, ...]:
        return self._annotation(ref, "tags", key, value, expected or "")

    def compile_stage(self, ref: ModelRef, stage: str, expected: str | None) -> tuple[Call, ...]:
        return self._annotation(ref, "stage", "", stage, expected or "")

    def _annotation(self, ref: ModelRef, what: str, key: str, value: str, expected: str) -> tuple[Call, ...]:
        if value == expected:
            return ()
        body = {"name": ref.model, "version": ref.version, "what": what, "key": key, "value": value}
        return (Call("POST", f"/{what}", body, summary=f"{ref}: {key or what} {expected} → {value}", command="curl"),)

    def _annotated(self, body: Mapping[str, object], summary: str) -> Receipt:
        ref, key, value = ModelRef(str(body["name"]), str(body["version"])), str(body["key"]), str(body["value"])
        with self.world.lock:
            for number, one in enumerate(self.world.versions):
                if one.ref == ref and body["what"] == "stage":
                    self.world.versions[number] = replace(one, stage=value)
                elif one.ref == ref:
                    tags = {name: text for name, text in {**one.tags, key: value}.items() if text}
                    self.world.versions[number] = replace(one, tags=tags)
            self.world.sent.append(summary)
        return Receipt(detail=summary)

    def alias(self, model: str, alias: str) -> str | None:
        """The version that an alias points at."""
        of_model = [version for version in self.world.versions if version.ref.model == model]
        return next((version.ref.version for version in of_model if alias in version.aliases), None)

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point it there, whoever does it."""
        with self.world.lock:
            for number, one in enumerate(self.world.versions):
                if one.ref.model != model:
                    continue
                rest = tuple(name for name in one.aliases if name != alias)
                here = (alias, *rest) if one.ref == ModelRef(model, version) else rest
                self.world.versions[number] = replace(one, aliases=here)


class FakeMetrics(_Fake):
    kind = "metrics"

    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        self._called("current")
        with self.world.lock:
            now = self.world.clock()
            found = tuple(one for state in self.world.states.values() for one in state.metrics(window_s, now))
            return tuple(one for one in found if one.subject not in self.world.gone)

    def vanished(self) -> Mapping[Subject, float]:
        with self.world.lock:
            return dict(self.world.gone)

    def history(self, subject: Subject, measure: Measure, window_s: float, step_s: float) -> Series:
        self._called("history")
        with self.world.lock:
            state = self.world.endpoint(subject.endpoint)
            now = self.world.clock()
            count = int(window_s / step_s)
            times = [now - window_s + step_s * (step + 1) for step in range(count)]
            return Series(subject, measure, tuple((at, _value(state, subject.variant, measure, at)) for at in times))

    def samples(self, name: str) -> tuple[Sample, ...]:
        self._called("samples")
        return ()

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        self._called("histograms")
        return ()


class FakeAccelerators(_Fake):
    kind = "accelerators"

    def gpus(self) -> tuple[Gpu, ...]:
        self._called("gpus")
        with self.world.lock:
            return tuple(self.world.gpus)


class FakeDrift(_Fake):
    kind = "drift"

    def scores(self) -> tuple[DriftScore, ...]:
        self._called("scores")
        return tuple(self.world.scores())


class FakeAlerts(_Fake):
    kind = "alerts"

    def alerts(self) -> tuple[Alert, ...]:
        self._called("alerts")
        with self.world.lock:
            return tuple(self.world.alerts)


def _after(endpoint: Endpoint, change: Change) -> tuple[dict[str, float], dict[str, float], str]:
    """Weights, mirror percentages and the stable variant that a change leads to."""
    now = {variant.name: variant.desired or 0.0 for variant in endpoint.variants}
    mirror = {variant.name: variant.mirror or 0.0 for variant in endpoint.variants}
    stable = next((variant.name for variant in endpoint.variants if variant.role == "stable"), "")
    if isinstance(change, Split):
        _known(endpoint, change.weights)
        now = {**dict.fromkeys(now, 0.0), **change.weights}
    elif isinstance(change, Mirror):
        _known(endpoint, {change.variant: change.percent})
        mirror[change.variant] = change.percent
    elif isinstance(change, Promote):
        _known(endpoint, {change.variant: 100.0})
        now, stable = {**dict.fromkeys(now, 0.0), change.variant: 100.0}, change.variant
    elif isinstance(change, Rollback):
        release = next((release for release in endpoint.releases if release.id == change.release), None)
        if release is None:
            raise Rejected(f"there is no release {change.release!r}")
        now = {**dict.fromkeys(now, 0.0), **release.weights}
    else:
        raise Unsupported(f"the gateway cannot {type(change).__name__.lower()} an endpoint")
    mirror = {name: 0.0 if now[name] > 0 else percent for name, percent in mirror.items()}
    return now, mirror, stable


def _known(endpoint: Endpoint, weights: Mapping[str, float]) -> None:
    for name in weights:
        if endpoint.variant(name) is None:
            raise Rejected(f"there is no variant {name!r} in {endpoint.ref}")


def _moves(field: str, endpoint: Endpoint, attribute: str, after: Mapping[str, float]) -> list[str]:
    return [
        f"{field} {variant.name} {getattr(variant, attribute) or 0.0:g} → {after[variant.name]:g}"
        for variant in endpoint.variants
        if (getattr(variant, attribute) or 0.0) != after[variant.name]
    ]


def _value(state: EndpointState, variant: str, measure: Measure, at: float) -> float | None:
    """A plausible course: a slow wave and a fast one, the split as the releases had it."""
    behaviour, wave = state.behaviour[variant], math.sin(at / 97.0) * 0.06 + math.sin(at / 11.0) * 0.03
    release = next((one for one in state.releases if one.at is None or one.at <= at), None)
    share = (release.weights.get(variant, 0.0) if release else 0.0) or state.mirror[variant]
    if share == 0.0:
        return 0.0 if measure is Measure.RATE else None
    if measure is Measure.RATE:
        return state.rps * share / 100.0 * (1.0 + wave)
    if measure is Measure.ERRORS:
        return behaviour.error_ratio * (1.0 + wave)
    z = {Measure.P50: 0.0, Measure.P95: 1.645, Measure.P99: 2.326}[measure]
    return behaviour.quantile(z) * (1.0 + wave)
