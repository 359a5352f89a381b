"""A serving system with rollouts by steps, over the in-memory world: no weight can be set, only steps be taken.

    world = FakeWorld()                                # sentiment is a rollout, at 10 % of v8
    engine = Engine(…, factory=stepped_factory(world))

A step takes the canary to 25, 50 and then 100 %. Its rules are told as the real ones are: by ``forecast``.
"""

from __future__ import annotations

from dataclasses import replace

from backends.contracts import (
    Abort,
    Action,
    Adapter,
    Advance,
    Call,
    Change,
    Endpoint,
    EndpointRef,
    Forecast,
    Pause,
    Pending,
    Phase,
    Progress,
    Receipt,
    Resume,
    Retry,
    Role,
    Rollback,
    Settled,
    Split,
    action_of,
)
from backends.errors import Rejected, Unsupported
from shiftdeck.engine.engine import AdapterFactory
from tests.fakes import FakeServing, FakeWorld, bound, fake_factory

STEPS = (10.0, 25.0, 50.0, 100.0)
ANALYSIS = "skips step 2 of 4: analysis success-rate, which is running"


class Stepped(FakeServing):
    """``sentiment`` is a rollout by steps; the others have what the lab has."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(self._as_rollout(one) for one in super().endpoints())

    def read(self, ref: EndpointRef) -> Endpoint:
        return self._as_rollout(super().read(ref))

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        if endpoint.ref.name != "sentiment":
            return super().compile(endpoint, change)
        action = action_of(change)
        if action not in endpoint.actions:
            raise Unsupported(f"the fake has no {action}")
        if (reason := endpoint.actions[action]) is not None:
            raise Rejected(reason)
        weights = self.forecast(endpoint, change).weights
        if weights is not None:
            return super().compile(endpoint, Split(weights))
        words = type(change).__name__.lower()
        return (Call("POST", f"/{words}/sentiment", {"do": words}, summary=words, guard=endpoint.revision),)

    def send(self, call: Call) -> Receipt:
        if call.method != "POST":
            return super().send(call)
        self._called("send")
        state = self.world.endpoint("sentiment")
        with self.world.lock:
            state.generation += 1
            state.phase = {"/pause/sentiment": Phase.PAUSED, "/abort/sentiment": Phase.DEGRADED}.get(call.path)
            self.world.sent.append(call.summary)
        return Receipt(str(state.generation), "accepted")

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        weights = self.forecast(before, change).weights if before.ref.name == "sentiment" else None
        if weights is not None:
            return super().progress(before, now, Split(weights))
        if isinstance(change, Advance | Pause | Resume | Abort | Retry):
            return Settled("done") if now.revision != before.revision else Pending("not taken up yet")
        return super().progress(before, now, change)

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        now = {one.name: one.desired or 0.0 for one in endpoint.variants}
        if not {"v7", "v8"} <= now.keys() or not isinstance(change, Advance | Abort | Pause | Rollback):
            return Forecast(None)
        match change:
            case Advance(full):
                step = 100.0 if full else next((one for one in STEPS if one > now["v8"]), 100.0)
                cautions = (ANALYSIS,) if full else ()
                return Forecast({"v7": 100.0 - step, "v8": step}, cautions, Rollback("16") if full else None)
            case Abort():
                return Forecast({"v7": 100.0, "v8": 0.0})
        return Forecast(None)

    def _as_rollout(self, endpoint: Endpoint) -> Endpoint:
        if endpoint.ref.name != "sentiment":
            return endpoint
        canary = endpoint.in_role(Role.CANARY)
        idle = None if canary is not None else "nothing is being rolled out"
        held = endpoint.phase is Phase.PAUSED
        actions: dict[Action, str | None] = {
            Action.ADVANCE: idle,
            Action.PAUSE: idle or ("it is paused already" if held else None),
            Action.RESUME: None if held else "it is not paused",
            Action.ABORT: idle,
            Action.RETRY: "it was not aborted",
        }
        return replace(endpoint, actions=actions)


def stepped_factory(world: FakeWorld) -> AdapterFactory:
    """As ``tests.fakes.fake_factory``, with rollouts by steps as the serving system."""
    others = fake_factory(world)

    def make(kind: str, adapter: str) -> type[Adapter]:
        if kind == "serving":
            return bound(Stepped, world)
        return others(kind, adapter)

    return make
