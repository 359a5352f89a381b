"""Endpoints as their serving system reports them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backends.contracts.words import Action, Phase, Role

if TYPE_CHECKING:
    from backends.contracts.refs import EndpointRef, ModelRef


@dataclass(frozen=True, slots=True)
class Variant:
    """One deployment behind an endpoint that may get a share of its traffic.

    The three percentages are different facts and are never merged: ``desired`` is the configured share, ``observed`` is
    the share that the control plane reports, ``measured`` is the share that the metrics show (filled in by the fleet's
    join, never by an adapter). ``mirror`` is the percentage of requests copied to this variant. ``image`` is the image
    in the specification, mostly with a tag that may have moved; ``running`` are the digests that the replicas run, if
    the system reports them. ``trouble`` is the system's reason why it cannot get the replicas that it wants, or "".
    """

    name: str
    role: Role
    model: ModelRef | None = None
    image: str | None = None
    ready: int | None = None
    wanted: int | None = None
    desired: float | None = None
    observed: float | None = None
    measured: float | None = None
    mirror: float | None = None
    message: str = ""
    running: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """A past or present state of an endpoint, to which it can go back. ``weights`` is percent by variant name.

    ``good`` is true if the system or the operator marked the release as good, false if it was rolled back from, was
    aborted or never became ready, and ``None`` if none of this is known. ``why`` is the evidence, in words that follow
    the release's name ("was rolled back from"). ``image`` is the image that going back would deploy; ``None`` for a
    release that only divides the traffic among variants that exist. ``returned_at`` is when the endpoint last went back
    to this release, in Unix seconds; ``None``: never, or not known.
    """

    id: str
    weights: Mapping[str, float]
    at: float | None = None
    by: str = ""
    note: str = ""
    current: bool = False
    good: bool | None = None
    why: str = ""
    image: str | None = None
    returned_at: float | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint as its serving system reports it.

    ``revision`` is an opaque token of the state that was read: sent back as a guard, it makes a lost update fail.
    ``releases`` is newest first and includes the current release, marked as such. ``owner`` names a controller that
    would revert a change made here, or is empty. ``actions`` has an entry for each action that this *kind* of system
    has: ``None`` if the action is possible now, else the reason why it is not. ``native`` holds data that only the
    adapter itself uses, to compile a change (the place of an entry in a list, for example).
    """

    ref: EndpointRef
    variants: tuple[Variant, ...]
    phase: Phase = Phase.UNKNOWN
    message: str = ""
    releases: tuple[Release, ...] = ()
    revision: str = ""
    owner: str = ""
    actions: Mapping[Action, str | None] = field(default_factory=dict)
    runbook: str = ""
    native: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)

    def variant(self, name: str) -> Variant | None:
        """The variant of that name, or ``None``."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def in_role(self, role: Role) -> Variant | None:
        """The first variant in that role, or ``None``."""
        return next((variant for variant in self.variants if variant.role is role), None)
