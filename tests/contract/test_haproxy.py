"""The HAProxy adapters against a real HAProxy, in front of real little servers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from backends.contracts import (
    Action,
    Diverged,
    Endpoint,
    EndpointRef,
    ModelRef,
    Pending,
    Phase,
    ProbeKind,
    Promote,
    Role,
    Rollback,
    Settled,
    Split,
)
from backends.errors import BackendError, Conflict, Forbidden, Malformed, Rejected, TimedOut, Unreachable
from backends.metrics.haproxy import HaproxyMetrics
from backends.metrics.openmetrics import OpenMetrics
from backends.serving import haproxy as haproxy_adapter
from backends.serving.haproxy import HaproxyServing
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.config.loader import parse
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.journal import Journal
from tests.realservers.dns import Dns
from tests.realservers.haproxy import Haproxy, haproxy
from tests.realservers.models import ModelServer, serving
from tests.realservers.wiring import made
from tests.waiting import wait_until

SEEN_S = 30.0


@dataclass(frozen=True, slots=True)
class World:
    proxy: Haproxy
    models: dict[str, ModelServer]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving("v7", "v8", "v8b", "bad") as models:
        at = {name: one.address for name, one in models.items()}
        nobody = "127.0.0.1:9"
        proxy = haproxy(
            tmp_path_factory.mktemp("haproxy"),
            {
                "sentiment": [
                    "balance roundrobin",
                    f"server v7 {at['v7']} weight 90",
                    f"server v8-1 {at['v8']} weight 5",
                    f"server v8-2 {at['v8b']} weight 5",
                ],
                "fraud": [
                    "balance static-rr",
                    f"server v1 {at['v7']} weight 90",
                    f"server v2 {at['v8']} weight 10",
                ],
                "ranker": ["balance first", f"server v1 {at['v7']}", f"server v2 {at['v8']}"],
                "churn": [
                    "balance leastconn",
                    f"server v3 {at['v7']} cookie a",
                    f"server v4 {nobody} check inter 100ms fall 1 weight 1",
                    f"server spare {at['v8']} backup",
                ],
                "faulty": ["balance roundrobin", f"server v1 {at['bad']}", f"server v2 {nobody} weight 1"],
            },
        )
        proxy.server.start()
        try:
            yield World(proxy, models)
        finally:
            proxy.server.stop()


@pytest.fixture
def fresh(world: World) -> World:
    """The weights and states of the configuration."""
    for one in ("sentiment/v7", "sentiment/v8-1", "sentiment/v8-2", "fraud/v1", "fraud/v2", "churn/v3"):
        world.proxy.say(f"set server {one} weight 100%; set server {one} state ready")
    return world


def adapter(world: World, level: str = "admin", **options: object) -> HaproxyServing:
    return made(HaproxyServing, socket=world.proxy.socket(level), **options)


def ref(name: str) -> EndpointRef:
    return EndpointRef("tested", "", name)


def in_phase(serving: HaproxyServing, name: str, phase: Phase) -> Endpoint:
    def found() -> Endpoint | None:
        one = serving.read(ref(name))
        return one if one.phase is phase else None

    return wait_until(found, SEEN_S, f"{name} to be {phase}")


def split(endpoint: Endpoint) -> dict[str, float | None]:
    return {one.name: one.desired for one in endpoint.variants}


def test_backends_as_endpoints(fresh: World) -> None:
    serving = adapter(fresh, models={"sentiment/v7": "sentiment-classifier/7", "sentiment/*": "sentiment-classifier"})
    found = {one.ref.name: one for one in serving.endpoints()}
    assert list(found) == ["sentiment", "fraud", "ranker", "churn", "faulty"]
    sentiment = found["sentiment"]
    v7, v8 = sentiment.variants
    assert (v7.name, v7.role, v7.desired, v7.observed) == ("v7", Role.STABLE, 90.0, 90.0)
    assert (v8.name, v8.role, v8.desired, v8.ready, v8.wanted) == ("v8", Role.CANARY, 10.0, None, 2), (
        "no health checks: nobody knows"
    )
    assert [one.model for one in sentiment.variants] == [
        ModelRef("sentiment-classifier", "7"),
        ModelRef("sentiment-classifier", "8"),
    ]
    assert sentiment.phase is Phase.STEADY
    assert found["fraud"].actions[Action.SHIFT] is None
    assert found["ranker"].actions[Action.SHIFT] == "balance first does not go by weight"
    assert serving.read(ref("sentiment")) == sentiment
    with pytest.raises(Rejected, match="no backend 'nope'"):
        serving.read(ref("nope"))


def test_only_the_backends_that_are_meant_and_other_groups(fresh: World) -> None:
    only = adapter(
        fresh, backends=("sent*",), variants={"sentiment/v8-2": "v9"}, stable={"sentiment": "v8"}, scope="ml"
    )
    (endpoint,) = only.endpoints()
    assert str(endpoint.ref) == "tested:ml/sentiment"
    assert [one.name for one in endpoint.variants] == ["v7", "v8", "v9"]
    assert endpoint.variants[1].role is Role.STABLE
    with pytest.raises(Rejected, match="regular expression"):
        adapter(fresh, group="(")
    with pytest.raises(Rejected, match="not an address of a runtime API"):
        made(HaproxyServing, socket="admin.sock")


def test_a_hundred_real_requests_split_as_asked(fresh: World) -> None:
    serving = adapter(fresh)
    for weights in ({"v7": 75.0, "v8": 25.0}, {"v7": 20.0, "v8": 80.0}, {"v7": 90.0, "v8": 10.0}):
        before = serving.read(ref("sentiment"))
        (call,) = serving.compile(before, Split(weights))
        assert isinstance(serving.progress(before, before, Split(weights)), Diverged)
        serving.send(call)
        now = serving.read(ref("sentiment"))
        assert split(now) == weights
        assert isinstance(serving.progress(before, now, Split(weights)), Settled)
        answered = fresh.proxy.ask("sentiment", 100)
        assert answered["v7"] == pytest.approx(weights["v7"], abs=1)
        assert answered["v8"] + answered["v8b"] == pytest.approx(weights["v8"], abs=1)
        assert answered["v8"] == pytest.approx(answered["v8b"], abs=1), "servers of one variant share as before"


def test_the_command_in_the_plan_does_the_same(fresh: World) -> None:
    import subprocess

    from tests.servers import require_program

    require_program("socat")
    serving = adapter(fresh)
    before = serving.read(ref("sentiment"))
    (call,) = serving.compile(before, Split({"v7": 75.0, "v8": 25.0}))
    subprocess.run(call.command, shell=True, check=True, timeout=30)  # noqa: S602 - as a human would
    assert split(serving.read(ref("sentiment"))) == {"v7": 75.0, "v8": 25.0}


def test_promote_and_the_ways_back(fresh: World) -> None:
    serving = adapter(fresh)

    def do(change: Promote | Rollback | Split) -> Endpoint:
        before = serving.read(ref("sentiment"))
        forecast = serving.forecast(before, change)
        for call in serving.compile(before, change):
            serving.send(call)
        now = serving.read(ref("sentiment"))
        assert isinstance(serving.progress(before, now, change), Settled)
        assert forecast.weights == split(now)
        return now

    start = serving.read(ref("sentiment"))
    assert [(one.id, one.current) for one in start.releases] == [("configured", True), ("stable", False)]
    off = do(Rollback("stable"))
    assert split(off) == {"v7": 100.0, "v8": 0.0}
    assert fresh.proxy.ask("sentiment", 20) == {"v7": 20}
    assert [(one.id, one.good) for one in off.releases] == [("runtime", None), ("configured", False)]
    assert "the configuration says v7 90 %, v8 10 %" in off.message
    promoted = do(Promote("v8"))
    assert promoted.variants[1].role is Role.STABLE
    assert "v7" not in fresh.proxy.ask("sentiment", 20)
    assert [(one.id, one.good) for one in promoted.releases] == [("runtime", None), ("configured", None)]
    assert split(do(Rollback("configured"))) == {"v7": 90.0, "v8": 10.0}
    with pytest.raises(Rejected, match="no release 'nope'"):
        serving.compile(serving.read(ref("sentiment")), Rollback("nope"))


def test_what_somebody_else_changed_is_not_overwritten(fresh: World) -> None:
    serving = adapter(fresh)
    before = serving.read(ref("sentiment"))
    (call,) = serving.compile(before, Split({"v7": 75.0, "v8": 25.0}))
    fresh.proxy.say("set server sentiment/v7 weight 50")
    with pytest.raises(Conflict, match="is at v7 50, v8-1 5, v8-2 5 by now, and was v7 90"):
        serving.send(call)
    assert "50 (initial 90)" in fresh.proxy.say("get weight sentiment/v7"), "nothing was sent"
    assert isinstance(
        serving.progress(before, serving.read(ref("sentiment")), Split({"v7": 75.0, "v8": 25.0})), Diverged
    )


@pytest.mark.parametrize("level", ["operator", "user"])
def test_a_socket_that_may_not_write_says_what_to_do(fresh: World, level: str) -> None:
    low = adapter(fresh, level)
    endpoint = low.read(ref("sentiment"))
    assert split(endpoint) == {"v7": 90.0, "v8": 10.0}, "it may read"
    with pytest.raises(Rejected, match=f"level {level}, and weights take level admin"):
        low.compile(endpoint, Split({"v7": 75.0, "v8": 25.0}))
    full = adapter(fresh)
    (call,) = full.compile(full.read(ref("sentiment")), Split({"v7": 75.0, "v8": 25.0}))
    with pytest.raises(Forbidden) as caught:
        low.send(call)
    assert "level admin" in caught.value.hint
    assert split(full.read(ref("sentiment"))) == {"v7": 90.0, "v8": 10.0}
    reach, read, write = low.probe()
    assert (reach.ok, read.ok, write.ok, write.kind) == (True, True, False, ProbeKind.WRITE)


def test_a_static_balancer_can_be_switched_and_nothing_else(fresh: World) -> None:
    serving = adapter(fresh)
    before = serving.read(ref("fraud"))
    with pytest.raises(Rejected, match="the configured one only") as caught:
        serving.compile(before, Split({"v1": 75.0, "v2": 25.0}))
    assert "roundrobin" in caught.value.hint
    for change, expected in ((Promote("v2"), {"v8": 20}), (Promote("v1"), {"v7": 20})):
        before = serving.read(ref("fraud"))
        (call,) = serving.compile(before, change)
        serving.send(call)
        assert isinstance(serving.progress(before, serving.read(ref("fraud")), change), Settled)
        assert fresh.proxy.ask("fraud", 20) == expected


def test_what_haproxy_refuses_is_told_and_changes_nothing(fresh: World) -> None:
    from dataclasses import replace

    serving = adapter(fresh)
    (call,) = serving.compile(serving.read(ref("fraud")), Promote("v2"))
    assert isinstance(call.body, dict)
    forged = replace(call, body={**call.body, "commands": ["set server fraud/v1 weight 50"]})
    with pytest.raises(Rejected, match="static LB algorithm"):
        serving.send(forged)
    with pytest.raises(Rejected, match="cannot be sent"):
        serving.send(replace(call, body={**call.body, "commands": ["set server fraud/v1 weight 50; disable server x"]}))
    commands = ["set server fraud/v2 weight 0", "set server fraud/v1 weight 50"]
    with pytest.raises(TimedOut, match="only some of it") as caught:
        serving.send(replace(call, body={**call.body, "commands": commands}))
    assert caught.value.maybe_applied
    with pytest.raises(Rejected, match="no backend 'gone' any more"):
        serving.send(replace(call, body={**call.body, "backend": "gone"}))


def test_templates_whose_names_dns_resolves_late_or_never(tmp_path: Path) -> None:
    """haproxy/haproxy #1305, #628: slots that wait for DNS are no members, and requests go as the shares say."""
    with serving("v7", "v8") as models, Dns() as dns:
        port = {name: int(one.address.rpartition(":")[2]) for name, one in models.items()}
        dns.names = {"v7.ml.test": ["127.0.0.1"]}
        proxy = haproxy(
            tmp_path,
            {
                "sentiment": [
                    "balance roundrobin",
                    f"server-template v7- 1-10 v7.ml.test:{port['v7']} resolvers dns init-addr none check inter 100ms",
                    f"server-template v8- 1-3 v8.ml.test:{port['v8']} resolvers dns init-addr none check inter 100ms",
                ]
            },
            resolver=dns.port,
        )
        proxy.server.start()
        try:
            shift = Split({"v7": 75.0, "v8": 25.0})
            found = with_ready(proxy, {"v7": 1, "v8": 0})
            assert split(found) == {"v7": 100.0, "v8": 0.0}
            assert found.phase is Phase.DEGRADED
            adapted = made(HaproxyServing, socket=proxy.socket())
            with pytest.raises(Rejected, match="does not resolve"):
                adapted.compile(found, shift)
            dns.names["v8.ml.test"] = ["127.0.0.1"]
            found = with_ready(proxy, {"v7": 1, "v8": 1})
            assert found.phase is Phase.STEADY
            assert split(found) == {"v7": 50.0, "v8": 50.0}, "and not 10 slots against 3"
            (call,) = adapted.compile(found, shift)
            adapted.send(call)
            assert isinstance(adapted.progress(found, adapted.read(ref("sentiment")), shift), Settled)
            assert proxy.ask("sentiment", 40) == {"v7": 30, "v8": 10}
            del dns.names["v8.ml.test"]
            gone = with_ready(proxy, {"v7": 1, "v8": 0})
            assert isinstance(adapted.progress(found, gone, shift), Pending), "its name resolves no more"
        finally:
            proxy.server.stop()


