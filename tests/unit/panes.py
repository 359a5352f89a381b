"""What tests of panes share: looks, views of the in-memory world, and lines as plain text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rich.text import Text

from backends.contracts import Endpoint, EndpointRef, Split
from shiftdeck.changes.access import Arming
from shiftdeck.changes.plan import describe
from shiftdeck.changes.run import Run, Stage, TrafficRun
from shiftdeck.config.loader import Access
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.history.charts import Charts, read_charts
from shiftdeck.source_kinds.answers import MetricsReading
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, SourceState, SourceStatus
from tests.fakes import FakeDrift, FakeMetrics, FakeRegistry, FakeServing, FakeWorld, fake_context
from tests.unit.planned import plan
from tests.views import fleet_view
from tui.render.theme import Look
from tui.terminal.capabilities import Capabilities, Colours

FULL = Look.for_terminal(Capabilities(Colours.FULL, unicode=True))
PLAIN = Look.for_terminal(Capabilities(Colours.NONE, unicode=False))
COLOURLESS = Look.for_terminal(Capabilities(Colours.NONE, unicode=True))


def fleet(world: FakeWorld, **states: SourceState) -> View:
    """The fleet as it is now. ``states`` are by source name; a source that is not OK was last read a minute ago."""
    now = world.clock()

    def status(name: str, kind: str) -> SourceStatus:
        state = states.get(name, SourceState.OK)
        at = now - (1.0 if state is SourceState.OK else 60.0)
        return SourceStatus(name, kind, name, state, at, now - 60.0, 1.0)

    current = FakeMetrics(world).current(60.0)
    readings = Readings(
        {
            "serving": {"lab": Snapshot(FakeServing(world).endpoints(), status("lab", "serving"))},
            "metrics": {"gateway": Snapshot(MetricsReading(current, current), status("gateway", "metrics"))},
            "registries": {"mlflow": Snapshot(FakeRegistry(world).versions(), status("mlflow", "registries"))},
            "drift": {"psi": Snapshot(FakeDrift(world).scores(), status("psi", "drift"))},
            "accelerators": {"dcgm": Snapshot(tuple(world.gpus), status("dcgm", "accelerators"))},
        }
    )
    view = fleet_view(fake_context(), readings, Arming(Access.READ_WRITE, True), now)
    return replace(view, gpus=tuple(world.gpus))


def one(view: View, name: str = "sentiment") -> EndpointView:
    found = view.endpoint(EndpointRef("lab", "prod", name))
    assert found is not None
    return found


def text(lines: Iterable[Text]) -> str:
    return "\n".join(line.plain.rstrip() for line in lines)


def style_at(line: Text, words: str, look: Look = FULL) -> set[str]:
    """The names of the styles that ``words`` has on that line."""
    start = line.plain.index(words)
    spans = [span.style for span in line.spans if span.start <= start < span.end]
    return {name for name, style in look.styles.items() if style in spans}


def running(world: FakeWorld, weights: dict[str, float], now: Endpoint | None = None, **fields: object) -> TrafficRun:
    """A shift of sentiment as it goes on: sent, and waited for since seven seconds."""
    made = plan(world, "sentiment", Split(weights))
    assert describe(made.change).startswith("shift")
    at = world.clock()
    run = Run(made, Stage.OBSERVING, at - 7.0, at, "the split is propagating", now or made.before, sent=1, seq=12)
    return replace(run, **fields)  # type: ignore[arg-type]  # fields by name


def charted(world: FakeWorld, view: View, name: str = "sentiment", window_s: float = 900.0) -> View:
    """The same view with the history of one endpoint."""
    return replace(view, charts=read_charts(FakeMetrics(world), one(view, name), window_s, view.at))


__all__ = ["COLOURLESS", "FULL", "PLAIN", "Charts", "charted", "fleet", "one", "running", "style_at", "text"]
