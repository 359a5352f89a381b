"""What each of our systems makes of calls, in memory: a cluster that takes patches, the lab's own traffic, HAProxy's
weights, Triton's versions."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, cast

from backends.contracts import Call, Endpoint, EndpointRef
from backends.errors import Conflict
from backends.lab.traffic import Traffic, Update
from backends.lab.views import traffic_view
from backends.lab.world import BY_KEY
from backends.platforms.haproxy.answers import Pool, Reading, Server
from backends.serving.haproxy import HaproxyServing
from backends.serving.knative import SERVICE as KNATIVE_SERVICE
from backends.serving.kubernetes import System
from backends.serving.lab_wire import endpoint_of
from backends.serving.llminference import LLM
from backends.serving.triton import TritonServing
from backends.serving.triton_wire import Version
from tests.unit.kube_objects import applied
from tests.unit.kube_worlds import Seen, World

NOW = 1_000_000.0
Finish = Callable[[World], None]
"""Writes into the objects' statuses what their controllers would, once all is done."""


@dataclass(frozen=True, slots=True)
class ClusterScript:
    """A cluster with these objects. ``finish`` is ``None`` where the controllers are too much to be played here."""

    system: System
    world: World
    ref: EndpointRef
    finish: Finish | None = None

    def taken(self, calls: Sequence[Call]) -> Endpoint | None:
        return self._after(calls, None)

    def done(self, calls: Sequence[Call]) -> Endpoint | None:
        return self._after(calls, self.finish)

    def server(self) -> ClusterServer:
        return ClusterServer(self, copy.deepcopy(self.world))

    def _after(self, calls: Sequence[Call], finish: Finish | None) -> Endpoint | None:
        world = copy.deepcopy(self.world)
        for call in calls:
            if call.method == "PATCH":
                self.patch(world, call)
        if finish is not None:
            finish(world)
        return self.read(world)

    def read(self, world: World) -> Endpoint | None:
        found = self.system.explain(Seen(world), self.ref.backend)
        return next((one for one in found if one.ref == self.ref), None)

    def patch(self, world: World, call: Call) -> None:
        path = call.path.partition("?")[0]
        for kind, things in world.items():
            for (namespace, name), thing in things.items():
                subresource = path.removeprefix(kind.path(namespace, name))
                if subresource in ("", "/status"):
                    made = applied(thing, call.body)
                    if made.get("spec") != thing.get("spec"):
                        made["metadata"]["generation"] = thing["metadata"]["generation"] + 1
                    things[namespace, name] = made
                    return
        raise AssertionError(f"{path} is no object of this world")


@dataclass(frozen=True, slots=True)
class ClusterServer:
    """The API server of such a cluster."""

    script: ClusterScript
    world: World

    def read(self) -> Endpoint:
        found = self.script.read(self.world)
        assert found is not None
        return found

    def send(self, call: Call) -> None:
        try:
            self.script.patch(self.world, call)
        except AssertionError as error:
            raise Conflict(f"a test of the patch failed: {error}") from None


def observed(world: World) -> None:
    """Every status is of the newest generation."""
    for things in world.values():
        for thing in things.values():
            _observe(thing.get("status"), thing["metadata"].get("generation"))


def _observe(node: Any, generation: object) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "observedGeneration":
                node[key] = generation
            else:
                _observe(value, generation)
    for one in node if isinstance(node, list) else ():
        _observe(one, generation)


def routed(world: World) -> None:
    """Knative: every Service's route is as it was asked for."""
    observed(world)
    for service in world[KNATIVE_SERVICE].values():
        latest = service["status"]["latestReadyRevisionName"]
        service["status"]["traffic"] = [
            {**one, "revisionName": one.get("revisionName", latest)} for one in service["spec"]["traffic"]
        ]


def grouped(world: World) -> None:
    """KServe's groups: every member's route has the weights of all."""
    observed(world)
    members = world[LLM]
    listed = [{"name": name, "weight": one["spec"]["router"]["route"]["weight"]} for (_, name), one in members.items()]
    for one in members.values():
        one["status"]["router"]["group"]["members"] = listed


class LabScript:
    """An endpoint of the lab, played by the lab's own traffic."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.endpoint = _read(self._anew())

    def _anew(self) -> Traffic:
        return Traffic(BY_KEY["prod", self._name], Random(1), NOW)

    def taken(self, calls: Sequence[Call]) -> Endpoint | None:
        body = _body(calls)
        # A mirror is in effect as soon as it is taken.
        return _read(self._asked(body)) if "weights" in body else None

    def done(self, calls: Sequence[Call]) -> Endpoint | None:
        traffic = self._asked(_body(calls))
        for tick in range(1, 100):
            traffic.tick(NOW + 3.0 * tick)
        return _read(traffic)

    def server(self) -> LabServer:
        return LabServer(self._anew())

    def _asked(self, body: Mapping[str, Any]) -> Traffic:
        traffic = self._anew()
        traffic.apply(Update(**body), NOW, 1.0, "ana", "")
        return traffic


@dataclass(frozen=True, slots=True)
class LabServer:
    """The gateway's own rules for one endpoint."""

    traffic: Traffic

    def read(self) -> Endpoint:
        return _read(self.traffic)

    def send(self, call: Call) -> None:
        if call.headers["If-Match"] != self.traffic.etag:
            raise Conflict(f"it is at {self.traffic.etag}, not at {call.headers['If-Match']}")
        self.traffic.apply(Update(**_body((call,))), NOW, 1.0, "ana", "")


def _read(traffic: Traffic) -> Endpoint:
    return endpoint_of(json.loads(json.dumps(traffic_view(traffic))), "lab", "the endpoint")


def _body(calls: Sequence[Call]) -> Mapping[str, Any]:
    (call,) = calls
    return cast("Mapping[str, Any]", call.body)


class HaproxyScript:
    """A backend of HAProxy, whose weights are in effect as soon as they are set."""

    def __init__(self, serving: HaproxyServing, servers: Sequence[Server]) -> None:
        self._serving = serving
        self._servers = tuple(servers)
        self.endpoint = self._explained(self._servers)

    def done(self, calls: Sequence[Call]) -> Endpoint | None:
        weights: dict[str, int] = {}
        for command in _body(calls)["commands"]:
            *_, server, word, weight = command.split()
            assert word == "weight", command
            weights[server.rpartition("/")[2]] = int(weight)
        return self._explained(
            [
                replace(one, asked=weights.get(one.name, one.asked), effective=weights.get(one.name, one.effective))
                for one in self._servers
            ]
        )

    def _explained(self, servers: Sequence[Server]) -> Endpoint:
        pool = Pool("sentiment", "roundrobin", tuple(servers))
        return self._serving.explain(pool, Reading((pool,), "2.6", "1@2", "admin"))


class TritonScript:
    """A model of Triton, which answers a load request when it is done."""

    def __init__(self, serving: TritonServing, versions: Sequence[Version], config: Mapping[str, object]) -> None:
        self._serving = serving
        self._versions = tuple(versions)
        self.endpoint = serving.explain("sentiment", self._versions, config)

    def done(self, calls: Sequence[Call]) -> Endpoint | None:
        config = json.loads(_body(calls)["parameters"]["config"])
        wanted = {str(one) for one in config["version_policy"]["specific"]["versions"]}
        versions = tuple(
            Version(one.name, "READY") if one.name in wanted else Version(one.name, "UNAVAILABLE", "unloaded")
            for one in self._versions
        )
        return self._serving.explain("sentiment", versions, config)
