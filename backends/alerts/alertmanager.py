"""Alerts and silences of Alertmanager, by its API v2.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml: ``GET /alerts`` (status.state active,
suppressed or unprocessed, with silencedBy and inhibitedBy), ``GET|POST /silences``, ``DELETE /silence/{id}``. The API
has no guard against a lost update, so this adapter only creates and ends silences, and never changes one.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import ClassVar, TypeVar
from urllib.parse import quote

from backends.alerts.labels import LabelOptions, Labels, moment, rfc3339, summary, texts
from backends.connection import ConnectionOptions, connection
from backends.contracts import Alert, AlertState, Call, Probe, ProbeKind, Receipt, Silence, Wiring
from backends.dropped import Dropped
from backends.errors import BackendError, Malformed, Rejected
from backends.options import Options
from backends.options import texts as several

ALERTS, SILENCES = "/api/v2/alerts", "/api/v2/silences"
T = TypeVar("T")
LONGEST_S = 366 * 86_400.0
CLASSIC = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
"""Names of labels that need no quotes."""


class _Shown(ConnectionOptions):
    filter = several('matchers of the alerts to show ("team=ml")', default=())


class AlertmanagerOptions(_Shown, LabelOptions):
    """Options of a source of Alertmanager's alerts."""


class AlertmanagerAlerts:
    """Alerts of one Alertmanager. Implements ``contracts.Silences``. Thread-safe."""

    OPTIONS: ClassVar[type[Options]] = AlertmanagerOptions

    def __init__(self, wiring: Wiring[AlertmanagerOptions]) -> None:
        self._name = wiring.name
        self._labels = Labels.of(wiring.options)
        self._filter = wiring.options.filter
        self._http = connection(wiring.options)
        self._dropped = Dropped()

    def remarks(self) -> tuple[str, ...]:
        """The alerts of the last answer that do not fit the API."""
        return self._dropped.remarks()

    def alerts(self) -> tuple[Alert, ...]:
        """All alerts that are not resolved: firing, silenced and inhibited ones.

        If any is silenced, the silences are read as well, as an alert does not have the end of its silence.
        """
        query = "".join(f"{'&' if at else '?'}filter={quote(one, safe='')}" for at, one in enumerate(self._filter))
        raw = self._http.request("GET", ALERTS + query).json()
        dropped = Dropped()
        found = read_alerts(raw, self._labels, self._name, self._http.where, dropped)
        self._dropped = dropped
        if not any(one.silenced_by for one in found):
            return found
        ends = {silence.id: silence.ends for silence in self.silences()}
        return tuple(_with_end(one, ends) for one in found)

    def silences(self) -> tuple[Silence, ...]:
        return read_silences(self._http.request("GET", SILENCES).json(), self._http.where)

    def compile_silence(self, alert: Alert, *, starts: float, duration_s: float, author: str, comment: str) -> Call:
        """A silence that matches every label of the alert, and so no other alert. ``comment`` is for other users."""
        if not alert.labels:
            raise Rejected("an alert without labels cannot be silenced")
        if not comment.strip():
            raise Rejected("a silence needs a comment: why, and until what")
        if not 0 < duration_s <= LONGEST_S:
            raise Rejected("a silence must last longer than 0 s and at most 366 days")
        ends = starts + duration_s
        matchers = [
            {"name": name, "value": value, "isRegex": False, "isEqual": True}
            for name, value in sorted(alert.labels.items())
        ]
        body: dict[str, object] = {
            "matchers": matchers,
            "startsAt": rfc3339(starts),
            "endsAt": rfc3339(ends),
            "createdBy": author,
            "comment": comment,
        }
        words = (
            *("amtool", f"--alertmanager.url={self._http.base_url}", "silence", "add"),
            *(f"--duration={duration_s:.0f}s", f"--author={author}", f"--comment={comment}"),
            *(f"{_name(name)}={_quoted(value)}" for name, value in sorted(alert.labels.items())),
        )
        return Call(
            "POST",
            SILENCES,
            body,
            summary=f"silence {alert.name} until {rfc3339(ends)[:16].replace('T', ' ')}Z",
            command=shlex.join(words),
        )

    def compile_expire(self, silence: str) -> Call:
        return Call(
            "DELETE",
            f"/api/v2/silence/{quote(silence, safe='', errors='replace')}",
            None,
            summary=f"end silence {silence}",
            command=shlex.join(("amtool", f"--alertmanager.url={self._http.base_url}", "silence", "expire", silence)),
        )

    def send(self, call: Call) -> Receipt:
        """Raises ``Rejected`` if Alertmanager refuses the call, or has no such silence."""
        answer = self._http.request(call.method, call.path, json=call.body)
        if call.method != "POST":
            return Receipt(detail="ended")
        raw = answer.json()
        made = raw.get("silenceID") if isinstance(raw, Mapping) else None
        if not isinstance(made, str):
            raise Malformed(f"{self._http.where} accepted the silence, but returned no id")
        return Receipt(made, f"silence {made}")

    def probe(self) -> tuple[Probe, ...]:
        began = time.monotonic()
        try:
            found = self.alerts()
        except BackendError as error:
            return (Probe(ProbeKind.REACH, False, error.message, error.hint),)
        took = time.monotonic() - began
        reach = Probe(ProbeKind.REACH, True, f"{self._http.where} answered", latency_s=took)
        try:
            active = sum(one.state == "active" for one in self.silences())
        except BackendError as error:
            return reach, Probe(ProbeKind.READ, False, error.message, error.hint)
        told = sum(one.subject is not None for one in found)
        said = f"{len(found)} alerts, {told} of them name an endpoint; {active} silences"
        hint = "set `endpoint_labels` to the labels that name one" if found and not told else ""
        return reach, Probe(ProbeKind.READ, None if hint else True, said, hint)

    def close(self) -> None:
        self._http.close()


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def read_alerts(
    raw: object, labels: Labels, source: str, where: str, dropped: Dropped | None = None
) -> tuple[Alert, ...]:
    """Pure, but for what is noted in ``dropped``: items that are no alerts.

    Raises:
        Malformed: the answer is not a list, or none of its items is an alert.
    """
    return _read(raw, where, lambda one: _alert(one, labels, source, where), "alert", dropped)


