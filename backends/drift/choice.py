"""The configured method and thresholds for each feature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from backends.contracts import Direction
from backends.drift.methods import METHODS, Method
from backends.errors import Rejected
from backends.options import Options, number, table, text


class ChoiceOptions(Options):
    """Options: the methods of scoring, and the thresholds for alarms."""

    method = text("how to score", default="psi", choices=tuple(METHODS))
    methods = table('another method by feature: { amount = "wasserstein" }', default={})
    threshold = number("a score beyond this alarms (default: the method's)")
    thresholds = table('another threshold by feature: { amount = "0.4" }', default={})
    watch = number("a score beyond this is to be watched (default: the method's)")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A method with its configured thresholds."""

    method: Method
    threshold: float
    watch: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The methods in use.

    ``by_feature`` holds the features that differ from ``default``. ``unordered`` is for categories, if ``default``
    needs an order.
    """

    default: Chosen
    unordered: Chosen
    by_feature: Mapping[str, Chosen]

    @classmethod
    def of(cls, options: ChoiceOptions) -> Choice:
        """Raises:
        Rejected: there is no such method, or a threshold is not a number.
        """
        default = METHODS[options.method]
        methods, thresholds = options.methods, options.thresholds
        threshold, watch = options.threshold, options.watch

        def chosen(method: Method, own: str | None = None, where: str = "") -> Chosen:
            # The common thresholds are for the default method: another method has another scale.
            common, look = (threshold, watch) if method is default else (None, None)
            limit = _parsed(own, where) if own is not None else common if common is not None else method.threshold
            return Chosen(method, limit, look if look is not None else _nearer(method, limit))

        by_feature = {
            feature: chosen(_method(methods.get(feature, default.name)), thresholds.get(feature), feature)
            for feature in {*methods, *thresholds}
        }
        return cls(chosen(default), chosen(METHODS["psi"] if default.ordered else default), by_feature)

    def for_feature(self, feature: str, *, ordered: bool) -> Chosen:
        """The method for a feature. Categories have no order, so they never get a method that needs one."""
        found = self.by_feature.get(feature, self.default)
        return self.unordered if found.method.ordered and not ordered else found


def _nearer(method: Method, threshold: float) -> float:
    """The ``watch`` for a configured threshold: the method's own, in proportion to its threshold.

    For a p-value it is the method's own, or the threshold if that is higher.
    """
    if method.direction is Direction.BELOW:
        return max(method.watch, threshold)
    return method.watch * threshold / method.threshold


def _method(name: str) -> Method:
    if name not in METHODS:
        raise Rejected(f"methods: there is no method {name!r}", hint=f"known are {', '.join(METHODS)}")
    return METHODS[name]


def _parsed(text: str, feature: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number <= 0:
        raise Rejected(f"thresholds: {feature} = {text!r} is not a number above 0")
    return number