def with_ready(proxy: Haproxy, ready: dict[str, int]) -> Endpoint:
    def found() -> Endpoint | None:
        one = made(HaproxyServing, socket=proxy.socket()).read(ref("sentiment"))
        return one if {variant.name: variant.ready for variant in one.variants} == ready else None

    return wait_until(found, SEEN_S, f"{ready} to be ready")


def test_servers_that_are_down_or_in_maintenance(fresh: World) -> None:
    serving = adapter(fresh)
    churn = in_phase(serving, "churn", Phase.DEGRADED)
    v3, v4, spare = churn.variants
    assert (v3.desired, v3.observed) == (50.0, 100.0)
    assert (v4.desired, v4.observed, v4.ready, v4.wanted) == (50.0, 0.0, 0, 1)
    assert "v4 DOWN (L4CON)" in churn.message
    assert (spare.role, spare.desired, spare.observed) == (Role.IDLE, 0.0, 0.0)
    with pytest.raises(Rejected, match="spare is a backup"):
        serving.compile(churn, Split({"v3": 50.0, "spare": 50.0}))
    forecast = serving.forecast(churn, Split({"v3": 80.0, "v4": 20.0}))
    assert any("leastconn" in one for one in forecast.cautions)
    assert any("cookie" in one for one in forecast.cautions)
    (call,) = serving.compile(churn, Split({"v3": 80.0, "v4": 20.0}))
    serving.send(call)
    after = serving.progress(churn, serving.read(ref("churn")), Split({"v3": 80.0, "v4": 20.0}))
    assert isinstance(after, Pending)
    assert after.stalled
    fresh.proxy.say("set server churn/v3 state maint")
    lost = in_phase(serving, "churn", Phase.FAILED)
    assert lost.variants[2].observed == 100.0, "the backup has everything now"
    assert "v3 MAINT" in lost.message
    fresh.proxy.say("set server sentiment/v8-2 state drain")
    before = serving.read(ref("sentiment"))
    (call,) = serving.compile(before, Split({"v7": 50.0, "v8": 50.0}))
    serving.send(call)
    half = serving.progress(before, serving.read(ref("sentiment")), Split({"v7": 50.0, "v8": 50.0}))
    assert isinstance(half, Settled)
    assert "v7 50 %, v8 50 %" in half.message, "the server that is drained has no part in the split"


