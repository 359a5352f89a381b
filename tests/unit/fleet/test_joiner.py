"""Joining again and again: it comes to what a join from nothing makes, and what did not change is not made anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import is_
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Alert, AlertState, Endpoint, EndpointRef, ModelRef, ModelVersion, Role, Subject
from shiftdeck.fleet.joiner import Joiner
from shiftdeck.source_kinds import table
from shiftdeck.source_kinds.answers import MetricsReading
from shiftdeck.sources.incremental import Table, kept
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, SourceState, SourceStatus
from tests.fakes import Behaviour, fake_context
from tests.unit.builders import NOW, canary, endpoint, gpu, metrics, score, stable, status, untidy, variant

T = TypeVar("T")

CONTEXT = fake_context()
MODEL, OTHER = ModelRef("classifier", "8"), ModelRef("ranker", "2")


def named(name: str, scope: str = "prod", *variants: object) -> Endpoint:
    return replace(endpoint(*variants), ref=EndpointRef("lab", scope, name))  # type: ignore[arg-type]


ENDPOINTS = (
    (
        named("a"),
        named("a", "prod", stable(50.0), canary(50.0)),
        named("a", "prod", stable(100.0, model=MODEL)),
        replace(untidy(), ref=EndpointRef("lab", "prod", "a")),
    ),
    (named("b", "prod", stable(100.0, model=OTHER)), named("b", "prod", stable(0.0), canary(100.0, ready=0))),
    (named("b", "staging"), named("b", "staging", stable(100.0), variant("v9", Role.SHADOW, None))),
    (named("c", ""), named("c", "", stable(100.0, model=MODEL))),
)
METRICS = (
    (metrics("v7", endpoint="a"), metrics("v7", Behaviour(0.9), endpoint="a")),
    (metrics("v8", endpoint="a"), metrics("v8", samples=0, endpoint="a"), metrics("v9", endpoint="a")),
    (metrics("v7", endpoint="b"), metrics("v7", samples=7, endpoint="b")),
    (metrics("", endpoint="b", scope=""), metrics("v7", endpoint="b", scope="")),
    (metrics("v9", endpoint="b", scope="staging", mirrored=True), metrics("v9", endpoint="b", scope="staging")),
    (metrics("v7", endpoint="c", scope=""), metrics("", endpoint="c", scope="")),
    (metrics("v1", endpoint="gone"), metrics("v2", endpoint="gone")),
)
DRIFT = (
    (score(endpoint="a"), score(value=0.9, endpoint="a"), score(endpoint="a", variant="v7")),
    (score(endpoint="c", scope=""), score(endpoint="gone")),
    (replace(score(endpoint=""), model=MODEL), replace(score(value=0.8, endpoint=""), model=MODEL)),
    (replace(score(endpoint=""), model=ModelRef("classifier", "")), replace(score(endpoint=""), model=OTHER)),
)
GPUS = (
    (gpu(subject=Subject("a", "v7", "prod")), gpu("lost", Subject("a", "v7", "prod"))),
    (gpu(subject=Subject("b", "")), gpu(), gpu(subject=Subject("gone", "v1"))),
)
ALERTS = (
    (Alert("X", AlertState.FIRING, "page", subject=Subject("a", "", "prod")), Alert("X", AlertState.FIRING)),
    (Alert("Y", AlertState.FIRING, subject=Subject("b", "")), Alert("Y", AlertState.FIRING, subject=Subject("gone"))),
)
VERSIONS = (
    (ModelVersion(MODEL), ModelVersion(MODEL, aliases=("champion",))),
    (ModelVersion(OTHER), ModelVersion(ModelRef("ranker", "3"))),
)
STATES = (
    status(),
    status(at=NOW),
    status(state=SourceState.STALE, at=NOW - 40.0),
    status(state=SourceState.UNREACHABLE, at=None),
    status(state=SourceState.OFF, at=None),
)


def answers(pool: Sequence[Sequence[T]]) -> st.SearchStrategy[tuple[T, ...]]:
    """Answers that are mostly about the same things, in most of which little is new."""
    one = st.sampled_from(pool).flatmap(st.sampled_from)
    whole = st.tuples(*(st.sampled_from(forms) for forms in pool)).map(tuple)
    return whole | st.lists(one, max_size=len(pool) + 1).map(tuple)


def of(name: str, kind: str, states: st.SearchStrategy[SourceStatus]) -> st.SearchStrategy[SourceStatus]:
    return states.map(lambda one: replace(one, name=name, kind=kind, adapter=name))


measured = st.builds(MetricsReading, answers(METRICS), answers(METRICS)) | st.none()
states = st.sampled_from(STATES)
STEPS = st.one_of(
    st.tuples(st.just("serving/lab"), st.builds(Snapshot, answers(ENDPOINTS), of("lab", "serving", states))),
    st.tuples(st.just("metrics/east"), st.builds(Snapshot, measured, of("east", "metrics", states))),
    st.tuples(st.just("metrics/west"), st.builds(Snapshot, measured, of("west", "metrics", states))),
    st.tuples(st.just("drift/psi"), st.builds(Snapshot, answers(DRIFT), of("psi", "drift", states))),
    st.tuples(st.just("accelerators/dcgm"), st.builds(Snapshot, answers(GPUS), of("dcgm", "accelerators", states))),
    st.tuples(st.just("alerts/am"), st.builds(Snapshot, answers(ALERTS), of("am", "alerts", states))),
    st.tuples(st.just("registries/ml"), st.builds(Snapshot, answers(VERSIONS), of("ml", "registries", states))),
)


def answered(readings: Readings, kind: str, name: str, snapshot: Snapshot[Any]) -> Readings:
    """The readings with that snapshot of one source."""
    return Readings({**readings.by_kind, kind: {**readings.by_kind.get(kind, {}), name: snapshot}})


def stepped(readings: Readings, step: tuple[str, Snapshot[object]]) -> Readings:
    """The readings with another answer of one source."""
    kind, _, name = step[0].partition("/")
    return answered(readings, kind, name, step[1])


@given(st.lists(STEPS, min_size=1, max_size=12))
def test_what_is_joined_again_is_what_a_join_from_nothing_makes(steps: list[tuple[str, Snapshot[object]]]) -> None:
    joiner, readings = Joiner(CONTEXT), Readings()
    for number, step in enumerate(steps):
        readings = stepped(readings, step)
        now = NOW + number
        assert joiner.view(readings, now) == Joiner(CONTEXT).view(readings, now)


@given(st.lists(STEPS, min_size=1, max_size=6), st.sampled_from((NOW, NOW + 90.0)))
def test_time_alone_makes_nothing_anew(steps: list[tuple[str, Snapshot[object]]], later: float) -> None:
    joiner, readings = Joiner(CONTEXT), Readings()
    for step in steps:
        readings = stepped(readings, step)
    first, joined = joiner.view(readings, NOW), joiner.joined
    again = joiner.view(readings, later)
    assert joiner.joined == joined
    for kind in ("endpoints", "versions", "gpus", "drift", "alerts", "unjoined", "registry_of"):
        assert getattr(again, kind) is getattr(first, kind)


def test_two_endpoints_of_one_ref_and_level_stay_in_the_order_of_their_source() -> None:
    """The order must be that of a join from nothing, also after their levels were different for a while."""
    joiner = Joiner(CONTEXT)
    bad = named("b", "prod", stable(0.0), canary(100.0, ready=0))
    first, second = named("b", "prod", stable(100.0)), named("b", "prod", stable(100.0, model=OTHER))
    for served in ((first, bad), (first, second)):
        readings = answered(Readings(), "serving", "lab", Snapshot(served, status("lab", kind="serving")))
        ordered, _ = joiner.join(readings)
        assert ordered == Joiner(CONTEXT).join(readings)[0]
    assert [view.endpoint.variants[0].model for view in ordered] == [None, OTHER]


# ── at the cost of what changed ─────────────────────────────────────────────────────────────────────────────────


def fleet(count: int) -> Readings:
    served = tuple(named(f"e{at}") for at in range(count))
    current = tuple(metrics(name, endpoint=f"e{at}") for at in range(count) for name in ("v7", "v8"))
    return Readings(
        {
            "serving": {"lab": Snapshot(served, status("lab", kind="serving"))},
            "metrics": {"gateway": Snapshot(MetricsReading(current, current), status())},
        }
    )


def test_only_what_changed_is_joined() -> None:
    joiner, readings = Joiner(CONTEXT), fleet(50)
    before, _ = joiner.join(readings)
    served, reading = readings.of(table.SERVING)["lab"], readings.of(table.METRICS)["gateway"]
    assert served.value is not None
    assert reading.value is not None
    assert joiner.joined == 50
    # What was asked again and is the same costs nothing, though its age is another.
    later = replace(status(), at=NOW + 5.0, latency_s=0.3)
    joiner.join(answered(readings, "metrics", "gateway", Snapshot(reading.value, later)))
    assert joiner.joined == 50
    # One of the metrics, one endpoint, and one that came.
    current = (*reading.value.current[:40], metrics("v7", Behaviour(0.9), endpoint="e20"), *reading.value.current[41:])
    readings = answered(readings, "metrics", "gateway", Snapshot(replace(reading.value, current=current), later))
    after, _ = joiner.join(readings)
    assert joiner.joined == 51
    assert after[0].ref.name == "e20", "the worst one comes first"
    assert len(set(map(id, before)) & set(map(id, after))) == 49
    now = (*served.value[:7], named("e7", "prod", stable(60.0), canary(40.0)), *served.value[8:])
    joiner.join(answered(readings, "serving", "lab", replace(served, value=now)))
    assert joiner.joined == 52
    one_more = answered(readings, "serving", "lab", replace(served, value=(named("new"), *now)))
    joiner.join(one_more)
    assert joiner.joined == 53
    # A source that fails is every endpoint's matter, once.
    down = replace(status(), state=SourceState.UNREACHABLE)
    for at in (NOW, NOW + 1.0):
        lost = replace(one_more.of(table.METRICS)["gateway"], status=replace(down, error=f"no answer for {at:.0f} s"))
        joiner.join(answered(one_more, "metrics", "gateway", lost))
        assert joiner.joined == 53 + 51


# ── keeping what is equal ───────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, 5)), st.lists(st.integers(0, 5)))
def test_what_is_kept_is_what_was_answered(before: list[int], now: list[int]) -> None:
    old, new = tuple((number,) for number in before), tuple((number,) for number in now)
    found = kept(old, new)
    assert found == new
    if old == new:
        assert found is old


def test_equal_objects_in_the_middle_of_a_change_are_kept() -> None:
    old = tuple((number, "x") for number in range(6))
    for new in (
        tuple((number, "x" if number != 3 else "y") for number in range(6)),
        tuple((number, "x") for number in range(6) if number != 3),
        tuple((number, "x") for number in (0, 1, 2, 2.5, 3, 4, 5)),
    ):
        found = kept(old, new)
        assert found == new
        assert sum(one in old and any(map(is_, [one] * 6, old)) for one in found) >= 5


@given(st.lists(answers((("a1", "a2"), ("b1", "b2"), ("-1", "-2"))), max_size=6))
def test_a_table_tells_which_keys_are_touched(rounds: list[tuple[str, ...]]) -> None:
    table = Table[str, str](lambda item: None if item[0] == "-" else item[0])
    for items in rounds:
        old = dict(table.groups)
        touched = table.renew(items)
        fresh = {name: tuple(one for one in items if one[0] == name) for name in "ab"}
        assert table.groups == {name: found for name, found in fresh.items() if found}
        assert touched == {name for name in "ab" if old.get(name, ()) != fresh[name]}
