"""Every way in which a change ends has its symbol, its style and its exit code."""

from __future__ import annotations

from shiftdeck.changes.run import OutcomeKind
from tui.cli.apply import CODES
from tui.cli.text_output import OUTCOMES as PRINTED
from tui.render.journal import OUTCOMES as IN_THE_JOURNAL
from tui.render.run import _OUTCOMES as RUN


def test_no_outcome_is_without_a_look_or_a_code() -> None:
    assert set(RUN) == set(PRINTED) == set(CODES) == set(OutcomeKind)
    assert set(IN_THE_JOURNAL) == {str(kind) for kind in OutcomeKind}
