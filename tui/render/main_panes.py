"""All panes of the selected endpoint: how each is made, and what it depends on. Pure."""

from __future__ import annotations

from collections.abc import Callable

from shiftdeck.changes.run import traffic_runs
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from tui.render.content import Content
from tui.render.drift import drift
from tui.render.gpu import gpu
from tui.render.journal import journal
from tui.render.registry import registry
from tui.render.theme import Look
from tui.render.traffic import traffic


def pane_makers(view: View, selected: EndpointView | None, look: Look) -> dict[str, Callable[[int, int], Content]]:
    """By pane: from columns and rows to what it shows. Charts are made apart, in ``tui.render.charts``."""
    return {
        "traffic": lambda width, height: traffic(view, selected, look, width, height),
        "registry": lambda width, height: registry(view, selected, look, width),
        "gpu": lambda width, height: gpu(view, selected, look, width),
        "drift": lambda width, height: drift(view, selected, look, width),
        "journal": lambda width, height: journal(view, look, width),
    }


def pane_keys(view: View, selected: EndpointView | None) -> dict[str, object]:
    """All that each pane depends on. When a source was last asked is not among it, as long as the source is well."""
    ref = selected.ref if selected else None
    runs = tuple(run for run in traffic_runs(view.runs) if run.plan.ref == ref)
    models = (
        tuple((one.variant.name, one.variant.role, one.variant.model) for one in selected.variants) if selected else ()
    )
    scores = selected.drift if selected else ()
    underway = tuple(run.seq for run in view.runs if not run.done)
    shown = (selected.endpoint, selected.variants) if selected else ()

    def states(*kinds: str) -> object:
        statuses = [status for status in view.sources if status.kind in kinds]
        aging = any(not status.fresh for status in statuses)
        return tuple((s.name, s.state, s.error, s.hint) for s in statuses), int(view.at) if aging else 0

    return {
        "traffic": (ref, shown, runs, int(view.at) if runs else 0, states("serving", "metrics")),
        "registry": (ref, models, view.versions, int(view.at / 60.0), states("registries")),
        "gpu": (ref, view.gpus, states("accelerators")),
        "drift": (ref, scores, states("drift")),
        "journal": (view.journal, underway, int(view.at / 86_400.0)),
    }
