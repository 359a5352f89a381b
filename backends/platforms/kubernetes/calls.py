"""Pure builders of patches, each with a guard and with the kubectl command that does the same.

The guard is ``metadata.resourceVersion``: if the value in a patch is not the object's present one, the server answers
409.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from backends.contracts import Call
from backends.platforms.kubernetes.kinds import Kind

FIELD_MANAGER = "shiftdeck"
JSON_PATCH = "application/json-patch+json"


def json_patch(
    kind: Kind,
    namespace: str,
    name: str,
    operations: Sequence[Mapping[str, object]],
    *,
    revision: str,
    summary: str,
    subresource: str = "",
) -> Call:
    """Apply ``operations`` (RFC 6902) in order, if the object is still at ``revision``; "" sends them unguarded.

    The guard is the first operation: it replaces the version by itself, and the server answers 409 if the object has
    another version. Put ``expect`` operations on the names of list entries before operations that replace their fields:
    if one fails, the answer is a conflict.
    """
    guard = [replace("/metadata/resourceVersion", revision)] if revision else []
    body = [*guard, *operations]
    return Call(
        method="PATCH",
        path=f"{kind.path(namespace, name, subresource)}?{urlencode({'fieldManager': FIELD_MANAGER})}",
        body=body,
        headers={"Content-Type": JSON_PATCH},
        guard=f"resourceVersion {revision}" if revision else "",
        summary=summary,
        command=_kubectl(kind, namespace, name, body, subresource),
    )


def expect(path: str, value: object) -> dict[str, object]:
    """A ``test``: the patch fails, as a conflict, if ``path`` holds another value."""
    return {"op": "test", "path": path, "value": value}


def replace(path: str, value: object) -> dict[str, object]:
    return {"op": "replace", "path": path, "value": value}


def add(path: str, value: object) -> dict[str, object]:
    """Add a field or a list entry; an existing field is replaced."""
    return {"op": "add", "path": path, "value": value}


def remove(path: str) -> dict[str, object]:
    return {"op": "remove", "path": path}


def pointer(*steps: str | int) -> str:
    """A JSON pointer (RFC 6901): ``pointer("spec", "rules", 0)`` is ``/spec/rules/0``."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _kubectl(
    kind: Kind, namespace: str, name: str, operations: Sequence[Mapping[str, object]], subresource: str
) -> str:
    parts = ["kubectl", "patch", kind.resource, name]
    parts += ["-n", namespace] if namespace else []
    parts += [f"--subresource={subresource}"] if subresource else []
    parts += [f"--field-manager={FIELD_MANAGER}", "--type=json"]
    return shlex.join([*parts, "-p", json.dumps(operations, ensure_ascii=False)])
