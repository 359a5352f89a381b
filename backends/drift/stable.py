"""Which variant of an endpoint the others are compared with."""

from __future__ import annotations

from collections.abc import Mapping

from backends.contracts import Role, Serving
from backends.errors import BackendError

CALLED_STABLE = frozenset({"stable", "primary", "baseline", "default", "production", "champion"})

Place = tuple[str, str]  # scope and endpoint


class StableVariants:
    """As the serving system says, where there is one to ask; what it said last counts while it does not answer. Else
    the variant that is called so, or the one with the most values."""

    def __init__(self, serving: Serving | None) -> None:
        self._serving = serving
        self._told: Mapping[Place, str] = {}

    def refresh(self) -> None:
        """Ask the serving system anew."""
        if self._serving is None:
            return
        try:
            endpoints = self._serving.endpoints()
        except BackendError:
            return
        stable = ((one.ref, one.in_role(Role.STABLE)) for one in endpoints)
        self._told = {(ref.scope, ref.name): variant.name for ref, variant in stable if variant is not None}

    def of(self, place: Place, counted: Mapping[str, float]) -> str:
        """The stable variant of one endpoint, of those for which values were ``counted``."""
        told = self._told.get(place) or self._told.get(("", place[1]), "")
        if told:
            return told
        called = sorted(name for name in counted if name.lower() in CALLED_STABLE)
        return called[0] if called else max(sorted(counted), key=lambda name: counted[name], default="")
