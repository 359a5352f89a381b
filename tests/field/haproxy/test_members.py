"""Shares over servers that can serve: template slots, names that do not resolve, servers taken out or not checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Diverged, Endpoint, Pending, Phase, Promote, Rollback, Settled, Split
from backends.errors import Rejected
from backends.platforms.haproxy.answers import reading_of
from backends.serving.haproxy import HaproxyServing
from tests.examples import examples
from tests.realservers.wiring import made

SERVING = made(HaproxyServing, socket="/run/x.sock")
EMPTY = "MAINT (resolution)"


def backend(*servers: tuple[str, str, int], configured: int = 100, algorithm: str = "roundrobin") -> Endpoint:
    """The endpoint of a backend whose servers have these names, states and weights."""
    states = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight"
    counted = "# pxname,svname,status,weight,act,bck,type,check_status,lastsess,algo,"
    for n, (name, status, weight) in enumerate(servers):
        address, admin = ("-", 32) if status == EMPTY else (f"10.0.0.{n}", 0)
        states += f"\n3 sentiment {n} {name} {address} 2 {admin} {weight} {configured}"
        counted += f"\nsentiment,{name},{status},{weight},1,0,2,L7OK,1,,"
    counted += f"\nsentiment,BACKEND,UP,100,1,0,1,,,{algorithm},"
    reading = reading_of(f"1\n{states}\n\n{counted}\n\nName: HAProxy\nPid: 1\nStart_time_sec: 2\n\nadmin\n\n")
    return SERVING.explain(reading.pools[0], reading)


def template(v7: int, v8: int, *, weights: tuple[int, int] = (100, 100)) -> Endpoint:
    """Templates with 10 and 3 slots, so many of which have an address."""
    first = [(f"v7-{n}", "UP" if n <= v7 else EMPTY, weights[0]) for n in range(1, 11)]
    return backend(*first, *[(f"v8-{n}", "UP" if n <= v8 else EMPTY, weights[1]) for n in range(1, 4)])


def shares(endpoint: Endpoint) -> dict[str, tuple[float | None, float | None]]:
    return {one.name: (one.desired, one.observed) for one in endpoint.variants}


def commands(endpoint: Endpoint, change: Split | Promote | Rollback) -> dict[str, int]:
    (call,) = SERVING.compile(endpoint, change)
    assert isinstance(call.body, dict)
    words = [command.split() for command in call.body["commands"]]
    return {server.partition("/")[2]: int(weight) for _, _, server, _, weight in words}


def test_slots_without_an_address_are_no_members() -> None:
    """haproxy/haproxy #1305, #628, braintree/litmus_paper PR #51."""
    found = template(2, 2)
    assert shares(found) == {"v7": (50.0, 50.0), "v8": (50.0, 50.0)}
    assert [(one.ready, one.wanted, one.message) for one in found.variants] == [(2, 2, ""), (2, 2, "")]
    assert (found.phase, found.message) == (Phase.STEADY, "")


def test_a_variant_whose_name_does_not_resolve_has_no_traffic() -> None:
    found = template(2, 0)
    assert shares(found) == {"v7": (100.0, 100.0), "v8": (0.0, 0.0)}
    v8 = found.variants[1]
    assert (v8.ready, v8.wanted, v8.message) == (
        0,
        1,
        "its name does not resolve, so none of its servers has an address",
    )
    assert found.phase is Phase.DEGRADED, "its weights ask for traffic"
    with pytest.raises(Rejected, match="v8 can take no traffic: its name does not resolve"):
        SERVING.compile(found, Promote("v8"))


def test_no_slot_at_all_has_an_address() -> None:
    found = template(0, 0)
    assert shares(found) == {"v7": (0.0, 0.0), "v8": (0.0, 0.0)}
    assert found.phase is Phase.FAILED


def test_a_shift_reaches_the_share_and_sets_the_weights_of_empty_slots_too() -> None:
    found = template(2, 1)
    sent = commands(found, Split({"v7": 90.0, "v8": 10.0}))
    after = {name: sent.get(name, 100) for name in [*(f"v7-{n}" for n in range(1, 11)), "v8-1", "v8-2", "v8-3"]}
    full = after["v7-1"] + after["v7-2"] + after["v8-1"]
    assert after["v8-1"] / full == pytest.approx(0.1, abs=0.001)
    assert after["v8-2"] == after["v8-3"] == after["v8-1"], "a slot that fills later brings its weight"
    assert after["v7-10"] == after["v7-1"]
    cautions = SERVING.forecast(found, Split({"v7": 90.0, "v8": 10.0})).cautions
    assert any("v8 gets more once 2 more of its servers come" in one for one in cautions)


