"""A line of any content can be shown, and is verified as what it is; changes without a known outcome are found."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftdeck.journal.entry import GENESIS, SHOWN_DEPTH, Entry, EntryKind, canonical, parse_line, seal
from shiftdeck.journal.open_changes import open_changes
from shiftdeck.journal.report import to_markdown
from shiftdeck.journal.storage import parse_head
from shiftdeck.journal.verify import check_lines
from tests.unit.builders import NOW
from tests.unit.panes import FULL
from tui.cli.journal_entry import entry_json
from tui.cli.json_output import Printer
from tui.render.entries import entry_lines
from tui.render.journal import deed_lines, deeds


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def line(at: Any = NOW, kind: EntryKind = EntryKind.INTENT, seq: int = 1, **data: object) -> bytes:
    """A sound line; the first of a journal."""
    return seal(Entry(seq, at, kind, "prod-eu", "lab:prod/sentiment", "ana", "bastion", data, GENESIS))[1][:-1]


def head(of: bytes) -> bytes:
    entry = json.loads(of)
    return canonical({"seq": entry["seq"], "hash": entry["hash"]})


ODD = {
    "at of the far future": line(at=1e18),
    "at that is no float": line(at=10**400),
    "at of the far past": line(at=-1e18),
    "nested deeply": line(change="shift", deep=nested(300)),
    "a number without end": line(change="shift", seconds=10**4000, message=10**400),
    "an outcome that took for ever": line(kind=EntryKind.OUTCOME, intent=10**400, seconds=10**400, outcome="settled"),
    "an outcome of itself": line(kind=EntryKind.OUTCOME, intent=1, outcome=["settled"], message={"a": 1}),
    "a list of calls that are none": line(change=7, calls=[1, None, {"guard": []}], checks=[None, {"verdict": 7}]),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_line_is_verified_and_shown_by_all_that_show_entries(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verification = check_lines([ODD[name] + b"\n"], head(ODD[name]))
    assert verification.ok, verification.problems
    entry = parse_line(ODD[name])
    Printer().json(entry_json(entry))
    assert json.loads(capsys.readouterr().out)["seq"] == 1
    assert "prod-eu" in to_markdown([entry]) or entry.kind is EntryKind.OUTCOME
    assert "#1" in entry_lines([entry], FULL, 120)[0].plain
    assert len(deed_lines(deeds([entry]), (), NOW, FULL, 120)) == 1


def test_a_moment_outside_the_calendar_is_not_known() -> None:
    entry = parse_line(ODD["at that is no float"])
    assert (entry.at, entry_json(entry)["at"]) == (math.inf, None)
    assert "| ? |" in to_markdown([entry])


@pytest.mark.parametrize(
    "given",
    [
        line().replace(b'"data":{}', b'"data":{"a":"\\ud800"}'),
        line().replace(b'"ana"', b'"\\uDC00"'),
    ],
)
def test_half_a_character_is_shown_as_one_and_is_no_entry(given: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert not check_lines([given + b"\n"], None).ok
    Printer().json(entry_json(parse_line(given)))
    assert "?" in capsys.readouterr().out


def test_what_is_nested_deeper_than_can_be_shown_is_cut() -> None:
    shown = json.dumps(parse_line(ODD["nested deeply"]).data)
    assert SHOWN_DEPTH - 3 < shown.count("{") <= SHOWN_DEPTH
    assert "\\u2026" in shown


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000])
def test_what_is_no_number_is_no_entry(number: bytes) -> None:
    given = line().replace(b'"data":{}', b'"data":{"a":' + number + b"}")
    with pytest.raises(ValueError, match=r"."):
        parse_line(given)
    assert not check_lines([given + b"\n"], None).ok


@pytest.mark.parametrize("number", [0, -1, 2**53, 10**400])
def test_a_number_that_no_entry_can_have_is_no_entry(number: int) -> None:
    with pytest.raises(ValueError, match="not the number of an entry"):
        parse_line(line(seq=number))


@pytest.mark.parametrize("written", [b"[" * 100_000, b'{"a":' * 100_000, b'{"seq":' + b"9" * 5000 + b"}"])
def test_a_head_of_any_content_is_no_head_rather_than_a_crash(written: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_head(written)
    assert [problem.line for problem in check_lines([line() + b"\n"], written).problems] == [0]


# ── changes without a known outcome ─────────────────────────────────────────────────────────────────────────────


def found(lines: Iterable[bytes]) -> list[tuple[int, str]]:
    """The numbers of the open changes, and what their newest outcome says. The oldest line comes first."""
    return [
        (one.intent.seq, "" if one.outcome is None else str(one.outcome.data["message"]))
        for one in open_changes(list(lines)[::-1])
    ]


def outcome(of: int, kind: str = "settled", message: str = "", **more: object) -> bytes:
    return line(kind=EntryKind.OUTCOME, seq=90, intent=of, outcome=kind, message=message, **more)


def test_a_change_is_open_until_its_newest_outcome_is_known() -> None:
    intents = [line(seq=number, change="shift") for number in (1, 2, 3)]
    assert found(intents) == [(1, ""), (2, ""), (3, "")]
    assert found([*intents, outcome(2)]) == [(1, ""), (3, "")]
    assert found([*intents, outcome(2), outcome(3, "unknown", "lost")]) == [(1, ""), (3, "lost")]
    assert found([*intents, outcome(3, "unknown", "lost"), outcome(3, "failed")]) == [(1, ""), (2, "")]
    assert found([*intents, outcome(3, "failed"), outcome(3, "unknown", "it came")]) == [
        (1, ""),
        (2, ""),
        (3, "it came"),
    ]


def test_an_outcome_before_its_intent_is_not_of_it() -> None:
    assert found([outcome(5), line(seq=5)]) == [(5, "")]


HOSTILE = ('"kind":"outcome"', '\\"intent":1,', '","kind":"sent","seq":1}', "unknown", '"outcome":"unknown"')
VALUES = st.recursive(
    st.one_of(st.none(), st.integers(-3, 3), st.sampled_from(HOSTILE)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["kind", "intent", "outcome", "seq", *HOSTILE]), inner, max_size=3),
    ),
    max_leaves=6,
)
ENTRIES = st.lists(
    st.tuples(st.sampled_from(list(EntryKind)), st.dictionaries(st.sampled_from(["kind", "a", *HOSTILE]), VALUES)),
    max_size=6,
)


@given(ENTRIES, st.data())
def test_lines_that_are_not_parsed_say_what_they_would_say_if_they_were(
    drafts: list[tuple[EntryKind, dict[str, object]]], data: st.DataObject
) -> None:
    entries = []
    for seq, (kind, values) in enumerate(drafts, 1):
        if kind in (EntryKind.OUTCOME, EntryKind.SENT):
            values = values | {
                "intent": data.draw(st.integers(1, 6)),
                "outcome": data.draw(st.sampled_from(["settled", "unknown"])),
            }
        entries.append(Entry(seq, NOW, kind, "c", data.draw(st.sampled_from(HOSTILE)), "o", "h", values))
    canonical_lines = [seal(entry)[1][:-1] for entry in entries]
    spaced = [json.dumps(json.loads(one)).encode() for one in canonical_lines]
    wanted: dict[int, str | None] = {}
    for entry in entries:
        if entry.kind is EntryKind.INTENT:
            wanted[entry.seq] = None
        elif entry.kind is EntryKind.OUTCOME and entry.intent in wanted:
            wanted[entry.intent] = str(entry.data["outcome"])
    for lines in (canonical_lines, spaced):
        assert [one.intent.seq for one in open_changes(lines[::-1])] == [
            seq for seq, said in wanted.items() if said in (None, "unknown")
        ]
