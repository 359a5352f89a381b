"""Objects of a cluster in memory, for the pure systems."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from backends.contracts import Endpoint
from backends.platforms.kubernetes.kinds import DEPLOYMENT, SERVICE, Kind
from backends.platforms.kubernetes.objects import Object
from backends.serving.kubernetes import System


class Cluster:
    """``Objects`` as given. A resourceVersion and a generation are filled in where there is none."""

    def __init__(self) -> None:
        self.kinds: dict[Kind, dict[tuple[str, str], Object]] = {}

    def add(
        self, kind: Kind, name: str, thing: Mapping[str, Any], *, namespace: str = "prod", **metadata: Any
    ) -> Cluster:
        given = {"name": name, "namespace": namespace, "resourceVersion": "7", "generation": 3, **metadata}
        self.kinds.setdefault(kind, {})[namespace, name] = {**thing, "metadata": given}
        return self

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        return self.kinds.get(kind, {})

    def served(self, name: str, *, replicas: int = 2, ready: int = 2, image: str = "", **labels: str) -> Cluster:
        """A Service of that name with a Deployment of the same name behind it."""
        carried = {"app": name, **labels}
        template = {
            "metadata": {"labels": carried},
            "spec": {"containers": [{"name": "model", "image": image or f"registry/{name}:1"}]},
        }
        self.add(SERVICE, name, {"spec": {"selector": {"app": name}}})
        spec = {"replicas": replicas, "template": template}
        status = {"observedGeneration": 3, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": ready}
        return self.add(DEPLOYMENT, name, {"spec": spec, "status": status})


def only(system: System, cluster: Cluster) -> Endpoint:
    """The one endpoint that there is."""
    (endpoint,) = system.explain(cluster, "k8s")
    return endpoint


def applied(thing: Any, operations: Any) -> Any:
    """The object after a merge patch (RFC 7386) or a JSON patch (RFC 6902), as far as calls of ours use them, and as an
    API server applies them: a ``test`` of a missing key against null holds, one below a missing key fails. Generation 3
    where it says none.

    Raises:
        AssertionError: a test in it failed, or a path does not exist.
    """
    made = copy.deepcopy(thing)
    made.setdefault("metadata", {"generation": 3})
    if isinstance(operations, dict):
        return _merged(made, operations)
    for one in operations:
        *steps, last = [part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]]
        parent = made
        for step in steps:
            assert not isinstance(parent, dict) or step in parent, one
            parent = parent[int(step) if isinstance(parent, list) else step]
        at: Any = last if not isinstance(parent, list) else (len(parent) if last == "-" else int(last))
        if one["op"] == "test":
            there = parent.get(at) if isinstance(parent, dict) else parent[at]
            assert there == one["value"], one
        elif one["op"] == "remove":
            del parent[at]
        elif one["op"] == "add" and isinstance(parent, list):
            parent.insert(at, one["value"])
        else:
            assert one["op"] == "add" or at in parent, one
            parent[at] = one["value"]
    return made


def _merged(thing: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    kept = dict(thing) if isinstance(thing, dict) else {}
    for key, value in patch.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = _merged(kept.get(key), value)
    return kept
