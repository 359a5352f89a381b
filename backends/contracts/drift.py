"""Drift scores, and who computes or reports them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from backends.contracts.adapter import Adapter
from backends.contracts.refs import ModelRef, Subject
from backends.contracts.words import Direction, Gap

ScoreKey = tuple[Subject, str, str, str]  # whose, the feature, the method, the baseline
Past = tuple[tuple[float, float], ...]  # moments and values, oldest first


@dataclass(frozen=True, slots=True)
class DriftScore:
    """How far the live distribution of one feature is from its reference, or how good a model's answers are.

    ``value`` is ``None`` where there is no score; ``gap`` then says why, and ``note`` in words ("n 48 of 200"): such a
    score is neither good nor bad. ``history`` is older values first, ending in ``value``; ``times`` are their moments.
    ``live`` and ``reference`` are the shares by bin (each sums to 1) that were compared, where they are known, and
    ``bounds`` the bins' upper bounds, or ``categories`` their names.

    ``threshold`` is where to act, ``watch`` where to look closer. ``beside`` is the same method between this variant
    and the stable one of its endpoint (``beside_name``), each in its live window: it tells a change of the inputs,
    which both see, from a change of the model. ``model`` joins a score whose labels name no endpoint. ``delay_s`` is
    how old the truth is that the answers were compared with; where it is set the score is about answers and not inputs.
    """

    subject: Subject
    feature: str
    method: str
    value: float | None
    threshold: float
    direction: Direction
    samples: int
    window_s: float
    at: float
    baseline: str = ""
    note: str = ""
    history: tuple[float, ...] = ()
    live: tuple[float, ...] = ()
    reference: tuple[float, ...] = ()
    gap: Gap | None = None
    times: tuple[float, ...] = ()
    bounds: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    watch: float | None = None
    beside: float | None = None
    beside_name: str = ""
    model: ModelRef | None = None
    delay_s: float | None = None

    @property
    def key(self) -> ScoreKey:
        """What the score is of; the same from reading to reading."""
        return self.subject, self.feature, self.method, self.baseline

    def beyond(self, value: float, limit: float) -> bool:
        """Whether ``value`` is on the bad side of ``limit``."""
        return value > limit if self.direction is Direction.ABOVE else value < limit

    @property
    def crossed(self) -> bool | None:
        """Whether the score alarms; ``None`` where there is no score."""
        if self.value is None:
            return None
        return self.beyond(self.value, self.threshold)

    @property
    def watched(self) -> bool:
        """Whether the score is beyond ``watch`` and has not crossed its threshold."""
        return (
            self.value is not None
            and not self.crossed
            and self.watch is not None
            and self.beyond(self.value, self.watch)
        )

    @property
    def since(self) -> float | None:
        """When the score crossed its threshold: the first moment of the unbroken run of alarms that ends now, as far
        back as ``history`` goes. ``None`` where it has not crossed."""
        if not self.crossed:
            return None
        began = self.at
        for at, value in zip(reversed(self.times), reversed(self.history), strict=False):
            if not self.beyond(value, self.threshold):
                break
            began = at
        return began


class Drift(Adapter, Protocol):
    def scores(self) -> tuple[DriftScore, ...]: ...


@runtime_checkable
class Recalls(Protocol):
    """A drift adapter that can tell what its scores were before it was started."""

    def past(self, scores: Sequence[DriftScore], window_s: float, step_s: float) -> Mapping[ScoreKey, Past]:
        """Of those of ``scores`` that are this adapter's, all of one endpoint, what they were in the last ``window_s``
        seconds, as today's reference and settings score it.

        Raises:
            Unsupported: the source that is read keeps nothing.
            BackendError: what that source raises.
        """
        ...
