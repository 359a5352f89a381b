"""What metrics tell of, compared with what serving tells of: what joins, what does not, and what to set. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shiftdeck.fleet.label_matching import keys_of
from shiftdeck.health.judge import is_live
from shiftdeck.health.latency import seconds

if TYPE_CHECKING:
    from backends.contracts import Endpoint, Subject, VariantMetrics
    from shiftdeck.config.loader import SloConfig

TOLD = 4  # names in one finding


@dataclass(frozen=True, slots=True)
class Covered:
    """One finding about a metrics source. ``ok`` is ``None`` where it may be meant."""

    source: str
    ok: bool | None
    detail: str
    hint: str = ""


def coverage(
    endpoints: Sequence[Endpoint], metrics: Mapping[str, Sequence[VariantMetrics]], slo: SloConfig
) -> tuple[Covered, ...]:
    """What of each metrics source joins, by its name. Empty without endpoints or without metrics."""
    if not endpoints:
        return ()
    found: list[Covered] = []
    for source, measured in metrics.items():
        live = [one for one in measured if not one.mirrored]
        if live:
            found += _joined(source, endpoints, [one.subject for one in live])
            found += _strangers(source, endpoints, sorted({one.subject for one in live}))
            found += _objectives(source, endpoints, live, slo)
    return tuple(found)


def _joined(source: str, endpoints: Sequence[Endpoint], subjects: Sequence[Subject]) -> Iterator[Covered]:
    """How many of the variants with traffic are measured, and which are not."""
    told = set(subjects)
    wanted = [(one, variant.name) for one in endpoints for variant in one.variants if is_live(variant)]
    dark = [f"{one.ref.name} {name}" for one, name in wanted if not any(_is(one, name, each) for each in told)]
    words = f"{len(wanted) - len(dark)} of {len(wanted)} variants with traffic are measured"
    yield Covered(source, True if not dark else None if len(dark) < len(wanted) else False, words + _not(dark))


def _not(dark: Sequence[str]) -> str:
    return f"; not: {_listed(dark)}" if dark else ""


def _is(endpoint: Endpoint, variant: str, subject: Subject) -> bool:
    """Whether a measurement is about that variant."""
    alone = len(endpoint.variants) == 1 and not subject.variant
    return _about(endpoint, subject) and (subject.variant == variant or alone)


def _about(endpoint: Endpoint, subject: Subject) -> bool:
    return (subject.scope, subject.endpoint) in keys_of(endpoint.ref)


def _strangers(source: str, endpoints: Sequence[Endpoint], subjects: Sequence[Subject]) -> Iterator[Covered]:
    """The subjects that join no variant, by what would make them join."""
    reasons: dict[str, list[str]] = {}
    for subject in subjects:
        if any(_is(one, variant.name, subject) for one in endpoints for variant in one.variants):
            continue
        reasons.setdefault(_reason(endpoints, subject), []).append(_named(subject))
    for hint, names in reasons.items():
        yield Covered(source, None, f"belongs to no variant: {_listed(names)}", hint)


def _reason(endpoints: Sequence[Endpoint], subject: Subject) -> str:
    same = [one for one in endpoints if _about(one, subject)]
    if same:
        names = ", ".join(variant.name for variant in same[0].variants)
        if not subject.variant:
            return f"no label tells the variant ({same[0].ref} has {names}): set `variant_label`, or a rule in a preset"
        return f"{same[0].ref} has the variants {names}: set `variant_label`, or a `pattern` in a copy of the preset"
    elsewhere = [one for one in endpoints if one.ref.name == subject.endpoint]
    if elsewhere:
        scope = elsewhere[0].ref.scope
        if scope:
            return f"serving has {elsewhere[0].ref}: set `scope_label` to the label that holds {scope!r}"
        return f'serving has {elsewhere[0].ref}, without a scope: set `scope = "{subject.scope}"` there'
    return "no serving source has an endpoint of that name: set `endpoint_label`, or add the source that serves it"


def _objectives(
    source: str, endpoints: Sequence[Endpoint], measured: Iterable[VariantMetrics], slo: SloConfig
) -> Iterator[Covered]:
    """The objectives that the buckets of a source cannot tell apart from what is near."""
    found: dict[str, list[str]] = {}
    for one in measured:
        for endpoint in endpoints:
            limit = slo.for_endpoint(endpoint.ref).p95_s
            if limit is None or one.latency is None or not _about(endpoint, one.subject):
                continue
            words = _between(one.latency.bounds, limit)
            if words and endpoint.ref.name not in found.setdefault(words, []):
                found[words].append(endpoint.ref.name)
    for words, names in found.items():
        hint = "a p95 in that bucket cannot be judged: add a bucket at the objective, or move the objective to a bound"
        yield Covered(source, None, f"{words} ({_listed(names)})", hint)


def _between(bounds: Sequence[float], limit_s: float) -> str:
    finite = [bound for bound in bounds if math.isfinite(bound)]
    if not finite or any(math.isclose(bound, limit_s) for bound in finite):
        return ""
    if limit_s > finite[-1]:
        return f"SLO {seconds(limit_s)} lies beyond the last bucket, {seconds(finite[-1])}"
    lower = max((bound for bound in finite if bound < limit_s), default=0.0)
    upper = min(bound for bound in finite if bound > limit_s)
    return f"SLO {seconds(limit_s)} lies between the buckets {seconds(lower)} and {seconds(upper)}"


def _named(subject: Subject) -> str:
    place = f"{subject.scope}/{subject.endpoint}" if subject.scope else subject.endpoint
    return f"{place} {subject.variant or '(no variant told)'}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return ", ".join(names[:TOLD]) + more
