"""What a configuration holds, once it is validated.

Units: durations in seconds, ratios 0–1, paths absolute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.contracts import EndpointRef
    from shiftdeck.config.errors import ConfigError


class Access(StrEnum):
    """What may be changed from here."""

    READ_ONLY = "read-only"
    ARM = "arm"  # read-only until armed, for ``arm_for_s`` at a time
    READ_WRITE = "read-write"


@dataclass(frozen=True, slots=True)
class Slo:
    """Objectives of one endpoint. ``p95_s`` in seconds and ``error_ratio`` 0–1 are ``None`` where there is none;
    ``drift`` is the score above which a feature has drifted; with fewer than ``min_samples`` requests nothing is
    judged."""

    p95_s: float | None = None
    error_ratio: float | None = None
    drift: float = 0.25
    min_samples: int = 100


@dataclass(frozen=True, slots=True)
class SloConfig:
    """A context's objectives: ``default``, and by endpoint (``str`` of its ref) what differs, already merged."""

    default: Slo = Slo()
    endpoints: Mapping[str, Slo] = field(default_factory=dict)

    def for_endpoint(self, ref: EndpointRef) -> Slo:
        return self.endpoints.get(str(ref), self.default)


class Weight(StrEnum):
    """What a gate does that is not met."""

    OFF = "off"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class MetricGate:
    """A metric of the registry that is to be at least ``least`` and at most ``most``: a number, or that of the version
    with the champion alias (``"champion"``) or of the stable variant (``"stable"``), give or take ``slack``."""

    least: float | str | None = None
    most: float | str | None = None
    slack: float = 0.0
    weight: Weight = Weight.BLOCK


@dataclass(frozen=True, slots=True)
class Gates:
    """What the registry has to say of a version before it gets more traffic.

    ``tags`` are patterns of accepted values by key; ``signature`` asks that there is one, ``schema`` that it fits who
    used the version that it replaces. ``max_cost`` is per hour, for all variants of the endpoint together, each replica
    of which runs on ``instance`` (a name in the prices; "": its GPUs are counted). ``configured`` is false where
    nothing was said of gates.
    """

    metrics: Mapping[str, MetricGate] = field(default_factory=dict)
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tags_weight: Weight = Weight.BLOCK
    signature: Weight = Weight.OFF
    schema: Weight = Weight.WARN
    max_cost: float | None = None
    cost_weight: Weight = Weight.BLOCK
    instance: str = ""
    configured: bool = False


@dataclass(frozen=True, slots=True)
class GatesConfig:
    """A context's gates: ``default``, and by endpoint or pattern (``kserve:prod/*``) what differs, already merged."""

    default: Gates = Gates()
    endpoints: Mapping[str, Gates] = field(default_factory=dict)

    def for_endpoint(self, ref: EndpointRef) -> Gates:
        """The exact ref comes before patterns, and these in their order."""
        exact = self.endpoints.get(str(ref))
        patterns = (gates for key, gates in self.endpoints.items() if fnmatchcase(str(ref), key))
        return exact or next(patterns, self.default)

    @property
    def configured(self) -> bool:
        """Whether anything was said of gates."""
        return self.default.configured or bool(self.endpoints)


@dataclass(frozen=True, slots=True)
class PlatformConfig:
    """``[contexts.CONTEXT.platforms.NAME]``: a cluster, an account, a process that several sources are on. ``options``
    are the values of every setting of a platform of that ``type``, which its sources take over."""

    name: str
    type: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One source: ``[contexts.CONTEXT.KIND.NAME]``.

    ``every_s`` is its poll interval, ``timeout_s`` the deadline of each call. To a metrics source ``window_s`` is what
    "now" means, and ``share_window_s`` the shorter one that traffic shares are measured over, so that a shift shows
    soon. ``options`` is what ``Wiring.options`` is made of: the value of every setting of the adapter,
    some of them the platform's where it names one.
    """

    kind: str
    name: str
    adapter: str
    every_s: float
    timeout_s: float
    window_s: float
    options: Mapping[str, object]
    share_window_s: float = 60.0
    platform: str = ""


@dataclass(frozen=True, slots=True)
class RefreshConfig:
    """How much less often a source is asked: ``hidden`` times where no visible pane shows it, ``unfocused`` times while
    the terminal has not the focus; but every ``slowest_s`` at least, or as often as it is configured to be."""

    hidden: float = 4.0
    unfocused: float = 2.0
    slowest_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """One environment. Treated as production unless it says that it is not. ``runbooks`` is a URL or path by endpoint
    ref, or by pattern of it (``lab:prod/*``), ``prices`` are per hour by instance type or GPU model, or pattern of
    either."""

    name: str
    sources: tuple[SourceConfig, ...]
    production: bool = True
    access: Access = Access.READ_ONLY
    arm_for_s: float = 900.0
    slo: SloConfig = SloConfig()
    runbooks: Mapping[str, str] = field(default_factory=dict)
    gates: GatesConfig = GatesConfig()
    prices: Mapping[str, float] = field(default_factory=dict)
    refresh: RefreshConfig = RefreshConfig()
    platforms: Mapping[str, PlatformConfig] = field(default_factory=dict)

    def of_kind(self, kind: str) -> tuple[SourceConfig, ...]:
        """The sources of that kind, in the order of the file."""
        return tuple(source for source in self.sources if source.kind == kind)

    def source(self, kind: str, name: str) -> SourceConfig | None:
        """The source of that kind and name, or ``None``."""
        return next((source for source in self.of_kind(kind) if source.name == name), None)

    def runbook_for(self, ref: EndpointRef) -> str:
        """The runbook of that endpoint, or "". The exact ref comes before patterns, and these in their order."""
        if not self.runbooks:
            return ""
        exact = self.runbooks.get(str(ref))
        return exact or next((book for key, book in self.runbooks.items() if fnmatchcase(str(ref), key)), "")


@dataclass(frozen=True, slots=True)
class UiConfig:
    """``ascii`` and ``slow_link`` are ``None`` where the terminal is to decide. From a second up ``refresh_s`` is the
    least time from one view to the next. ``charts_s`` is how far back charts go at first."""

    mouse: bool = False
    ascii: bool | None = None
    refresh_s: float = 1.0
    charts_s: float = 900.0
    slow_link: bool | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file. ``keys`` remaps keys: the key to press, by action id. ``faults`` are sources whose adapter cannot
    be used: each is there without its options, and says so itself when it is asked."""

    path: Path
    default_context: str
    journal: Path
    contexts: Mapping[str, ContextConfig]
    keys: Mapping[str, str] = field(default_factory=dict)
    ui: UiConfig = UiConfig()
    faults: tuple[ConfigError, ...] = ()