def test_a_reload_brings_the_configured_weights_back_and_that_is_said(fresh: World) -> None:
    serving = adapter(fresh)
    before = serving.read(ref("sentiment"))
    change = Split({"v7": 75.0, "v8": 25.0})
    assert any(
        "a reload or restart brings v7 90 %, v8 10 % back" in one for one in serving.forecast(before, change).cautions
    )
    (call,) = serving.compile(before, change)
    serving.send(call)
    assert split(serving.read(ref("sentiment"))) == change.weights
    fresh.proxy.reload()

    def back() -> Endpoint | None:
        try:
            now = serving.read(ref("sentiment"))
        except BackendError:
            return None
        return now if split(now) == {"v7": 90.0, "v8": 10.0} else None

    now = wait_until(back, SEEN_S, "the new process")
    progress = serving.progress(before, now, change)
    assert isinstance(progress, Diverged)
    assert "as before: HAProxy was reloaded since" in progress.message


def test_killed_and_started_again(fresh: World) -> None:
    serving, metrics = adapter(fresh), made(HaproxyMetrics, socket=fresh.proxy.socket())
    (call,) = serving.compile(serving.read(ref("sentiment")), Split({"v7": 75.0, "v8": 25.0}))
    fresh.proxy.server.kill()

    def gone() -> bool:
        try:
            fresh.proxy.say("show info")
        except OSError:
            return True
        return False

    wait_until(gone, SEEN_S, "its worker to end")
    try:
        for question in (serving.endpoints, lambda: metrics.current(60.0), lambda: serving.send(call)):
            with pytest.raises(Unreachable, match="no HAProxy at"):
                question()
        assert serving.probe()[0].ok is False
    finally:
        fresh.proxy.server.start()
    assert split(serving.read(ref("sentiment"))) == {"v7": 90.0, "v8": 10.0}


