"""The language that all three floors speak: domain types, and the protocols that adapters implement.

Units, everywhere: times are Unix seconds (``at``, ``created``), durations are seconds (``*_s``), latencies are
seconds, weights and shares are **percent** (0–100), error ratios are 0–1, memory is bytes. ``None`` means "not known"
and is never the same as 0.

All protocols are plain synchronous code that puts a deadline on every call and raises only ``backends.errors``.
Adapters are called from several threads (one polls, another carries out an action), so they must be thread-safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Protocol, runtime_checkable

from backends.settings import Setting

EMPTY: Mapping[str, str] = MappingProxyType({})

# ── models and the registry ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, order=True)
class ModelRef:
    """A version of a registered model. ``version`` is text: registries number, name or date their versions."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.model}/{self.version}"


@dataclass(frozen=True, slots=True)
class Column:
    """One input, output or parameter of a model. ``type`` is the registry's own word ("double", "tensor(float32,
    [-1,4])"). ``name`` is its place ("0") where it has none."""

    name: str
    type: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and what it answers."""

    inputs: tuple[Column, ...] = ()
    outputs: tuple[Column, ...] = ()
    params: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Dataset:
    """Data that a run read. ``context`` is what for ("training"); ``digest`` tells two states of it apart."""

    name: str
    digest: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """What a registry knows of one version. ``commit`` is the state of the code that trained it and ``code`` what was
    run, ``datasets`` what it read. ``signature`` takes a file to be read: ``Describes`` fills it in, or says in
    ``signature_note`` why it is not known."""

    ref: ModelRef
    aliases: tuple[str, ...] = ()
    stage: str | None = None
    created: float | None = None
    updated: float | None = None
    author: str = ""
    run: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    digest: str | None = None
    status: str = ""
    description: str = ""
    commit: str = ""
    code: str = ""
    datasets: tuple[Dataset, ...] = ()
    signature: Signature | None = None
    signature_note: str = "not read"


# ── endpoints ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, order=True)
class EndpointRef:
    """Names one endpoint. ``backend`` is the name of the source in the configuration, ``scope`` a namespace,
    project or workspace ("" where the system has none). Written ``backend:scope/name``."""

    backend: str
    scope: str
    name: str

    def __str__(self) -> str:
        return f"{self.backend}:{self.scope}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> EndpointRef:
        """Read ``backend:scope/name``. Everything after the last slash is the name.

        Raises:
            ValueError: the text is not of that form.
        """
        backend, colon, rest = text.partition(":")
        scope, slash, name = rest.rpartition("/")
        if not (backend and colon and slash and name):
            raise ValueError(f"{text!r} is not an endpoint: write BACKEND:SCOPE/NAME")
        return cls(backend, scope, name)


class Role(StrEnum):
    """What a variant is to its endpoint."""

    STABLE = "stable"
    CANARY = "canary"
    SHADOW = "shadow"  # gets mirrored requests; its answers reach nobody
    CANDIDATE = "candidate"  # one of several in a lasting split
    IDLE = "idle"  # deployed, gets nothing


@dataclass(frozen=True, slots=True)
class Variant:
    """One deployed thing behind an endpoint that may get a share of its traffic.

    The three percentages are different facts and are never merged: ``desired`` is what is asked for, ``observed`` what
    the control plane reports, ``measured`` what the metrics saw (filled in by the fleet's join, never by an adapter).
    ``mirror`` is the percentage of requests copied to this variant. ``running`` are the digests of the image that its
    replicas run, where the system tells; ``image`` is what they were asked to run, mostly by a tag that may have moved.
    """

    name: str
    role: Role
    model: ModelRef | None = None
    image: str | None = None
    ready: int | None = None
    wanted: int | None = None
    desired: float | None = None
    observed: float | None = None
    measured: float | None = None
    mirror: float | None = None
    message: str = ""
    running: tuple[str, ...] = ()


class Phase(StrEnum):
    """What the control plane says of an endpoint."""

    STEADY = "steady"
    PROGRESSING = "progressing"
    PAUSED = "paused"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Release:
    """A state of an endpoint that it was in, or can be put back to. ``weights`` is percent by variant name.

    ``good`` is true where the system or the operator vouches for it, false where it was rolled back, ``None`` where
    nobody has said.
    """

    id: str
    weights: Mapping[str, float]
    at: float | None = None
    by: str = ""
    note: str = ""
    current: bool = False
    good: bool | None = None


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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint as its serving system reports it.

    ``revision`` is an opaque token for "as I read it": sent back as a guard, it makes a lost update fail.
    ``releases`` is newest first and includes the current one, marked as such. ``owner`` names a controller that would
    revert a change made here, or is empty. ``actions`` has an entry for each action that this *kind* of system knows:
    ``None`` where it is possible now, else the reason why it is not. ``native`` is what the adapter itself needs to
    compile a change (the place of an entry in a list, say); nobody else looks into it.
    """

    ref: EndpointRef
    variants: tuple[Variant, ...]
    phase: Phase = Phase.UNKNOWN
    message: str = ""
    releases: tuple[Release, ...] = ()
    revision: str = ""
    owner: str = ""
    actions: Mapping[Action, str | None] = field(default_factory=dict)
    runbook: str = ""
    native: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)

    def variant(self, name: str) -> Variant | None:
        """The variant of that name, or ``None``."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def in_role(self, role: Role) -> Variant | None:
        """The first variant in that role, or ``None``."""
        return next((variant for variant in self.variants if variant.role is role), None)


# ── changes, and the calls that make them ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Split:
    """Live traffic in percent by variant name; names every variant that may get traffic, and sums to 100."""

    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copy ``percent`` of the requests to ``variant``; 0 stops it."""

    variant: str
    percent: float


