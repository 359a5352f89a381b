"""The promotion gates: checks of a version that is to get more traffic, by the registry's data and the price list.
Pure, except that ``describe`` asks the registry for details that its list of versions does not hold.

A registry that cannot be read does not open a blocking gate: data that was never read blocks. Data that was read
earlier is still used, and its age is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from backends.contracts import ModelRef, ModelVersion, Signature
from backends.errors import BackendError, Unsupported
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.common.numbers import endless
from shiftdeck.config.loader import Gates, MetricGate, Weight
from shiftdeck.fleet.endpoint import EndpointView, VariantView
from shiftdeck.fleet.view import FleetView, trouble
from shiftdeck.registry.schema import Fit, compared

CHAMPION = "champion"
"""The alias that names the version in production, as MLflow's documentation uses it."""

Describe = Callable[[ModelRef], ModelVersion]
"""Returns everything that the registry knows of a version. Raises ``BackendError``."""


def not_asked(ref: ModelRef) -> ModelVersion:
    """The ``Describe`` of plans without a registry.

    Raises:
        Unsupported: always.
    """
    raise Unsupported(f"no registry tells more of {ref}")


@dataclass(frozen=True, slots=True)
class Gating:
    """The gates of the endpoint, the prices of the context, and the function that asks the registry about a version."""

    gates: Gates = field(default_factory=Gates)
    prices: Mapping[str, float] = field(default_factory=dict)
    describe: Describe = not_asked