def test_init_finds_it_where_debian_has_its_socket(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy_adapter, "DEBIAN", Path(fresh.proxy.socket()))
    found = HaproxyServing.discover({})
    assert found is not None
    assert "5 backends" in found.words
    assert found.table == {"socket": fresh.proxy.socket()}
    monkeypatch.setattr(haproxy_adapter, "DEBIAN", fresh.proxy.folder / "nothing.sock")
    assert HaproxyServing.discover({}) is None


def test_over_tcp(fresh: World) -> None:
    serving = made(HaproxyServing, socket=f"127.0.0.1:{fresh.proxy.port}")
    before = serving.read(ref("sentiment"))
    (call,) = serving.compile(before, Promote("v7"))
    assert f"tcp-connect:127.0.0.1:{fresh.proxy.port}" in call.command
    serving.send(call)
    assert split(serving.read(ref("sentiment"))) == {"v7": 100.0, "v8": 0.0}
    assert [probe.ok for probe in serving.probe()] == [True, True, True]


@contextmanager
def answering(folder: Path, answer: bytes | None) -> Iterator[str]:
    """A socket that takes one line and answers that, and closes; ``None`` never answers."""
    path, server = str(folder / "odd.sock"), socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(8)
    held = []

    def serve() -> None:
        while True:
            try:
                channel, _ = server.accept()
            except OSError:
                return
            channel.recv(65536)
            if answer is None:
                held.append(channel)
                continue
            channel.sendall(answer)
            channel.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield path
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for one in held:
            one.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", Unreachable),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Malformed),
        (bytes(range(128, 256)), Malformed),
        (b"Permission denied\n\n", Forbidden),
        (None, TimedOut),
    ],
    ids=["nothing", "http", "noise", "denied", "silence"],
)
def test_what_is_not_haproxy(tmp_path: Path, answer: bytes | None, error: type[BackendError]) -> None:
    with answering(tmp_path, answer) as path:
        serving = made(HaproxyServing, socket=path, timeout=0.5)
        metrics = made(HaproxyMetrics, socket=path, timeout=0.5)
        with pytest.raises(error):
            serving.endpoints()
        with pytest.raises(error):
            metrics.current(60.0)
        assert serving.probe()[0].ok is False


