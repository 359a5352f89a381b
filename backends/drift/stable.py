"""The stable variant of an endpoint, with which the others are compared."""

from __future__ import annotations

from collections.abc import Mapping

from backends.contracts import Role, Serving
from backends.errors import BackendError

CALLED_STABLE = frozenset({"stable", "primary", "baseline", "default", "production", "champion"})

Place = tuple[str, str]  # scope and endpoint


class StableVariants:
    """Finds the stable variants.

    The serving system decides, if there is one; while it does not answer, its last answer is used. Otherwise it is the
    variant whose name is in ``CALLED_STABLE``, or the variant with the most values.
    """

    def __init__(self, serving: Serving | None) -> None:
        self._serving = serving
        self._told: Mapping[Place, str] = {}

    def refresh(self) -> None:
        """Ask the serving system again."""
        if self._serving is None:
            return
        try:
            endpoints = self._serving.endpoints()
        except BackendError:
            return
        stable = ((one.ref, one.in_role(Role.STABLE)) for one in endpoints)
        self._told = {(ref.scope, ref.name): variant.name for ref, variant in stable if variant is not None}

    def of(self, place: Place, counted: Mapping[str, float]) -> str:
        """The stable variant of one endpoint. ``counted`` holds the number of values of each variant."""
        told = self._told.get(place) or self._told.get(("", place[1]), "")
        if told:
            return told
        called = sorted(name for name in counted if name.lower() in CALLED_STABLE)
        return called[0] if called else max(sorted(counted), key=lambda name: counted[name], default="")
