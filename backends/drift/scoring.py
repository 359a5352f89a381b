"""The score of a live distribution against its reference, or the reason why there is none. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from backends.contracts import Gap
from backends.drift.choice import Chosen
from backends.drift.distribution import Distribution, alike

NEARLY_ALL = 0.99
"""If both have this share in the bin without an upper bound, changes within that bin stay unseen: there is no score."""


@dataclass(frozen=True, slots=True)
class Compared:
    """``value``; or ``gap`` with the reason in ``note``. ``live`` and ``reference`` have the same bins, if both exist
    and have bins in common.
    """

    value: float | None
    gap: Gap | None
    note: str
    live: Distribution
    reference: Distribution | None


def compare(live: Distribution, reference: Distribution | None, chosen: Chosen, least: int, of: str) -> Compared:
    """``least`` is the number of values that both sides must have. ``of`` names the reference in the message if it is
    missing.
    """
    if reference is None:
        return Compared(None, Gap.NO_REFERENCE, f"no reference for {of}", live, None)
    pair = alike(live, reference)
    if pair is None:
        return Compared(None, Gap.BINS, "the live bins are not the reference's", live, reference)
    live, reference = pair
    for name, one in (("n", live), ("reference n", reference)):
        if one.total < max(1, least):
            return Compared(None, Gap.FEW, f"{name} {round(one.total)} of {max(1, least)}", live, reference)
    if len(live.bounds) > 1 and min(live.shares[-1], reference.shares[-1]) >= NEARLY_ALL:
        return Compared(
            None, Gap.BLIND, f"nearly all values are above the last bin's {live.bounds[-2]:g}", live, reference
        )
    method = chosen.method
    try:
        value = method.score(live, reference)
    except (ValueError, ZeroDivisionError):
        return Compared(None, Gap.BINS, f"{method.name} needs more bins than these {len(live.counts)}", live, reference)
    if method.hangs_on_empty_bins(live, reference, value, chosen.threshold):
        return Compared(None, Gap.EMPTY, f"an empty bin decides ({value:.2f})", live, reference)
    return Compared(value, None, "", live, reference)