def test_an_answer_that_is_cut_off_is_not_taken_for_less(fresh: World, tmp_path: Path) -> None:
    whole = fresh.proxy.say("show servers state;show stat -1 6 -1;show info;show cli level").encode()
    for part in (0.2, 0.5, 0.9):
        folder = tmp_path / str(part)
        folder.mkdir()
        with answering(folder, whole[: int(len(whole) * part)]) as path, pytest.raises(Malformed):
            made(HaproxyServing, socket=path).endpoints()


def test_a_write_without_an_answer_may_have_been_applied(fresh: World, tmp_path: Path) -> None:
    full = adapter(fresh)
    (call,) = full.compile(full.read(ref("sentiment")), Split({"v7": 75.0, "v8": 25.0}))
    look = fresh.proxy.say("show servers state sentiment").encode()
    path, server = str(tmp_path / "half.sock"), socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(2)

    def serve() -> None:
        for answer in (look, b""):
            channel, _ = server.accept()
            channel.recv(65536)
            channel.sendall(answer)
            channel.close()

    threading.Thread(target=serve, daemon=True).start()
    with pytest.raises(TimedOut) as caught:
        made(HaproxyServing, socket=path).send(call)
    assert caught.value.maybe_applied
    server.close()


def test_counts_errors_and_means_of_real_requests(fresh: World) -> None:
    fresh.models["bad"].fails = 4
    metrics = made(HaproxyMetrics, socket=fresh.proxy.socket())
    assert {one.rps for one in metrics.current(60.0)} == {None}, "nothing to compare with yet"
    fresh.proxy.say("set server faulty/v2 weight 0")
    fresh.proxy.ask("faulty", 40)
    fresh.proxy.ask("sentiment", 100)

    def counted() -> dict[tuple[str, str], tuple[int, float | None]] | None:
        found = {
            (one.subject.endpoint, one.subject.variant): (one.samples, one.error_ratio) for one in metrics.current(60.0)
        }
        return found if sum(samples for samples, _ in found.values()) >= 140 else None

    found = wait_until(counted, SEEN_S, "the counts")
    assert found["faulty", "v1"] == (40, 0.25)
    assert found["sentiment", "v7"][0] == pytest.approx(90, abs=1)
    assert found["sentiment", "v8"][0] == pytest.approx(10, abs=1)
    assert found["sentiment", "v8"][1] == 0.0
    means = {one.subject.variant: one.mean for one in metrics.current(60.0) if one.subject.endpoint == "sentiment"}
    assert means["v7"] is not None
    assert 0.0 <= means["v7"] < 5.0
    fresh.proxy.say("set server faulty/v1 weight 0; set server faulty/v2 weight 1")
    assert fresh.proxy.ask("faulty", 3) == {"503": 3}
    unanswered = wait_until(
        lambda: {
            one.subject.variant: one.error_ratio for one in metrics.current(60.0) if one.subject.endpoint == "faulty"
        }.get("v2"),
        SEEN_S,
        "requests that nobody took",
    )
    assert unanswered == 1.0, "no connection is an error too"
    fresh.models["bad"].fails = 0
    fresh.proxy.say("set server faulty/v1 weight 100%; set server faulty/v2 weight 100%")
    assert [probe.ok for probe in metrics.probe()] == [True, True]


