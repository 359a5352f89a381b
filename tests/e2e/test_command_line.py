"""The main job by command line, on the lab: see, roll back, be refused, lose a race, survive, prove the record."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.program import (
    endpoint,
    intents,
    journal,
    outcomes,
    printed_journal,
    run,
    running,
    source,
    variant,
    wait_sent,
)
from tests.e2e.watcher import Watcher
from tests.lab import Lab
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

SENTIMENT = "lab:prod/sentiment"
PRICING = "lab:prod/pricing"
SHIFT_PRICING = ("shift", PRICING, "v22=20", "--reason", "next canary step", "--yes", "--override", "--json")


def test_a_bad_canary_is_seen_rolled_back_and_recorded(lab: Lab, tmp_path: Path) -> None:
    config = lab.configure(tmp_path, min_samples=20)
    lab.drill("bad-canary", running=True)
    with Watcher(config) as watcher:
        status = watcher.wait_for(_bad_canary_seen, 50, "sentiment to be critical")
    above = status["endpoints"][: status["endpoints"].index(endpoint(status, SENTIMENT))]
    assert all(one["health"] == "critical" for one in above), "it rises above all that is not critical"
    assert any("v8" in reason for reason in endpoint(status, SENTIMENT)["reasons"])
    assert variant(status, SENTIMENT, "v8")["metrics"]["error_ratio"] > 0.02

    done = run("rollback", "sentiment", "--reason", "v8 fails", "--yes", "--json", config=config)
    assert done.code == 0, done
    assert done.json["outcome"]["kind"] == "settled"
    assert done.json["outcome"]["confirmed"] is True, "the metrics must have seen it"
    assert lab.weights("prod/sentiment") == {"v7": 100.0, "v8": 0.0}
    after = run("status", "--json", config=config).json
    assert variant(after, SENTIMENT, "v8")["measured"] in (0, None)
    assert variant(after, SENTIMENT, "v7")["measured"] == pytest.approx(100.0)

    entries = printed_journal(config)
    assert [(one["seq"], one["data"]) for one in entries] == [(one["seq"], one["data"]) for one in journal(config)]
    [intent] = [one for one in entries if one["kind"] == "intent"]
    assert intent["data"]["reason"] == "v8 fails"
    assert done.json["seq"] == intent["seq"]
    [outcome] = outcomes(entries, intent["seq"])
    assert outcome["outcome"] == "settled"
    assert run("journal", "verify", config=config).code == 0


def _bad_canary_seen(status: Mapping[str, Any]) -> bool:
    return any(one["ref"] == SENTIMENT and one["health"] == "critical" for one in status["endpoints"])


def test_a_dry_run_shows_the_calls_and_sends_nothing(lab: Lab, config: Path) -> None:
    before = lab.traffic("prod/pricing")
    done = run("shift", PRICING, "v22=6", "--dry-run", "--json", "--observe", "0", config=config)
    assert done.json["outcome"] is None
    [call] = done.json["plan"]["calls"]
    assert call["method"] == "PUT"
    assert call["body"]["weights"] == {"v21": 94.0, "v22": 6.0}
    assert call["guard"]
    assert "curl" in call["command"]
    assert lab.traffic("prod/pricing") == before
    assert journal(config) == []


def test_a_blocked_change_is_refused_and_says_by_what(lab: Lab, tmp_path: Path) -> None:
    config = lab.configure(tmp_path, min_samples=15)
    lab.drill("bad-canary", running=True)
    words = ("shift", SENTIMENT, "v8=50", "--reason", "hope", "--yes", "--observe", "10")
    refused = run(*words, config=config)
    assert refused.code == 3, refused
    assert "blocked by" in refused.out
    assert "v8" in refused.out
    assert "--override" in refused.out
    assert lab.weights("prod/sentiment") == {"v7": 90.0, "v8": 10.0}
    [note] = journal(config)
    assert note["data"]["outcome"] == "refused"


def test_a_rivals_change_is_not_overwritten(lab: Lab, config: Path) -> None:
    lab.drill("rival-operator", running=True)
    words = ("shift", SENTIMENT, "v8=25", "--reason", "next step", "--yes", "--override", "--observe", "0")
    lost = run(*words, config=config)
    assert lost.code == 4, lost
    assert "ana" in lost.out
    assert "v8 10 → 15" in lost.out.replace(" %", "").replace("%", ""), lost.out
    assert lab.weights("prod/sentiment", "desired") == {"v7": 85.0, "v8": 15.0}, "ana's split stands"

    again = run(*words, "--json", config=config)
    assert again.code == 0, again
    assert {row["variant"]: row["before"] for row in again.json["plan"]["rows"]} == {"v7": 85.0, "v8": 15.0}
    assert lab.weights("prod/sentiment") == {"v7": 75.0, "v8": 25.0}
    assert [outcomes(journal(config), seq)[0]["outcome"] for seq in intents(journal(config))] == ["conflict", "settled"]


def test_a_change_cut_off_by_kill_9_is_resolved_at_the_next_start(lab: Lab, config: Path) -> None:
    lab.drill("slow-control-plane", running=True)
    with running(*SHIFT_PRICING, config=config) as process:
        seq = wait_sent(config)
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
    assert outcomes(journal(config), seq) == [], "nobody may claim an outcome that nobody saw"
    lab.drill("slow-control-plane", running=False)
    wait_until(lambda: lab.weights("prod/pricing") == {"v21": 80.0, "v22": 20.0}, 30, "the change to be in effect")

    done = run("rollback", SENTIMENT, "--dry-run", "--observe", "0", config=config)
    assert f"journal {seq}" in done.err, done
    assert "applied" in done.err
    [outcome] = outcomes(journal(config), seq)
    assert outcome["outcome"] == "settled"
    assert lab.weights("prod/pricing", "desired") == {"v21": 80.0, "v22": 20.0}
    assert run("journal", "verify", config=config).code == 0


def test_a_hangup_lets_a_change_finish(lab: Lab, config: Path) -> None:
    with running(*SHIFT_PRICING, config=config) as process:
        seq = wait_sent(config)
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=60)
    entries = journal(config)
    done = outcomes(entries, seq)
    if process.returncode == 0:
        assert [one["outcome"] for one in done] == ["settled"], (out, err)
        assert lab.weights("prod/pricing") == {"v21": 80.0, "v22": 20.0}
    else:  # it took longer than the grace, and says so: the next start resolves it
        assert process.returncode == 5, (out, err)
        assert done == []
        run("rollback", SENTIMENT, "--dry-run", "--observe", "0", config=config)
        assert len(outcomes(journal(config), seq)) == 1


def test_a_byte_of_the_journal_changed_is_found_and_its_line_named(lab: Lab, config: Path) -> None:
    for weight in ("v22=6", "v22=7"):
        words = ("shift", PRICING, weight, "--reason", "a step", "--yes", "--override", "--observe", "0")
        assert run(*words, config=config).code == 0
    path = config.parent / "journal.jsonl"
    assert run("journal", "verify", config=config).code == 0
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) >= 6
    altered = lines[3].replace(b"a step", b"a stop") if b"a step" in lines[3] else lines[3].replace(b'"', b"'", 1)
    assert altered != lines[3]
    path.write_bytes(b"".join([*lines[:3], altered, *lines[4:]]))
    found = run("journal", "verify", config=config)
    assert found.code == 1
    assert f"{path}:4:" in found.out, found.out

    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    gone = run("journal", "verify", config=config)
    assert gone.code == 1
    assert f"{path}:3:" in gone.out, gone.out


def test_a_read_only_context_refuses(lab: Lab, tmp_path: Path) -> None:
    config = lab.configure(tmp_path, access="read-only")
    before = lab.traffic("prod/pricing")
    words = ("shift", PRICING, "v22=6", "--reason", "a step", "--yes", "--override", "--observe", "0")
    refused = run(*words, config=config)
    assert refused.code == 3, refused
    assert "read-only" in refused.out
    assert lab.traffic("prod/pricing") == before


def test_all_sources_of_a_healthy_lab_answer(config: Path) -> None:
    names = ("mlflow", "lab", "gateway", "dcgm", "psi")
    with Watcher(config) as watcher:
        for name in names:
            watcher.wait_state(name, "ok")
        assert len(watcher.latest["endpoints"]) == 6
        assert {source(watcher.latest, name)["error"] for name in names} == {None}
