"""A change before it is checked: what it gives traffic to, and whether it goes back. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from backends.contracts import (
    Abort,
    Action,
    Advance,
    Change,
    Endpoint,
    Mirror,
    Pause,
    Phase,
    Release,
    Resume,
    Retry,
    Role,
    Rollback,
    Unpin,
    Variant,
    same_weight,
)
from shiftdeck.changes.access import Arming
from shiftdeck.changes.plan import PlanRow
from shiftdeck.changes.promotion_gates import Gating
from shiftdeck.changes.way_back import condemnation, condemned_variants, is_older
from shiftdeck.fleet.endpoint import EndpointView, VariantView
from shiftdeck.fleet.view import FleetView


@dataclass(frozen=True, slots=True)
class Proposal:
    """The input of the checks. ``view`` is the endpoint as joined in ``fleet``. ``fresh`` is the same endpoint as read
    just now for this plan."""

    fleet: FleetView
    arming: Arming
    view: EndpointView
    fresh: Endpoint
    action: Action
    change: Change
    rows: tuple[PlanRow, ...]
    gating: Gating = field(default_factory=Gating)
    deploys: Variant | None = None

    @property
    def is_retreat(self) -> bool:
        """Whether the change only takes traffic away from variants that are not stable. Bad data about such a variant
        must not block its own removal from traffic.

        What is observed decides, not what was asked for. A rollback is a retreat if its release is older than the
        current one, is not known to be bad, and gives no more traffic to a canary or to a variant with a critical
        finding. A step of a rollout is never a retreat.
        """
        change = self.change
        if isinstance(change, Pause):
            return True
        if isinstance(change, Advance | Resume | Retry | Unpin) or self.deploys is not None or self.leads_to_bad:
            return False
        if isinstance(change, Abort):
            return True
        if isinstance(change, Mirror):
            return all((row.mirror_after or 0.0) <= (row.mirror_before or 0.0) for row in self.rows)
        gaining = {view.name for view in self.gaining}
        if isinstance(change, Rollback):
            target = self.target
            on_trial = {one.name for one in self.fresh.variants if one.role in (Role.CANARY, Role.SHADOW)}
            held_back = self.view.verdict.condemned() | on_trial
            return target is not None and is_older(self.fresh, target) and not gaining & held_back
        return not gaining

    @property
    def target(self) -> Release | None:
        """The release that a rollback goes to, or ``None``."""
        change = self.change
        if not isinstance(change, Rollback):
            return None
        return next((one for one in self.fresh.releases if one.id == change.release), None)

    @property
    def leads_to_bad(self) -> str:
        """Why the release that the change goes back to is known to be bad, or "". An abort goes back to the stable
        variant, which is the bad one while a rollback from it is under way."""
        if self.target is not None:
            return condemnation(self.fresh, self.target)
        if not isinstance(self.change, Abort):
            return ""
        bad = condemned_variants(self.fresh)
        back_to = (row.variant for row in self.rows if row.after and row.variant in bad)
        return next((f"it goes back to {name}: {bad[name]}" for name in back_to), "")

    @property
    def growing(self) -> tuple[Variant, ...]:
        """The variants that get more live traffic, by this change or by the system's own steps."""
        stepping = isinstance(self.change, Advance | Resume | Retry)
        found = [self.deploys] if self.deploys is not None else []
        for row in self.rows:
            variant = self.fresh.variant(row.variant) or Variant(row.variant, Role.IDLE, observed=0.0)
            known = any(one.name == variant.name for one in found)
            on_trial = stepping and self.deploys is None and variant.role is Role.CANARY
            if not known and (on_trial or grows(self.fresh, variant, row.after)):
                found.append(variant)
        return tuple(found)

    @property
    def gaining(self) -> tuple[VariantView, ...]:
        """Those of ``growing`` that are not stable."""
        others = (one for one in self.growing if one.role is not Role.STABLE)
        return tuple(self.view.variant(one.name) or VariantView(one) for one in others)


def grows(endpoint: Endpoint, variant: Variant, after: float | None) -> bool:
    """Whether ``after`` percent is more live traffic than the variant gets now, by what is observed. What is asked for
    counts as well: where the two differ, the change is growth if it is by either. Where nothing is observed, only a
    steady endpoint is taken to be as asked."""
    if not after:
        return False
    asked, seen = variant.desired, variant.observed
    if seen is None and (asked is None or endpoint.phase is not Phase.STEADY):
        return not same_weight(asked, after)
    return any(now is not None and after > now and not same_weight(now, after) for now in (asked, seen))