def read_silences(raw: object, where: str) -> tuple[Silence, ...]:
    """Pure. Items that are no silences are left out.

    Raises:
        Malformed: the answer is not a list, or none of its items is a silence.
    """
    return _read(raw, where, lambda one: _silence(one, where), "silence", None)


def _read(
    raw: object, where: str, read: Callable[[Mapping[str, object]], T], what: str, dropped: Dropped | None
) -> tuple[T, ...]:
    found: list[T] = []
    wrong = Malformed(f"{where} does not answer as Alertmanager does", hint="check the url, and its path")
    if not isinstance(raw, list):
        raise wrong
    last: Malformed | None = None
    for number, one in enumerate(raw):
        try:
            if not isinstance(one, Mapping):
                raise wrong
            found.append(read(one))
        except Malformed as error:
            last = error
            if dropped is not None:
                dropped.add(f"{what} that does not fit the API", f"number {number}: {error.message}")
    if last is not None and not found:
        raise last
    return tuple(found)


def _alert(one: Mapping[str, object], labels: Labels, source: str, where: str) -> Alert:
    status = one.get("status")
    told = texts(one.get("labels"), where)
    fingerprint = one.get("fingerprint")
    if not isinstance(status, Mapping) or not isinstance(fingerprint, str):
        raise Malformed(f"{where} answered with an alert without status or fingerprint")
    silenced = _ids(status.get("silencedBy"))
    return Alert(
        name=told.get("alertname", "(no name)"),
        state=_state(status, silenced),
        severity=told.get(labels.severity, ""),
        summary=summary(texts(one.get("annotations"), where)),
        since=moment(one.get("startsAt"), where),
        labels=told,
        subject=labels.subject(told),
        fingerprint=fingerprint,
        source=source,
        silenced_by=silenced,
    )


def _with_end(alert: Alert, ends: Mapping[str, float]) -> Alert:
    known = [ends[silence] for silence in alert.silenced_by if silence in ends]
    return replace(alert, silenced_until=max(known)) if known else alert


def _state(status: Mapping[str, object], silenced: tuple[str, ...]) -> AlertState:
    """The state of an alert. An alert that Alertmanager has not processed yet ("unprocessed") counts as firing."""
    if status.get("state") != "suppressed":
        return AlertState.FIRING
    # An alert that a time interval mutes (mutedBy, from 0.28) counts as silenced.
    return AlertState.SILENCED if silenced or not _ids(status.get("inhibitedBy")) else AlertState.INHIBITED


def _ids(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _silence(one: Mapping[str, object], where: str) -> Silence:
    status, matchers = one.get("status"), one.get("matchers")
    words = [one.get(key) for key in ("id", "createdBy", "comment")]
    if not isinstance(status, Mapping) or not isinstance(matchers, list) or not isinstance(words[0], str):
        raise Malformed(f"{where} answered with a silence without id, status or matchers")
    named, author, comment = (word if isinstance(word, str) else "" for word in words)
    return Silence(
        id=named,
        matchers=_together(_matcher(matcher, where) for matcher in matchers),
        starts=moment(one.get("startsAt"), where),
        ends=moment(one.get("endsAt"), where),
        author=author,
        comment=comment,
        state=str(status.get("state", "")),
    )


def _matcher(raw: object, where: str) -> tuple[str, str]:
    """The label and value of a matcher. For any operator but equality, the value begins with the operator."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("name"), str) or not isinstance(raw.get("value"), str):
        raise Malformed(f"{where} answered with a silence whose matchers are not valid")
    regex, equal = raw.get("isRegex") is True, raw.get("isEqual", True) is not False
    operator = {(False, True): "", (True, True): "=~", (False, False): "!=", (True, False): "!~"}[regex, equal]
    # A value that begins as an operator does is told from one that follows an operator.
    equality = "=" if not operator and raw["value"].startswith(("=", "!")) else ""
    return raw["name"], operator + equality + raw["value"]


def _together(matchers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The matchers by label. A label may have several, all of which must fit."""
    found: dict[str, str] = {}
    for name, value in matchers:
        found[name] = f"{found[name]} and {value}" if name in found else value
    return found


def _name(label: str) -> str:
    """A label's name in a matcher of amtool: one that is no classic name is quoted (from Alertmanager 0.27)."""
    return label if CLASSIC.fullmatch(label) else _quoted(label)


def _quoted(value: str) -> str:
    """A value in a matcher of amtool, which takes one that is not quoted and begins with ``~`` for a pattern."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
