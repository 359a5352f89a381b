"""The fence of a patch whose answer was lost: a write after which the patch fails, if it still arrives. Pure.

A patch is guarded by the object's ``generation``, and a write that changes nothing does not raise it. So each patch
also tests the annotation ``shiftdeck.io/fence``: it must be as it was read. The fence gives the annotation a new value.
No controller moves traffic because of it.

KServe copies the annotations of an InferenceService to the template of its pods, so that a new one would start a
revision. There the annotation is in ``status.annotations``, which nothing copies.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from hashlib import sha256
from urllib.parse import urlencode

from backends.contracts import Call
from backends.platforms.kubernetes.calls import FIELD_MANAGER, expect, pointer
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object, dig, text

FENCE = "shiftdeck.io/fence"
MERGE_PATCH = "application/merge-patch+json"

USUAL = ("metadata", "annotations")
PLACES: Mapping[str, tuple[str, str]] = {"inferenceservices.serving.kserve.io": ("status", "annotations")}

_VERSION = "/metadata/resourceVersion"
_OBJECT = re.compile(
    r"^(?P<object>/(?:api|apis/(?P<group>[^/]+))/[^/]+/namespaces/(?P<namespace>[^/]+)/(?P<plural>[^/]+)/(?P<name>[^/]+))"
    r"(?:/status)?$"
)


def fence_test(kind: Kind, thing: Object) -> dict[str, object]:
    """The ``test`` that fails once a fence was written to ``thing``.

    A ``test`` of a missing key against null holds, and fails if the map itself is missing. So where the map is missing,
    that is what is tested.
    """
    place = _place(kind.resource)
    for depth in range(1, len(place) + 1):
        if dig(thing, *place[:depth]) is None:
            return expect(pointer(*place[:depth]), None)
    return expect(pointer(*place, FENCE), dig(thing, *place, FENCE))


def fence_call(lost: Call, revision: str) -> Call | None:
    """The fence of a patch, or ``None`` if the call is no patch that a fence makes fail. ``revision`` is the one that
    the endpoint has now."""
    found = _OBJECT.match(lost.path.partition("?")[0])
    if lost.method != "PATCH" or found is None or not isinstance(lost.body, Sequence):
        return None
    resource = f"{found['plural']}.{found['group']}" if found["group"] else found["plural"]
    place = _place(resource)
    if not any(_tells(one, place) for one in lost.body):
        return None
    # Another value than the one that the lost patch tests: the digest covers that one too.
    told = json.dumps([lost.path, lost.body, revision], sort_keys=True, default=dict)
    value = sha256(told.encode()).hexdigest()[:10]
    subresource = place[0] if place is not USUAL else ""
    path = found["object"] + (f"/{subresource}" if subresource else "")
    body = {place[0]: {place[1]: {FENCE: value}}}
    return Call(
        method="PATCH",
        path=f"{path}?{urlencode({'fieldManager': FIELD_MANAGER})}",
        body=body,
        headers={"Content-Type": MERGE_PATCH},
        summary=f"{found['name']} annotation {FENCE} → {value}",
        command=_command(resource, found["namespace"], found["name"], value, body if subresource else None),
    )


def fence_of(call: Call) -> tuple[tuple[str, str], str] | None:
    """The place and the value that a fence writes, or ``None`` if the call is no fence."""
    for place in (USUAL, *PLACES.values()):
        if value := text(call.body, *place, FENCE):
            return place, value
    return None


def _place(resource: str) -> tuple[str, str]:
    return PLACES.get(resource, USUAL)


def _tells(operation: object, place: tuple[str, str]) -> bool:
    """Whether an operation of a patch fails after a fence."""
    if text(operation, "op") == "replace" and text(operation, "path") == _VERSION:
        return True
    tested = [pointer(*place, FENCE), *(pointer(*place[:depth]) for depth in range(1, len(place) + 1))]
    return text(operation, "op") == "test" and text(operation, "path") in tested


def _command(resource: str, namespace: str, name: str, value: str, status: Mapping[str, object] | None) -> str:
    if status is None:
        words = ["kubectl", "annotate", resource, name, "-n", namespace, "--overwrite", f"{FENCE}={value}"]
        return shlex.join([*words, f"--field-manager={FIELD_MANAGER}"])
    words = ["kubectl", "patch", resource, name, "-n", namespace, "--subresource=status"]
    return shlex.join([*words, f"--field-manager={FIELD_MANAGER}", "--type=merge", "-p", json.dumps(status)])