@dataclass(frozen=True, slots=True)
class Promote:
    """All traffic to ``variant``, which becomes the stable one."""

    variant: str


@dataclass(frozen=True, slots=True)
class Rollback:
    """Back to the release of that id."""

    release: str


@dataclass(frozen=True, slots=True)
class Advance:
    """On to the next step of a stepped rollout; ``full`` skips all that are left."""

    full: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Hold a rollout where it is."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Let a paused rollout go on."""


@dataclass(frozen=True, slots=True)
class Abort:
    """Give a rollout up: traffic back to stable."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Begin an aborted rollout again."""


Change = Split | Mirror | Promote | Rollback | Advance | Pause | Resume | Abort | Retry

ACTION_OF: Mapping[type, Action] = MappingProxyType(
    {
        Split: Action.SHIFT,
        Mirror: Action.MIRROR,
        Promote: Action.PROMOTE,
        Rollback: Action.ROLLBACK,
        Advance: Action.ADVANCE,
        Pause: Action.PAUSE,
        Resume: Action.RESUME,
        Abort: Action.ABORT,
        Retry: Action.RETRY,
    }
)


@dataclass(frozen=True, slots=True)
class Call:
    """One native call, exactly as it will be sent.

    ``body`` is what JSON can hold, a list where the system takes one (a JSON patch). ``guard`` says in words what makes
    a lost update fail ("If-Match 17"), or is empty where the system has none. ``command`` is what a human
    would type instead; ``summary`` what changes, in the system's own field names ("traffic v7 90 → 100, v8 10 → 0").
    None of them holds a secret.
    """

    method: str
    path: str
    body: Mapping[str, object] | Sequence[object] | None
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    guard: str = ""
    summary: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a system answered to a call that it took. ``revision`` is the object's new token, where it tells."""

    revision: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """The control plane reports the change as in effect."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """On its way. ``message`` says what it waits for; ``stalled`` that the system itself says it is stuck."""

    message: str = ""
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class Diverged:
    """The endpoint went somewhere else: ``message`` says where, and who did it if known."""

    message: str


Progress = Settled | Pending | Diverged

# ── what is measured ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What a measurement is about, as its labels say. ``scope`` and ``variant`` are "" where no label tells."""

    endpoint: str
    variant: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by bin: ``counts[i]`` values fell in (``bounds[i-1]``, ``bounds[i]``]; the last bound is ``inf``.

    Counts are per bin, not cumulative, and may be fractional where a server extrapolated.
    """

    labels: Mapping[str, str]
    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def total(self) -> float:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest value of one series."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class VariantMetrics:
    """How one variant behaved in the last ``window_s`` seconds, up to ``at``, which does not count when two of them are
    compared: a variant that does what it did is measured anew all the time.

    ``samples`` is the number of requests counted; with 0 of them the rates of it are ``None``. ``latency`` is there
    where the source has buckets, so that two variants can be compared properly; ``mean`` is for sources that know a
    mean latency at most.
    """

    subject: Subject
    window_s: float
    at: float = field(compare=False)
    rps: float | None = None
    error_ratio: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    samples: int = 0
    mirrored: bool = False
    latency: Histogram | None = None
    mean: float | None = None


class Measure(StrEnum):
    """What can be asked for over time."""

    RATE = "rate"  # requests/s
    ERRORS = "errors"  # ratio 0–1
    P50 = "p50"  # seconds
    P95 = "p95"
    P99 = "p99"


@dataclass(frozen=True, slots=True)
class Series:
    """One measure over time: ``points`` are (Unix seconds, value or ``None`` for "no data"), oldest first."""

    subject: Subject
    measure: Measure
    points: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that computes on an accelerator; ``memory`` is what it holds there, in bytes, where that is told."""

    pid: int
    name: str
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One accelerator, or one MIG instance of it. What the driver or exporter does not report is ``None``.

    ``ecc`` counts the memory errors that could not be corrected since the driver was loaded, ``remapped`` the rows of
    memory that were replaced. ``processes`` is empty where they are not told either. ``subject`` is the endpoint and
    variant whose pod holds it, where that is known. ``fault`` is a sentence (an XID error, a lost device) or empty.
    ``simulated`` marks what no real device stands behind.
    """

    node: str
    index: str
    uuid: str
    model: str
    utilisation: float | None = None  # percent
    memory_used: int | None = None
    memory_total: int | None = None
    temperature: float | None = None  # °C
    power: float | None = None  # W
    clock: float | None = None  # MHz
    xid: int | None = None
    ecc: int | None = None
    remapped: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    fault: str = ""
    simulated: bool = False
    subject: Subject | None = None


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


@dataclass(frozen=True, slots=True)
class DriftScore:
    """How far the live distribution of one feature is from its reference, or how good a model's answers are.

    ``value`` is ``None`` where there is no score; ``gap`` then says why, and ``note`` in words ("n 48 of 200"): such a
    score is neither good nor bad. ``history`` is older values first, ending in ``value``; ``times`` are their moments.
    ``live`` and ``reference`` are the shares by bin (each sums to 1) that were compared, where they are known, and
    ``bounds`` the bins' upper bounds, or ``categories`` their names.

    ``threshold`` is where to act, ``watch`` where to look closer. ``beside`` is the same method between this variant
    and the stable one of its endpoint (``beside_name``), each in its live window: it tells a change of the inputs,
    which both see, from a change of the model. ``model`` joins a score whose labels name no endpoint. ``delay_s`` is
    how old the truth is that the answers were compared with; where it is set the score is about answers and not inputs.
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
        """What the score is of; the same from reading to reading."""
        return self.subject, self.feature, self.method, self.baseline

    def beyond(self, value: float, limit: float) -> bool:
        """Whether ``value`` is on the bad side of ``limit``."""
        return value > limit if self.direction is Direction.ABOVE else value < limit

    @property
    def crossed(self) -> bool | None:
        """Whether the score alarms; ``None`` where there is no score."""
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
        back as ``history`` goes. ``None`` where it has not crossed."""
        if not self.crossed:
            return None
        began = self.at
        for at, value in zip(reversed(self.times), reversed(self.history), strict=False):
            if not self.beyond(value, self.threshold):
                break
            began = at
        return began


ScoreKey = tuple[Subject, str, str, str]  # whose, the feature, the method, the baseline
Past = tuple[tuple[float, float], ...]  # moments and values, oldest first


class AlertState(StrEnum):
    FIRING = "firing"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. ``subject`` is what it is about, where its labels say; ``source`` the name of the source that told of
    it, ``silenced_by`` the silences that keep it quiet, and ``silenced_until`` when the last of them ends."""

    name: str
    state: AlertState
    severity: str = ""
    summary: str = ""
    since: float | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    subject: Subject | None = None
    fingerprint: str = ""
    source: str = ""
    silenced_by: tuple[str, ...] = ()
    silenced_until: float | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts with all of these labels are kept quiet from ``starts`` until ``ends``. ``state`` is the system's own word
    ("active", "pending", "expired")."""

    id: str
    matchers: Mapping[str, str]
    starts: float
    ends: float
    author: str
    comment: str
    state: str = ""


# ── what adapters implement ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Image:
    """What a container registry says of an image now. ``reference`` is the variant's own way of naming it.

    ``digest`` is what its tag points to, ``None`` where that is not known; ``note`` then says why. Where that is an
    index, ``contains`` are the digests of its platforms' manifests: a node may tell either. ``signed`` is whether a
    signature is attached to it. It is not verified: anybody who may push can attach one. ``running`` is not the
    registry's: by serving source and scope, the digests that replicas run which were asked to run this (see ``Runs``).
    """

    reference: str
    digest: str | None = None
    contains: tuple[str, ...] = ()
    signed: bool | None = None
    note: str = ""
    running: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


class ProbeKind(StrEnum):
    REACH = "reach"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Probe:
    """One finding of ``doctor``: ``ok`` is ``None`` where it could not be tried. ``hint`` says what to do."""

    kind: ProbeKind
    ok: bool | None
    detail: str
    hint: str = ""
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class Wiring:
    """What an adapter is given when it is made.

    ``name`` is the source's name in the configuration; ``options`` holds every setting that the adapter declares,
    validated and with defaults filled in; ``source`` gives the adapter of another source by (kind, name) — for adapters
    that read through a metrics adapter, say — as named by a setting of type ``SOURCE``. ``wake`` may be called from any
    thread when there is something new (a watch event): the source is then asked soon, not at its next interval.
    """

    name: str
    options: Mapping[str, object]
    source: Callable[[str, str], Adapter]
    clock: Callable[[], float]
    wake: Callable[[], None] = lambda: None


class Adapter(Protocol):
    """What every adapter has. It is made by ``Class(wiring)``, which does no I/O and imports no SDK."""

    SETTINGS: ClassVar[tuple[Setting, ...]]

    def probe(self) -> tuple[Probe, ...]:
        """Try what the adapter needs, for ``doctor``. Raises nothing of ``backends.errors``; changes nothing."""
        ...

    def close(self) -> None:
        """Let go of connections and child processes. The adapter is not used afterwards."""
        ...


class Registry(Adapter, Protocol):
    """Where versions of models are registered."""

    def versions(self) -> tuple[ModelVersion, ...]:
        """The versions worth showing, newest first within each model, aliases joined in."""
        ...

    def compile_alias(self, model: str, alias: str, version: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. The calls that point ``alias`` at ``version``, if it still points at ``expected`` (``None``: unset)."""
        ...

    def send(self, call: Call) -> Receipt:
        """Send one compiled call. Raises ``Conflict`` where the alias does not point at what was expected."""
        ...


