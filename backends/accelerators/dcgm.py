"""GPUs from the metrics of NVIDIA's DCGM exporter, read through a metrics adapter.

Metric names and units are those of the exporter's default list
(https://github.com/NVIDIA/dcgm-exporter/blob/main/etc/default-counters.csv): utilisation in percent, frame buffer in
MiB, °C, W, MHz. ``DCGM_FI_DEV_XID_ERRORS`` is a gauge with the last XID code, not a count. The list includes remapped
rows; double-bit ECC errors are in it but must be enabled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, cast

from backends.accelerators.xid import fault
from backends.contracts import Gpu, Metrics, Probe, ProbeKind, Subject, Wiring
from backends.errors import BackendError, Rejected
from backends.options import Options, source, text

UTILISATION = "DCGM_FI_DEV_GPU_UTIL"
USED, FREE, RESERVED = "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_RESERVED"
TEMPERATURE = "DCGM_FI_DEV_GPU_TEMP"
POWER = "DCGM_FI_DEV_POWER_USAGE"
CLOCK = "DCGM_FI_DEV_SM_CLOCK"
XID = "DCGM_FI_DEV_XID_ERRORS"
ECC = "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL"
REMAPPED = ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS")
REMAP_FAILURE = "DCGM_FI_DEV_ROW_REMAP_FAILURE"
NAMES = (UTILISATION, USED, FREE, RESERVED, TEMPERATURE, POWER, CLOCK, XID, ECC, *REMAPPED, REMAP_FAILURE)
MIB = 1024 * 1024
BLANK = 2.0**47  # DCGM's values from here up mean "no value" (DCGM_FP64_BLANK in dcgm_structs.h)

Key = tuple[str, str, str, str]  # node, index, uuid, MIG instance


class DcgmOptions(Options):
    """Options: the source of the exporter's metrics, and the pattern of the names of pods."""

    metrics = source("metrics", "the metrics source that has the exporter's metrics", required=True)
    pod_pattern = text(
        "regular expression with the groups endpoint and variant, for a pod's name",
        default=r"^(?P<endpoint>.+)-(?P<variant>[^-]+)-\d+$",
    )


class DcgmAccelerators:
    """Reads the newest values of the metrics adapter. Thread-safe, as that adapter is."""

    OPTIONS: ClassVar[type[Options]] = DcgmOptions

    def __init__(self, wiring: Wiring[DcgmOptions]) -> None:
        self._wiring = wiring
        self._pattern = wiring.options.pod_pattern

    def gpus(self) -> tuple[Gpu, ...]:
        """All GPUs by node and index; a MIG device gives each of its instances. Empty if there are no DCGM metrics."""
        pods = _compiled(self._pattern)
        labels: dict[Key, Mapping[str, str]] = {}
        values: dict[Key, dict[str, float]] = {}
        metrics = self._metrics()
        for name in NAMES:
            for sample in metrics.samples(name):
                key = _key(sample.labels)
                labels.setdefault(key, sample.labels)
                if abs(sample.value) < BLANK:
                    values.setdefault(key, {}).setdefault(name, sample.value)
        return tuple(_gpu(key, labels[key], values.get(key, {}), pods) for key in sorted(labels, key=_order))

    def probe(self) -> tuple[Probe, ...]:
        try:
            found = self.gpus()
        except BackendError as error:
            return (Probe(ProbeKind.READ, False, error.message, error.hint),)
        if not found:
            hint = "check that the exporter is scraped, and that this source can see its metrics"
            return (Probe(ProbeKind.READ, False, f"source {self._source} has no DCGM metrics", hint),)
        nodes = len({gpu.node for gpu in found})
        return (Probe(ProbeKind.READ, True, f"{len(found)} GPUs on {nodes} nodes"),)

    def close(self) -> None:
        pass

    @property
    def _source(self) -> str:
        return self._wiring.options.metrics

    def _metrics(self) -> Metrics:
        return cast("Metrics", self._wiring.source("metrics", self._source))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise Rejected(f"pod_pattern is not a regular expression: {error}") from None
    if not {"endpoint", "variant"} <= compiled.groupindex.keys():
        raise Rejected("pod_pattern needs the groups endpoint and variant", hint="(?P<endpoint>…) and (?P<variant>…)")
    return compiled


def _key(labels: Mapping[str, str]) -> Key:
    node = labels.get("Hostname") or labels.get("instance", "")
    return node, labels.get("gpu", ""), labels.get("UUID", ""), labels.get("GPU_I_ID", "")


def _order(key: Key) -> tuple[str, int, Key]:
    return key[0], int(key[1]) if key[1].isdecimal() else -1, key


def _gpu(key: Key, labels: Mapping[str, str], values: Mapping[str, float], pods: re.Pattern[str]) -> Gpu:
    node, index, uuid, instance = key
    used, free = values.get(USED), values.get(FREE)
    total = None if used is None or free is None else used + free + values.get(RESERVED, 0.0)
    xid = int(values[XID]) if XID in values else None
    rows = [values[name] for name in REMAPPED if name in values]
    return Gpu(
        node=node,
        index=f"{index}.{instance}" if instance else index,
        uuid=uuid,
        model=labels.get("modelName", ""),
        utilisation=values.get(UTILISATION),
        memory_used=None if used is None else round(used * MIB),
        memory_total=None if total is None else round(total * MIB),
        temperature=values.get(TEMPERATURE),
        power=values.get(POWER),
        clock=values.get(CLOCK),
        xid=xid,
        ecc=int(values[ECC]) if ECC in values else None,
        remapped=int(sum(rows)) if rows else None,
        fault=fault(xid, remap_failed=values.get(REMAP_FAILURE, 0.0) > 0),
        simulated=labels.get("simulated", "").lower() == "true",
        subject=_subject(labels, pods),
    )


def _subject(labels: Mapping[str, str], pods: re.Pattern[str]) -> Subject | None:
    """The subject of the pod that holds the GPU.

    A Prometheus without ``honor_labels`` prefixes the exporter's labels with ``exported_``. Then ``pod`` is the pod of
    the exporter itself.
    """
    prefix = "exported_" if "exported_pod" in labels else ""
    match = pods.search(labels.get(f"{prefix}pod", ""))
    if match is None:
        return None
    return Subject(match["endpoint"], match["variant"], labels.get(f"{prefix}namespace", ""))
