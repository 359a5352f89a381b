"""Plans made from the in-memory world without an engine: everything is read once, at the world's own time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backends.contracts import Change, Endpoint, Image
from shiftdeck.changes.access import Arming
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.plan import AliasMove, Plan
from shiftdeck.changes.planner import make_plan
from shiftdeck.changes.promotion_gates import Gating
from shiftdeck.config.loader import Access, ContextConfig
from shiftdeck.engine.view import View
from shiftdeck.source_kinds.answers import MetricsReading
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, SourceState, SourceStatus
from tests.fakes import FakeDrift, FakeMetrics, FakeRegistry, FakeServing, FakeWorld, fake_context
from tests.views import fleet_view


def look(
    world: FakeWorld,
    *,
    context: ContextConfig | None = None,
    writable: bool = True,
    access: Access = Access.READ_WRITE,
    images: tuple[Image, ...] | None = None,
    metrics: tuple[str, ...] = ("gateway",),
    **states: SourceState,
) -> View:
    """The fleet as it is now. ``states`` are by source name; a source that is not OK was last read a minute ago.
    ``images`` are what a container registry says, where there is one; ``metrics`` names the sources that each measure
    all endpoints."""
    now = world.clock()

    def status(name: str, kind: str) -> SourceStatus:
        state = states.get(name, SourceState.OK)
        at = now - (1.0 if state is SourceState.OK else 60.0)
        return SourceStatus(name, kind, name, state, at, now - 60.0, 1.0)

    current = FakeMetrics(world).current(60.0)
    readings = Readings(
        {
            "serving": {"lab": Snapshot(FakeServing(world).endpoints(), status("lab", "serving"))},
            "metrics": {one: Snapshot(MetricsReading(current, current), status(one, "metrics")) for one in metrics},
            "registries": {"mlflow": Snapshot(FakeRegistry(world).versions(), status("mlflow", "registries"))},
            "drift": {"psi": Snapshot(FakeDrift(world).scores(), status("psi", "drift"))},
            "images": {} if images is None else {"registry": Snapshot(images, status("registry", "images"))},
        }
    )
    return fleet_view(context or fake_context(), readings, Arming(access, writable), now)


def plan(
    world: FakeWorld,
    name: str,
    change: Change,
    *,
    fleet: View | None = None,
    fresh: Endpoint | None = None,
    production: bool = True,
    move_alias: bool = True,
    registry: bool = True,
    gating: Gating | None = None,
    alias_back: AliasMove | None = None,
    serving: Callable[[FakeWorld], FakeServing] = FakeServing,
) -> Plan:
    """What the engine would make of ``change``: seen in ``fleet``, read as ``fresh`` a moment later."""
    seen = replace(fleet or look(world), production=production)
    view = seen.endpoint(world.ref(name))
    assert view is not None
    return make_plan(
        fleet=seen,
        arming=seen.arming,
        view=view,
        fresh=fresh or world.read(name),
        change=change,
        serving=serving(world),
        registries={"mlflow": FakeRegistry(world)} if registry else {},
        move_alias=move_alias,
        now=world.clock(),
        gating=gating,
        alias_back=alias_back,
    )


def check(made: Plan, name: str) -> Check:
    """The check of that name."""
    found = [one for one in made.checks if one.name == name]
    assert len(found) == 1, f"{name!r} is not one of {[one.name for one in made.checks]}"
    return found[0]


def verdicts(made: Plan) -> dict[str, CheckVerdict]:
    return {one.name: one.verdict for one in made.checks}
