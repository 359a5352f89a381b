"""Reads fields of objects that a server sent. Each value is checked; a value of another type counts as absent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

Object = Mapping[str, Any]
"""A decoded JSON object."""


_BEYOND = 2**64
"""Integers of Kubernetes have 64 bits. JSON can hold larger ones, which do not fit into a float."""


def dig(thing: object, *path: str | int) -> object:
    """The value at that path of keys and list positions, or ``None``."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(thing, list) or not -len(thing) <= step < len(thing):
                return None
            thing = thing[step]
        else:
            # Called millions of times in a big cluster: decoded JSON is a dict, and the exact type is quick to check.
            if type(thing) is not dict and not isinstance(thing, Mapping):
                return None
            thing = thing.get(step)
    return thing


def text(thing: object, *path: str | int) -> str:
    """The text at that path, or ""."""
    found = dig(thing, *path)
    return found if isinstance(found, str) else ""


def number(thing: object, *path: str | int) -> float | None:
    """The number at that path, or ``None``. A flag is not a number, and neither is one of more than 64 bits."""
    found = dig(thing, *path)
    if isinstance(found, bool) or not isinstance(found, int | float) or not -_BEYOND < found < _BEYOND:
        return None
    return float(found)


def whole(thing: object, *path: str | int) -> int | None:
    """The whole number at that path, also if it is written as text (Argo's ``observedGeneration``), or ``None``."""
    found = dig(thing, *path)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 20:
        return int(found)
    if isinstance(found, bool) or not isinstance(found, int) or not -_BEYOND < found < _BEYOND:
        return None
    return found


def flag(thing: object, *path: str | int) -> bool:
    """Whether the value at that path is ``true``."""
    return dig(thing, *path) is True


def table(thing: object, *path: str | int) -> Object:
    """The object at that path, or an empty one."""
    found = dig(thing, *path)
    return found if type(found) is dict or isinstance(found, Mapping) else {}


def texts(thing: object, *path: str | int) -> Object:
    """The table of texts at that path, such as labels or a selector; empty if any value in it is not text."""
    found = table(thing, *path)
    return found if {str}.issuperset(map(type, found.values())) else {}


def items(thing: object, *path: str | int) -> tuple[Object, ...]:
    """The objects in the list at that path; other entries are left out."""
    found = dig(thing, *path)
    return tuple(one for one in found if isinstance(one, Mapping)) if isinstance(found, list) else ()


def name_of(thing: object) -> str:
    return text(thing, "metadata", "name")


def namespace_of(thing: object) -> str:
    return text(thing, "metadata", "namespace")


def key_of(thing: object) -> tuple[str, str]:
    """(namespace, name)."""
    return namespace_of(thing), name_of(thing)


def revision_of(thing: object) -> str:
    """``metadata.resourceVersion``, the guard of every write, or ""."""
    return text(thing, "metadata", "resourceVersion")


def generation_of(thing: object) -> int | None:
    return whole(thing, "metadata", "generation")


def labels_of(thing: object) -> Object:
    return texts(thing, "metadata", "labels")


def annotations_of(thing: object) -> Object:
    return table(thing, "metadata", "annotations")


class Owner(NamedTuple):
    """One ``ownerReference``."""

    group: str
    kind: str
    name: str
    uid: str
    controller: bool


def owner_references(thing: object) -> tuple[Owner, ...]:
    return tuple(
        Owner(
            text(one, "apiVersion").rpartition("/")[0],
            text(one, "kind"),
            text(one, "name"),
            text(one, "uid"),
            flag(one, "controller"),
        )
        for one in items(thing, "metadata", "ownerReferences")
    )


class Condition(NamedTuple):
    """One condition of a status. ``ok`` is ``None`` if the status is "Unknown"."""

    type: str
    ok: bool | None
    reason: str
    message: str
    observed_generation: int | None


def conditions(thing: object, *path: str | int) -> Mapping[str, Condition]:
    """The conditions in the list at ``path`` (default ``status.conditions``), by type."""
    return {
        text(one, "type"): Condition(
            text(one, "type"),
            {"True": True, "False": False}.get(text(one, "status")),
            text(one, "reason"),
            text(one, "message"),
            whole(one, "observedGeneration"),
        )
        for one in items(thing, *(path or ("status", "conditions")))
    }


def seconds_of(stamp: object) -> float | None:
    """A time as Kubernetes writes it (RFC 3339), in Unix seconds, or ``None``."""
    if not isinstance(stamp, str):
        return None
    try:
        parsed = datetime.fromisoformat(stamp)
        return parsed.timestamp() if parsed.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def created_of(thing: object) -> float | None:
    """When the object was created, in Unix seconds."""
    return seconds_of(dig(thing, "metadata", "creationTimestamp"))