_FAILED = {Weight.WARN: CheckVerdict.WARN, Weight.BLOCK: CheckVerdict.BLOCK}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant or version that is to get more traffic, with the registry's data on it. ``version`` is ``None`` if
    the registry does not know it, and ``unknown`` then says why. ``stale`` says why the registry does not answer now,
    or "". ``age_s`` is the age of its data."""

    name: str
    version: ModelVersion | None
    champion: ModelVersion | None
    stable: ModelVersion | None
    unknown: str = ""
    stale: str = ""
    age_s: float | None = None


def candidate_of(fleet: FleetView, view: VariantView, stable: VariantView | None) -> Candidate:
    """The variant with its registered version, the champion of its model, and the version that it replaces."""
    ref = view.variant.model
    if ref is None:
        return Candidate(view.name, None, None, None, unknown=f"{view.name} names no version of a registered model")
    return candidate_for(fleet, view.name, ref, stable.variant.model if stable is not None else None)


def candidate_for(fleet: FleetView, name: str, ref: ModelRef, behind: ModelRef | None) -> Candidate:
    """The registered version ``ref``, the champion of its model, and the version ``behind`` that it replaces."""
    of_model = [one for one in fleet.versions if one.ref.model == ref.model]
    found = next((one for one in of_model if one.ref == ref), None)
    version = found if found is not None and not found.absent else None
    champion = next((one for one in of_model if CHAMPION in one.aliases), None)
    replaced = next((one for one in fleet.versions if one.ref == behind), None)
    registries = [one for one in fleet.sources if one.kind == "registries"]
    source = next((one for one in registries if one.name == fleet.registry_of.get(ref.model)), None)
    asked = [source] if source is not None else registries
    stale = ", ".join(words for words in (trouble(one, fleet.at) for one in asked) if words)
    unknown = "" if version else stale or _unknown(ref, found, of_model, registries)
    age = source.age_s(fleet.at) if source is not None else None
    return Candidate(name, version, champion, replaced, unknown, stale, age)


def _unknown(
    ref: ModelRef, found: ModelVersion | None, of_model: Sequence[ModelVersion], registries: Sequence[object]
) -> str:
    """Why nothing is known of a version. Only a version that was asked for by name is known not to be registered."""
    if not registries:
        return "no registry is configured"
    if found is not None:
        return f"{ref}: {found.absent}"
    return f"{ref} was not read" if of_model else f"no version of {ref.model} was read"


def gate_checks(one: Candidate, gates: Gates, describe: Describe) -> Iterator[Check]:
    """The checks of metrics, tags, signature and schema, in that order. A gate that is off has no check."""
    for name, gate in gates.metrics.items():
        if gate.weight is not Weight.OFF:
            yield _metric(one, name, gate)
    for key, accepted in gates.tags.items():
        if gates.tags_weight is not Weight.OFF:
            yield _tag(one, key, accepted, gates.tags_weight)
    if gates.signature is not Weight.OFF or gates.schema is not Weight.OFF:
        yield from _signatures(one, gates, describe)


# ── metrics and tags ────────────────────────────────────────────────────────────────────────────────────────────


def _metric(one: Candidate, name: str, gate: MetricGate) -> Check:
    label = f"{one.name} {name}"
    if one.version is None:
        return _unread(label, one, gate.weight)
    value = one.version.metrics.get(name)
    if value is None or endless(value):
        said = f"is not a finite number: {endless(value)}" if value is not None else "was not recorded by its run"
        return Check(label, _FAILED[gate.weight], f"{name} {said}", one.age_s)
    words: list[str] = []
    verdict = CheckVerdict.PASS
    for limit, sign in ((gate.least, 1.0), (gate.most, -1.0)):
        if limit is None:
            continue
        baseline, whose = _baseline(one, name, limit)
        if baseline is None:
            verdict = CheckVerdict.UNKNOWN if verdict is CheckVerdict.PASS else verdict
            words.append(whose)
            continue
        # Rounded: without it, .93 would not be within .02 of .95.
        met = round(sign * (value - baseline) + gate.slack, 12) >= 0
        if not met:
            verdict = _FAILED[gate.weight]
        relation = ("≥" if sign > 0 else "≤") if round(sign * (value - baseline), 12) >= 0 else "<" if sign > 0 else ">"
        spare = f", {gate.slack:g} to spare" if gate.slack and relation in "<>" else ""
        words.append(f"{relation} {baseline:.4g}{whose}{spare}")
    return _aged(Check(label, verdict, f"{value:.4g} {' and '.join(words)}", one.age_s), one)


def _baseline(one: Candidate, name: str, limit: float | str) -> tuple[float | None, str]:
    """The number to compare with and the version that it belongs to; ``None`` and the reason if there is none."""
    if not isinstance(limit, str):
        return limit, ""
    other = one.champion if limit == CHAMPION else one.stable
    if other is None:
        lacking = f"no version is @{CHAMPION}" if limit == CHAMPION else "the stable version was not read"
        return None, f"with nothing to compare: {lacking}"
    if other.absent:
        return None, f"with nothing to compare: {limit} {other.ref.version}: {other.absent}"
    value = other.metrics.get(name)
    if value is None or endless(value):
        lacks = f"has no {name}" if value is None else f"has {endless(value)}"
        return None, f"with nothing to compare: {limit} {other.ref.version} {lacks}"
    return value, f" of {limit} {other.ref.version}"


def _tag(one: Candidate, key: str, accepted: Sequence[str], weight: Weight) -> Check:
    label = f"{one.name} tag {key}"
    if one.version is None:
        return _unread(label, one, weight)
    value = one.version.tags.get(key)
    wanted = " or ".join(accepted)
    if value is None:
        return _aged(Check(label, _FAILED[weight], f"not set; {wanted} is required", one.age_s), one)
    if any(fnmatchcase(value, pattern) for pattern in accepted):
        return _aged(Check(label, CheckVerdict.PASS, value, one.age_s), one)
    return _aged(Check(label, _FAILED[weight], f"{value!r}; {wanted} is required", one.age_s), one)


def _unread(label: str, one: Candidate, weight: Weight) -> Check:
    verdict = CheckVerdict.BLOCK if weight is Weight.BLOCK else CheckVerdict.UNKNOWN
    return Check(label, verdict, one.unknown, one.age_s)


def _aged(check: Check, one: Candidate) -> Check:
    """The check, but unknown instead of pass if the registry does not answer now."""
    if not one.stale or check.verdict is not CheckVerdict.PASS:
        return check
    return Check(check.name, CheckVerdict.UNKNOWN, f"{one.stale}; last {check.evidence}", check.age_s)


# ── signature and schema ────────────────────────────────────────────────────────────────────────────────────────


def _signatures(one: Candidate, gates: Gates, describe: Describe) -> Iterator[Check]:
    label = f"{one.name} signature"
    if one.version is None:
        if gates.signature is not Weight.OFF:
            yield _unread(label, one, gates.signature)
        if gates.configured and gates.schema is not Weight.OFF:
            yield _unread(f"{one.name} schema", one, gates.schema)
        return
    mine, why = _asked(one.version.ref, one, describe)
    if gates.signature is not Weight.OFF:
        if why:
            verdict = CheckVerdict.BLOCK if gates.signature is Weight.BLOCK else CheckVerdict.UNKNOWN
            yield Check(label, verdict, why)
        elif mine is None:
            yield Check(label, _FAILED[gates.signature], "the model has none: what it takes is not declared")
        else:
            yield Check(label, CheckVerdict.PASS, f"{len(mine.inputs)} inputs, {len(mine.outputs)} outputs")
    if gates.schema is not Weight.OFF:
        yield from _schema(one, gates, mine, why, describe)


def _schema(one: Candidate, gates: Gates, mine: Signature | None, why: str, describe: Describe) -> Iterator[Check]:
    """Whether the version accepts the requests of the version that it replaces, and answers in the same form. If the
    configuration does not ask for this gate, only differences are shown: many models have no signature."""
    label = f"{one.name} schema"
    if one.stable is None:
        if gates.configured:
            yield Check(label, CheckVerdict.UNKNOWN, "the version that it replaces was not read")
        return
    if one.stable.absent:
        if gates.configured:
            yield Check(label, CheckVerdict.UNKNOWN, f"{one.stable.ref}: {one.stable.absent}")
        return
    if one.version is not None and one.stable.ref == one.version.ref:
        return
    theirs, why_theirs = _asked(one.stable.ref, one, describe) if not why else (None, why)
    whose = f"stable {one.stable.ref.version}"
    if why_theirs or theirs is None or mine is None:
        if theirs is not None and not why:
            yield Check(label, _FAILED[gates.schema], f"no signature, and {whose} has one")
        elif gates.configured:
            yield Check(label, CheckVerdict.UNKNOWN, why_theirs or f"{whose} has no signature to compare with")
        return
    differences = compared(theirs, mine)
    worst = max((found.fit for found in differences), default=Fit.SAME)
    verdict = {Fit.SAME: CheckVerdict.PASS, Fit.WIDER: CheckVerdict.PASS, Fit.LOOSE: CheckVerdict.WARN}.get(
        worst, _FAILED[gates.schema]
    )
    words = "; ".join(found.words for found in sorted(differences, key=lambda found: -found.fit))
    yield Check(label, verdict, f"{words or 'the same inputs and outputs'}, against {whose}")


def _asked(ref: ModelRef, one: Candidate, describe: Describe) -> tuple[Signature | None, str]:
    """The signature of a version, and the reason if it is not known. A registry that does not answer now is not asked
    again."""
    if one.stale:
        return None, one.stale
    try:
        found = describe(ref)
    except BackendError as error:
        return None, f"the registry was asked for it: {error.message}"
    return found.signature, found.signature_note


# ── cost ────────────────────────────────────────────────────────────────────────────────────────────────────────


def cost(endpoint: EndpointView, gates: Gates, prices: Mapping[str, float]) -> Check | None:
    """The hourly cost of the endpoint's present replicas; ``None`` if the configuration has no price and no limit."""
    if not prices and gates.max_cost is None:
        return None
    parts, unknown, total = [], [], 0.0
    for view in endpoint.variants:
        words, price = _cost_of(view, gates.instance, prices)
        if price is None:
            unknown.append(f"{view.name} ?: {words}")
        else:
            total += price
            parts.append(f"{view.name} {words}")
    limit = gates.max_cost
    said = f"{total:.2f}/h" + (f" of {limit:.2f}/h" if limit is not None else "")
    evidence = "; ".join([f"{said} ({', '.join(parts)})" if parts else "", *unknown]).removeprefix("; ")
    if limit is not None and total > limit:
        verdict = CheckVerdict.PASS if gates.cost_weight is Weight.OFF else _FAILED[gates.cost_weight]
    else:
        verdict = CheckVerdict.UNKNOWN if unknown else CheckVerdict.PASS
    return Check("cost", verdict, evidence)


