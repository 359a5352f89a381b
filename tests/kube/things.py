"""Objects as the serving systems write them, in short; and a cluster of such objects without a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object, key_of


class Things:
    """``Objects`` out of a table: ``Things({KIND: [object, …]})``."""

    def __init__(self, objects: Mapping[Kind, Iterable[Object]]) -> None:
        self._objects = {kind: {key_of(one): one for one in ones} for kind, ones in objects.items()}

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        return self._objects.get(kind, {})


def ready(status: str = "True", reason: str = "", message: str = "", type_: str = "Ready") -> dict[str, str]:
    """One condition."""
    return {"type": type_, "status": status, "reason": reason, "message": message}


def thing(name: str, *, spec: object = None, status: object = None, **metadata: Any) -> dict[str, Any]:
    """An object in namespace "ml" at resourceVersion 17 and generation 3."""
    return {
        "metadata": {"namespace": "ml", "name": name, "resourceVersion": "17", "generation": 3, **metadata},
        **({"spec": spec} if spec is not None else {}),
        **({"status": status} if status is not None else {}),
    }
