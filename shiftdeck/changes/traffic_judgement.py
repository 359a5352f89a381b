"""What became of a change of traffic, judged from the journal's record of its plan and the endpoint as it is now.
Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backends.contracts import Call, Endpoint, same_weight
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.way_back import current_release

ON_ITS_WAY = "applied, still on its way"


def judge_intent(data: Mapping[str, object], now: Endpoint, operator: str = "") -> tuple[OutcomeKind, str]:
    """Applied, not applied, or unknown. ``operator`` made the change; another author of the same state is named."""
    before = _table(data.get("before"))
    if is_as_asked(data, now):
        if not has_arrived(now):
            return OutcomeKind.UNKNOWN, ON_ITS_WAY
        author = author_of(data, now)
        return OutcomeKind.SETTLED, "applied" if is_ours(author, operator) else f"in effect: {author} set the same"
    if before.get("revision") and before.get("revision") == now.revision:
        return OutcomeKind.FAILED, "not applied: the endpoint is as it was before"
    weights = ", ".join(f"{v.name} {v.desired:g} %" for v in now.variants if v.desired is not None)
    return OutcomeKind.UNKNOWN, f"unknown: the endpoint was changed since, and is now at {weights or 'no weights'}"


def is_as_asked(data: Mapping[str, object], now: Endpoint) -> bool:
    """Whether the endpoint is asked for exactly what the plan leads to. False if the weights cannot tell that: only the
    system knows its next step, or the plan moves none of them."""
    return _moves(data) and _matches(_table(data.get("after")), now)


def is_as_before(data: Mapping[str, object], now: Endpoint) -> bool:
    """Whether the endpoint does not show that anything has changed it since the plan: a call of it may still land."""
    before = _table(data.get("before"))
    if _moves(data):
        return _matches(before, now)
    return bool(before.get("revision")) and before.get("revision") == now.revision


def _moves(data: Mapping[str, object]) -> bool:
    """Whether the plan moves a weight or a mirrored share."""
    before, after = _table(data.get("before")), _table(data.get("after"))
    return any(
        not _same(_table(before.get(key)).get(name) or 0.0, percent or 0.0)
        for key in ("weights", "mirror")
        for name, percent in _table(after.get(key)).items()
    )


def has_arrived(now: Endpoint) -> bool:
    """Whether the control plane reports what is asked for as observed, as far as it reports both."""
    return all(v.observed is None or v.desired is None or same_weight(v.observed, v.desired) for v in now.variants)


def author_of(data: Mapping[str, object], now: Endpoint) -> str:
    """The author of a release that was made since the plan, or "": a change that makes no release must not name the
    author of an older one."""
    before, current = _table(data.get("before")).get("release"), current_release(now)
    return current.by if current is not None and before is not None and current.id != before else ""


def is_ours(author: str, operator: str) -> bool:
    """Whether the author that a system names is that operator of the journal, or is not told. The journal also names
    who stands behind sudo: "ada (sudo root)"."""
    return not author or not operator or author in {operator, *operator.rstrip(")").split(" (sudo ")}


def lost_call(data: Mapping[str, object], sent: Sequence[str], source: str) -> Call | None:
    """The call to that source that was to be sent next, as the journal recorded it: it may be on its way."""
    calls = data.get("calls")
    raw = calls[len(sent)] if isinstance(calls, list) and len(sent) < len(calls) else None
    if not isinstance(raw, Mapping) or raw.get("source") != source:
        return None
    told = {key: str(raw.get(key, "")) for key in ("method", "path", "guard", "summary")}
    return Call(told["method"], told["path"], raw.get("body"), guard=told["guard"], summary=told["summary"])


def part_way(data: Mapping[str, object], sent: Sequence[str]) -> str:
    """The calls that the journal recorded as sent, if the change has several and not all were recorded; else ""."""
    calls = data.get("calls")
    if not isinstance(calls, list) or len(calls) < 2 or len(sent) >= len(calls):
        return ""
    out = "; ".join(sent) or "none"
    return f"; {len(sent)} of {len(calls)} calls are known to be sent: {out}. The way back: {data.get('way_back')}"


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _matches(after: Mapping[str, object], now: Endpoint) -> bool:
    weights, mirror = _table(after.get("weights")), _table(after.get("mirror"))
    if not weights and not mirror:
        return False
    live = {variant.name: variant.desired for variant in now.variants}
    copied = {variant.name: variant.mirror or 0.0 for variant in now.variants}
    return all(_same(live.get(name), weight) for name, weight in weights.items() if weight or live.get(name)) and all(
        _same(copied.get(name, 0.0), percent or 0.0) for name, percent in mirror.items()
    )


def _same(one: object, other: object) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float) and same_weight(one, other)
