"""GPUs from the metrics of NVIDIA's DCGM exporter, read through a metrics adapter.

Metric names and units are those of the exporter's default list
(https://github.com/NVIDIA/dcgm-exporter/blob/main/etc/default-counters.csv): utilisation in percent, frame buffer in
MiB, °C, W, MHz. The list includes remapped rows; double-bit ECC errors are in it but must be enabled.

``DCGM_FI_DEV_XID_ERRORS`` is a gauge with the last XID code: it stays until the exporter restarts, and does not tell
when the error came. ``DCGM_EXP_XID_ERRORS_COUNT`` tells how many came in its window. A pod is a label: a GPU that
several pods share has a line for each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from backends.accelerators.xid import FELL_OFF, LASTING, fault
from backends.contracts import Gpu, Metrics, Probe, ProbeKind, Subject, Wiring
from backends.errors import BackendError, Rejected
from backends.options import Options, source, text

UTILISATION = "DCGM_FI_DEV_GPU_UTIL"
USED, FREE, RESERVED = "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_RESERVED"
TEMPERATURE = "DCGM_FI_DEV_GPU_TEMP"
POWER = "DCGM_FI_DEV_POWER_USAGE"
CLOCK = "DCGM_FI_DEV_SM_CLOCK"
ACTIVE = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"  # of 1; the only utilisation of a MIG instance
XID, XID_COUNT = "DCGM_FI_DEV_XID_ERRORS", "DCGM_EXP_XID_ERRORS_COUNT"
ECC = "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL"
REMAPPED = ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS")
REMAP_FAILURE = "DCGM_FI_DEV_ROW_REMAP_FAILURE"
NAMES = (UTILISATION, ACTIVE, USED, FREE, RESERVED, TEMPERATURE, POWER, CLOCK, XID, ECC, *REMAPPED, REMAP_FAILURE)
MIB = 1024 * 1024
BLANK = 2.0**47  # DCGM's values from here up mean "no value" (DCGM_FP64_BLANK in dcgm_structs.h)

FRESH_S = 900.0
"""How long an XID error is a present fault after it was seen to come, where no count of a window tells."""

Key = tuple[str, str, str, str]  # node, index, uuid, MIG instance


_HASH = "[bcdfghjklmnpqrstvwxz2456789]"  # the letters of which Kubernetes makes hashes and suffixes
POD = rf"^(?P<endpoint>.+)-(?P<variant>(?!deployment-)[^-]+)-(?:\d+|{_HASH}{{6,10}}-{_HASH}{{5}})$"
"""ENDPOINT-VARIANT as a StatefulSet or a Deployment names its pods."""


@dataclass(frozen=True, slots=True)
class _Xid:
    """The last XID error of a GPU. ``at`` is when it was seen to come, ``None``: it was there at the first look."""

    code: int
    at: float | None


class DcgmOptions(Options):
    """Options: the source of the exporter's metrics, and the pattern of the names of pods."""

    metrics = source("metrics", "the metrics source that has the exporter's metrics", required=True)
    pod_pattern = text(
        "regular expression with the groups endpoint and variant, for a pod's name",
        default=POD,
    )