def test_its_own_exporter_is_read_by_the_preset(fresh: World) -> None:
    metrics = made(OpenMetrics, url=fresh.proxy.metrics, preset="haproxy")
    metrics.current(60.0)
    fresh.proxy.ask("sentiment", 50)
    found = wait_until(
        lambda: (
            {one.subject.variant: one.samples for one in metrics.current(60.0) if one.subject.endpoint == "sentiment"}
            if sum(one.samples for one in metrics.current(60.0)) >= 50
            else None
        ),
        SEEN_S,
        "the counts",
    )
    assert found["v7"] == pytest.approx(45, abs=1)
    assert found["v8"] == pytest.approx(5, abs=1), "two servers, one variant"
    metrics.close()


def test_a_shift_through_the_engine_is_confirmed_by_haproxys_own_counts(fresh: World, tmp_path: Path) -> None:
    config = parse(
        f"""
[contexts.machines]
access = "read-write"
[contexts.machines.serving.edge]
adapter = "haproxy"
socket = "{fresh.proxy.socket()}"
backends = ["sentiment"]
every = "200ms"
[contexts.machines.metrics.edge]
adapter = "haproxy"
socket = "{fresh.proxy.socket()}"
backends = ["sentiment"]
every = "200ms"
window = "10s"
share_window = "1s"
""",
        tmp_path / "shiftdeck.toml",
        default_journal=tmp_path / "journal.jsonl",
    )
    engine = Engine(config.contexts["machines"], Journal(config.journal))
    asking = threading.Event()

    def ask() -> None:
        while not asking.is_set():
            fresh.proxy.ask("sentiment", 20)

    thread = threading.Thread(target=ask, daemon=True)
    engine.start()
    thread.start()
    try:
        place = EndpointRef("edge", "", "sentiment")
        assert engine.wait_for(
            lambda view: (one := view.endpoint(place)) is not None and one.variants[0].variant.measured is not None,
            SEEN_S,
        )
        plan = engine.plan(place, Split({"v7": 66.7, "v8": 33.3}))
        cautions = [check.evidence for check in plan.checks if check.verdict is CheckVerdict.WARN]
        assert any("a reload or restart brings" in one for one in cautions)
        assert plan.undo == Rollback("configured")
        engine.execute(plan, reason="a test", override="few samples").join(SEEN_S * 4)
        run = engine.run_of(plan)
        assert run is not None
        assert run.outcome is not None
        assert (run.outcome.kind, run.outcome.confirmed) == (OutcomeKind.SETTLED, True), run.outcome
    finally:
        asking.set()
        thread.join(SEEN_S)
        engine.stop(0.0)
