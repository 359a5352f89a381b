"""journal open, resolve, head, verify --expect: changes without a known outcome, and a hash that is kept elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.shell_completion import ShellComplete

from shiftdeck.journal.entry import GENESIS
from shiftdeck.journal.journal import EntryKind, InFlight, Journal
from tests.unit.cli_world import Said, Shell, shell
from tui.cli.main import cli

__all__ = ["shell"]

YES = ("--reason", "the gateway's log has it", "--yes")


@pytest.fixture
def in_flight(shell: Shell) -> Iterator[InFlight]:
    """Changes: 1 has ended, 4 is of an ended process, 5 has an unknown outcome, 7 is in flight."""
    journal = Journal(shell.path, operator="ana", host="bastion")

    def begun(change: str, context: str = "prod-eu") -> InFlight:
        return journal.begin(context=context, ref="lab:prod/sentiment", data={"change": change, "reason": "INC-42"})

    ended = begun("shift v8=20")
    ended.sent({"call": "traffic"})
    ended.finish({"outcome": "settled", "message": "in effect"})
    begun("shift v8=25", "staging").leave()
    begun("shift v8=30").finish({"outcome": "unknown", "message": "no answer within 5 s"})
    flight = begun("shift v8=35")
    assert flight.seq == 7
    yield flight
    flight.leave()


def opened(shell: Shell, *words: str) -> list[tuple[int, str]]:
    return [(one["seq"], one["state"]) for one in shell.type(*words, "journal", "open", "--json").json["open"]]


# ── open ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_changes_without_a_known_outcome_are_listed_with_what_to_type_next(shell: Shell, in_flight: InFlight) -> None:
    said = shell.type("journal", "open")
    assert said.code == 0, said
    heads, *lines = [line.split() for line in said.out.splitlines()]
    assert heads == ["NO", "AGE", "OPERATOR", "ENDPOINT", "STATE", "ASKED"]
    assert lines[0][0] == "4"
    assert lines[0][2:5] == ["ana", "staging", "lab:prod/sentiment"]
    assert "shift v8=25: INC-42" in said.out
    assert "records the outcome: shiftdeck --context staging status" in said.out
    assert "no answer within 5 s" in said.out
    assert "shiftdeck journal resolve 5 --as applied|not-applied" in said.out
    assert "7" in [line[0] for line in lines]


def test_the_list_for_scripts_has_the_age_and_what_was_asked(shell: Shell, in_flight: InFlight) -> None:
    first, second, third = shell.type("journal", "open", "--json").json["open"]
    assert (first["seq"], first["state"], first["message"]) == (4, "no outcome", None)
    assert (second["state"], second["message"]) == ("unknown", "no answer within 5 s")
    assert (third["seq"], third["state"]) == (7, "in flight")
    assert (first["operator"], first["change"], first["reason"]) == ("ana", "shift v8=25", "INC-42")
    assert 0 <= first["age_s"] < 60
    assert first["next"] == "shiftdeck --context staging status"
    assert opened(shell, "--context", "staging") == [(4, "no outcome")]


def test_an_age_that_lies_in_the_future_is_not_known(shell: Shell) -> None:
    Journal(shell.path, clock=lambda: 4e9).begin(context="prod-eu", ref="r", data={}).leave()
    assert shell.type("journal", "open", "--json").json["open"][0]["age_s"] is None
    assert shell.type("journal", "open").out.splitlines()[1].split()[:2] == ["1", "?"]


def test_what_was_typed_to_find_the_journal_is_typed_again(shell: Shell, in_flight: InFlight) -> None:
    said = shell.type("--config", "/etc/shiftdeck.toml", "journal", "open")
    assert "shiftdeck --config /etc/shiftdeck.toml --context staging status" in said.out
    assert "shiftdeck --config /etc/shiftdeck.toml journal resolve 5" in said.out


def test_where_every_outcome_is_known_nothing_is_listed(shell: Shell) -> None:
    said = shell.type("journal", "open")
    assert (said.code, said.out, said.err) == (0, "", "every change has a known outcome\n")
    assert shell.type("journal", "open", "--json").json["open"] == []


# ── resolve ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("found_out", "outcome"), [("applied", "settled"), ("not-applied", "failed")])
@pytest.mark.parametrize("number", [4, 5])
def test_what_a_person_found_out_is_recorded_with_who_and_how(
    shell: Shell, in_flight: InFlight, number: int, found_out: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIFTDECK_OPERATOR", "ben")
    said = shell.type("journal", "resolve", str(number), "--as", found_out, *YES)
    assert said.code == 0, said
    entry = shell.journal()[-1]
    assert (entry.kind, entry.intent, entry.operator, entry.ref) == (
        EntryKind.OUTCOME,
        number,
        "ben",
        "lab:prod/sentiment",
    )
    assert entry.data["outcome"] == outcome
    words = f"{found_out.replace('-', ' ')}, as ben found out: the gateway's log has it"
    assert (entry.data["message"], entry.data["reason"], entry.data["resolved"]) == (words, YES[1], True)
    assert number not in [seq for seq, _ in opened(shell)]
    assert number not in [one.seq for one in Journal(shell.path).unfinished()]
    assert words in shell.type("journal", "--markdown").out
    assert shell.type("journal", "verify").code == 0


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (1, 3, "the outcome of change 1 is known: settled"),
        (7, 3, "change 7 is in flight in a process of this host"),
        (2, 2, "entry 2 of the journal is not the intent of a change"),
        (99, 2, "entry 99 of the journal is not the intent of a change"),
    ],
)
def test_a_change_that_is_not_open_is_not_resolved(
    shell: Shell, in_flight: InFlight, number: int, code: int, words: str
) -> None:
    before = shell.journal()
    said = shell.type("journal", "resolve", str(number), "--as", "applied", *YES)
    assert said.code == code, said
    assert words in said.err
    assert shell.journal() == before


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("no\n", 3), ("\n", 3), ("", 3)])
def test_it_is_recorded_when_the_operator_confirms_it(
    shell: Shell, in_flight: InFlight, answer: str, code: int
) -> None:
    shell.on_a_terminal()
    said = shell.type("journal", "resolve", "5", "--as", "not-applied", *YES[:2], answer=answer)
    assert said.code == code, said
    assert "Type yes to record that it was not applied" in said.err
    assert "shift v8=30: INC-42" in said.out
    assert (len(shell.journal()) == 8) is (code == 0)


def test_a_reason_and_a_confirmation_are_needed(shell: Shell, in_flight: InFlight) -> None:
    assert shell.type("journal", "resolve", "5", "--as", "applied", "--yes").code == 2
    assert shell.type("journal", "resolve", "5", *YES).code == 2
    assert shell.type("journal", "resolve", "5", "--as", "applied", *YES[:2]).code == 2, "no terminal to ask on"


def test_a_resolution_for_scripts_is_the_entry(shell: Shell, in_flight: InFlight) -> None:
    said = shell.type("journal", "resolve", "5", "--as", "applied", *YES, "--json")
    assert (said.json["seq"], said.json["entry"]["data"]["outcome"]) == (5, "settled")


def test_numbers_of_open_changes_are_completed(shell: Shell, in_flight: InFlight) -> None:
    def completed(*words: str, typed: str = "") -> list[str]:
        found = ShellComplete(cli, {}, "shiftdeck", "_SHIFTDECK_COMPLETE").get_completions(list(words), typed)
        return [item.value for item in found]

    assert completed("journal", "resolve") == ["4", "5", "7"]
    assert completed("journal", "resolve", "5", "--as") == ["applied", "not-applied"]
    assert {"open", "resolve", "head", "verify"} <= set(completed("journal"))


# ── a hash that is kept elsewhere ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def used(shell: Shell) -> Shell:
    journal = Journal(shell.path)
    for number in range(4):
        journal.note(data={"message": f"note {number}"})
    return shell


def head(shell: Shell) -> str:
    said = shell.type("journal", "head")
    assert said.code == 0, said
    (line,) = said.out.splitlines()
    return line


def expecting(shell: Shell, kept: str) -> Said:
    return shell.type("journal", "verify", "--expect", kept)


def forged(shell: Shell, message: str) -> None:
    """Write the whole journal again with other words, chain and head included, as whoever may write to it can."""
    lines = shell.path.read_bytes().count(b"\n")
    for path in shell.path.parent.glob("journal.jsonl*"):
        path.unlink()
    journal = Journal(shell.path)
    for number in range(lines):
        journal.note(data={"message": f"{message} {number}"})


def test_the_head_is_one_line_with_the_newest_hash(used: Shell) -> None:
    line = head(used)
    assert line.split()[:2] == [used.journal()[-1].hash, "4"]
    assert line.endswith(str(used.path.resolve()))
    found = used.type("journal", "head", "--json").json
    assert (found["hash"], found["seq"], found["path"]) == (line.split()[0], 4, str(used.path.resolve()))


def test_what_was_kept_is_found_again_as_a_hash_or_as_the_line(used: Shell) -> None:
    line = head(used)
    for kept in (line, line.split()[0]):
        said = expecting(used, kept)
        assert said.code == 0, said
        assert "entry 4 has the expected hash: it and all before it are as they were then" in said.out
    Journal(used.path).note()
    assert "; 1 came after it" in expecting(used, line).out


def test_a_journal_that_was_written_anew_is_found_by_what_was_kept(used: Shell) -> None:
    line = head(used)
    forged(used, "another story")
    assert used.type("journal", "verify").code == 0, "the chain itself is whole"
    said = expecting(used, line)
    assert said.code == 1
    assert "no entry has the expected hash" in said.out
    found = used.type("journal", "verify", "--expect", line, "--json").json
    assert (found["ok"], found["expected"]) == (False, {"hash": line.split()[0], "seq": None})


def test_an_end_that_was_cut_off_together_with_its_head_is_found(used: Shell) -> None:
    line = head(used)
    lines = used.path.read_bytes().splitlines(keepends=True)
    last = json.loads(lines[1])
    used.path.write_bytes(b"".join(lines[:2]))
    used.path.with_name("journal.jsonl.head").write_text(json.dumps({"seq": 2, "hash": last["hash"]}))
    assert used.type("journal", "verify").code == 0, "the chain itself is whole"
    assert expecting(used, line).code == 1


def test_a_line_that_was_changed_after_what_was_kept_is_named(used: Shell) -> None:
    line = head(used)
    Journal(used.path).note(data={"message": "true"})
    used.path.write_bytes(used.path.read_bytes().replace(b'"true"', b'"fals"'))
    said = expecting(used, line)
    assert (said.code, f"{used.path}:5: line 5 was changed" in said.out) == (1, True)


@pytest.mark.parametrize("kept", ["", "abc", "0" * 63, "g" * 64, "0" * 65])
def test_what_is_no_hash_is_a_wrong_command_line(used: Shell, kept: str) -> None:
    assert expecting(used, kept).code == 2


def test_a_damaged_end_gives_no_head_to_keep(used: Shell) -> None:
    used.path.write_bytes(used.path.read_bytes()[:-200] + b"\n")
    said = used.type("journal", "head")
    assert (said.code, said.out) == (1, "")
    assert "shiftdeck journal verify" in said.err


def test_an_end_that_was_cut_off_gives_no_head_to_keep(used: Shell) -> None:
    used.path.write_bytes(b"".join(used.path.read_bytes().splitlines(keepends=True)[:2]))
    assert used.type("journal", "head").code == 1


def test_an_empty_journal_has_the_hash_that_the_first_entry_follows(shell: Shell) -> None:
    line = head(shell)
    assert line.split()[:3] == [GENESIS, "0", "-"]
    Journal(shell.path).note()
    assert expecting(shell, line).code == 0


# ── remarks ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_whoever_else_may_write_is_told_by_verify_and_doctor(used: Shell) -> None:
    assert used.type("journal", "verify").err == ""
    used.path.chmod(0o666)
    assert "may be written by everybody" in used.type("journal", "verify").err
    assert "chmod o-w" in used.type("journal", "verify", "--json").json["remarks"][0]
    said = used.type("doctor")
    assert said.code == 1
    assert f"journal: chmod o-w {used.path}" in said.out
