"""The rule for more traffic on unknown behaviour. In production it is refused, unless the traffic is a first exposure:
that needs readiness and gates only. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backends.contracts import WEIGHT_TOLERANCE, Endpoint, Role, Variant
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.way_back import condemned_variants


def is_first_exposure(endpoint: Endpoint, variant: Variant, after: float | None, first_step: float) -> bool:
    """Whether ``after`` percent is the first live traffic of a variant, and at most ``first_step`` percent.

    A variant whose share is not known may serve already. One that somebody went back from has served.
    """
    if after is None or after > first_step + WEIGHT_TOLERANCE or variant.name in condemned_variants(endpoint):
        return False
    return not serves(endpoint, variant)


def serves(endpoint: Endpoint, variant: Variant) -> bool:
    """Whether callers may get the variant's answers now; true also where its share is not known."""
    if variant.role is Role.SHADOW:
        return False
    told = [share for share in (variant.desired, variant.observed) if share is not None]
    return any(told) if told else endpoint.variant(variant.name) is not None and variant.role is not Role.IDLE


def behaviour(
    name: str, *, why: str, judged: Sequence[Check], first: bool, first_step: float, production: bool
) -> Iterator[Check]:
    """The check of whether the behaviour of variant ``name`` is known. ``judged`` are the checks that it rests on, and
    ``why`` says why there are none. ``first``: the change is its first exposure."""
    unknown = next((check.evidence for check in judged if check.verdict is CheckVerdict.UNKNOWN), why)
    if not unknown:
        return
    if first:
        words = f"not known yet; a first exposure of up to {first_step:g} % needs readiness and gates only"
        yield Check(f"{name} behaviour", CheckVerdict.PASS, words)
    elif production:
        words = f"not known: {unknown}; only a first exposure, from 0 to at most {first_step:g} %, goes without"
        yield Check(f"{name} behaviour", CheckVerdict.BLOCK, words)
    else:
        yield Check(f"{name} behaviour", CheckVerdict.UNKNOWN, unknown)