def test_a_slot_that_fills_after_the_plan_is_not_settled() -> None:
    before = template(2, 1)
    change = Split({"v7": 90.0, "v8": 10.0})
    sent = commands(before, change)
    weights = (sent["v7-1"], sent["v8-1"])
    assert isinstance(SERVING.progress(before, template(2, 1, weights=weights), change), Settled)
    filled = SERVING.progress(before, template(2, 2, weights=weights), change)
    assert isinstance(filled, Pending)
    assert filled.stalled
    assert "v8 18.18 %" in filled.message
    assert isinstance(SERVING.progress(before, template(2, 1), change), Diverged)


def test_weights_that_are_set_do_not_settle_while_servers_are_down() -> None:
    before = backend(("v7", "UP", 90), ("v8-1", "UP", 5), ("v8-2", "DOWN", 5))
    assert shares(before)["v8"][0] == 10.0, "a server that is down is meant to serve"
    change = Split({"v7": 50.0, "v8": 50.0})
    assert "v8-2 is down: the split is another one until they are up" in SERVING.forecast(before, change).cautions
    sent = commands(before, change)
    after = [("v7", "UP"), ("v8-1", "UP"), ("v8-2", "DOWN")]
    asked = {name: sent.get(name, weight) for name, weight in (("v7", 90), ("v8-1", 5), ("v8-2", 5))}
    now = backend(*[(name, status, asked[name]) for name, status in after])
    found = SERVING.progress(before, now, change)
    assert isinstance(found, Pending)
    assert "v8: v8-2 DOWN" in found.message
    back = backend(*[(name, "UP", asked[name]) for name, _ in after])
    assert isinstance(SERVING.progress(before, back, change), Settled)


@pytest.mark.parametrize("status", ["MAINT", "DRAIN", "MAINT (via sentiment/v7)", "DRAIN (agent)"])
def test_servers_that_somebody_took_out_have_no_part_in_the_split(status: str) -> None:
    found = backend(("v7", "UP", 90), ("v8-1", "UP", 10), ("v8-2", status, 10))
    assert shares(found) == {"v7": (90.0, 90.0), "v8": (10.0, 10.0)}
    assert (found.variants[1].ready, found.variants[1].wanted) == (1, 2)
    sent = commands(found, Split({"v7": 80.0, "v8": 20.0}))
    assert sent["v8-2"] == sent["v8-1"]


def test_servers_without_checks_are_not_known_to_be_ready() -> None:
    found = backend(("v7", "no check", 90), ("v8", "UP", 10))
    assert [(one.ready, one.wanted) for one in found.variants] == [(None, 1), (1, 1)]
    assert found.variants[0].message == "no health check: whether it is up is not known"
    assert shares(found)["v7"] == (90.0, 90.0), "HAProxy sends it its share all the same"


def test_the_way_back_of_a_variant_that_serves_nothing_is_told() -> None:
    found = template(2, 0, weights=(60, 40))
    third = backend(
        *[(f"v7-{n}", "UP", 60) for n in (1, 2)], ("v9", "UP", 30), *[(f"v8-{n}", EMPTY, 40) for n in (1, 2)]
    )
    assert found.variants[1].desired == 0.0
    cautions = SERVING.forecast(third, Split({"v7": 50.0, "v9": 50.0})).cautions
    assert any(one.startswith("the way back does not restore the weights of v8") for one in cautions)


STATES = st.sampled_from(["UP", "DOWN", "MAINT", "DRAIN", EMPTY, "no check", "UP 1/3", "DOWN 1/2"])


@examples(60)
@given(
    st.lists(st.tuples(STATES, st.integers(0, 256)), min_size=1, max_size=5),
    st.lists(st.tuples(STATES, st.integers(0, 256)), min_size=1, max_size=5),
    st.integers(1, 99),
)
def test_a_forecast_is_what_the_servers_in_the_split_make(
    first: list[tuple[str, int]], second: list[tuple[str, int]], percent: int
) -> None:
    """The forecast is the share of the same servers once the commands are in, and only that state settles."""
    servers = [(f"{name}-{n}", *one) for name, found in (("v7", first), ("v8", second)) for n, one in enumerate(found)]
    before = backend(*servers)
    change = Split({"v7": 100.0 - percent, "v8": float(percent)})
    try:
        sent = commands(before, change)
    except Rejected:
        return
    now = backend(*[(name, status, sent.get(name, weight)) for name, status, weight in servers])
    expected = SERVING.forecast(before, change).weights
    assert expected is not None
    assert {one.name: one.desired for one in now.variants} == pytest.approx(dict(expected))
    progress = SERVING.progress(before, now, change)
    if isinstance(progress, Settled):
        assert {one.name: one.observed for one in now.variants} == pytest.approx(dict(expected), abs=0.1)
