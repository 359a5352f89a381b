"""The plan of a change: everything that the operator sees before it is sent, and all calls that will be sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from backends import contracts
from backends.contracts import Role
from shiftdeck.changes.check import Check, blocks_of

if TYPE_CHECKING:
    from backends.contracts import Call, Change, Endpoint, EndpointRef, Release


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One variant before and after: percent of live traffic, requests/s (estimated after), percent mirrored."""

    variant: str
    role: str
    before: float | None
    after: float | None
    rps_before: float | None = None
    rps_after: float | None = None
    mirror_before: float | None = None
    mirror_after: float | None = None


@dataclass(frozen=True, slots=True)
class AliasMove:
    """A registry alias that moves together with a promotion, or with the way back from one. It moves from ``expected``
    (``None``: unset) to ``version`` ("": unset)."""

    registry: str
    model: str
    alias: str
    expected: str | None
    version: str


@dataclass(frozen=True, slots=True)
class Step:
    """One call to one source. ``kind`` is "serving" or "registries"."""

    source: str
    kind: str
    call: Call


class Friction(StrEnum):
    """What the operator has to do to confirm a plan, by its risk."""

    ENTER = "enter"  # a change back to a good release: Enter confirms
    CHOOSE = "choose"  # Cancel has the focus
    TYPE_NAME = "type the name"  # a change forward in production


@dataclass(frozen=True, slots=True)
class Plan:
    """A change, planned against the endpoint as it was read at ``created``.

    ``blocked`` plans are applied only with an override and a reason. ``undo`` is the change that reverts this one.
    """

    id: str
    context: str
    production: bool
    ref: EndpointRef
    change: Change
    before: Endpoint
    rows: tuple[PlanRow, ...]
    steps: tuple[Step, ...]
    checks: tuple[Check, ...]
    friction: Friction
    created: float
    way_back: str
    undo: Change | None = None
    alias: AliasMove | None = None
    gives: tuple[str, ...] = ()  # the variants that get more live traffic
    back: bool = False  # takes traffic away from new variants only; a run under way never blocks it

    @property
    def subject(self) -> str:
        return str(self.ref)

    @property
    def words(self) -> str:
        return describe(self.change)

    @property
    def alias_back(self) -> AliasMove | None:
        """The alias move that reverts this plan's alias move."""
        move = self.alias
        return None if move is None else replace(move, expected=move.version or None, version=move.expected or "")

    @property
    def blocks(self) -> tuple[Check, ...]:
        return blocks_of(self.checks)

    @property
    def blocked(self) -> bool:
        return bool(self.blocks)

    @property
    def shown_rows(self) -> tuple[PlanRow, ...]:
        """The rows as they are shown: a plan that sends nothing leads nowhere."""
        if self.steps:
            return self.rows
        return tuple(replace(row, after=None, rps_after=None, mirror_after=row.mirror_before) for row in self.rows)

    @property
    def shown_way_back(self) -> str:
        return self.way_back if self.steps else "none needed: nothing is sent"

    @property
    def unable(self) -> str:
        """Why the plan cannot be applied even with an override, or "": the context is read-only, the action is not
        possible, or a change is under way."""
        return next((check.evidence for check in self.blocks if check.name in HARD_CHECKS), "")


HARD_CHECKS = frozenset({"read-write", "possible", "one at a time"})
"""Checks that no override lifts."""


def describe(change: Change) -> str:
    """A change in a few words: "shift v7=75 v8=25", "promote v8"."""
    if isinstance(change, contracts.Split):
        own = f", and unpin the autoscalers of {', '.join(change.unpin)}" if change.unpin else ""
        return "shift " + " ".join(f"{name}={weight:g}" for name, weight in change.weights.items()) + own
    if isinstance(change, contracts.Mirror):
        return f"mirror {change.percent:g} % to {change.variant}"
    if isinstance(change, contracts.Promote):
        return f"promote {change.variant}"
    if isinstance(change, contracts.Rollback):
        return f"roll back to release {change.release}"
    if isinstance(change, contracts.Advance):
        return "advance to the end" if change.full else "advance one step"
    if isinstance(change, contracts.Unpin):
        return "unpin the autoscalers"
    return type(change).__name__.lower()


def difference(before: Endpoint, now: Endpoint, *, revision: bool = True) -> tuple[str, ...]:
    """The differences between two readings of an endpoint, a line each. A new revision without another difference
    counts as a difference unless ``revision`` is false."""
    lines: list[str] = []
    names = dict.fromkeys([variant.name for variant in (*before.variants, *now.variants)])
    for name in names:
        old, new = before.variant(name), now.variant(name)
        if old is None or new is None:
            lines.append(f"{name} {'appeared' if old is None else 'is gone'}")
            continue
        if old.desired != new.desired:
            lines.append(f"{name} {_percent(old.desired)} → {_percent(new.desired)}")
        if old.mirror != new.mirror:
            lines.append(f"{name} mirrored {_percent(old.mirror)} → {_percent(new.mirror)}")
        if old.role is not new.role and Role.IDLE not in (old.role, new.role):  # idle follows from the weight
            lines.append(f"{name} {old.role} → {new.role}")
        if old.model != new.model:
            lines.append(f"{name} model {old.model} → {new.model}")
    if revision and not lines and before.revision != now.revision:
        lines.append(f"revision {before.revision} → {now.revision}")
    return tuple(lines)


def changed_by(now: Endpoint, before: Endpoint | None = None) -> str:
    """The author of the current release, or "" if the system does not name one. With ``before``, an earlier reading,
    only a release made since then counts: a change that makes no release must not name the author of an older one."""
    current, old = current_release(now), current_release(before) if before is not None else None
    if current is None or (old is not None and old.id == current.id):
        return ""
    return current.by


def current_release(endpoint: Endpoint) -> Release | None:
    """The release that is current, or ``None`` if the system does not name one."""
    return next((release for release in endpoint.releases if release.current), None)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:g} %"
