"""Which method and thresholds are for which feature, as configured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

from backends.contracts import Direction
from backends.drift.methods import METHODS, Method
from backends.errors import Rejected
from backends.settings import Setting, SettingType


@dataclass(frozen=True, slots=True)
class Chosen:
    """A method with the thresholds that count here."""

    method: Method
    threshold: float
    watch: float


@dataclass(frozen=True, slots=True)
class Choice:
    """``by_feature`` is what differs from ``default``; ``unordered`` is for categories where the default cannot be."""

    default: Chosen
    unordered: Chosen
    by_feature: Mapping[str, Chosen]

    SETTINGS: ClassVar[tuple[Setting, ...]] = (
        Setting("method", SettingType.TEXT, "how to score", default="psi", choices=tuple(METHODS)),
        Setting("methods", SettingType.TABLE, 'another method by feature: { amount = "wasserstein" }', default={}),
        Setting("threshold", SettingType.NUMBER, "a score beyond this alarms (default: the method's)"),
        Setting("thresholds", SettingType.TABLE, 'another threshold by feature: { amount = "0.4" }', default={}),
        Setting("watch", SettingType.NUMBER, "a score beyond this is to be watched (default: the method's)"),
    )

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Choice:
        """Raises:
        Rejected: there is no such method, or a threshold is not a number.
        """
        default = METHODS[str(options["method"])]
        methods = cast("Mapping[str, str]", options["methods"] or {})
        thresholds = cast("Mapping[str, str]", options["thresholds"] or {})
        threshold, watch = _number(options["threshold"]), _number(options["watch"])

        def chosen(method: Method, own: str | None = None, where: str = "") -> Chosen:
            # What is set for the default method says nothing of another one, whose scale is its own.
            common, look = (threshold, watch) if method is default else (None, None)
            limit = _parsed(own, where) if own is not None else common if common is not None else method.threshold
            return Chosen(method, limit, look if look is not None else _nearer(method, limit))

        by_feature = {
            feature: chosen(_method(methods.get(feature, default.name)), thresholds.get(feature), feature)
            for feature in {*methods, *thresholds}
        }
        return cls(chosen(default), chosen(METHODS["psi"] if default.ordered else default), by_feature)

    def for_feature(self, feature: str, *, ordered: bool) -> Chosen:
        """What to score a feature with. Categories have no order, so a method that needs one is not for them."""
        found = self.by_feature.get(feature, self.default)
        return self.unordered if found.method.ordered and not ordered else found


def _nearer(method: Method, threshold: float) -> float:
    """The method's own ``watch``, moved along with a threshold that was moved."""
    if method.direction is Direction.BELOW:
        return max(method.watch, threshold)
    return method.watch * threshold / method.threshold


def _method(name: str) -> Method:
    if name not in METHODS:
        raise Rejected(f"methods: there is no method {name!r}", hint=f"known are {', '.join(METHODS)}")
    return METHODS[name]


def _number(value: object) -> float | None:
    return None if value is None else float(cast("float", value))


def _parsed(text: str, feature: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number <= 0:
        raise Rejected(f"thresholds: {feature} = {text!r} is not a number above 0")
    return number
