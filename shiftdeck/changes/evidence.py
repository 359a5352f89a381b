"""Evidence for a change that is not in the fleet's view: gates with the registry's data, and shares measured now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from backends.contracts import Describes, Endpoint, EndpointRef, Metrics, ModelRef, ModelVersion
from backends.errors import BackendError
from shiftdeck.changes.promotion_gates import Gating, not_asked
from shiftdeck.config.loader import ContextConfig, Gates
from shiftdeck.fleet.label_matching import shares_among
from shiftdeck.fleet.view import FleetView, trouble
from shiftdeck.source_kinds.polls import rates
from shiftdeck.sources.adapters import Adapters


class Evidence:
    """Asks the adapters of one context. May block."""

    def __init__(self, context: ContextConfig, adapters: Adapters) -> None:
        self._context = context
        self._adapters = adapters

    def gating(self, fleet: FleetView, ref: EndpointRef) -> Gating:
        """The gates, prices and registry that a plan for that endpoint is checked against."""
        return self._gating(fleet, self._context.gates.for_endpoint(ref))

    def gatings(self, fleet: FleetView, model: str) -> tuple[Gating, ...]:
        """The gates of the endpoints that serve that model. The default ones count also if there is no such endpoint,
        or if a serving system does not answer."""
        rules = self._context.gates
        silent = any(one.kind == "serving" and not one.fresh for one in fleet.sources)
        found: list[Gates] = []
        for view in fleet.endpoints:
            serves = any(one.variant.model and one.variant.model.model == model for one in view.variants)
            if serves and (gates := rules.for_endpoint(view.ref)) not in found:
                found.append(gates)
        if (silent or not found) and rules.default not in found:
            found.append(rules.default)
        return tuple(self._gating(fleet, gates) for gates in found)

    def unread(self, fleet: FleetView) -> str:
        """Which serving systems never answered, so that it is not known whether endpoints with gates of their own serve
        a model; "": none, or no endpoint has its own."""
        silent = [one for one in fleet.sources if one.kind == "serving" and one.at is None]
        words = ", ".join(trouble(one, fleet.at) or one.name for one in silent)
        return words if self._context.gates.endpoints else ""

    def _gating(self, fleet: FleetView, gates: Gates) -> Gating:
        def describe(model: ModelRef) -> ModelVersion:
            name = fleet.registry_of.get(model.model, "")
            if self._context.source("registries", name) is None:
                return not_asked(model)
            adapter = self._adapters.get("registries", name)
            return adapter.describe(model) if isinstance(adapter, Describes) else not_asked(model)

        return Gating(gates, self._context.prices, describe)

    def shares(self, endpoint: Endpoint) -> Mapping[str, float] | None:
        """The measured percent by variant over the share window, queried now; ``None``: no metrics source has it."""
        for config in self._context.of_kind("metrics"):
            try:
                recent = rates(cast("Metrics", self._adapters.get("metrics", config.name)), config.share_window_s)
            except (BackendError, LookupError):
                continue
            found = shares_among(endpoint, recent)
            if found:
                return found
        return None
