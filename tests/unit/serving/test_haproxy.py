"""HAProxy's answers read, and weights worked out, without a HAProxy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Abort, Endpoint, EndpointRef, Pending, Phase, Promote, Rollback, Settled, Split
from backends.errors import BackendError, Malformed, Rejected, Unsupported
from backends.metrics.haproxy import HaproxyMetrics
from backends.platforms.haproxy.answers import MAX_WEIGHT, Pool, Reading, Server, reading_of, refusal_in, weights_of
from backends.platforms.haproxy.naming import model_of
from backends.platforms.haproxy.runtime import Runtime
from backends.serving.haproxy import HaproxyServing
from backends.serving.haproxy_weights import asked_shares, commands_for, shares_of, weights_for
from tests.examples import examples
from tests.realservers.wiring import made

ANSWER = """1
# be_id be_name srv_id srv_name srv_op_state srv_admin_state srv_uweight srv_iweight
4 sentiment 1 v7 2 0 90 90
4 sentiment 2 v8 2 0 10 10

# pxname,svname,qtime,econ,eresp,status,weight,bck,type,algo,cookie,agent_status,throttle,check_status,hrsp_2xx,lbtot,
sentiment,v7,0,0,0,UP,90,0,2,,,,,L4OK,12,12,
sentiment,v8,0,1,1,UP 1/3,5,0,2,,,,50,* L4CON,3,5,
sentiment,BACKEND,,,,UP,95,0,1,roundrobin,,,,,15,17,

Name: HAProxy
Version: 2.6.12
Pid: 4711
Start_time_sec: 1795230926

admin

