"""The hand-over report: what the next on call reads."""

from __future__ import annotations

from shiftdeck.journal.journal import Entry, EntryKind, current_operator
from shiftdeck.journal.report import to_markdown

AT = 1_767_236_062.5  # 2026-01-01 02:54:22 UTC


def entry(seq: int, kind: EntryKind, **data: object) -> Entry:
    return Entry(seq, AT + seq, kind, "prod-eu", "lab:prod/sentiment", "ada", "bastion", data)


def rows(*entries: Entry) -> list[str]:
    head, rule, *found = to_markdown(entries).splitlines()
    assert head == "| time (UTC) | operator | endpoint | change | outcome | reason |"
    assert rule.count("---") == 6
    return found


def test_a_change_is_one_row_with_its_outcome_and_reason() -> None:
    newest_first = (
        entry(3, EntryKind.OUTCOME, intent=1, outcome="settled", message="in effect"),
        entry(2, EntryKind.SENT, intent=1),
        entry(1, EntryKind.INTENT, change="v8 10 → 0 %", reason="errors at 9 %", override=""),
    )
    assert rows(*newest_first) == [
        "| 2026-01-01 02:54:23 | ada | prod-eu lab:prod/sentiment | v8 10 → 0 % | settled: in effect | errors at 9 % |"
    ]


def test_what_has_no_outcome_says_so_and_what_was_found_out_later_too() -> None:
    open_, late = rows(
        entry(1, EntryKind.INTENT, change="shift", reason="canary", override="on-call lead agreed"),
        entry(2, EntryKind.INTENT, change="promote", reason=""),
        entry(3, EntryKind.OUTCOME, intent=2, outcome="failed", message="not applied", recovered=True),
    )
    assert "| no outcome recorded | canary (override: on-call lead agreed) |" in open_
    assert "| failed: not applied (found out later) |" in late


def test_notes_and_outcomes_of_older_intents_have_rows_of_their_own() -> None:
    note, outcome = rows(
        entry(7, EntryKind.NOTE, change="shift", outcome="refused", message="blocked by p95"),
        entry(8, EntryKind.OUTCOME, intent=2, outcome="settled"),
    )
    assert "| shift | refused: blocked by p95 |" in note
    assert "| (entry 2) | settled |" in outcome


def test_foreign_text_cannot_break_the_table_or_reach_the_terminal() -> None:
    (row,) = rows(entry(1, EntryKind.INTENT, change="a|b\n| c", reason="\x1b[2J<script>\\"))
    assert row.endswith("| a\\|b \\| c | no outcome recorded | [2J&lt;script>\\\\ |")


def test_the_operator_is_the_one_named_else_who_called_sudo() -> None:
    assert current_operator({"SHIFTDECK_OPERATOR": " ada ", "SUDO_USER": "eve"}) == "ada"
    assert current_operator({"SUDO_USER": "ada-lovelace"}).startswith("ada-lovelace (sudo ")
    assert "sudo" not in current_operator({})
