"""The journal's record of a change of traffic: its intent and its outcome. Pure."""

from __future__ import annotations

from backends.contracts import Abort, Mirror, Promote, Rollback, Split
from shiftdeck.changes.plan import Plan, current_release, describe
from shiftdeck.changes.run import Run


def intent_data(plan: Plan, reason: str, override: str) -> dict[str, object]:
    """What the journal keeps of a plan: enough to judge later, from the system alone, whether it was applied."""
    alias, release = plan.alias, current_release(plan.before)
    return {
        "plan": plan.id,
        "change": describe(plan.change),
        "reason": reason,
        "override": override,
        "before": {
            "revision": plan.before.revision,
            "release": release.id if release is not None else None,
            "weights": {variant.name: variant.desired for variant in plan.before.variants},
            "mirror": {variant.name: variant.mirror for variant in plan.before.variants if variant.mirror is not None},
        },
        "after": _target(plan),
        "alias": {"model": alias.model, "alias": alias.alias, "version": alias.version} if alias is not None else {},
        "checks": [
            {"name": check.name, "verdict": str(check.verdict), "evidence": check.evidence} for check in plan.checks
        ],
        "calls": [
            {
                "source": step.source,
                "method": step.call.method,
                "path": step.call.path,
                "body": step.call.body,
                "guard": step.call.guard,
                "summary": step.call.summary,
            }
            for step in plan.steps
        ],
        "way_back": plan.way_back,
    }


def _target(plan: Plan) -> dict[str, object]:
    """The weights of the endpoint once the plan is applied; empty for changes whose weights only the system knows."""
    if not isinstance(plan.change, Split | Mirror | Promote | Rollback | Abort):
        return {}
    weights = {row.variant: row.after for row in plan.rows if row.after is not None}
    # A system may change the mirrored share by itself when the live split changes, so only a Mirror is judged by it.
    mirror = {row.variant: row.mirror_after for row in plan.rows if row.mirror_after is not None}
    return {"weights": weights, "mirror": mirror if isinstance(plan.change, Mirror) else {}}


def outcome_data(run: Run[Plan]) -> dict[str, object]:
    """What the journal keeps of the outcome of a change of traffic, in addition to the fields common to all kinds."""
    return {
        "observed": {v.name: v.observed for v in run.now.variants} if run.now is not None else {},
        "measured": {name: round(share, 2) for name, share in run.shares.items()},
    }
