"""The answers of the lab's gateway, as domain types. An answer that does not fit is ``Malformed``, and the message
names the place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, cast

from backends.contracts import (
    Action,
    Drill,
    Endpoint,
    EndpointRef,
    ModelRef,
    Phase,
    Release,
    Role,
    Variant,
)
from backends.errors import Malformed

Json = Mapping[str, object]
Kind = TypeVar("Kind", Role, Phase)


def endpoints_of(answer: object, backend: str) -> tuple[Endpoint, ...]:
    """The endpoints of ``GET /v1/endpoints``.

    Raises:
        Malformed: the answer does not fit the gateway's API.
    """
    listed = _list(_object(answer, "the answer"), "endpoints", "the answer")
    return tuple(endpoint_of(one, backend, f"endpoints[{n}]") for n, one in enumerate(listed))


def endpoint_of(answer: object, backend: str, where: str) -> Endpoint:
    """One endpoint from its traffic object.

    Raises:
        Malformed: the answer does not fit the gateway's API.
    """
    told = _object(answer, where)
    scope, name = _text(told, "scope", where), _text(told, "name", where)
    variants = tuple(_variant(one, f"{where}.variants[{n}]") for n, one in enumerate(_list(told, "variants", where)))
    releases = _returned(
        tuple(_release(one, f"{where}.releases[{n}]") for n, one in enumerate(_list(told, "releases", where)))
    )
    generation = told.get("generation")
    if isinstance(generation, bool) or not isinstance(generation, int):
        raise _malformed(f"{where}.generation is not a whole number")
    return Endpoint(
        ref=EndpointRef(backend, scope, name),
        variants=variants,
        phase=_one_of(Phase, told, "phase", where, Phase.UNKNOWN),
        message=_text(told, "message", where, ""),
        releases=releases,
        revision=str(generation),
        actions=_actions(variants, releases),
        runbook=_text(told, "runbook", where, ""),
    )


def drills_of(answer: object) -> tuple[Drill, ...]:
    """The drills of ``GET /lab/drills``.

    Raises:
        Malformed: the answer does not fit the gateway's API.
    """
    listed = _list(_object(answer, "the answer"), "drills", "the answer")
    return tuple(_drill(one, f"drills[{n}]") for n, one in enumerate(listed))


def _drill(answer: object, where: str) -> Drill:
    told = _object(answer, where)
    running = told.get("running")
    if not isinstance(running, bool):
        raise _malformed(f"{where}.running is not true or false")
    since = None if told.get("since") is None else _number(told, "since", where)
    return Drill(_text(told, "name", where), _text(told, "summary", where, ""), running, since)


def _variant(answer: object, where: str) -> Variant:
    told = _object(answer, where)
    weight = _object(told.get("weight"), f"{where}.weight")
    replicas = _object(told.get("replicas"), f"{where}.replicas")
    return Variant(
        name=_text(told, "name", where),
        role=_one_of(Role, told, "role", where),
        model=ModelRef(_text(told, "model", where), _text(told, "version", where)),
        image=_text(told, "image", where, "") or None,
        ready=round(_number(replicas, "ready", f"{where}.replicas")),
        wanted=round(_number(replicas, "wanted", f"{where}.replicas")),
        desired=_number(weight, "desired", f"{where}.weight"),
        observed=_number(weight, "observed", f"{where}.weight"),
        mirror=_number(told, "mirror", where),
    )


def _release(answer: object, where: str) -> Release:
    told = _object(answer, where)
    weights = _object(told.get("weights"), f"{where}.weights")
    good = told.get("good")
    if not (good is None or isinstance(good, bool)):
        raise _malformed(f"{where}.good is not true, false or null")
    return Release(
        id=_text(told, "id", where),
        weights={name: _number(weights, name, f"{where}.weights") for name in weights},
        at=None if told.get("at") is None else _number(told, "at", where),
        by=_text(told, "by", where, ""),
        note=_text(told, "reason", where, ""),
        current=told.get("current") is True,
        good=good,
    )


def _returned(releases: tuple[Release, ...]) -> tuple[Release, ...]:
    """The releases; the current one was gone back to if the one before it was rolled back from."""
    current, before = releases[:1], releases[1:2]
    if current and before and current[0].current and before[0].good is False:
        return replace(current[0], returned_at=current[0].at), *releases[1:]
    return releases


def _actions(variants: tuple[Variant, ...], releases: tuple[Release, ...]) -> Mapping[Action, str | None]:
    """As ``Endpoint.actions``: why each action is not possible now, or ``None``."""
    single = "only one variant" if len(variants) < 2 else None
    live = [variant for variant in variants if variant.role is not Role.SHADOW]
    spare = [variant for variant in variants if not variant.desired and not variant.observed]
    names = {variant.name for variant in variants}
    split = {variant.name: variant.desired for variant in variants}
    earlier = [
        release
        for release in releases
        if not release.current
        and set(release.weights) <= names
        and {**dict.fromkeys(names, 0.0), **release.weights} != split
    ]
    return {
        Action.SHIFT: single or ("the only other variant is a shadow" if len(live) < 2 else None),
        Action.MIRROR: single or (None if spare else "every variant gets live traffic"),
        Action.PROMOTE: single,
        Action.ROLLBACK: None if earlier else "no earlier release to go back to",
    }


def _malformed(what: str) -> Malformed:
    return Malformed(f"the gateway's answer does not fit its API: {what}")


def _object(value: object, where: str) -> Json:
    if not isinstance(value, dict):
        raise _malformed(f"{where} is not an object")
    return cast("Json", value)


def _list(told: Json, key: str, where: str) -> list[object]:
    value = told.get(key)
    if not isinstance(value, list):
        raise _malformed(f"{where} has no list {key!r}")
    return value


def _text(told: Json, key: str, where: str, default: str | None = None) -> str:
    value = told.get(key, default)
    if not isinstance(value, str):
        raise _malformed(f"{where}.{key} is not a text")
    return value


def _number(told: Json, key: str, where: str) -> float:
    value = told.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _malformed(f"{where}.{key} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _malformed(f"{where}.{key} is not a finite number")
    return number


def _one_of(kind: type[Kind], told: Json, key: str, where: str, default: Kind | None = None) -> Kind:
    """A member of an enumeration; ``default`` for a value that only a newer gateway has."""
    value = _text(told, key, where)
    try:
        return kind(value)
    except ValueError:
        if default is not None:
            return default
        known = ", ".join(member.value for member in kind)
        raise _malformed(f"{where}.{key} is {value[:40]!r}: known are {known}") from None
