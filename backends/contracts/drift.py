"""Drift scores, and the adapters that compute or report them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from backends.contracts.adapter import Adapter
from backends.contracts.refs import ModelRef, Subject
from backends.contracts.words import Direction, Gap

ScoreKey = tuple[Subject, str, str, str]  # the subject, the feature, the method, the baseline
Past = tuple[tuple[float, float], ...]  # moments and values, oldest first


@dataclass(frozen=True, slots=True)
class DriftScore:
    """How far the live distribution of one feature is from its reference, or how good a model's answers are.

    ``value`` is ``None`` if there is no score: such a score is neither good nor bad. ``gap`` then says why, and
    ``note`` says it in words ("n 48 of 200"). ``history`` holds the older values, oldest first, and ends with
    ``value``; ``times`` are their moments. ``live`` and ``reference`` are the compared shares by bin (each sums to 1),
    if known. ``bounds`` are the bins' upper bounds; bins without bounds have names in ``categories``.

    Beyond ``threshold`` the operator should act, beyond ``watch`` look closer. ``beside`` is the score of the same
    method between this variant and the stable variant of its endpoint (``beside_name``), each in its live window: a
    change of the inputs affects both, a change of the model only one. ``model`` joins a score whose labels name no
    endpoint. ``delay_s`` is the age of the true outcomes that the answers were compared with; if it is set, the score
    is about answers and not inputs.
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
        """Identifies the score across readings."""
        return self.subject, self.feature, self.method, self.baseline

    def beyond(self, value: float, limit: float) -> bool:
        """Whether ``value`` is on the bad side of ``limit``."""
        return value > limit if self.direction is Direction.ABOVE else value < limit

    @property
    def crossed(self) -> bool | None:
        """Whether the score alarms; ``None`` if there is no score."""
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
        back as ``history`` goes. ``None`` if it has not crossed."""
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
    """A drift adapter that can compute its scores of the time before it was started."""

    def past(self, scores: Sequence[DriftScore], window_s: float, step_s: float) -> Mapping[ScoreKey, Past]:
        """The past values of ``scores``, which are all of one endpoint, over the last ``window_s`` seconds. Scores of
        other adapters are left out. The past data are scored with today's reference and settings.

        Raises:
            Unsupported: the source that is read keeps no history.
            BackendError: what that source raises.
        """
        ...
