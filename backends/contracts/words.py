"""The closed sets of words that all floors use, and the empty mapping: what can be imported at no cost."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

EMPTY: Mapping[str, str] = MappingProxyType({})


class Role(StrEnum):
    """What a variant is to its endpoint."""

    STABLE = "stable"
    CANARY = "canary"
    SHADOW = "shadow"  # gets mirrored requests; its answers reach nobody
    CANDIDATE = "candidate"  # one of several in a lasting split
    IDLE = "idle"  # deployed, gets nothing


class Phase(StrEnum):
    """What the control plane says of an endpoint."""

    STEADY = "steady"
    PROGRESSING = "progressing"
    PAUSED = "paused"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What can be asked of an endpoint. One for each kind of ``Change``."""

    SHIFT = "shift"
    MIRROR = "mirror"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ADVANCE = "advance"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    RETRY = "retry"


class Measure(StrEnum):
    """What can be asked for over time."""

    RATE = "rate"  # requests/s
    ERRORS = "errors"  # ratio 0–1
    P50 = "p50"  # seconds
    P95 = "p95"
    P99 = "p99"


class Direction(StrEnum):
    """On which side of its threshold a score alarms."""

    ABOVE = "above"  # distances
    BELOW = "below"  # p-values


class Gap(StrEnum):
    """Why a drift score has no value: each is a state of its own, and neither good nor bad."""

    FEW = "too few samples"
    NO_REFERENCE = "no reference"
    BINS = "bins differ"  # the live histogram and its reference cannot be compared
    EMPTY = "empty bins"  # the verdict would hang on how an empty bin is counted
    BLIND = "bins see nothing"  # nearly everything is in the bin without an upper bound
    DEAD = "scorer silent"  # what reports the score has stopped


class AlertState(StrEnum):
    FIRING = "firing"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    PENDING = "pending"


class ProbeKind(StrEnum):
    REACH = "reach"
    READ = "read"
    WRITE = "write"