@runtime_checkable
class Describes(Protocol):
    """A registry that knows more of a version than is read of all of them."""

    def describe(self, ref: ModelRef) -> ModelVersion:
        """Everything about one version, read afresh, with its signature (``None``: it has none).

        Raises:
            Rejected: there is no such version.
        """
        ...


@runtime_checkable
class Artifacts(Protocol):
    """A registry that keeps files beside its versions.

    A location is ``runs:/RUN/PATH`` (what a training run wrote) or ``models:/NAME/VERSION/PATH`` and
    ``models:/NAME@ALIAS/PATH`` (what belongs to the model itself), as MLflow writes them.
    """

    def artifact(self, location: str) -> bytes:
        """The content of a file, of at most 16 MiB.

        Raises:
            Rejected: there is no such file, or its path leads out of where it should be.
            Unsupported: it is kept where this registry does not serve it from.
            Malformed: it is too large.
        """
        ...

    def artifacts(self, location: str) -> tuple[str, ...]:
        """The locations of the files in a folder, in alphabetical order; without folders in it. Raises likewise."""
        ...


@runtime_checkable
class Annotates(Protocol):
    """A registry whose versions have tags and stages that can be set. ``expected`` is what is there now, ``None`` for
    nothing; ``send`` raises ``Conflict`` where that has changed."""

    def own(self, ref: ModelRef) -> ModelVersion:
        """A version read afresh: its aliases, stage and tags, without what its run tells.

        Raises:
            Rejected: there is no such version.
        """
        ...

    def compile_tag(self, ref: ModelRef, key: str, value: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. Sets a tag, or takes it away where ``value`` is empty; no call where it is so already.

        Raises:
            Rejected: the registry keeps that key to itself.
        """
        ...

    def compile_stage(self, ref: ModelRef, stage: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. Moves a version to a stage; no call where it is there already.

        Raises:
            Rejected: there is no such stage.
        """
        ...


class Serving(Adapter, Protocol):
    """A system that serves endpoints."""

    def endpoints(self) -> tuple[Endpoint, ...]: ...

    def read(self, ref: EndpointRef) -> Endpoint:
        """One endpoint, afresh. Raises ``Rejected`` where there is none of that name."""
        ...

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        """Pure. The exact calls that make ``change``, guarded by ``endpoint.revision``.

        Raises:
            Unsupported: this system has no such change.
            Rejected: the change does not fit this endpoint (an unknown variant or release, a sum that is not 100).
        """
        ...

    def send(self, call: Call) -> Receipt:
        """Send one compiled call, just as it is. Raises ``Conflict`` where the guard did not hold."""
        ...

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        """Pure. How far the control plane is with ``change``, which was compiled from ``before``."""
        ...


class Metrics(Adapter, Protocol):
    """Where requests are counted and timed."""

    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        """Every variant that was seen in the last ``window_s`` seconds."""
        ...

    def history(self, subject: Subject, measure: Measure, window_s: float, step_s: float) -> Series: ...

    def samples(self, name: str) -> tuple[Sample, ...]:
        """The newest value of each series of the gauge or counter ``name``."""
        ...

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        """What the histogram ``name`` counted in the last ``window_s`` seconds, summed over all labels not in ``by``.
        ``window_s`` may be ``inf``: since the counters began."""
        ...


@runtime_checkable
class Rates(Protocol):
    """A metrics adapter that can count requests for less than ``current`` costs."""

    def rates(self, window_s: float) -> tuple[VariantMetrics, ...]:
        """As ``Metrics.current``, with no latencies: traffic shares need ``rps`` and ``samples`` alone."""
        ...


class Accelerators(Adapter, Protocol):
    def gpus(self) -> tuple[Gpu, ...]: ...


class Drift(Adapter, Protocol):
    def scores(self) -> tuple[DriftScore, ...]: ...


class Images(Adapter, Protocol):
    """A registry of container images."""

    def images(self, references: Sequence[str]) -> tuple[Image, ...]:
        """Those of the references that lie in this registry, as it has them now; others are left out."""
        ...

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags of a repository, in the registry's order. Raises ``Rejected`` where there is no such repository."""
        ...


class Alerts(Adapter, Protocol):
    def alerts(self) -> tuple[Alert, ...]: ...


@runtime_checkable
class Silences(Protocol):
    """An alerts adapter whose system can keep alerts quiet for a while."""

    def silences(self) -> tuple[Silence, ...]:
        """All that the system still knows of, expired ones among them."""
        ...

    def compile_silence(self, alert: Alert, *, starts: float, duration_s: float, author: str, comment: str) -> Call:
        """Pure. The call that keeps exactly this alert quiet.

        Raises:
            Rejected: no duration, no comment, or an alert without labels.
        """
        ...

    def compile_expire(self, silence: str) -> Call:
        """Pure. The call that ends the silence of that id."""
        ...

    def send(self, call: Call) -> Receipt:
        """Send one compiled call, just as it is. Of a new silence, ``Receipt.revision`` is its id."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A metrics adapter whose system keeps what was. Both answer by moment, in steps of ``step_s`` over the last
    ``window_s`` seconds, of the series with just the labels in ``where``; a moment without any is left out."""

    def past_samples(
        self, name: str, where: Mapping[str, str], window_s: float, step_s: float
    ) -> Mapping[float, tuple[Sample, ...]]:
        """The values of a gauge. Raises as ``Metrics.samples``."""
        ...

    def past_histograms(
        self, name: str, over_s: float, by: tuple[str, ...], where: Mapping[str, str], window_s: float, step_s: float
    ) -> Mapping[float, tuple[Histogram, ...]]:
        """What a histogram counted in the ``over_s`` seconds before each moment. Raises as ``Metrics.histograms``."""
        ...


@runtime_checkable
class Recalls(Protocol):
    """A drift adapter that can tell what its scores were before it was started."""

    def past(self, scores: Sequence[DriftScore], window_s: float, step_s: float) -> Mapping[ScoreKey, Past]:
        """Of those of ``scores`` that are this adapter's, all of one endpoint, what they were in the last ``window_s``
        seconds, as today's reference and settings score it.

        Raises:
            Unsupported: the source that is read keeps nothing.
            BackendError: what that source raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class Drill:
    """A fault that a rehearsal world can play. ``running`` since ``since``, or not."""

    name: str
    summary: str
    running: bool = False
    since: float | None = None


@runtime_checkable
class Previews(Protocol):
    """A serving adapter whose system can try a call without making the change (Kubernetes' ``dryRun=All``)."""

    def preview(self, call: Call) -> str:
        """Have the system validate ``call``; returns what it says, in a few words. Changes nothing.

        Raises:
            BackendError: the system would refuse the call, or could not be asked. ``Unsupported``: not for this call.
        """
        ...


@runtime_checkable
class Runs(Protocol):
    """A serving adapter whose system can be asked what its replicas run, where its endpoints do not tell."""

    def running(self, scope: str) -> Mapping[str, tuple[str, ...]]:
        """By image as it was asked for, the digests that replicas in that scope run. Raises ``BackendError``."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody is at work on an endpoint: ``by`` whom, as the system has it, and ``since`` when."""

    by: str
    since: float | None = None


@runtime_checkable
class Courteous(Protocol):
    """A serving adapter whose system can tell other operators that somebody is at work on an endpoint. It keeps nobody
    from anything: what guards a change is the guard of its calls."""

    def at_work(self, ref: EndpointRef) -> Held | None:
        """Who else is, or ``None`` where nobody is. Raises ``BackendError``; ``Unsupported`` where this is off."""
        ...

    def begin_work(self, ref: EndpointRef, for_s: float) -> Held | None:
        """Say that we are, for ``for_s`` seconds at most. Whoever is there already stays, and is returned.

        Raises:
            BackendError: as above.
        """
        ...

    def end_work(self, ref: EndpointRef) -> None:
        """Say that we are done. Raises ``BackendError``."""
        ...


@dataclass(frozen=True, slots=True)
class Forecast:
    """What only the system's own rules tell of a change: ``weights`` is percent by variant once it is in effect, or
    ``None`` where that cannot be told. ``cautions`` are sentences for the operator to read before it is sent ("skips
    step 3 of 6: analysis success-rate, which is running"). ``undo`` is the way back, where it is not the one that the
    current release or the kind of change tells; ``final`` says that there is none: nothing here leads back.
    """

    weights: Mapping[str, float] | None
    cautions: tuple[str, ...] = ()
    undo: Change | None = None
    final: bool = False


@runtime_checkable
class Forecasts(Protocol):
    """A serving adapter whose system has steps of its own, so that a change's end is not plain from the change."""

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        """Pure. Raises as ``Serving.compile``."""
        ...


@dataclass(frozen=True, slots=True)
class Discovered:
    """What an adapter found where this machine points to. ``words`` say what; ``table`` holds the source's settings as
    the configuration file has them (no secrets), and is ``None`` where there is nothing to write down."""

    words: str
    table: Mapping[str, object] | None = None


@runtime_checkable
class Discovers(Protocol):
    """An adapter *class* that can look for what it could talk to, for ``shiftdeck init``."""

    @classmethod
    def discover(cls, env: Mapping[str, str]) -> Discovered | None:
        """Look, with a deadline of a few seconds, only where ``env`` and this machine's own configuration point;
        ``None`` where there is nothing to say. Changes nothing.

        Raises:
            BackendError: what was named there does not answer.
        """
        ...


@runtime_checkable
class Rehearsal(Protocol):
    """An adapter whose world can play faults on demand (the lab's). The app offers drills where one has this."""

    def drills(self) -> tuple[Drill, ...]: ...

    def set_drill(self, name: str, running: bool) -> None:
        """Start or end one. Raises ``Rejected`` where there is none of that name."""
        ...
