"""Adapters by name: our own, and the adapters that other distributions register as entry points.

The entry-point group is ``shiftdeck.backends``. An entry point ``KIND.ADAPTER = "module:Class"`` adds an adapter; an
entry point with the name of one of our own adapters is ignored. The class states the version of the contract that it is
written for, ``CONTRACT = 1``; a class for another version is refused.

Listing names imports no adapter; an adapter's module is imported when the adapter is asked for. Reading entry points
takes longer than importing most adapters, so it happens only when a name is asked for that is not our own.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from backends.errors import Unsupported

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from backends.contracts import Adapter
    from backends.options import Options

GROUP = "shiftdeck.backends"

OURS = {
    "registries.mlflow": "backends.registries.mlflow:MlflowRegistry",
    "serving.lab": "backends.serving.lab:LabServing",
    "serving.kserve": "backends.serving.kserve:KServeServing",
    "serving.llminference": "backends.serving.llminference:LLMInferenceServing",
    "serving.knative": "backends.serving.knative:KnativeServing",
    "serving.rollouts": "backends.serving.rollouts:RolloutsServing",
    "serving.flagger": "backends.serving.flagger:FlaggerServing",
    "serving.gateway": "backends.serving.gateway:GatewayServing",
    "serving.istio": "backends.serving.istio:IstioServing",
    "serving.seldon": "backends.serving.seldon:SeldonServing",
    "serving.seldon2": "backends.serving.seldon_experiment:ExperimentServing",
    "serving.haproxy": "backends.serving.haproxy:HaproxyServing",
    "serving.triton": "backends.serving.triton:TritonServing",
    "serving.deployment": "backends.serving.deployment:DeploymentServing",
    "metrics.haproxy": "backends.metrics.haproxy:HaproxyMetrics",
    "metrics.triton": "backends.metrics.triton:TritonMetrics",
    "metrics.openmetrics": "backends.metrics.openmetrics:OpenMetrics",
    "metrics.prometheus": "backends.metrics.prometheus:PrometheusMetrics",
    "images.oci": "backends.images.oci:OciImages",
    "alerts.alertmanager": "backends.alerts.alertmanager:AlertmanagerAlerts",
    "alerts.prometheus": "backends.alerts.prometheus:PrometheusAlerts",
    "accelerators.dcgm": "backends.accelerators.dcgm:DcgmAccelerators",
    "accelerators.nvml": "backends.accelerators.nvml:NvmlAccelerators",
    "drift.histograms": "backends.drift.histograms:HistogramDrift",
    "drift.gauges": "backends.drift.gauges:GaugeDrift",
    "drift.evidently": "backends.drift.evidently:EvidentlyDrift",
    "drift.nannyml": "backends.drift.nannyml:NannymlDrift",
    "drift.quality": "backends.drift.quality:QualityDrift",
}


PLATFORMS = {
    "platforms.kubernetes": "backends.platforms.kubernetes.platform:KubernetesPlatform",
    "platforms.haproxy": "backends.platforms.haproxy.naming:HaproxyPlatform",
}
"""Platforms that several sources can share, by the ``type`` of a platform's table. They are loaded as adapters are."""


class UnknownAdapter(LookupError):
    """There is no adapter of that name; the message lists the names of all known adapters."""


class UnusableAdapter(Unsupported):
    """Another distribution's adapter cannot be loaded, or is written for another version of the contract."""


@cache
def _others() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def adapter_names(kind: str) -> tuple[str, ...]:
    """The names of the adapters of a kind, or of the types of platforms, in alphabetical order. Imports no adapter."""
    prefix = f"{kind}."
    known = {*OURS, *PLATFORMS, *_others()}
    return tuple(sorted(name.removeprefix(prefix) for name in known if name.startswith(prefix)))


def adapter_class(kind: str, name: str) -> type[Adapter]:
    """The class of that adapter; imports its module, but not yet its SDK.

    Raises:
        UnknownAdapter: there is no adapter of that name.
        UnusableAdapter: another distribution's adapter cannot be loaded, or is for another version of the contract.
        Any exception: the import of one of our own adapters failed, because the installation is damaged.
    """
    return cast("type[Adapter]", _class(kind, name))


def options_class(kind: str, name: str) -> type[Options]:
    """The class of an adapter's options; with ``platforms`` as the kind, the class of a platform's options.

    Raises:
        As ``adapter_class``.
    """
    found: type[Options] = _class(kind, name).OPTIONS  # type: ignore[attr-defined]  # adapters and platforms have it
    return found


def _class(kind: str, name: str) -> type[object]:
    key = f"{kind}.{name}"
    ours = OURS.get(key) or PLATFORMS.get(key)
    if ours is not None:
        module, _, attribute = ours.partition(":")
        return cast("type[object]", getattr(import_module(module), attribute))
    point = _others().get(key)
    if point is None:
        known = ", ".join(adapter_names(kind)) or "none installed"
        raise UnknownAdapter(f"no adapter {name!r} for {kind}: known are {known}")
    return _usable(key, point)


def contract_of(cls: type) -> int | None:
    """The version of the contract that an adapter's class is written for; ``None`` if the class does not state it.

    Our own classes state no version, because they are released together with the contract. So there is no version to
    inherit: a class of another distribution that inherits from one of ours must state its own.
    """
    if f"{cls.__module__}:{cls.__qualname__}" in OURS.values():
        return _ours()
    stated = getattr(cls, "CONTRACT", None)
    return stated if type(stated) is int else None


def _usable(name: str, point: EntryPoint) -> type[object]:
    from backends.options import Options

    dist = point.dist
    whose = f"{dist.name} {dist.version}" if dist is not None else point.value
    try:
        cls = point.load()
        theirs = contract_of(cls) if isinstance(cls, type) else None
        options = getattr(cls, "OPTIONS", None)
    except (Exception, SystemExit) as error:  # another distribution's module may raise anything, and exit
        raise UnusableAdapter(
            f"the adapter {name} of {whose} cannot be loaded: {type(error).__name__}: {error}",
            hint=f"upgrade or reinstall {whose}",
        ) from error
    ours = _ours()
    if theirs != ours:
        raise _refused(name, whose, theirs, ours)
    if not (isinstance(options, type) and issubclass(options, Options)):
        raise UnusableAdapter(
            f"the adapter {name} of {whose} does not say what it can be told",
            hint="its class has to have OPTIONS, a subclass of backends.options.Options: ask its authors",
        )
    return cast("type[object]", cls)


def _ours() -> int:
    from backends.contracts import CONTRACT_VERSION

    return CONTRACT_VERSION


def _refused(name: str, whose: str, theirs: int | None, ours: int) -> UnusableAdapter:
    from importlib.metadata import version

    here = f"this is shiftdeck {version('shiftdeck')}, with version {ours}"
    if theirs is None:
        words = f"the adapter {name} of {whose} does not state the version of the adapter contract it is written for"
        return UnusableAdapter(
            f"{words}; {here}", hint=f"its class has to state it, CONTRACT = {ours}: ask its authors"
        )
    words = f"the adapter {name} of {whose} is written for version {theirs} of the adapter contract; {here}"
    other = f"install a version of {whose.partition(' ')[0]} that is written for {ours}"
    return UnusableAdapter(words, hint=f"upgrade shiftdeck, or {other}" if theirs > ours else other)
