"""The command line's view of edits of a registry: calls, of which those that deploy a version have checks."""

from __future__ import annotations

from dataclasses import dataclass

from shiftdeck.changes.check import blocked_by
from shiftdeck.changes.registry_edit import RegistryPlan
from shiftdeck.changes.run import Outcome, OutcomeKind
from tui.cli.call_face import OVERRIDE, CallFace


@dataclass(frozen=True, slots=True)
class RegistryFace(CallFace[RegistryPlan]):
    def refused(self, plan: RegistryPlan, *, override: bool) -> str:
        return "" if override else blocked_by(plan.checks)

    def advice(self, plan: RegistryPlan, outcome: Outcome) -> str:
        return OVERRIDE if plan.blocked and outcome.kind is OutcomeKind.REFUSED else ""
