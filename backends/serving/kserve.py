"""KServe's InferenceServices: ``serving.kserve.io/v1beta1``, in Knative and in Standard mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType, ModuleType
from typing import ClassVar

from backends.contracts import (
    Action,
    Call,
    Change,
    Diverged,
    Endpoint,
    EndpointRef,
    Forecast,
    Phase,
    Progress,
    Role,
    Variant,
)
from backends.errors import Unsupported
from backends.platforms.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, Kind
from backends.platforms.kubernetes.objects import Object, items, key_of, number, text
from backends.serving import kserve_knative, kserve_standard
from backends.serving.kserve_facts import INFERENCE_SERVICE, OF_SERVICE, REVISION, mode_of, percents, phase_of
from backends.serving.kubernetes import KubernetesServing, Objects, Part, System
from backends.serving.patches import token

_MODES: Mapping[str, ModuleType] = MappingProxyType({"Knative": kserve_knative, "Standard": kserve_standard})


class KServe(System):
    """Each InferenceService is an endpoint: its predictor. Variants are Knative revisions, or predictors by name."""

    name: ClassVar[str] = "kserve"
    by_namespace: ClassVar[bool] = True
    kinds: ClassVar[tuple[Kind, ...]] = (INFERENCE_SERVICE, REVISION, HTTP_ROUTE, DEPLOYMENT)
    selectors: ClassVar[Mapping[Kind, str]] = MappingProxyType({REVISION: OF_SERVICE, DEPLOYMENT: OF_SERVICE})

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        found = objects.of(INFERENCE_SERVICE)
        return tuple(_explained(found[key], objects, backend) for key in sorted(found))

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        first = Part(INFERENCE_SERVICE, ref.scope, ref.name)
        thing = objects.of(INFERENCE_SERVICE).get((ref.scope, ref.name))
        mode = _MODES.get(mode_of(thing)) if thing is not None else None
        return (first,) if thing is None or mode is None else (first, *mode.parts(thing))

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        calls: tuple[Call, ...] = _mode(endpoint).compile(endpoint, change)
        return calls

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        mode = _mode(before)
        was, is_now = before.native.get("mode"), now.native.get("mode")
        if is_now != was:
            return Diverged(f"the service is in {is_now} mode now, and was in {was} mode")
        found: Progress = mode.progress(before, now, change)
        return found


class KServeServing(KubernetesServing):
    """Serving through KServe's InferenceServices."""

    system: ClassVar[System] = KServe()

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        """The forecast of the endpoint's mode: the weights, and whether a change leads back."""
        found: Forecast = _mode(endpoint).forecast(endpoint, change)
        return found


def _explained(thing: Object, objects: Objects, backend: str) -> Endpoint:
    mode = _MODES.get(mode_of(thing))
    if mode is not None:
        found: Endpoint = mode.explain(thing, objects, backend)
        return replace(found, message="; ".join(part for part in (found.message, *_beside(thing)) if part))
    namespace, name = key_of(thing)
    phase, message = phase_of(thing, arrived=True)
    words = f"{mode_of(thing)} mode has no split of traffic"
    return Endpoint(
        EndpointRef(backend, namespace, name),
        (Variant("predictor", Role.STABLE, desired=100.0, observed=100.0 if phase is Phase.STEADY else None),),
        phase,
        message,
        revision=token(thing),
        actions=dict.fromkeys((Action.SHIFT, Action.PROMOTE, Action.ROLLBACK), words),
        native={"mode": mode_of(thing)},
    )


def _beside(thing: Object) -> Iterator[str]:
    """The splits of the transformer and the explainer, in words: they have canaries of their own."""
    for component in ("transformer", "explainer"):
        split = {
            text(one, "revisionName"): number(one, "percent")
            for one in items(thing, "status", "components", component, "traffic")
            if number(one, "percent")
        }
        if len(split) > 1:
            yield f"the {component} splits too, and is not changed: {percents(split)}"


def _mode(endpoint: Endpoint) -> ModuleType:
    mode = _MODES.get(str(endpoint.native.get("mode")))
    if mode is None:
        raise Unsupported(f"{endpoint.native.get('mode')} mode has no split of traffic")
    return mode
