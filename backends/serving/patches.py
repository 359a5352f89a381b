"""Guarded JSON patches of one Kubernetes object, for systems whose split and mirrors are in that object's spec.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from backends.contracts import Call, Change, Endpoint, Mirror, Promote, Split, action_of
from backends.errors import Unsupported
from backends.platforms.kubernetes.calls import expect, json_patch
from backends.platforms.kubernetes.fences import fence_test
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object, generation_of, key_of, revision_of, table, text
from backends.serving.split import mirror_of, possible, split_of

Operations = Sequence[Mapping[str, object]]
"""The operations of a JSON patch."""


def token(thing: Object) -> str:
    """The revision of an endpoint in one object: the object's ``generation``, which counts only changes of the spec.
    The ``resourceVersion`` also changes when controllers write the status, and that must not make a change fail.
    """
    generation = generation_of(thing)
    return revision_of(thing) if generation is None else f"generation {generation}"


def guarded(kind: Kind, thing: Object, operations: Operations, summary: str) -> Call:
    """The JSON patch with ``operations``, guarded by the object's uid, ``generation`` and fence, or by its
    ``resourceVersion`` if it has no generation."""
    namespace, name = key_of(thing)
    generation, uid = generation_of(thing), text(thing, "metadata", "uid")
    if generation is None:
        return json_patch(kind, namespace, name, operations, revision=revision_of(thing), summary=summary)
    tests = [*([expect("/metadata/uid", uid)] if uid else []), expect("/metadata/generation", generation)]
    tests.append(fence_test(kind, thing))
    call = json_patch(kind, namespace, name, [*tests, *operations], revision="", summary=summary)
    return replace(call, guard=token(thing))


def compiled(
    kind: Kind,
    named: str,
    endpoint: Endpoint,
    change: Change,
    split: Callable[[Mapping[str, float]], tuple[Operations, str]],
    mirror: Callable[[Mirror], Operations],
    mirror_summary: Callable[[Mirror], str] | None = None,
) -> tuple[Call, ...]:
    """The patch of a system that keeps its split and its mirrors in one object, ``endpoint.native["object"]``.

    ``split`` makes operations and their summary from checked weights in percent; ``mirror`` makes operations from a
    checked change, and ``mirror_summary`` their summary where there may be several mirrors. ``named`` is the kind of
    the object in words ("an HTTPRoute").

    Raises:
        Unsupported, Rejected: as ``Serving.compile``.
    """
    possible(endpoint, change, named)
    if isinstance(change, Split | Promote):
        operations, summary = split(split_of(endpoint, change))
    elif isinstance(change, Mirror):
        variant = mirror_of(endpoint, change)
        operations = mirror(change)
        one = f"mirror {change.variant} {variant.mirror or 0:g} % → {change.percent:g} %"
        summary = one if mirror_summary is None else mirror_summary(change)
    else:
        raise Unsupported(f"{named} knows no {action_of(change).value}")
    return (guarded(kind, table(endpoint.native, "object"), operations, summary),)
