"""Prometheus' own alerts, firing and pending, for use without an Alertmanager. Prometheus has no silences.

https://prometheus.io/docs/prometheus/latest/querying/api/#alerts
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import ClassVar

from backends.alerts.labels import LabelOptions, Labels, moment, summary, texts
from backends.connection import ConnectionOptions, connection
from backends.contracts import Alert, AlertState, Probe, ProbeKind, Wiring
from backends.errors import BackendError, Malformed
from backends.options import Options

ALERTS = "/api/v1/alerts"
STATES = {"firing": AlertState.FIRING, "pending": AlertState.PENDING}


class PrometheusAlertsOptions(ConnectionOptions, LabelOptions):
    """Options of a source of Prometheus' alerts."""


class PrometheusAlerts:
    """Alerts of one Prometheus. Thread-safe."""

    OPTIONS: ClassVar[type[Options]] = PrometheusAlertsOptions

    def __init__(self, wiring: Wiring[PrometheusAlertsOptions]) -> None:
        self._name = wiring.name
        self._labels = Labels.of(wiring.options)
        self._http = connection(wiring.options)

    def alerts(self) -> tuple[Alert, ...]:
        return read_alerts(self._http.request("GET", ALERTS).json(), self._labels, self._name, self._http.where)

    def probe(self) -> tuple[Probe, ...]:
        began = time.monotonic()
        try:
            found = self.alerts()
        except BackendError as error:
            return (Probe(ProbeKind.REACH, False, error.message, error.hint),)
        took = time.monotonic() - began
        told = sum(one.subject is not None for one in found)
        said = f"{len(found)} alerts, {told} of them name an endpoint; silences need an Alertmanager"
        hint = "set `endpoint_labels` to the labels that name one" if found and not told else ""
        return (
            Probe(ProbeKind.REACH, True, f"{self._http.where} answered", latency_s=took),
            Probe(ProbeKind.READ, None if hint else True, said, hint),
        )

    def close(self) -> None:
        self._http.close()


def read_alerts(raw: object, labels: Labels, source: str, where: str) -> tuple[Alert, ...]:
    """Pure.

    Raises:
        Malformed: the answer is not a list of alerts.
    """
    data = raw.get("data") if isinstance(raw, Mapping) and raw.get("status") == "success" else None
    found = data.get("alerts") if isinstance(data, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise Malformed(f"{where} does not answer as Prometheus does", hint="check the url, and its path")
    return tuple(_alert(one, labels, source, where) for one in found if one.get("state") != "inactive")


def _alert(one: Mapping[str, object], labels: Labels, source: str, where: str) -> Alert:
    told = texts(one.get("labels"), where)
    state = STATES.get(str(one.get("state")))
    if state is None:
        raise Malformed(f"{where} answered with an alert in an unknown state")
    return Alert(
        name=told.get("alertname", "(no name)"),
        state=state,
        severity=told.get(labels.severity, ""),
        summary=summary(texts(one.get("annotations"), where)),
        since=moment(one.get("activeAt"), where),
        labels=told,
        subject=labels.subject(told),
        fingerprint=hashlib.sha256(repr(sorted(told.items())).encode()).hexdigest()[:16],
        source=source,
    )
