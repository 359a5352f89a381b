"""The chain of a journal: whatever is done to a line is found, and the line is named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftdeck.journal.entry import GENESIS, Entry, EntryKind, canonical, parse_line, read_line, seal
from shiftdeck.journal.verify import check_lines

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
DATA = st.dictionaries(TEXTS, JSON.filter(lambda value: "\\ud" not in json.dumps(value)), max_size=3)
DRAFTS = st.builds(Entry, st.just(0), st.floats(0, 4e9), st.sampled_from(EntryKind), TEXTS, TEXTS, TEXTS, TEXTS, DATA)


def chained(drafts: Sequence[Entry]) -> tuple[list[bytes], bytes]:
    """The lines of a journal of those entries, and its head."""
    lines, prev = [], GENESIS
    for seq, draft in enumerate(drafts, 1):
        entry, line = seal(
            Entry(seq, draft.at, draft.kind, draft.context, draft.ref, draft.operator, draft.host, draft.data, prev)
        )
        lines.append(line)
        prev = entry.hash
    return lines, json.dumps({"seq": len(drafts), "hash": prev}).encode()


def note(text: str) -> Entry:
    return Entry(0, 1.5, EntryKind.NOTE, "lab", "lab:prod/x", "ada", "bastion", {"message": text})


FIVE, HEAD = chained([note(str(number)) for number in range(5)])


def named(lines: Sequence[bytes], head: bytes | None = HEAD) -> list[int]:
    return [problem.line for problem in check_lines(lines, head).problems]


def split(text: bytes) -> list[bytes]:
    """As a file is read: each line with its newline, the last perhaps without."""
    *whole, rest = text.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


@given(st.lists(DRAFTS, max_size=5))
def test_a_journal_left_alone_is_sound_and_reads_as_it_was_written(drafts: list[Entry]) -> None:
    lines, head = chained(drafts)
    verification = check_lines(lines, head)
    assert verification.ok
    assert verification.entries == len(drafts)
    for line, draft in zip(lines, drafts, strict=True):
        entry = read_line(line[:-1]).entry
        assert entry == parse_line(line[:-1])
        assert (entry.at, entry.kind, entry.ref, entry.data) == (draft.at, draft.kind, draft.ref, draft.data)


@given(st.lists(DRAFTS, min_size=1, max_size=4), st.data())
def test_any_changed_byte_is_found_and_the_right_line_is_named_first(drafts: list[Entry], data: st.DataObject) -> None:
    lines, head = chained(drafts)
    number = data.draw(st.integers(0, len(lines) - 1), "line")
    at = data.draw(st.integers(0, len(lines[number]) - 1), "byte")
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != lines[number][at]), "new value")
    changed = bytearray(lines[number])
    changed[at] = value
    text = b"".join([*lines[:number], bytes(changed), *lines[number + 1 :]])
    assert named(split(text), head)[0] == number + 1


def test_every_single_byte_of_a_line_matters_and_only_its_line_is_named() -> None:
    for at in range(len(FIVE[2]) - 1):
        for flip in (0x01, 0x20, 0x80):
            changed = bytearray(FIVE[2])
            changed[at] ^= flip
            if changed[at] != ord("\n"):
                assert named([*FIVE[:2], bytes(changed), *FIVE[3:]]) == [3], (at, flip)


@given(st.lists(DRAFTS, min_size=1, max_size=5), st.data())
def test_any_removed_line_is_found_where_it_is_missing(drafts: list[Entry], data: st.DataObject) -> None:
    lines, head = chained(drafts)
    number = data.draw(st.integers(0, len(lines) - 1))
    assert named(lines[:number] + lines[number + 1 :], head) == [number + 1]


@given(st.lists(DRAFTS, min_size=2, max_size=5, unique_by=lambda draft: draft.at), st.data())
def test_lines_in_another_order_are_found_from_the_first_on(drafts: list[Entry], data: st.DataObject) -> None:
    lines, head = chained(drafts)
    order = data.draw(st.permutations(range(len(lines))).filter(lambda order: order != list(range(len(lines)))))
    first = next(at for at, number in enumerate(order) if at != number)
    assert named([lines[number] for number in order], head)[0] == first + 1


def test_a_line_put_in_is_named() -> None:
    assert named([*FIVE[:3], FIVE[1], *FIVE[3:]]) == [4]
    assert named([*FIVE[:3], b"\n", *FIVE[3:]])[0] == 4
    assert named([*FIVE[:3], b"{}\n", *FIVE[3:]])[0] == 4
    assert named([*FIVE, FIVE[4]]) == [6]


def test_a_line_rewritten_with_a_hash_of_its_own_breaks_the_chain_at_the_next() -> None:
    before = read_line(FIVE[1][:-1]).entry
    _, forged = seal(Entry(3, 1.5, EntryKind.NOTE, "lab", "", "mallory", "bastion", {"message": "2"}, before.hash))
    assert named([*FIVE[:2], forged, *FIVE[3:]]) == [4]


def test_a_cut_off_end_is_found_by_the_head() -> None:
    verification = check_lines(FIVE[:2], HEAD)
    assert [problem.line for problem in verification.problems] == [3]
    assert "entries 3–5 are missing" in verification.problems[0].message
    assert named([], HEAD) == [1]


def test_the_head_may_be_one_behind_but_no_more_and_must_be_of_this_journal() -> None:
    def head(seq: int, digest: str | None = None) -> bytes:
        return json.dumps({"seq": seq, "hash": digest or read_line(FIVE[seq - 1][:-1]).entry.hash}).encode()

    assert named(FIVE, head(4)) == []
    assert named(FIVE, head(3)) == [0]
    assert named(FIVE, head(5, "f" * 64)) == [0]
    assert named(FIVE, b"garbage") == [0]
    assert named(FIVE, None) == [0]
    assert named(FIVE[:1], None) == []


def test_a_torn_last_line_is_named_as_such() -> None:
    torn = check_lines([*FIVE[:4], FIVE[4][:40]], HEAD)
    assert [(problem.line, "torn" in problem.message) for problem in torn.problems] == [(5, True)]


def test_the_tip_differs_wherever_the_journal_was_rewritten_from() -> None:
    other, other_head = chained([note("else"), *[note(str(number)) for number in range(1, 5)]])
    assert check_lines(other, other_head).ok
    assert check_lines(other, other_head).tip != check_lines(FIVE, HEAD).tip


@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_foreign_bytes_are_no_entry(line: bytes) -> None:
    with pytest.raises(ValueError):
        read_line(line)
    with pytest.raises(ValueError):
        parse_line(line)


def test_a_line_that_means_the_same_but_is_written_differently_is_not_accepted() -> None:
    fields: Mapping[str, object] = json.loads(FIVE[0])
    for same in (json.dumps(fields), json.dumps(fields, sort_keys=True), FIVE[0][:-1].decode() + " "):
        assert parse_line(same.encode()) == parse_line(FIVE[0][:-1])
        with pytest.raises(ValueError, match="not written as"):
            read_line(same.encode())


def test_nesting_without_end_is_no_entry_rather_than_a_crash() -> None:
    with pytest.raises(ValueError):
        read_line(b'{"data":' + b"[" * 100_000)


def test_what_is_missing_is_told_by_its_numbers() -> None:
    def words(lines: Sequence[bytes]) -> list[str]:
        return [problem.message for problem in check_lines(lines, HEAD).problems]

    assert words([*FIVE[:2], *FIVE[3:]]) == ["line 3 follows a gap: entry 3 is missing"]
    assert words([*FIVE[:1], *FIVE[4:]]) == ["line 2 follows a gap: entries 2–4 are missing"]
    assert words(FIVE[:4]) == ["the end was cut off after line 4: entry 5 is missing"]


def test_a_line_that_was_torn_while_it_was_written_is_the_only_problem() -> None:
    """A power loss in the middle of line 5: the head still names the fourth entry."""
    _, head = chained([note(str(number)) for number in range(4)])
    assert named([*FIVE[:4], FIVE[4][:20]], head) == [5]


def test_what_is_nested_too_deeply_is_no_data_of_an_entry() -> None:
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="nested too deeply"):
        canonical(deep)
