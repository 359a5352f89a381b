"""Guarded JSON patches of one Kubernetes object, for systems that keep their split and copies in its spec. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from backends.contracts import Call, Change, Endpoint, Mirror, Promote, Split, action_of
from backends.errors import Unsupported
from backends.platforms.kubernetes.calls import expect, json_patch
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object, generation_of, key_of, revision_of, table, text
from backends.serving.split import mirror_of, possible, split_of

Operations = Sequence[Mapping[str, object]]
"""Those of a JSON patch."""


def token(thing: Object) -> str:
    """The revision of an endpoint that is written in one object: its ``generation``, which counts changes of the spec
    only. A ``resourceVersion`` also counts the statuses that controllers write, and a change must not fail over those.
    """
    generation = generation_of(thing)
    return revision_of(thing) if generation is None else f"generation {generation}"


def guarded(kind: Kind, thing: Object, operations: Operations, summary: str) -> Call:
    """The JSON patch that makes ``operations``, if the object is still the one that was read, in the same generation;
    where it has none, in the same ``resourceVersion``."""
    namespace, name = key_of(thing)
    generation, uid = generation_of(thing), text(thing, "metadata", "uid")
    if generation is None:
        return json_patch(kind, namespace, name, operations, revision=revision_of(thing), summary=summary)
    tests = [*([expect("/metadata/uid", uid)] if uid else []), expect("/metadata/generation", generation)]
    call = json_patch(kind, namespace, name, [*tests, *operations], revision="", summary=summary)
    return replace(call, guard=token(thing))


def compiled(
    kind: Kind,
    named: str,
    endpoint: Endpoint,
    change: Change,
    split: Callable[[Mapping[str, float]], tuple[Operations, str]],
    mirror: Callable[[Mirror], Operations],
) -> tuple[Call, ...]:
    """The one patch of a system that keeps its split and its copies in one object, which is ``endpoint.native``'s
    "object": the operations of a checked ``split``, in percent, with their summary, or those of a checked ``mirror``.

    Raises:
        Unsupported, Rejected: as ``Serving.compile``; ``named`` is what the object is called ("an HTTPRoute").
    """
    possible(endpoint, change, named)
    if isinstance(change, Split | Promote):
        operations, summary = split(split_of(endpoint, change))
    elif isinstance(change, Mirror):
        variant = mirror_of(endpoint, change)
        operations = mirror(change)
        summary = f"mirror {change.variant} {variant.mirror or 0:g} % → {change.percent:g} %"
    else:
        raise Unsupported(f"{named} knows no {action_of(change).value}")
    return (guarded(kind, table(endpoint.native, "object"), operations, summary),)
