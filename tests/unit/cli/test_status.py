"""status, open, doctor: what is seen, in text and in JSON of a fixed shape."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from backends.contracts import Adapter, EndpointRef, Phase
from backends.discovery import UnusableAdapter
from backends.errors import Unauthenticated, Unreachable
from shiftdeck.config.loader import Config
from shiftdeck.journal.journal import Journal
from tests.fakes import FakeWorld, eventually, fake_context, fake_factory, running
from tests.unit.cli_world import Shell, shell
from tui.cli import open_app
from tui.cli.json_output import Printer, table
from tui.cli.options import Common
from tui.cli.status import follow

__all__ = ["shell"]


def test_json_has_the_documented_shape(shell: Shell) -> None:
    said = shell.type("status", "--json")
    assert said.code == 0, said
    found = said.json
    assert set(found) == {"generated_at", "context", "sources", "endpoints", "changes"}
    assert found["generated_at"] == "2026-07-29T03:14:22.000Z"
    assert found["context"] == "prod-eu"
    assert {source["name"] for source in found["sources"]} == {"mlflow", "lab", "gateway", "dcgm", "psi"}
    assert found["sources"][0] == {"name": "mlflow", "state": "ok", "age_s": 0.0, "error": None, "remarks": []}
    assert len(found["endpoints"]) == 6
    sentiment = next(one for one in found["endpoints"] if one["ref"] == "lab:prod/sentiment")
    fields = {"ref", "phase", "message", "owner", "actions", "health", "reasons", "stalled", "variants"}
    assert set(sentiment) == fields
    assert sentiment["owner"] is None
    assert "shift" in sentiment["actions"]
    canary = sentiment["variants"][1]
    assert {key: value for key, value in canary.items() if key != "metrics"} == {
        "name": "v8",
        "role": "canary",
        "model": "sentiment-classifier",
        "version": "8",
        "desired": 10.0,
        "observed": 10.0,
        "measured": 10.0,
        "mirror": 0.0,
        "message": None,
        "ready": canary["ready"],
        "wanted": canary["wanted"],
    }
    latencies = {"p50", "p95", "p99", "p95_between", "mean"}
    assert set(canary["metrics"]) == {"rps", "error_ratio", "samples", "window_s"} | latencies
    low, high = canary["metrics"]["p95_between"]
    assert low < canary["metrics"]["p95"] <= high
    assert canary["metrics"]["window_s"] == 60.0


def test_a_change_whose_call_may_be_on_its_way_is_told_with_the_time_and_what_to_type(shell: Shell) -> None:
    data = {"change": "shift v7=75 v8=25", "before": {"revision": "17", "weights": {"v7": 90.0, "v8": 10.0}}}
    data |= {"after": {"weights": {"v7": 75.0, "v8": 25.0}, "mirror": {}}}
    Journal(shell.path, clock=shell.world.clock, operator="ada").begin(
        context="prod-eu", ref="lab:prod/sentiment", data=data
    ).leave()
    (change,) = shell.type("status", "--json").json["changes"]
    words = (
        "unknown until 03:15:32Z: the call may still be on its way; look again then: shiftdeck --context prod-eu status"
    )
    assert change == {
        "seq": 1,
        "ref": "lab:prod/sentiment",
        "change": "shift v7=75 v8=25",
        "operator": "ada",
        "outcome": None,
        "message": words,
        "reopened": False,
    }
    told = "? no outcome yet: #1 shift v7=75 v8=25, lab:prod/sentiment, by ada: " + words
    assert told in shell.type("status").out
    shell.world.clock.tick(100.0)
    assert "found out later: #1" in shell.type("status").out
    assert [entry.data["outcome"] for entry in shell.journal()[1:]] == ["failed"]


def test_an_outcome_that_was_reopened_is_told(shell: Shell) -> None:
    journal = Journal(shell.path, clock=shell.world.clock, operator=shell.world.me)
    data = {"change": "shift v7=75 v8=25", "before": {"weights": {"v7": 90.0, "v8": 10.0}}}
    data |= {"after": {"weights": {"v7": 75.0, "v8": 25.0}, "mirror": {}}}
    flight = journal.begin(context="prod-eu", ref="lab:prod/sentiment", data=data)
    flight.finish({"outcome": "failed", "message": "not applied: looked again after 60 s", "by_look": True})
    shell.world.clock.tick(10.0)
    shell.world.rival("sentiment", {"v7": 75.0, "v8": 25.0}, by=shell.world.me)
    found = shell.type("status").out
    assert "reopened: #1 shift v7=75 v8=25, lab:prod/sentiment" in found
    assert "applied after all" in found
    assert "(reopened)" in shell.type("journal").out


def test_a_shadow_shows_the_metrics_of_its_copies(shell: Shell) -> None:
    found = shell.type("status", "--json").json
    fraud = next(one for one in found["endpoints"] if one["ref"] == "lab:prod/fraud")
    shadow = fraud["variants"][1]
    assert shadow["role"] == "shadow"
    assert shadow["measured"] is None
    assert shadow["metrics"]["samples"] > 0


def test_what_is_not_known_is_null_and_never_zero(shell: Shell) -> None:
    shell.world.fail["metrics"] = Unreachable("connection refused")
    found = shell.type("status", "--json").json
    gateway = next(one for one in found["sources"] if one["name"] == "gateway")
    assert gateway == {
        "name": "gateway",
        "state": "unreachable",
        "age_s": None,
        "error": "connection refused",
        "remarks": [],
    }
    for endpoint in found["endpoints"]:
        assert endpoint["health"] == "no data"
        for variant in endpoint["variants"]:
            assert variant["measured"] is None
            assert variant["metrics"] is None


def test_text_has_the_worst_first_with_its_reasons_and_figures(shell: Shell) -> None:
    shell.world.make_bad_canary()
    said = shell.type("status")
    assert said.code == 0, said
    first = next(line for line in said.out.splitlines() if "lab:prod/" in line)
    assert first.startswith("✖")
    for words in ("lab:prod/sentiment", "critical", "v7 90 · v8 10", "v8 errors"):
        assert words in first
    assert "6 endpoints: 1 critical" in said.out
    assert "PRODUCTION" in said.out


def test_text_says_what_is_wrong_with_a_source_and_what_to_do(shell: Shell) -> None:
    shell.world.fail["registries"] = Unauthenticated("401 from mlflow", hint="log in again")
    said = shell.type("status")
    assert "mlflow UNAUTHENTICATED" in said.out
    assert "401 from mlflow (log in again)" in said.out


def test_ascii_only(shell: Shell) -> None:
    shell.world.make_bad_canary()
    shell.world.endpoint("churn").phase = Phase.DEGRADED
    shell.world.endpoint("churn").message = "größer → kaputt"
    said = shell.type("--ascii", "status")
    assert said.out.isascii()
    assert "\nx  lab:prod/sentiment" in said.out
    assert shell.type("status", "--json", "--ascii").out.isascii()


def test_foreign_text_does_not_steer_the_terminal(shell: Shell) -> None:
    shell.world.endpoint("churn").phase = Phase.FAILED
    shell.world.endpoint("churn").message = "gone\x1b]0;owned\x07\x9b2J"
    said = shell.type("status")
    assert "\x07" not in said.out
    assert "\x1b]" not in said.out
    assert "\x9b" not in said.out
    raw = shell.type("status", "--json")
    assert "\x9b" not in raw.out
    [churn] = [one for one in raw.json["endpoints"] if one["ref"] == "lab:prod/churn"]
    assert churn["reasons"] == ["gone␛]0;owned␇<U+009B>2J"], "it is seen that there was more"


@pytest.mark.parametrize("as_json", [True, False])
def test_watching_prints_again_on_each_change_and_only_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    world = FakeWorld()
    views = 0
    with running(world, tmp_path) as engine:
        view = eventually(engine, lambda view: view.loaded)

        def ended() -> bool:
            nonlocal views
            views += 1
            if views == 4:
                world.rival("sentiment", {"v7": 80.0, "v8": 20.0}, by="ana")
                eventually(
                    engine, lambda view: any(v.variant.desired == 20.0 for e in view.endpoints for v in e.variants)
                )
            return views > 12

        follow(engine, Printer(), view, as_json=as_json, ended=ended)
    out = capsys.readouterr().out
    if as_json:
        printed = [json.loads(line) for line in out.splitlines()]
        splits = [
            tuple(
                variant["desired"]
                for endpoint in one["endpoints"]
                if endpoint["ref"] == "lab:prod/sentiment"
                for variant in endpoint["variants"]
            )
            for one in printed
        ]
        assert splits[0] == (90.0, 10.0)
        assert splits[-1] == (80.0, 20.0)
        assert len(printed) < 12, "ages alone are no change"
    else:
        assert "v7 90 · v8 10" in out
        assert "v8 20" in out


# ── which context, which file ───────────────────────────────────────────────────────────────────────────────────


def test_the_context_may_stand_before_or_after_the_verb(shell: Shell) -> None:
    shell.contexts["staging"] = fake_context(name="staging", production=False)
    assert shell.type("status", "--json").json["context"] == "prod-eu"
    assert shell.type("--context", "staging", "status", "--json").json["context"] == "staging"
    assert shell.type("status", "--json", "--context", "staging").json["context"] == "staging"


def test_the_context_by_environment_gives_way_to_the_option(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.contexts["staging"] = fake_context(name="staging", production=False)
    monkeypatch.setenv("SHIFTDECK_CONTEXT", "staging")
    assert shell.type("status", "--json").json["context"] == "staging"
    assert shell.type("--context", "prod-eu", "status", "--json").json["context"] == "prod-eu"


def test_an_unknown_context_names_those_that_there_are(shell: Shell) -> None:
    said = shell.type("status", "--context", "prod-us")
    assert said.code == 2
    assert "prod-eu" in said.err


# ── the app ─────────────────────────────────────────────────────────────────────────────────────────────────────


def opened(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, list[tuple[str, EndpointRef | None]]]:
    shown: list[tuple[str, EndpointRef | None]] = []

    def show(config: Config, common: Common, context: str, ref: EndpointRef | None = None) -> int:
        shown.append((context, ref))
        return 0

    monkeypatch.setattr(open_app, "show", show)
    return shell.type(*words).code, shown


@pytest.mark.parametrize("text", ["sentiment", "prod/sentiment", "lab:sentiment", "lab:prod/sentiment"])
def test_open_takes_as_much_of_a_name_as_is_unambiguous(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert opened(shell, monkeypatch, "open", text) == (0, [("prod-eu", EndpointRef("lab", "prod", "sentiment"))])


def test_open_names_what_was_perhaps_meant(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    code, shown = opened(shell, monkeypatch, "open", "sentimental")
    assert (code, shown) == (2, [])


def test_without_a_verb_the_app_starts(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(shell, monkeypatch) == (0, [("prod-eu", None)])


def test_the_app_needs_a_terminal_and_says_what_does_not(shell: Shell) -> None:
    said = shell.type()
    assert said.code == 2
    assert "shiftdeck status" in said.err


# ── doctor ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_doctor_finds_all_well(shell: Shell) -> None:
    said = shell.type("doctor", "--json")
    assert said.code == 0, said
    assert said.json["ok"] is True
    assert {one["name"] for one in said.json["sources"]} == {"mlflow", "lab", "gateway", "dcgm", "psi"}
    assert {"config", "journal", "terminal", "encoding"} <= {one["name"] for one in said.json["environment"]}


def test_doctor_names_keys_by_ids_of_an_earlier_release(shell: Shell) -> None:
    shell.keys = {"hold": "f3"}
    said = shell.type("doctor")
    assert said.code == 0, said
    assert "[keys] hold: the action is called pause now" in said.out


def test_doctor_says_what_fails_and_goes_on_with_the_rest(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fake_adapters import FakeMetrics, FakeRegistry

    def broken(self: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(FakeRegistry, "probe", broken)

    def denied(self: object) -> None:
        raise Unauthenticated("401", hint="log in again")

    monkeypatch.setattr(FakeMetrics, "probe", denied)
    said = shell.type("doctor")
    assert said.code == 1
    assert "RuntimeError: a defect" in said.out
    assert "gateway: log in again" in said.out
    lab = next(line for line in said.out.splitlines() if line.startswith("lab "))
    assert "✔" in lab


def test_doctor_says_what_to_do_about_an_adapter_for_another_contract(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = fake_factory(shell.world)

    def factory(kind: str, name: str) -> type[Adapter]:
        if kind == "metrics":
            raise UnusableAdapter("metrics.gateway of acme 1.0 is written for version 9", hint="upgrade shiftdeck")
        return usual(kind, name)

    monkeypatch.setattr("tests.unit.cli_world.fake_factory", lambda world: factory)
    said = shell.type("doctor")
    assert said.code == 1
    assert "metrics.gateway of acme 1.0 is written for version 9" in said.out
    assert "gateway: upgrade shiftdeck" in said.out
    assert "✔" in next(line for line in said.out.splitlines() if line.startswith("lab "))


def test_doctor_does_not_wait_for_ever(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from tests.fake_adapters import FakeMetrics

    release = threading.Event()
    monkeypatch.setattr(FakeMetrics, "probe", lambda self: release.wait(30) and ())
    shell.contexts = {"prod-eu": fake_context(timeout_s=0.05)}
    try:
        said = shell.type("doctor", "--json")
    finally:
        release.set()
    gateway = next(one for one in said.json["sources"] if one["name"] == "gateway")
    assert said.code == 1
    assert "no answer within" in gateway["probes"][0]["detail"]


def test_doctor_finds_a_journal_that_cannot_be_written(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    said = shell.type("doctor")
    assert said.code == 1
    assert "cannot be written" in said.out


# ── columns ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_columns_are_aligned_and_styles_take_no_room() -> None:
    lines = table([("\x1b[31m✖\x1b[0m", "1"), ("ok", "100")], head=("", "N"), right=(1,))
    assert lines == ["      N", "\x1b[31m✖\x1b[0m     1", "ok  100"]


# ── capture ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_system_that_cannot_be_captured_says_what_to_report_instead(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "capture.json"
    said = shell.type("capture", "sentiment", "--output", str(path))
    assert said.code == 1
    assert "what lab holds cannot be captured" in said.err
    assert not path.exists()


def test_a_capture_replaces_no_file_unasked(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "capture.json"
    path.write_text("of yesterday")
    said = shell.type("capture", "sentiment", "--output", str(path))
    assert said.code == 2
    assert "is there already" in said.err
    assert path.read_text() == "of yesterday"


@pytest.mark.parametrize("as_json", [True, False])
def test_watching_ends_when_nobody_reads_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """As `| head` does: nothing in the fleet changes, so nothing more would be written to the closed pipe."""
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w") as pipe, running(FakeWorld(), tmp_path) as engine:
        view = eventually(engine, lambda view: view.loaded)
        monkeypatch.setattr("sys.stdout", pipe)
        looks = 0

        def ended() -> bool:
            nonlocal looks
            looks += 1
            if looks == 3:
                os.close(ours)
            return looks > 10

        follow(engine, Printer(), view, as_json=as_json, ended=ended)
        monkeypatch.undo()
    assert looks == 3
