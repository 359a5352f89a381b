"""The command line's view of plans that consist of calls only: silences and edits of a registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from shiftdeck.changes.kind import P
from shiftdeck.changes.run import Outcome, Run

OVERRIDE = "--override applies it all the same; the journal records that, with the reason"


@dataclass(frozen=True, slots=True)
class CallFace(Generic[P]):
    """``lines_of`` returns the plan as text, ``json_of`` for scripts."""

    lines_of: Callable[[P], Sequence[str]]
    json_of: Callable[[P], Mapping[str, object]]

    def lines(self, plan: P) -> Sequence[str]:
        return self.lines_of(plan)

    def json(self, plan: P) -> Mapping[str, object]:
        return self.json_of(plan)

    def refused(self, plan: P, *, override: bool) -> str:
        return ""

    def question(self, plan: P) -> tuple[str, str]:
        return "Type yes to apply it", "yes"

    def progress(self, run: Run[P]) -> str:
        return f"{run.stage}   {run.message}" if run.message else str(run.stage)

    def outcome(self, outcome: Outcome, run: Run[P] | None) -> Sequence[str]:
        return [f"{outcome.kind}: {outcome.message}{outcome.when_read}"]

    def advice(self, plan: P, outcome: Outcome) -> str:
        return ""
