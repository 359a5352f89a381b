"""Small pieces that unit tests of shiftdeck are made of, with what does not matter filled in."""

from __future__ import annotations

from backends.contracts import (
    Action,
    Direction,
    DriftScore,
    Endpoint,
    EndpointRef,
    Gpu,
    Phase,
    Release,
    Role,
    Subject,
    Variant,
    VariantMetrics,
)
from shiftdeck.config.loader import Slo
from shiftdeck.sources.source import SourceState, SourceStatus
from tests.fake_data import Behaviour

NOW = 1_000_000.0
REF = EndpointRef("lab", "prod", "sentiment")
SLO = Slo(p95_s=0.2, error_ratio=0.01, drift=0.25, min_samples=100)
WELL = Behaviour(0.06, 0.5, 0.002)


def variant(name: str, role: Role, weight: float | None, **fields: object) -> Variant:
    """Desired and observed at ``weight``, two of two replicas ready."""
    given: dict[str, object] = {"desired": weight, "observed": weight, "ready": 2, "wanted": 2}
    return Variant(name, role, **{**given, **fields})  # type: ignore[arg-type]  # fields by name


def stable(weight: float | None = 90.0, **fields: object) -> Variant:
    return variant("v7", Role.STABLE, weight, **fields)


def canary(weight: float | None = 10.0, **fields: object) -> Variant:
    return variant("v8", Role.CANARY, weight, **fields)


def endpoint(*variants: Variant, **fields: object) -> Endpoint:
    given: dict[str, object] = {
        "phase": Phase.STEADY,
        "revision": "17",
        "actions": dict.fromkeys((Action.SHIFT, Action.MIRROR, Action.PROMOTE, Action.ROLLBACK)),
        "releases": (release("17", {"v7": 90.0, "v8": 10.0}, current=True), release("16", {"v7": 100.0, "v8": 0.0})),
    }
    return Endpoint(REF, variants or (stable(), canary()), **{**given, **fields})  # type: ignore[arg-type]


def untidy(**fields: object) -> Endpoint:
    """In the middle of a change: desired 75 to 25, observed 90 to 10, measured 93 to 7; 2 of 3 replicas of stable are
    ready and 4 of 9 of the canary; and the system gives no revision."""
    given: dict[str, object] = {"phase": Phase.PROGRESSING, "revision": "", **fields}
    return endpoint(
        stable(75.0, observed=90.0, measured=93.0, ready=2, wanted=3),
        canary(25.0, observed=10.0, measured=7.0, ready=4, wanted=9),
        **given,
    )


def release(
    id_: str,
    weights: dict[str, float],
    *,
    current: bool = False,
    good: bool | None = None,
    at: float | None = None,
    by: str = "",
) -> Release:
    return Release(id_, weights, at, by, "", current, good)


def metrics(
    name: str = "v7",
    behaviour: Behaviour = WELL,
    samples: int = 5000,
    *,
    endpoint: str = "sentiment",
    scope: str = "prod",
    mirrored: bool = False,
    rps: float | None = None,
    window_s: float = 60.0,
) -> VariantMetrics:
    """What a variant of that behaviour shows in a minute."""
    return VariantMetrics(
        Subject(endpoint, name, scope),
        window_s,
        NOW,
        samples / window_s if rps is None else rps,
        behaviour.error_ratio if samples else None,
        behaviour.quantile(0.0) if samples else None,
        behaviour.quantile(1.645) if samples else None,
        behaviour.quantile(2.326) if samples else None,
        samples,
        mirrored,
        behaviour.histogram(samples),
    )


def score(
    feature: str = "text_len",
    value: float | None = 0.1,
    *,
    variant: str = "v8",
    method: str = "psi",
    threshold: float = 0.25,
    direction: Direction = Direction.ABOVE,
    note: str = "",
    endpoint: str = "sentiment",
    scope: str = "prod",
) -> DriftScore:
    subject = Subject(endpoint, variant, scope)
    return DriftScore(subject, feature, method, value, threshold, direction, 4000, 3600.0, NOW - 5.0, note=note)


def gpu(fault: str = "", subject: Subject | None = None) -> Gpu:
    return Gpu("node-a", "0", "GPU-1", "A100", fault=fault, subject=subject)


def status(
    name: str = "gateway",
    state: SourceState = SourceState.OK,
    *,
    kind: str = "metrics",
    at: float | None = NOW - 1.0,
    since: float = NOW - 600.0,
) -> SourceStatus:
    return SourceStatus(name, kind, name, state, at, since, 1.0)
