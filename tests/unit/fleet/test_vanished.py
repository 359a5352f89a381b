"""What a metrics source measured and measures no longer: an error while it is wanted, a remark otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import Endpoint, Role, Split, Subject
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.fleet.joiner import Joiner
from shiftdeck.health.verdict import Level
from shiftdeck.source_kinds.answers import MetricsReading
from shiftdeck.sources.forgotten import Forgotten
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, SourceState
from tests.fakes import FakeWorld, fake_context
from tests.unit.builders import NOW, canary, endpoint, metrics, stable, status
from tests.unit.cli_world import Shell, shell
from tests.unit.planned import check, look, plan

__all__ = ["shell"]

V7, V8 = Subject("sentiment", "v7", "prod"), Subject("sentiment", "v8", "prod")
GONE_AT = NOW - 240


def readings(one: Endpoint, *seen: str, gone: tuple[tuple[Subject, float], ...] = ()) -> Readings:
    found = tuple(metrics(name) for name in seen)
    return Readings(
        {
            "serving": {"lab": Snapshot((one,), status("lab", kind="serving"))},
            "metrics": {"gateway": Snapshot(MetricsReading(found, found, gone), status("gateway"))},
        }
    )


def test_what_is_wanted_and_gone_is_an_error_with_its_age() -> None:
    joiner = Joiner(fake_context())
    whole = joiner.view(readings(endpoint(), "v7", "v8"), NOW).endpoints[0]
    assert whole.verdict.level is Level.OK
    fleet = joiner.view(readings(endpoint(), "v8", gone=((V7, GONE_AT),)), NOW)
    (view,) = fleet.endpoints
    assert view.verdict.level is Level.NO_DATA
    assert view.verdict.reasons[0].words(NOW) == "v7 gone from gateway 4m"
    assert view.metrics_source is not None
    assert (view.metrics_source.state, view.metrics_source.at) == (SourceState.UNREACHABLE, GONE_AT)
    assert all(one.variant.measured is None for one in view.variants), "no share of what is half dark"
    (source,) = [one for one in fleet.sources if one.kind == "metrics"]
    assert source.state is SourceState.OK, "the others' data are fresh"
    assert "measured no longer, though to get traffic: prod/sentiment v7" in source.remarks[0]
    back = joiner.view(readings(endpoint(), "v7", "v8"), NOW).endpoints[0]
    assert back.verdict.level is Level.OK


def test_the_breach_of_another_variant_stays_a_breach() -> None:
    seen = readings(endpoint(), "v8", gone=((V7, GONE_AT),))
    failing = replace(metrics("v8"), error_ratio=0.4)
    seen = Readings(
        {
            **seen.by_kind,
            "metrics": {"gateway": Snapshot(MetricsReading((failing,), (failing,), ((V7, GONE_AT),)), status())},
        }
    )
    (view,) = Joiner(fake_context()).view(seen, NOW).endpoints
    assert view.verdict.level is Level.CRITICAL


@pytest.mark.parametrize(
    "one",
    [
        endpoint(stable(100.0)),
        endpoint(stable(100.0), canary(0.0)),
        endpoint(stable(100.0), replace(canary(0.0), role=Role.IDLE, desired=None, observed=None)),
        endpoint(stable(90.0), replace(canary(10.0), wanted=0)),
    ],
    ids=["removed", "without traffic", "idle", "scaled to zero"],
)
def test_what_nobody_wants_any_more_is_a_remark(one: Endpoint) -> None:
    fleet = Joiner(fake_context()).view(readings(one, "v7", gone=((V8, GONE_AT),)), NOW)
    (view,) = fleet.endpoints
    assert not [reason for reason in view.verdict.reasons if "gone" in reason.text]
    assert fleet.sources[-1].remarks == (
        "measured no longer: prod/sentiment v8 (last at 13:42:40Z); `shiftdeck forget gateway` ends this remark",
    )


def test_no_change_forward_rests_on_what_is_gone() -> None:
    world = FakeWorld()
    fleet = look(world)
    seen = fleet.endpoint(world.ref("sentiment"))
    assert seen is not None
    assert seen.metrics_source is not None
    gone = replace(seen.metrics_source, state=SourceState.UNREACHABLE, at=fleet.at - 240, since=fleet.at - 240)
    others = tuple(one for one in fleet.endpoints if one is not seen)
    dark = replace(fleet, endpoints=(replace(seen, metrics_source=gone), *others))
    made = plan(world, "sentiment", Split({"v7": 75.0, "v8": 25.0}), fleet=dark)
    assert check(made, "data fresh").verdict is CheckVerdict.BLOCK
    assert check(made, "data fresh").evidence == "gateway unreachable 4m"


def test_forgetting_ends_it_until_it_vanishes_again(shell: Shell) -> None:
    shell.world.gone[V8] = shell.world.clock() - 600
    before = shell.type("status", "--json").json
    assert any("v8 gone from gateway" in reason for reason in before["endpoints"][0]["reasons"])
    said = shell.type("forget", "gateway")
    assert (said.code, said.out) == (0, "forgotten: prod/sentiment v8\n")
    after = shell.type("status", "--json").json
    assert not any("gone" in reason for one in after["endpoints"] for reason in one["reasons"])
    assert not any(one["remarks"] for one in after["sources"])
    kept = Forgotten(shell.path)
    assert not kept.has("prod-eu", "gateway", V8, 2e10), "last seen after it was forgotten: it is told again"
    assert not kept.has("staging", "gateway", V8, 0.0)


def test_one_subject_is_forgotten_by_name_and_an_unknown_source_is_refused(shell: Shell) -> None:
    assert shell.type("forget", "gateway", "prod/sentiment", "v8").out == "forgotten: prod/sentiment v8\n"
    assert Forgotten(shell.path).has("prod-eu", "gateway", V8, 0.0)
    said = shell.type("forget", "prom")
    assert (said.code, "gateway" in said.err) == (2, True)
    assert shell.type("forget", "gateway").out == "gateway misses nothing\n"


def test_a_damaged_line_of_what_was_forgotten_is_left_out(shell: Shell) -> None:
    kept = Forgotten(shell.path)
    kept.add("prod-eu", "gateway", V7, NOW)
    path = shell.path.with_name("forgotten.jsonl")
    path.write_text('{"context": 1}\nnoise\n[]\n' + path.read_text() + '{"at": "x"')
    assert kept.has("prod-eu", "gateway", V7, NOW - 1)


def test_where_one_rate_is_not_known_no_share_is() -> None:
    """A damaged counter of v7 must not make v8's share 100 %."""
    damaged = (replace(metrics("v7"), rps=None, error_ratio=None), metrics("v8"))
    seen = readings(endpoint())
    seen = Readings({**seen.by_kind, "metrics": {"gateway": Snapshot(MetricsReading(damaged, damaged), status())}})
    (view,) = Joiner(fake_context()).view(seen, NOW).endpoints
    assert [one.variant.measured for one in view.variants] == [None, None]