class DcgmAccelerators:
    """Reads the newest values of the metrics adapter, and remembers when XID errors came. Not thread-safe."""

    OPTIONS: ClassVar[type[Options]] = DcgmOptions

    def __init__(self, wiring: Wiring[DcgmOptions]) -> None:
        self._wiring = wiring
        self._pattern = wiring.options.pod_pattern
        self._xids: dict[Key, _Xid] = {}

    def gpus(self) -> tuple[Gpu, ...]:
        """All GPUs by node and index; a MIG device gives each of its instances. Empty if there are no DCGM metrics."""
        pods = _compiled(self._pattern)
        labels: dict[Key, list[Mapping[str, str]]] = {}
        values: dict[Key, dict[str, float]] = {}
        counted: dict[Key, dict[int, float]] = {}
        metrics = self._metrics()
        for name in NAMES:
            for sample in metrics.samples(name):
                key = _key(sample.labels)
                labels.setdefault(key, []).append(sample.labels)
                if abs(sample.value) < BLANK:
                    # The lines of pods that share a GPU tell of the same device, whichever comes first.
                    known = values.setdefault(key, {})
                    known[name] = max(known.get(name, sample.value), sample.value)
        for sample in metrics.samples(XID_COUNT) if labels else ():
            code = sample.labels.get("xid", "")
            if code.isascii() and code.isdigit() and len(code) < 6:
                codes = counted.setdefault(_key(sample.labels), {})
                codes[int(code)] = max(codes.get(int(code), 0.0), sample.value)
        self._remember({key: int(found.get(XID, 0)) for key, found in values.items()})
        return tuple(
            _gpu(key, labels[key], values.get(key, {}), pods, self._fault(key, values.get(key, {}), counted.get(key)))
            for key in sorted(labels, key=_order)
        )

    def _remember(self, codes: Mapping[Key, int]) -> None:
        """Keep when the last XID error of each GPU came. One that was there at the first look came at any time."""
        now = self._wiring.clock()
        for key, code in codes.items():
            known = self._xids.get(key)
            if known is None or known.code != code:
                self._xids[key] = _Xid(code, now if known is not None else None)

    def _fault(
        self, key: Key, values: Mapping[str, float], counted: Mapping[int, float] | None
    ) -> tuple[str, float | None]:
        """The present fault of a GPU, "": none, and when its last XID error came, if known."""
        last = self._xids.get(key, _Xid(0, None))
        remap_failed = values.get(REMAP_FAILURE, 0.0) > 0
        came = [code for code, count in (counted or {}).items() if count > 0]
        if came:
            code = last.code if last.code in came else max(came)
            return fault(code, remap_failed=remap_failed), last.at
        gone = last.code == FELL_OFF and UTILISATION not in values and ACTIVE not in values
        lasts = last.code in LASTING and last.code != FELL_OFF
        since = math.inf if last.at is None else self._wiring.clock() - last.at
        fresh = counted is None and 0 <= since < FRESH_S
        present = last.code if gone or lasts or fresh else 0
        return fault(present, remap_failed=remap_failed), last.at

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
    node = labels.get("Hostname") or labels.get("hostname") or labels.get("instance", "")
    return node, labels.get("gpu", ""), labels.get("UUID", ""), labels.get("GPU_I_ID", "")


def _order(key: Key) -> tuple[str, int, Key]:
    return key[0], int(key[1]) if key[1].isdecimal() else -1, key


def _gpu(
    key: Key,
    labels: Sequence[Mapping[str, str]],
    values: Mapping[str, float],
    pods: re.Pattern[str],
    told: tuple[str, float | None],
) -> Gpu:
    node, index, uuid, instance = key
    holders = sorted({holder for one in labels if (holder := _subject(one, pods)) is not None})
    used, free = values.get(USED), values.get(FREE)
    total = None if used is None or free is None else used + free + values.get(RESERVED, 0.0)
    xid = int(values[XID]) if XID in values else None
    rows = [values[name] for name in REMAPPED if name in values]
    return Gpu(
        node=node,
        index=f"{index}.{instance}" if instance else index,
        uuid=uuid,
        model=max(one.get("modelName", "") for one in labels),
        utilisation=_utilisation(values, divided=bool(instance)),
        memory_used=None if used is None else round(used * MIB),
        memory_total=None if total is None else round(total * MIB),
        temperature=values.get(TEMPERATURE),
        power=values.get(POWER),
        clock=values.get(CLOCK),
        xid=xid,
        ecc=int(values[ECC]) if ECC in values else None,
        remapped=int(sum(rows)) if rows else None,
        fault=told[0],
        simulated=any(one.get("simulated", "").lower() == "true" for one in labels),
        subject=holders[0] if holders else None,
        shared_with=tuple(holders[1:]),
        xid_at=told[1] if xid else None,
    )


def _utilisation(values: Mapping[str, float], *, divided: bool) -> float | None:
    """Percent. DCGM's utilisation of a device that is ``divided`` into instances is 0 or absent, and tells nothing."""
    active = 100.0 * values[ACTIVE] if ACTIVE in values else None
    return active if divided else values.get(UTILISATION, active)


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
