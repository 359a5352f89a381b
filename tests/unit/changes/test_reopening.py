"""An outcome that rests on a look is reopened if the system later shows what was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backends.errors import BackendError, Unreachable
from shiftdeck.changes.recovery import Finding
from shiftdeck.changes.reopening import Reopening
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.journal.journal import Journal
from shiftdeck.journal.report import to_markdown
from tests.unit.bench import Bench, outcome
from tests.unit.planned import look
from tui.render.journal import deeds


class Watched:
    """A change that was said to be not applied, and is still held on its way."""

    def __init__(
        self, folder: Path, ended: OutcomeKind = OutcomeKind.FAILED, *, read: BackendError | None = None
    ) -> None:
        self.bench = bench = Bench(folder)
        bench.journal = Journal(folder / "journal.jsonl", operator="me", host="bastion", clock=bench.world.clock)
        bench.world.hold_s = 1000.0
        made = bench.plan()
        if read is not None:
            bench.world.fail["serving.read"] = read
        assert outcome(bench.run(made))[0] is ended
        bench.world.fail.clear()
        self.findings: list[Finding] = []
        self.reopening = self.another()

    def another(self) -> Reopening:
        """The watch of another process."""
        return Reopening(self.bench.journal, "prod-eu", lambda: [self.bench.traffic()], self.findings.append)

    def look(self, reopening: Reopening | None = None) -> None:
        self.bench.world.clock.tick(5.0)
        (reopening or self.reopening).look(look(self.bench.world))

    @property
    def messages(self) -> list[str]:
        return [finding.message.partition(", read at")[0] for finding in self.findings]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_write_that_lands_after_all_reopens_its_outcome(watched: Watched) -> None:
    watched.look()
    assert watched.findings == []
    watched.bench.world.deliver(all_held=True)
    watched.look()
    assert watched.messages == ["applied after all: the system shows what was asked for"]
    ended = watched.bench.entries()[-1]
    assert (ended.data["outcome"], ended.data["reopened"], ended.intent) == ("settled", True, 1)
    assert watched.bench.journal.verify().ok


def test_nothing_has_been_looked_at_before_the_first_view(watched: Watched) -> None:
    assert watched.reopening.has_looked is False


def test_a_defect_of_an_adapter_is_tried_again_with_the_next_view(watched: Watched) -> None:
    class Broken:
        def owns(self, data: object) -> bool:
            raise RuntimeError("a defect")

    kinds: list[Any] = [Broken()]
    reopening = Reopening(watched.bench.journal, "prod-eu", lambda: kinds, watched.findings.append)
    watched.bench.world.deliver(all_held=True)
    watched.look(reopening)
    watched.look(reopening)
    assert watched.findings == []
    kinds[:] = [watched.bench.traffic()]
    watched.look(reopening)
    assert watched.messages == ["applied after all: the system shows what was asked for"]


def test_it_is_reopened_once_whoever_watches(watched: Watched) -> None:
    watched.bench.world.deliver(all_held=True)
    other = watched.another()
    other.look(look(watched.bench.world))  # its journal is read, and nothing is new enough yet
    for _ in range(3):
        watched.look()
        watched.look(other)
    watched.bench.world.rival("sentiment", {"v7": 90.0, "v8": 10.0})
    watched.look()
    watched.bench.world.rival("sentiment", {"v7": 75.0, "v8": 25.0}, by="me")
    watched.look()
    assert len(watched.findings) == 1
    assert watched.bench.kinds() == ["intent", "outcome", "outcome"]


def test_somebody_else_who_set_the_same_is_named(watched: Watched) -> None:
    watched.bench.world.rival("sentiment", {"v7": 75.0, "v8": 25.0}, by="ana")
    watched.look()
    assert watched.messages == ["not applied; ana set the same"]
    assert [finding.outcome for finding in watched.findings] == [OutcomeKind.FAILED]


def test_a_later_change_of_ours_explains_it(watched: Watched) -> None:
    watched.bench.world.hold_s = None
    assert outcome(watched.bench.run())[0] is OutcomeKind.SETTLED
    watched.look()
    assert watched.findings == []


def test_of_two_that_asked_for_the_same_the_newest_is_reopened(watched: Watched) -> None:
    assert outcome(watched.bench.run())[0] is OutcomeKind.FAILED
    watched.bench.world.deliver(all_held=True)
    watched.look()
    watched.look()
    assert [finding.entry.seq for finding in watched.findings] == [3]


def test_what_the_system_refused_is_not_watched(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.refusal = "read-only until armed"
    bench.run()
    findings: list[Finding] = []
    bench.world.rival("sentiment", {"v7": 75.0, "v8": 25.0}, by="me")
    bench.world.clock.tick(5.0)
    Reopening(bench.journal, "prod-eu", lambda: [bench.traffic()], findings.append).look(look(bench.world))
    assert findings == []


def test_after_a_day_it_is_not_watched_any_more(watched: Watched) -> None:
    watched.bench.world.clock.tick(86_400.0)
    watched.bench.world.deliver(all_held=True)
    watched.look(watched.another())
    assert watched.findings == []


def test_an_answer_from_before_the_outcome_reopens_nothing(watched: Watched) -> None:
    """The source was read before the change was: it shows what somebody has changed since."""
    world = watched.bench.world
    view = look(world)
    world.deliver(all_held=True)
    stale = look(world)
    watched.reopening.look(view)
    watched.reopening.look(stale)
    assert watched.findings == []


def test_the_journal_shows_the_newest_outcome_and_that_it_was_reopened(watched: Watched) -> None:
    watched.bench.world.deliver(all_held=True)
    watched.look()
    entries = watched.bench.journal.entries()
    (deed,) = deeds(entries)
    assert (deed.outcome, deed.message.startswith("applied after all")) == ("settled", True)
    assert "(reopened)" in to_markdown(entries)


def test_an_unknown_outcome_is_watched_too(tmp_path: Path) -> None:
    watched = Watched(tmp_path, OutcomeKind.UNKNOWN, read=Unreachable("gone"))
    watched.bench.world.deliver(all_held=True)
    watched.look()
    assert [finding.outcome for finding in watched.findings] == [OutcomeKind.SETTLED]
