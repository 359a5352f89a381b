"""Parses the JSON of requests to the gateway. An error names the key that is not valid."""

from __future__ import annotations

import math
from collections.abc import Mapping

from backends.lab.traffic import Update


class BadRequest(ValueError):
    """The body of the request is not valid."""


def update_of(body: Mapping[str, object]) -> Update:
    """An update of traffic from ``{"weights": {name: percent}, "mirror": {name: percent}, "stable": name,
    "release": id}``. Each key is optional, but at least one is needed.

    Raises:
        BadRequest: a key is unknown or has the wrong type.
    """
    unknown = sorted(set(body) - {"weights", "mirror", "stable", "release"})
    if unknown:
        raise BadRequest(f"unknown key {unknown[0]!r}: known are weights, mirror, stable, release")
    if not body:
        raise BadRequest("nothing to change: give weights, mirror, stable or release")
    return Update(
        weights=_percents(body, "weights"),
        mirror=_percents(body, "mirror"),
        stable=_text(body, "stable"),
        release=_text(body, "release"),
    )


def _percents(body: Mapping[str, object], key: str) -> Mapping[str, float] | None:
    given = body.get(key)
    if given is None:
        return None
    if not isinstance(given, dict):
        raise BadRequest(f"{key} is not an object of percentages by variant")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequest(f"{key}.{name} is not a number")
    return {name: float(value) if abs(value) < 1e9 else math.inf for name, value in given.items()}


def _text(body: Mapping[str, object], key: str) -> str | None:
    given = body.get(key)
    if given is not None and not isinstance(given, str):
        raise BadRequest(f"{key} is not a text")
    return given
