"""Autoscalers of Deployments that share traffic by replica ratio: pinning one for a split, and giving it back its own
bounds. Pure.

An annotation remembers the bounds that the autoscaler had, together with those that were written. It counts only while
the autoscaler still has what was written: bounds that somebody set since are the autoscaler's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace as replaced

from backends.contracts import Call
from backends.platforms.kubernetes.calls import add, expect, json_patch, pointer, remove, replace
from backends.platforms.kubernetes.fences import fence_test
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    conditions,
    dig,
    name_of,
    namespace_of,
    text,
    whole,
)
from backends.platforms.kubernetes.owners import controller_of

HPA = Kind("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
"""The first version of the kind: every server has it, and all versions have the same fields for the bounds."""

BOUNDS = "shiftdeck.io/bounds"
"""The annotation on an autoscaler that a split pinned: "2-10 while 5-5" says that it had 2 to 10 before, and that 5 to
5 were written."""

CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
"""Where version 1 keeps the conditions, as JSON."""

PAUSE = "autoscaling.keda.sh/paused-replicas"
_PLACE = pointer("metadata", "annotations", BOUNDS)
_NOTE = re.compile(r"(\d{1,9})-(\d{1,9})(?: while (\d{1,9})-(\d{1,9}))?")

Bounds = tuple[int, int]


def bounds_of(scaler: Object) -> Bounds:
    least = whole(scaler, "spec", "minReplicas")
    return 1 if least is None else least, whole(scaler, "spec", "maxReplicas") or 1


def original_of(scaler: Object) -> Bounds | None:
    """The bounds that the autoscaler had before a split pinned it; ``None`` if it is not pinned.

    Earlier versions did not note what they wrote: their note counts while both bounds are the same, as a pin is.
    """
    found = _NOTE.fullmatch(text(annotations_of(scaler), BOUNDS))
    if found is None:
        return None
    first, last, low, high = found.groups()
    now = bounds_of(scaler)
    counts = now == (int(low), int(high)) if low is not None else now[0] == now[1]
    return (int(first), int(last)) if counts else None


def own_bounds(scaler: Object) -> Bounds:
    """The bounds that the autoscaler has apart from any split."""
    return original_of(scaler) or bounds_of(scaler)


def pinned(scalers: Mapping[str, Object]) -> dict[str, Object]:
    """The autoscalers that a split pinned, by Deployment name."""
    return {name: one for name, one in scalers.items() if original_of(one) is not None}


def within_pins(replicas: Mapping[str, int], scalers: Mapping[str, Object]) -> dict[str, int]:
    """The replicas by Deployment name, within the bounds that a split has given to their autoscalers: these set them
    some seconds later. An autoscaler leaves a Deployment at 0 alone."""
    found = dict(replicas)
    for name, scaler in pinned(scalers).items():
        least, most = bounds_of(scaler)
        if found[name]:
            found[name] = min(max(found[name], least), max(least, most))
    return found


def outdated_note(scaler: Object) -> str:
    """The words for a note that does not count because somebody set other bounds since; "" if there is none."""
    note = text(annotations_of(scaler), BOUNDS)
    if not note or original_of(scaler) is not None:
        return ""
    return (
        f"{name_of(scaler)} was set to {shown(bounds_of(scaler))} since it was pinned: that counts, not the note {note}"
    )


def scaled_elsewhere(scalers: Mapping[str, Object]) -> str:
    """Why the bounds of these autoscalers cannot be set here: what owns an autoscaler puts them back; or ""."""
    for name, scaler in scalers.items():
        if owner := controller_of(scaler):
            pause = f", or pause it with its annotation {PAUSE}" if owner.startswith("ScaledObject ") else ""
            return f"{owner} owns the autoscaler {name_of(scaler)} of {name}: change it there{pause}"
    return ""


def broken(scaler: Object) -> str:
    """Why the autoscaler does not scale, or "". That it rests because there are no replicas is no fault."""
    try:
        noted = json.loads(text(annotations_of(scaler), CONDITIONS) or "[]")
    except ValueError:
        noted = []
    for one in conditions({"status": {"conditions": noted}}).values():
        if one.type in ("ScalingActive", "AbleToScale") and one.ok is False and one.reason != "ScalingDisabled":
            return f"autoscaler {name_of(scaler)} does not work: {one.reason or one.message or one.type}"
    return ""


def shown(bounds: Bounds) -> str:
    return f"{bounds[0]}–{bounds[1]}"


def pin(scaler: Object, wanted: int, *, free: bool) -> Call:
    """Pin an autoscaler at ``wanted`` pods; with ``free`` it may scale from there up to its own upper bound."""
    own = own_bounds(scaler)
    written = wanted, max(wanted, own[1]) if free else wanted
    note = f"{own[0]}-{own[1]} while {written[0]}-{written[1]}"
    has_annotations = dig(scaler, "metadata", "annotations") is not None
    keep = add(_PLACE, note) if has_annotations else add("/metadata/annotations", {BOUNDS: note})
    return _call(scaler, written, keep)


def unpin(scaler: Object) -> Call:
    """Give a pinned autoscaler its own bounds back."""
    return _call(scaler, own_bounds(scaler), remove(_PLACE))


def _call(scaler: Object, bounds: Bounds, note: Mapping[str, object]) -> Call:
    """Set the bounds and the note. If the autoscaler has no annotations, the test of the fence demands that it still
    has none: the note would replace those that somebody added, and version 1 keeps metrics and behaviour there."""
    namespace, name, now = namespace_of(scaler), name_of(scaler), bounds_of(scaler)
    annotations = dig(scaler, "metadata", "annotations")
    noted = [] if annotations is None else [expect(_PLACE, dig(annotations, BOUNDS))]
    operations = [
        expect("/metadata/uid", dig(scaler, "metadata", "uid")),
        expect("/spec/minReplicas", dig(scaler, "spec", "minReplicas")),
        expect("/spec/maxReplicas", dig(scaler, "spec", "maxReplicas")),
        fence_test(HPA, scaler),
        *noted,
        note,
        add("/spec/minReplicas", bounds[0]),
        replace("/spec/maxReplicas", bounds[1]),
    ]
    summary = f"{name} minReplicas {now[0]} → {bounds[0]}, maxReplicas {now[1]} → {bounds[1]}"
    call = json_patch(HPA, namespace, name, operations, revision="", summary=summary)
    return replaced(call, guard=f"bounds {shown(now)}")
