"""The types of a validated configuration.

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
    """Whether changes are allowed in a context."""

    READ_ONLY = "read-only"
    ARM = "arm"  # read-only until armed, for ``arm_for_s`` at a time
    READ_WRITE = "read-write"


@dataclass(frozen=True, slots=True)
class Slo:
    """Objectives of one endpoint. ``p95_s`` is in seconds and ``error_ratio`` 0–1; ``None``: no such objective.
    ``drift`` is the score above which a feature has drifted. With fewer than ``min_samples`` requests nothing is
    judged. ``first_step`` is the percentage that a variant may get as its first traffic while its behaviour is not
    known."""

    p95_s: float | None = None
    error_ratio: float | None = None
    drift: float = 0.25
    min_samples: int = 100
    first_step: float = 5.0


@dataclass(frozen=True, slots=True)
class SloConfig:
    """A context's objectives: ``default``, and by endpoint (``str`` of its ref) its own ones, merged with the
    default."""

    default: Slo = Slo()
    endpoints: Mapping[str, Slo] = field(default_factory=dict)

    def for_endpoint(self, ref: EndpointRef) -> Slo:
        return self.endpoints.get(str(ref), self.default)


class Weight(StrEnum):
    """The effect of a gate that is not met."""

    OFF = "off"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class MetricGate:
    """A metric of the registry that must be at least ``least`` and at most ``most``, with a tolerance of ``slack``. A
    limit is a number, or the same metric of the version with the champion alias (``"champion"``) or of the stable
    variant (``"stable"``)."""

    least: float | str | None = None
    most: float | str | None = None
    slack: float = 0.0
    weight: Weight = Weight.BLOCK


@dataclass(frozen=True, slots=True)
class Gates:
    """The promotion gates of a version that is to get more traffic.

    ``tags`` are patterns of accepted values by key. ``signature`` requires that there is a signature, ``schema`` that
    it fits the callers of the version that it replaces. ``max_cost`` is per hour, for all variants of the endpoint
    together. Each replica runs on ``instance`` (a name in the prices; "": its GPUs are counted). ``configured`` is
    false if the configuration has no gates.
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
    """A context's gates: ``default``, and by endpoint or pattern (``kserve:prod/*``) its own ones, merged with the
    default."""

    default: Gates = Gates()
    endpoints: Mapping[str, Gates] = field(default_factory=dict)

    def for_endpoint(self, ref: EndpointRef) -> Gates:
        """The gates of an endpoint: by its exact ref, else by the first pattern that matches, else the default."""
        exact = self.endpoints.get(str(ref))
        patterns = (gates for key, gates in self.endpoints.items() if fnmatchcase(str(ref), key))
        return exact or next(patterns, self.default)

    @property
    def configured(self) -> bool:
        """Whether the configuration has gates."""
        return self.default.configured or bool(self.endpoints)


@dataclass(frozen=True, slots=True)
class PlatformConfig:
    """``[contexts.CONTEXT.platforms.NAME]``: a cluster, an account or a process that several sources share. ``options``
    are the values of all settings of a platform of that ``type``. Its sources take them over."""

    name: str
    type: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One source: ``[contexts.CONTEXT.KIND.NAME]``.

    ``every_s`` is its poll interval, ``timeout_s`` the deadline of each call. For a metrics source, ``window_s`` is the
    window of the present figures, and ``share_window_s`` the shorter window of traffic shares, so that a shift shows
    soon. ``Wiring.options`` is made of ``options``: the values of all settings of the adapter. If the source names a
    platform, some of them are the platform's.
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
    """How much less often a source is polled: ``hidden`` times if no visible pane shows it, ``unfocused`` times while
    the terminal does not have the focus. The interval is at most ``slowest_s``, or the configured one if that is
    longer."""

    hidden: float = 4.0
    unfocused: float = 2.0
    slowest_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """One environment. It is production unless it says that it is not. ``runbooks`` are URLs or paths by endpoint ref
    or by pattern of refs (``lab:prod/*``). ``prices`` are per hour, by instance type, GPU model or pattern of
    either. ``longest_hold_s`` is the longest that anything between here and its systems may hold a request: a call
    whose answer was lost, and that has had no effect by then, was not applied."""

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
    longest_hold_s: float = 60.0

    def of_kind(self, kind: str) -> tuple[SourceConfig, ...]:
        """The sources of that kind, in the order of the file."""
        return tuple(source for source in self.sources if source.kind == kind)

    def source(self, kind: str, name: str) -> SourceConfig | None:
        """The source of that kind and name, or ``None``."""
        return next((source for source in self.of_kind(kind) if source.name == name), None)

    def runbook_for(self, ref: EndpointRef) -> str:
        """The runbook of an endpoint: by its exact ref, else by the first pattern that matches, else ""."""
        if not self.runbooks:
            return ""
        exact = self.runbooks.get(str(ref))
        return exact or next((book for key, book in self.runbooks.items() if fnmatchcase(str(ref), key)), "")


@dataclass(frozen=True, slots=True)
class UiConfig:
    """The table ``[ui]``. ``ascii`` and ``slow_link`` are ``None`` if the terminal decides. A ``refresh_s`` above 1 is
    the least time between two views. ``charts_s`` is how far back charts go at first."""

    mouse: bool = False
    ascii: bool | None = None
    refresh_s: float = 1.0
    charts_s: float = 900.0
    slow_link: bool | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file. ``keys`` remaps keys: the key to press, by action id; ``key_lines`` are the lines of its entries.
    ``faults`` are sources whose adapter cannot
    be used: each is there without its options, and says so itself when it is asked."""

    path: Path
    default_context: str
    journal: Path
    contexts: Mapping[str, ContextConfig]
    keys: Mapping[str, str] = field(default_factory=dict)
    ui: UiConfig = UiConfig()
    faults: tuple[ConfigError, ...] = ()
    key_lines: Mapping[str, int] = field(default_factory=dict)
