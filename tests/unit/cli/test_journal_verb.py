"""journal: the list, the hand-over, and whether it is as it was written."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli_world import Shell, shell
from tui.startup import context

__all__ = ["shell"]


@pytest.fixture
def used(shell: Shell) -> Shell:
    """Two changes are in the journal, and a refusal."""
    assert shell.type("shift", "sentiment", "v8=20", "--reason", "a step", "--yes").code == 0
    assert shell.type("mirror", "fraud", "v13", "40", "--reason", "more copies", "--yes").code == 0
    assert shell.type("shift", "pricing", "v22=10", "--reason", "no", "--yes", "--read-only").code == 3
    return shell


def test_the_list_has_the_newest_last(used: Shell) -> None:
    said = used.type("journal")
    assert said.code == 0, said
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [str(number) for number in range(1, 8)]
    assert "shift v7=80 v8=20: a step" in lines[1]
    assert "of 1: settled" in lines[3]
    assert "refused" in lines[-1]


def test_a_limit_leaves_the_newest(used: Shell) -> None:
    said = used.type("journal", "--limit", "2", "--json")
    assert [json.loads(line)["seq"] for line in said.out.splitlines()] == [6, 7]


def test_json_is_an_object_a_line(used: Shell) -> None:
    entries = [json.loads(line) for line in used.type("journal", "--json").out.splitlines()]
    assert set(entries[0]) == {"seq", "at", "kind", "context", "ref", "operator", "host", "data", "hash"}
    assert [one["kind"] for one in entries] == ["intent", "sent", "outcome", "intent", "sent", "outcome", "note"]


def test_the_hand_over_has_a_row_for_each_change(used: Shell) -> None:
    rows = used.type("journal", "--markdown").out.splitlines()
    assert len(rows) == 2 + 3
    assert "a step" in rows[2]
    assert "settled" in rows[2]


def test_only_of_one_context(used: Shell) -> None:
    assert used.type("journal", "--context", "elsewhere", "--json").out == ""
    assert len(used.type("--context", "prod-eu", "journal", "--json").out.splitlines()) == 7


def test_lines_that_are_no_entries_are_counted(used: Shell) -> None:
    assert "left out" not in used.type("journal").err
    lines = used.path.read_bytes().splitlines(keepends=True)
    used.path.write_bytes(b"".join([*lines[:2], b"[" * 100_000 + b"\n", *lines[3:6], b"\xff\n"]))
    for words in ((), ("--json",), ("--markdown",), ("--context", "prod-eu")):
        assert "left out: 2 lines are no entries" in used.type("journal", *words).err
    assert "left out: 1 line is no entry" in used.type("journal", "--limit", "3").err


def test_an_empty_journal_is_no_trouble(shell: Shell) -> None:
    said = shell.type("journal")
    assert (said.code, said.out) == (0, "")
    assert shell.type("journal", "verify").code == 0


def test_an_untouched_journal_is_verified(used: Shell) -> None:
    said = used.type("journal", "verify", "--json")
    assert said.code == 0, said
    assert said.json["ok"] is True
    assert said.json["entries"] == 7
    assert len(said.json["tip"]) == 64


def test_a_changed_byte_is_named_by_its_line(used: Shell) -> None:
    lines = used.path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"more copies", b"mere copies")
    used.path.write_bytes(b"".join(lines))
    said = used.type("journal", "verify")
    assert said.code == 1
    assert f"{used.path}:4: line 4" in said.out
    assert [one["line"] for one in used.type("journal", "verify", "--json").json["problems"]] == [4]


def test_a_copy_can_be_verified_without_a_configuration(used: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "load", None)
    for words in (("journal", "verify", "--file", str(used.path)), ("journal", "--file", str(used.path), "verify")):
        said = used.type(*words)
        assert said.code == 0, said
        assert str(used.path) in said.out
