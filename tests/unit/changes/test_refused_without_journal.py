"""A change that is refused says why, whether or not the refusal can be recorded; a change of nothing is no change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from shiftdeck.changes.run import Outcome, OutcomeKind
from shiftdeck.journal.journal import Entry, EntryKind, Journal, JournalError
from tests.changing import carry_out
from tests.unit.bench import Bench, outcome
from tests.unit.changes.test_kinds import Scale, Scaling


class Unwritable(Journal):
    """A journal on a disk that is full, or that is handed what JSON cannot hold."""

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(path)
        self.error = error

    def append(
        self, kind: EntryKind, *, context: str = "", ref: str = "", data: Mapping[str, object] | None = None
    ) -> Entry:
        raise self.error


@pytest.mark.parametrize("error", [JournalError("no space left on device"), TypeError("a set is no JSON")])
def test_the_reason_of_a_refusal_is_shown_though_it_cannot_be_recorded(tmp_path: Path, error: Exception) -> None:
    bench = Bench(tmp_path)
    bench.refusal = "read-only until armed"
    run = bench.run(journal=Unwritable(tmp_path / "full.jsonl", error))
    assert outcome(run) == (OutcomeKind.REFUSED, "read-only until armed")
    assert run.done
    assert bench.world.calls["serving.send"] == 0


class InEffect(Scale):
    """A kind of which every plan is in effect already."""

    def idle(self, plan: Scaling) -> Outcome | None:
        return Outcome(OutcomeKind.SETTLED, "it is so already")


def test_what_is_in_effect_already_ends_at_once_and_leaves_no_entry(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    found, seq = carry_out(Scaling(3), InEffect(), journal)
    assert (found.kind, found.message, seq) == (OutcomeKind.SETTLED, "it is so already", None)
    assert journal.tail(1) == ()
