"""shift, promote, rollback, mirror: planned, confirmed, carried out, recorded; and every way in which they end."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Action
from backends.errors import Unreachable
from shiftdeck.config.loader import Access
from shiftdeck.journal.journal import EntryKind
from tests.fakes import FakeWorld
from tests.unit.cli_world import Shell, shell
from tui.input.weights import parse_weights

__all__ = ["shell"]

WHY = ("--reason", "next step", "--yes")


def weights(world: FakeWorld, name: str = "sentiment") -> dict[str, float]:
    return dict(world.endpoint(name).desired)


def test_a_shift_takes_the_rest_from_stable_and_says_how_it_ended(shell: Shell) -> None:
    said = shell.type("shift", "sentiment", "v8=25", *WHY)
    assert said.code == 0, said
    assert weights(shell.world) == {"v7": 75.0, "v8": 25.0}
    assert "settled" in said.out
    assert "the metrics agree" in said.out
    intent, *_, outcome = shell.journal()
    assert intent.kind is EntryKind.INTENT
    assert intent.data["reason"] == "next step"
    assert outcome.data["outcome"] == "settled"
    assert f"journal {intent.seq}" in said.out


def test_the_plan_shows_before_after_checks_call_and_way_back(shell: Shell) -> None:
    said = shell.type("shift", "prod/sentiment", "v8=25%", "--dry-run")
    assert said.code == 0, said
    for words in ("90 %", "75 %", "25 %", "v8 p95 within SLO", "same as", "way back", "PRODUCTION"):
        assert words in said.out
    assert shell.world.sent == []
    assert shell.journal() == ()


def test_json_is_one_object_with_plan_outcome_and_journal_number(shell: Shell) -> None:
    said = shell.type("promote", "lab:prod/sentiment", "v8", "--json", *WHY)
    assert said.code == 0, said
    found = said.json
    assert set(found) == {"plan", "outcome", "seq"}
    assert found["outcome"] == {
        "kind": "settled",
        "message": found["outcome"]["message"],
        "confirmed": True,
        "changed": [],
        "read_at": "2026-07-29T03:14:22.000Z",
    }
    assert found["seq"] == shell.journal()[0].seq
    assert found["plan"]["change"] == {"action": "promote", "variant": "v8"}
    assert [call["source"] for call in found["plan"]["calls"]] == ["lab", "mlflow"], "the alias follows"


def test_promote_can_leave_the_alias(shell: Shell) -> None:
    said = shell.type("promote", "sentiment", "v8", "--no-alias", "--dry-run", "--json")
    assert [call["source"] for call in said.json["plan"]["calls"]] == ["lab"]
    assert said.json["outcome"] is None
    assert said.json["seq"] is None


def test_a_promotion_without_its_registry_says_that_the_alias_stays(shell: Shell) -> None:
    shell.world.fail["registries"] = Unreachable("no route to mlflow")
    said = shell.type("promote", "sentiment", "v8", *WHY)
    assert said.code == 0, said
    assert "the champion alias stays where it is" in said.err
    assert "no route to mlflow" in said.err


def test_rollback_goes_past_releases_that_send_traffic_to_what_is_bad(shell: Shell) -> None:
    shell.world.make_bad_canary()
    said = shell.type("rollback", "sentiment", "--reason", "v8 fails", "--yes", "--json")
    assert said.code == 0, said
    assert weights(shell.world) == {"v7": 100.0, "v8": 0.0}
    assert said.json["plan"]["friction"] == "enter"


def test_rollback_to_a_chosen_release(shell: Shell) -> None:
    said = shell.type("rollback", "sentiment", "16", *WHY)
    assert said.code == 0, said
    assert weights(shell.world) == {"v7": 95.0, "v8": 5.0}


def test_rollback_warns_of_a_canary_that_it_could_not_judge(shell: Shell) -> None:
    sentiment = shell.world.endpoint("sentiment")
    sentiment.rps = 0.5
    sentiment.releases = [replace(release, good=None) for release in sentiment.releases]
    said = shell.type("rollback", "sentiment", "--dry-run")
    assert "v8 would still get 5 %" in said.err


def test_nothing_to_go_back_to(shell: Shell) -> None:
    said = shell.type("rollback", "churn", *WHY)
    assert said.code == 2
    assert "no good release" in said.err


def test_mirror(shell: Shell) -> None:
    said = shell.type("mirror", "fraud", "v13", "40", *WHY)
    assert said.code == 0, said
    assert shell.world.endpoint("fraud").mirror["v13"] == 40.0


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_blocked_change_is_refused_and_recorded(shell: Shell) -> None:
    shell.world.make_bad_canary()
    said = shell.type("shift", "sentiment", "v8=50", *WHY)
    assert said.code == 3
    assert "blocked by v8" in said.out
    assert "--override" in said.out
    assert weights(shell.world) == {"v7": 90.0, "v8": 10.0}
    [note] = shell.journal()
    assert note.data["outcome"] == "refused"


def test_an_override_goes_on_and_is_recorded(shell: Shell) -> None:
    shell.world.make_bad_canary()
    said = shell.type("shift", "sentiment", "v8=50", "--override", *WHY)
    assert said.code == 0, said
    assert shell.journal()[0].data["override"] == "next step"


def test_an_override_that_was_not_needed_is_none(shell: Shell) -> None:
    shell.type("shift", "sentiment", "v8=20", "--override", *WHY)
    assert shell.journal()[0].data["override"] == ""


def test_a_dry_run_that_would_be_refused_says_so(shell: Shell) -> None:
    shell.world.make_bad_canary()
    said = shell.type("shift", "sentiment", "v8=50", "--dry-run")
    assert said.code == 3
    assert "it would be refused" in said.out
    assert shell.type("shift", "sentiment", "v8=50", "--dry-run", "--override").code == 0


def test_no_override_lifts_read_only(shell: Shell) -> None:
    shell.access(Access.READ_ONLY)
    said = shell.type("shift", "sentiment", "v8=20", "--override", *WHY)
    assert said.code == 3
    assert 'access = "read-only"' in said.out
    assert weights(shell.world) == {"v7": 90.0, "v8": 10.0}
    assert shell.type("shift", "sentiment", "v8=20", "--arm", *WHY).code == 3


@pytest.mark.parametrize("where", ["before", "after"])
def test_read_only_on_the_command_line_holds(shell: Shell, where: str) -> None:
    words = ("shift", "sentiment", "v8=20", *WHY)
    said = shell.type("--read-only", *words) if where == "before" else shell.type(*words, "--read-only")
    assert said.code == 3
    assert weights(shell.world) == {"v7": 90.0, "v8": 10.0}


def test_arming_on_the_command_line(shell: Shell) -> None:
    shell.access(Access.ARM)
    refused = shell.type("shift", "sentiment", "v8=20", *WHY)
    assert refused.code == 3
    assert "--arm" in refused.out
    assert shell.type("shift", "sentiment", "v8=20", "--arm", *WHY).code == 0


def test_an_action_that_is_not_possible_now_says_why(shell: Shell) -> None:
    shell.world.endpoint("sentiment").denied[Action.SHIFT] = "frozen until Monday"
    said = shell.type("shift", "sentiment", "v8=20", "--override", *WHY)
    assert said.code == 3
    assert "frozen until Monday" in said.out


# ── conflicts, failures, what is not known ──────────────────────────────────────────────────────────────────────


def test_a_conflict_shows_the_difference_and_what_to_type(shell: Shell) -> None:
    shell.world.on["serving.send"] = lambda: shell.world.rival("sentiment", {"v7": 80.0, "v8": 20.0}, by="ana")
    said = shell.type("--context", "prod-eu", "shift", "sentiment", "v8=25", *WHY)
    assert said.code == 4, said
    assert "ana" in said.out
    assert "v8 10 % → 20 %" in said.out
    assert "shiftdeck --context prod-eu shift sentiment v8=25 --reason 'next step'" in said.out
    assert weights(shell.world) == {"v7": 80.0, "v8": 20.0}


def test_a_failed_call_is_a_failure(shell: Shell) -> None:
    shell.world.fail["serving.send"] = Unreachable("connection refused", maybe_applied=False)
    said = shell.type("shift", "sentiment", "v8=25", "--json", *WHY)
    assert said.code == 1
    assert said.json["outcome"]["kind"] == "failed"
    assert "connection refused" in said.json["outcome"]["message"]


def test_an_endpoint_that_cannot_be_read_gets_no_plan(shell: Shell) -> None:
    shell.world.fail["serving.read"] = Unreachable("connection refused")
    said = shell.type("shift", "sentiment", "v8=25", *WHY)
    assert said.code == 1
    assert "connection refused" in said.err
    assert shell.journal() == ()


def test_a_second_interrupt_leaves_and_the_next_start_resolves(shell: Shell) -> None:
    shell.world.propagation = 1_000_000

    def interrupt() -> None:
        if shell.world.sent:
            os.kill(os.getpid(), signal.SIGINT)

    shell.world.on["serving.read"] = interrupt
    said = shell.type("shift", "sentiment", "v8=25", "--json", *WHY)
    assert said.code == 5, said
    assert "the change goes on" in said.err
    assert said.json["outcome"]["kind"] == "unknown"
    seq = said.json["seq"]
    assert [entry.kind for entry in shell.journal()] == [EntryKind.INTENT, EntryKind.SENT]

    del shell.world.on["serving.read"]
    shell.world.endpoint("sentiment").behind = 1
    again = shell.type("mirror", "fraud", "v13", "30", "--dry-run")
    assert f"an earlier change had no outcome: journal {seq}" in again.err
    assert "applied" in again.err
    assert [entry.intent for entry in shell.journal() if entry.kind is EntryKind.OUTCOME] == [seq]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_lets_the_change_finish(shell: Shell, number: signal.Signals) -> None:
    shell.world.propagation = 20
    told: list[int] = []

    def once() -> None:
        if shell.world.sent and not told:
            told.append(number)
            os.kill(os.getpid(), number)

    shell.world.on["serving.read"] = once
    said = shell.type("shift", "sentiment", "v8=25", *WHY)
    assert said.code == 0, said
    assert told
    assert "settled" in said.out


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGHUP])
def test_a_hangup_that_comes_with_another_signal_leaves_nothing(shell: Shell, second: signal.Signals) -> None:
    """A closed window sends both. Only whoever presses Ctrl-C twice means to leave at once."""
    shell.world.propagation = 1_000_000
    reads: list[int] = []

    def signalled() -> None:
        if not shell.world.sent:
            return
        reads.append(1)
        if len(reads) == 1:
            os.kill(os.getpid(), signal.SIGHUP)
        elif len(reads) == 20:
            os.kill(os.getpid(), second)
        elif len(reads) == 100:  # long after the second was noticed
            shell.world.endpoint("sentiment").behind = 1

    shell.world.on["serving.read"] = signalled
    said = shell.type("shift", "sentiment", "v8=25", *WHY)
    assert said.code == 0, said
    assert len(reads) >= 100
    assert [entry.kind for entry in shell.journal()][-1] is EntryKind.OUTCOME


# ── confirming ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("answer", "code"), [("sentiment\n", 0), ("yes\n", 3), ("\n", 3), ("", 3)])
def test_going_forward_in_production_asks_for_the_name(shell: Shell, answer: str, code: int) -> None:
    shell.on_a_terminal()
    said = shell.type("shift", "sentiment", "v8=25", "--reason", "next step", answer=answer)
    assert said.code == code, said
    assert "Type sentiment to apply it" in said.err
    assert bool(shell.world.sent) is (code == 0)


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("\n", 3)])
def test_outside_production_a_word_will_do(shell: Shell, answer: str, code: int) -> None:
    shell.access(Access.READ_WRITE, production=False)
    shell.on_a_terminal()
    said = shell.type("shift", "sentiment", "v8=25", "--reason", "next step", answer=answer)
    assert said.code == code, said


@pytest.mark.parametrize(("answer", "code"), [("\n", 0), ("no\n", 3)])
def test_the_way_back_is_one_key(shell: Shell, answer: str, code: int) -> None:
    shell.on_a_terminal()
    said = shell.type("rollback", "sentiment", "--reason", "v8 fails", answer=answer)
    assert said.code == code, said


def test_with_json_the_plan_to_confirm_is_on_stderr(shell: Shell) -> None:
    shell.on_a_terminal()
    said = shell.type("shift", "sentiment", "v8=25", "--reason", "x", "--json", answer="no\n")
    assert said.code == 3
    assert "way back" in said.err
    assert said.json["outcome"]["kind"] == "refused"
    assert said.json["seq"] is None


def test_without_a_terminal_yes_is_needed(shell: Shell) -> None:
    said = shell.type("shift", "sentiment", "v8=25", "--reason", "next step")
    assert said.code == 2
    assert "--yes" in said.err


def test_a_reason_is_needed(shell: Shell) -> None:
    said = shell.type("shift", "sentiment", "v8=25", "--yes", "--reason", "  ")
    assert said.code == 2
    assert "--reason" in said.err


# ── what is typed ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("shift", "sentimant", "v8=25"), "did you mean lab:prod/sentiment"),
        (("shift", "sentiment", "v9=25"), "no variant 'v9'"),
        (("shift", "sentiment", "v8=120"), "between 0 and 100"),
        (("shift", "sentiment", "v8"), "VARIANT=PERCENT"),
        (("shift", "sentiment", "v8=10", "v8=20"), "named twice"),
        (("shift", "ranker", "v10=80", "v11=80"), "add up to"),
        (("promote", "sentiment", "v9"), "its variants are v7, v8"),
        (("mirror", "fraud", "v13", "101"), "between 0 and 100"),
        (("mirror", "fraud", "v13"), "v13 what share?"),
    ],
)
def test_slips_are_named_and_nothing_is_sent(shell: Shell, words: tuple[str, ...], complaint: str) -> None:
    said = shell.type(*words, *WHY)
    assert said.code == 2, said
    assert complaint in said.err
    assert shell.world.sent == []


def test_a_silent_serving_system_is_named_when_an_endpoint_is_missing(shell: Shell) -> None:
    shell.world.fail["serving"] = Unreachable("no route to the gateway")
    said = shell.type("shift", "sentiment", "v8=25", *WHY)
    assert said.code == 1, "whether the endpoint is there is not known"
    assert "no route to the gateway" in said.err


@given(st.dictionaries(st.text("abvz019-_.", min_size=1), st.integers(0, 1000).map(lambda n: n / 10), min_size=1))
def test_weights_are_read_as_they_are_written(wanted: dict[str, float]) -> None:
    assert parse_weights(" ".join(f"{name}={weight}" for name, weight in wanted.items())) == wanted