def _cost_of(view: VariantView, instance: str, prices: Mapping[str, float]) -> tuple[str, float | None]:
    """The calculation in words, and the price per hour; the reason and ``None`` if the price is not known."""
    counts = [count for count in (view.variant.ready, view.variant.wanted) if count is not None]
    if instance:
        price = _price(instance, prices)
        if price is None:
            return f"no price for {instance}", None
        if not counts:
            return "its replicas are not known", None
        return f"{max(counts)} × {instance} at {price:g}", max(counts) * price
    if counts and max(counts) == 0:
        return "no replicas", 0.0
    if not view.gpus:
        return "neither its instance type nor its GPUs are known", None
    unpriced = sorted({gpu.model for gpu in view.gpus if _price(gpu.model, prices) is None})
    if unpriced:
        return f"no price for {', '.join(unpriced)}", None
    kinds = {gpu.model: sum(other.model == gpu.model for other in view.gpus) for gpu in view.gpus}
    words = " + ".join(f"{count} × {model} at {_price(model, prices):g}" for model, count in kinds.items())
    return words, sum(count * (_price(model, prices) or 0.0) for model, count in kinds.items())


def _price(name: str, prices: Mapping[str, float]) -> float | None:
    exact = prices.get(name)
    patterns = (price for pattern, price in prices.items() if fnmatchcase(name, pattern))
    return exact if exact is not None else next(patterns, None)
