"""The enumerations that all layers use, and the empty mapping. This module is cheap to import."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

EMPTY: Mapping[str, str] = MappingProxyType({})


class Role(StrEnum):
    """The role of a variant in its endpoint."""

    STABLE = "stable"
    CANARY = "canary"
    SHADOW = "shadow"  # gets mirrored requests; its answers are dropped
    CANDIDATE = "candidate"  # one of several in a permanent split
    IDLE = "idle"  # deployed, gets no traffic


class Phase(StrEnum):
    """The state of an endpoint, as the control plane reports it."""

    STEADY = "steady"
    PROGRESSING = "progressing"
    PAUSED = "paused"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """The actions on an endpoint, one for each kind of ``Change``."""

    SHIFT = "shift"
    MIRROR = "mirror"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ADVANCE = "advance"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    RETRY = "retry"
    UNPIN = "unpin"


class Measure(StrEnum):
    """The measures that have a history."""

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
    """Why a drift score has no value. Each reason is a state of its own, neither good nor bad."""

    FEW = "too few samples"
    NO_REFERENCE = "no reference"
    BINS = "bins differ"  # the live histogram and its reference cannot be compared
    EMPTY = "empty bins"  # the verdict would depend on how an empty bin is counted
    BLIND = "bins see nothing"  # nearly everything is in the bin without an upper bound
    DEAD = "scorer silent"  # the program that reports the score has stopped


class AlertState(StrEnum):
    FIRING = "firing"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    PENDING = "pending"


class ProbeKind(StrEnum):
    REACH = "reach"
    READ = "read"
    WRITE = "write"
