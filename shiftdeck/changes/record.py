"""The journal's record of a change of traffic: its intent and its outcome. Pure."""

from __future__ import annotations

from backends.contracts import Abort, Mirror, Promote, Role, Rollback, Split
from shiftdeck.changes.plan import AliasMove, Plan, describe
from shiftdeck.changes.run import Run
from shiftdeck.changes.way_back import current_release, shares_of


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
        "leaves": _leaves(plan),
        "gives": list(plan.gives),
        "alias": _alias(alias) if alias is not None else {},
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


def _alias(move: AliasMove) -> dict[str, object]:
    return {
        "registry": move.registry,
        "model": move.model,
        "alias": move.alias,
        "version": move.version,
        "before": move.expected,
    }


def _target(plan: Plan) -> dict[str, object]:
    """The weights of the endpoint once the plan is applied; empty for changes whose weights only the system knows."""
    if not isinstance(plan.change, Split | Mirror | Promote | Rollback | Abort):
        return {}
    weights = {row.variant: row.after for row in plan.rows if row.after is not None}
    # A system may change the mirrored share by itself when the live split changes, so only a Mirror is judged by it.
    mirror = {row.variant: row.mirror_after for row in plan.rows if row.mirror_after is not None}
    return {"weights": weights, "mirror": mirror if isinstance(plan.change, Mirror) else {}}


def _leaves(plan: Plan) -> dict[str, object]:
    """The variants that the plan takes out of service, each with its model and image: by a rollback, those of the
    current release that the older one does not have, also where the system takes their traffic away in steps; else
    those that lose all their traffic."""
    before, change = plan.before, plan.change
    current = current_release(before)
    target = next((one for one in before.releases if isinstance(change, Rollback) and one.id == change.release), None)
    if target is not None and current is not None:
        names = shares_of(current).keys() - shares_of(target).keys()
    else:
        lost = (row for row in plan.rows if row.after == 0 and row.role not in (Role.STABLE, Role.IDLE, Role.SHADOW))
        names = {row.variant for row in lost if row.before or isinstance(change, Abort)}
    found = {name: before.variant(name) for name in sorted(names)}
    return {
        name: {"model": str(one.model) if one.model else None, "image": one.image} if one is not None else {}
        for name, one in found.items()
    }


def outcome_data(run: Run[Plan]) -> dict[str, object]:
    """What the journal keeps of the outcome of a change of traffic, in addition to the fields common to all kinds."""
    return {
        "observed": {v.name: v.observed for v in run.now.variants} if run.now is not None else {},
        "measured": {name: round(share, 2) for name, share in run.shares.items()},
    }