"""


def server(name: str, asked: int, configured: int | None = None, **told: object) -> Server:
    made = Server("sentiment", name, asked, asked if configured is None else configured, asked, "UP")
    return replace(made, **told)  # type: ignore[arg-type]  # fields of a server


def endpoint(*servers: Server, algorithm: str = "roundrobin", level: str = "admin", **options: object) -> Endpoint:
    pool = Pool("sentiment", algorithm, servers)
    serving = made(HaproxyServing, socket="/run/x.sock", **options)
    return serving.explain(pool, Reading((pool,), "2.6", "1@2", level))


SERVING = made(HaproxyServing, socket="/run/x.sock")


def test_an_answer_is_read() -> None:
    reading = reading_of(ANSWER)
    assert (reading.version, reading.process, reading.level) == ("2.6.12", "4711@1795230926", "admin")
    (pool,) = reading.pools
    v7, v8 = pool.servers
    assert (pool.algorithm, v7.asked, v7.up) == ("roundrobin", 90, True)
    assert (v8.effective, v8.status, v8.up, v8.slow, v8.check) == (5, "UP 1/3", True, 50, "L4CON")


@pytest.mark.parametrize("end", [0, 100, 200, 400, len(ANSWER) - 8])
def test_half_an_answer_is_malformed(end: int) -> None:
    with pytest.raises(Malformed):
        reading_of(ANSWER[:end])


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("1\n#", "2\n#"),
        ("90 90", "257 90"),
        ("90 90", "-1 90"),
        ("90 90", f"{'9' * 5000} 90"),
        ("90 90", "90"),
        ("srv_uweight", "weight_of_user"),
        ("weight,bck", "heaviness,bck"),
        ("UP,90,0", "UP,many,0"),
        ("sentiment,v7,0", 'sentiment,"v7,0'),
        ("Name: ", "Nom: "),
    ],
)
def test_what_does_not_fit_is_malformed(was: str, becomes: str) -> None:
    with pytest.raises(Malformed):
        reading_of(ANSWER.replace(was, becomes, 1))


@examples(300)
@given(st.data())
def test_no_answer_makes_anything_but_malformed(data: st.DataObject) -> None:
    """Real answers with parts cut out, doubled and overwritten."""
    text = ANSWER
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 30)))
        text = (
            text[:start] + data.draw(st.text(max_size=12) | st.sampled_from(["\n", ",", " ", '"', "\x00"])) + text[end:]
        )
    try:
        reading = reading_of(text)
        for pool in reading.pools:
            found = SERVING.explain(pool, reading)
            for change in (Split({"v7": 50.0, "v8": 50.0}), Promote("v8"), Rollback("stable")):
                SERVING.forecast(found, change)
                SERVING.compile(found, change)
    except BackendError:
        pass
    metrics = made(HaproxyMetrics, socket="/run/x.sock")
    try:
        rows = tuple(metrics._rows(text))
        metrics._mean_latencies(rows)
        [line for row in rows for line in metrics._counted(row)]
    except BackendError:
        pass


@given(
    st.lists(st.tuples(st.integers(0, 256), st.integers(0, 256)), min_size=2, max_size=6),
    st.lists(st.floats(1, 100), min_size=2, max_size=6),
)
@examples(100)
def test_weights_are_whole_fit_and_come_near(found: list[tuple[int, int]], parts: list[float]) -> None:
    count = min(len(found), len(parts))
    members = {f"v{n}": [server(f"v{n}", *found[n])] for n in range(count)}
    pool = Pool("sentiment", "roundrobin", tuple(one for servers in members.values() for one in servers))
    total = sum(parts[:count])
    wanted = {f"v{n}": 100.0 * parts[n] / total for n in range(count)}
    try:
        weights = weights_for(pool, members, wanted)
    except Rejected:
        assert min(wanted.values()) < 100.0 / MAX_WEIGHT
        return
    assert all(0 <= weight <= MAX_WEIGHT for weight in weights.values())
    had = shares_of(members, weights)
    assert max(abs(had[name] - wanted[name]) for name in wanted) < 1.0


def test_what_whole_weights_make_of_a_share_is_told() -> None:
    found = endpoint(server("v7", 90), server("v8", 10))
    with pytest.raises(Rejected, match=r"the least is about 0\.4 %"):
        SERVING.compile(found, Split({"v7": 99.9, "v8": 0.1}))
    three = endpoint(server("v7", 90), server("v8", 10), server("v9", 0))
    forecast = SERVING.forecast(three, Split({"v7": 93.37, "v8": 5.41, "v9": 1.22}))
    assert forecast.weights is not None
    assert forecast.weights["v8"] == pytest.approx(5.41, abs=0.1)
    assert any(one.startswith("with whole weights up to 256 the split is v7") for one in forecast.cautions)
    assert forecast.undo == Rollback("configured")


def test_servers_of_one_variant_share_as_configured_and_who_is_out_stays_out() -> None:
    members = {"v7": [server("v7", 50)], "v8": [server("v8-1", 30, 20), server("v8-2", 20, 20), server("v8-3", 0, 20)]}
    pool = Pool("sentiment", "roundrobin", tuple(one for servers in members.values() for one in servers))
    weights = weights_for(pool, members, {"v7": 20.0, "v8": 80.0})
    assert weights == {"v7": 20, "v8-1": 40, "v8-2": 40, "v8-3": 0}
    back = weights_for(
        pool, {**members, "v8": [server("v8-1", 0, 20), server("v8-2", 0, 40)]}, {"v7": 40.0, "v8": 60.0}
    )
    assert back == {"v7": 20, "v8-1": 10, "v8-2": 20}
    assert asked_shares(members) == {"v7": 50.0, "v8": 50.0}


def test_what_may_be_refused_goes_first_and_what_takes_away_last() -> None:
    servers = [server("v7", 90), server("v8", 10), server("v9", 0, 30)]
    commands = commands_for(servers, {"v7": 0, "v8": 70, "v9": 30})
    assert commands == [
        "set server sentiment/v8 weight 70",
        "set server sentiment/v9 weight 30",
        "set server sentiment/v7 weight 0",
    ]


def test_the_call_is_what_is_sent_and_what_a_human_would_type() -> None:
    found = endpoint(server("v7", 90), server("v8", 10))
    (call,) = SERVING.compile(found, Split({"v7": 75.0, "v8": 25.0}))
    assert (call.method, call.path) == ("SOCKET", "/run/x.sock")
    assert call.summary == "weight v7 90 → 75, v8 10 → 25"
    sent = "set server sentiment/v7 weight 75; set server sentiment/v8 weight 25"
    assert call.command == f"echo '{sent}' | socat stdio unix-connect:/run/x.sock"
    assert call.guard == "a second look just before (v7 90, v8 10); HAProxy itself has no guard"
    (promotion,) = SERVING.compile(found, Promote("v7"))
    assert promotion.summary == "weight v8 10 → 0", "who is left needs no other weight to get everything"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (Split({"v7": 50.0, "v8": 40.0}), Rejected),
        (Split({"v7": 50.0, "nope": 50.0}), Rejected),
        (Split({"v7": 90.0, "v8": 10.0}), Rejected),
        (Split({"v7": float("nan"), "v8": 50.0}), Rejected),
        (Promote("nope"), Rejected),
        (Rollback("configured"), Rejected),
        (Abort(), Unsupported),
    ],
)
def test_what_does_not_fit_is_refused(change: Split | Promote | Rollback | Abort, error: type[BackendError]) -> None:
    with pytest.raises(error):
        SERVING.compile(endpoint(server("v7", 90), server("v8", 10)), change)


def test_a_slow_start_is_waited_for() -> None:
    before = endpoint(server("v7", 90), server("v8", 10))
    change = Split({"v7": 50.0, "v8": 50.0})
    slow = endpoint(server("v7", 50, 90), server("v8", 50, 10, effective=20, slow=40))
    assert SERVING.progress(before, slow, change) == Pending("v8 starts slowly, at 40 %")
    assert slow.phase is Phase.PROGRESSING
    done = endpoint(server("v7", 50, 90), server("v8", 50, 10))
    assert isinstance(SERVING.progress(before, done, change), Settled)


def test_one_variant_only_says_how_to_tell_servers_apart() -> None:
    found = endpoint(server("model-7", 90), server("model-8", 10))
    assert [one.name for one in found.variants] == ["model"]
    assert "model-7, model-8" in str(next(iter(found.actions.values())))
    apart = endpoint(server("model-7", 90), server("model-8", 10), group="model-(.+)")
    assert [one.name for one in apart.variants] == ["7", "8"]
    assert endpoint().phase is Phase.FAILED


def test_an_agent_that_sets_weights_is_an_owner() -> None:
    assert endpoint(server("v7", 90, agent=True), server("v8", 10)).owner == "the agent check of v7"


@pytest.mark.parametrize(
    ("written", "variant", "expected"),
    [
        ("m/8", "x", "m/8"),
        ("m", "v8", "m/8"),
        ("m", "canary", "m/canary"),
        ("a/b/8", "x", "a/b/8"),
        (None, "v8", "None"),
    ],
)
def test_models_by_name(written: str | None, variant: str, expected: str) -> None:
    assert str(model_of(written, variant)) == expected


def test_more_than_fits_a_line_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(Rejected, match="too many commands for one line"):
        Runtime("/nowhere/x.sock", 1.0).ask(*["set server sentiment/v8 weight 100"] * 1000, write=True)


def test_refusals_are_told_from_the_state_that_follows() -> None:
    state = ANSWER.partition("\n\n")[0]
    assert refusal_in(f"\n\n{state}\n\n") == ""
    assert refusal_in(f"\nNo such server.\n\n{state}\n\n") == "No such server."
    assert weights_of(f"\nNo such server.\n\n{state}\n\n")["sentiment", "v7"] == (90, 90)
    assert EndpointRef.parse("edge:/sentiment") == EndpointRef("edge", "", "sentiment")
