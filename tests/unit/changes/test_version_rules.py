"""Which moves of an alias the journal keeps, and which of them a move reverts. Pure."""

from __future__ import annotations

import pytest

from backends.contracts import ModelRef
from shiftdeck.changes.kind import BACK, REGISTERED
from shiftdeck.changes.version_rules import VersionRules, alias_moves
from shiftdeck.journal.entry import Entry, EntryKind


def intent(seq: int, before: str | None, version: str, *, back: bool = False, context: str = "prod") -> Entry:
    """A promotion that moved the champion alias of m."""
    move = {"model": "m", "alias": "champion", "version": version, "before": before}
    return Entry(seq, 0.0, EntryKind.INTENT, context, "lab:prod/m", "ana", "h", {"alias": move, BACK: back})


def edit(seq: int, before: str, version: str) -> Entry:
    move = {"kind": "alias", "model": "m", "name": "champion", "version": version, "before": before}
    return Entry(seq, 0.0, EntryKind.INTENT, "prod", "m/8", "ana", "h", {REGISTERED: [move]})


def outcome(seq: int, of: int, how: str) -> Entry:
    return Entry(seq, 0.0, EntryKind.OUTCOME, "prod", "", "ana", "h", {"intent": of, "outcome": how})


@pytest.mark.parametrize(
    ("entries", "free"),
    [
        ([intent(1, "7", "8")], True),
        ([edit(1, "7", "8"), outcome(2, 1, "settled")], True),
        ([], False),
        ([intent(1, "6", "8")], False),
        ([intent(1, "7", "8"), intent(2, "8", "9")], False),
        ([intent(1, "7", "8"), intent(2, "8", "9"), outcome(3, 2, "refused")], True),
        ([intent(1, "7", "8", back=True)], False),
        ([intent(1, "7", "8", context="staging")], False),
        ([intent(1, None, "8")], False),
    ],
)
def test_a_move_is_a_way_back_only_if_it_reverts_the_newest_move_forward(entries: list[Entry], free: bool) -> None:
    rules = VersionRules(
        lambda fleet, model: (),
        lambda fleet: "",
        lambda model, alias: alias_moves(entries[::-1], "prod", model, alias),
        dict,
    )
    back = rules.back(ModelRef("m", "7"), "champion", "8")
    assert (back is not None) is free
