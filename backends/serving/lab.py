"""The lab's gateway: endpoints with weights, mirrors and releases, guarded by ETags. It can also play drills.

Its HTTP API is described in ``backends.lab.gateway``. This module treats it like any other server: it imports nothing
of the lab, and checks every answer.
"""

from __future__ import annotations

import getpass
import json
import math
import os
import shlex
import time
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote, urlsplit, urlunsplit

from backends.contracts import (
    WEIGHT_TOLERANCE,
    Call,
    Change,
    Diverged,
    Drill,
    Endpoint,
    EndpointRef,
    Mirror,
    Pending,
    Probe,
    ProbeKind,
    Progress,
    Promote,
    Receipt,
    Role,
    Rollback,
    Settled,
    Split,
    Variant,
    Wiring,
    action_of,
    same_weight,
)
from backends.errors import BackendError, Conflict, Rejected, Unsupported
from backends.http import HttpClient
from backends.options import Options, secret, url
from backends.serving.lab_wire import drills_of, endpoint_of, endpoints_of


class LabOptions(Options):
    """The address and the token of the gateway."""

    url = url("address of the gateway", required=True)
    token = secret("bearer token, if the gateway asks for one")


class LabServing:
    """Serving through the lab's gateway. The operator's name is ``$SHIFTDECK_OPERATOR``, else the login's."""

    OPTIONS: ClassVar[type[Options]] = LabOptions

    def __init__(self, wiring: Wiring[LabOptions]) -> None:
        options = wiring.options
        self._name = wiring.name
        self._url = options.url.rstrip("/")
        self._with_token = options.token is not None
        self._http = HttpClient(self._url, timeout_s=options.timeout_s, token=options.token)
        self._operator = operator_name()

    def endpoints(self) -> tuple[Endpoint, ...]:
        """All endpoints, in the gateway's order."""
        return endpoints_of(self._http.request("GET", "/v1/endpoints").json(), self._name)

    def read(self, ref: EndpointRef) -> Endpoint:
        """One endpoint, read now. The request tells the gateway that a change is being planned."""
        answer = self._http.request("GET", _path(ref), headers={"X-Intent": "plan"})
        return endpoint_of(answer.json(), self._name, "the endpoint")

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        """One guarded ``PUT`` of the endpoint's traffic."""
        action = action_of(change)
        if action not in endpoint.actions:
            raise Unsupported(f"the lab's gateway knows no {action.value}")
        body = _body(endpoint, change)
        reason = endpoint.actions[action]
        if reason is not None:
            raise Rejected(f"{endpoint.ref.name} cannot {action.value} now: {reason}")
        return (self._put(endpoint, body, _reason(change), _summary(endpoint, body)),)

    def fence(self, endpoint: Endpoint, lost: Call) -> Call | None:
        """The present weights once more, guarded by the present generation: every write makes a new generation, and the
        lost call has the old one for its guard."""
        weights = {variant.name: variant.desired for variant in endpoint.variants if variant.role is not Role.SHADOW}
        if lost.method != "PUT" or lost.path != _path(endpoint.ref) or None in weights.values():
            return None
        return self._put(endpoint, {"weights": weights}, "fence", f"a new generation after {endpoint.revision}")

    def _put(self, endpoint: Endpoint, body: Mapping[str, object], reason: str, summary: str) -> Call:
        headers = {
            "If-Match": f'"{endpoint.revision}"',
            "X-Operator": quote(self._operator, safe=" "),
            "X-Reason": quote(reason, safe=" "),
        }
        path = _path(endpoint.ref)
        return Call(
            method="PUT",
            path=path,
            body=body,
            headers=headers,
            guard=f"If-Match {endpoint.revision}",
            summary=summary,
            command=self._command(path, headers, body),
        )

    def send(self, call: Call) -> Receipt:
        """Send one compiled call. The body of the answer is ignored: the endpoint is read again afterwards."""
        answer = self._http.request(call.method, call.path, json=call.body, headers=call.headers)
        revision = answer.headers.get("etag", "").strip('"')
        return Receipt(revision, f"accepted as generation {revision}" if revision else "accepted")

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        """Settled once the gateway reports the change as observed, not merely as desired."""
        if isinstance(change, Mirror):
            return _mirror_progress(before, now, change)
        target = _target(before, change)
        desired = {variant.name: variant.desired for variant in now.variants}
        if not _same(desired, target):
            return _pending_or_diverged(before, now, f"the split is now {_percents(desired)}")
        stable = now.in_role(Role.STABLE)
        if isinstance(change, Promote) and (stable is None or stable.name != change.variant):
            return _pending_or_diverged(before, now, f"{change.variant} gets all the traffic but is not stable")
        if _same({variant.name: variant.observed for variant in now.variants}, target):
            return Settled(f"the gateway reports {_percents(target)}")
        behind = [
            f"{variant.name} desired {_number(variant.desired)} %, observed {_number(variant.observed)} %"
            for variant in now.variants
            if not same_weight(variant.observed, variant.desired)
        ]
        return Pending("; ".join([*behind, now.message] if now.message else behind))

    def drills(self) -> tuple[Drill, ...]:
        """The faults that the lab can play."""
        return drills_of(self._http.request("GET", "/lab/drills").json())

    def set_drill(self, name: str, running: bool) -> None:
        self._http.request("PUT" if running else "DELETE", f"/lab/drills/{quote(name, safe='')}")

    def probe(self) -> tuple[Probe, ...]:
        began = time.perf_counter()
        try:
            self._http.request("GET", "/healthz").json()
        except BackendError as error:
            hint = error.hint or "is the lab running? start it with: shiftdeck demo"
            return (Probe(ProbeKind.REACH, False, error.message, hint),)
        reach = Probe(ProbeKind.REACH, True, f"{self._http.where} answers", latency_s=time.perf_counter() - began)
        try:
            endpoints = self.endpoints()
        except BackendError as error:
            return reach, Probe(ProbeKind.READ, False, error.message, error.hint)
        read = Probe(ProbeKind.READ, True, f"{len(endpoints)} endpoints")
        return reach, read, self._probe_write(endpoints)

    def close(self) -> None:
        self._http.close()

    def _probe_write(self, endpoints: tuple[Endpoint, ...]) -> Probe:
        """Send a write of the present state with a guard that cannot hold: an account that may write gets a
        conflict."""
        stable = next((variant for endpoint in endpoints if (variant := endpoint.in_role(Role.STABLE))), None)
        if stable is None:
            return Probe(ProbeKind.WRITE, None, "no endpoint to try it on")
        ref = next(endpoint.ref for endpoint in endpoints if stable in endpoint.variants)
        try:
            self._http.request("PUT", _path(ref), json={"stable": stable.name}, headers={"If-Match": '"0"'})
        except Conflict:
            return Probe(ProbeKind.WRITE, True, "traffic may be changed, under a guard that is enforced")
        except BackendError as error:
            return Probe(ProbeKind.WRITE, False, error.message, error.hint)
        return Probe(ProbeKind.WRITE, False, "the gateway took a write whose guard did not hold", "do not use it")

    def _command(self, path: str, headers: Mapping[str, str], body: Mapping[str, object]) -> str:
        parts = ["curl", "-X", "PUT", *(part for item in headers.items() for part in ("-H", ": ".join(item)))]
        quoted = shlex.join([*parts, "-H", "Content-Type: application/json", "-d", json.dumps(body)])
        token = ' -H "Authorization: Bearer $TOKEN"' if self._with_token else ""
        return f"{quoted}{token} {shlex.quote(_without_credentials(self._url) + path)}"


def operator_name() -> str:
    """The operator's name: ``$SHIFTDECK_OPERATOR``, else the login name, else "unknown"."""
    if name := os.environ.get("SHIFTDECK_OPERATOR", "").strip():
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # the user id has no name on this machine
        return "unknown"


def _path(ref: EndpointRef) -> str:
    return f"/v1/endpoints/{quote(ref.scope, safe='')}/{quote(ref.name, safe='')}/traffic"


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _body(endpoint: Endpoint, change: Change) -> Mapping[str, object]:
    """The body of the request for a change.

    Raises:
        Rejected: the change does not fit the endpoint.
    """
    match change:
        case Split(weights):
            return {"weights": _checked_split(endpoint, weights)}
        case Mirror(name, percent):
            return {"mirror": _checked_mirror(endpoint, name, percent)}
        case Promote(name):
            return _promotion(endpoint, _variant(endpoint, name))
        case Rollback(release_id):
            return {"weights": _release_weights(endpoint, release_id), "release": release_id}
    raise Unsupported(f"the lab's gateway knows no {action_of(change).value}")


def _checked_split(endpoint: Endpoint, weights: Mapping[str, float]) -> dict[str, float]:
    for name, weight in weights.items():
        variant = _variant(endpoint, name)
        if not (math.isfinite(weight) and 0 <= weight <= 100):
            raise Rejected(f"the weight of {name} is {weight:g}: it must be between 0 and 100")
        if variant.role is Role.SHADOW and weight > 0:
            raise Rejected(f"{name} is a shadow: stop mirroring to it before it gets live traffic")
    total = math.fsum(weights.values())
    if abs(total - 100) > WEIGHT_TOLERANCE:
        raise Rejected(f"the weights sum to {total:g}, not to 100")
    return {variant.name: weights.get(variant.name, 0.0) for variant in endpoint.variants}


def _checked_mirror(endpoint: Endpoint, name: str, percent: float) -> dict[str, float]:
    variant = _variant(endpoint, name)
    if not (math.isfinite(percent) and 0 <= percent <= 100):
        raise Rejected(f"the mirror percentage is {percent:g}: it must be between 0 and 100")
    if percent > 0 and (variant.desired or variant.observed):
        raise Rejected(f"{name} gets live traffic and cannot be mirrored to as well")
    return {one.name: percent if one is variant else one.mirror or 0.0 for one in endpoint.variants}


def _promotion(endpoint: Endpoint, target: Variant) -> dict[str, object]:
    if target.role is Role.STABLE and same_weight(target.desired, 100.0):
        raise Rejected(f"{target.name} is stable and gets all the traffic already")
    weights = {one.name: 100.0 if one is target else 0.0 for one in endpoint.variants}
    body: dict[str, object] = {"weights": weights, "stable": target.name}
    if target.mirror:
        body["mirror"] = {one.name: 0.0 if one is target else one.mirror or 0.0 for one in endpoint.variants}
    return body


def _release_weights(endpoint: Endpoint, release_id: str) -> dict[str, float]:
    release = next((release for release in endpoint.releases if release.id == release_id), None)
    if release is None:
        known = ", ".join(release.id for release in endpoint.releases) or "none"
        raise Rejected(f"{endpoint.ref.name} has no release {release_id!r}: known are {known}")
    if release.current:
        raise Rejected(f"release {release_id} is the current one")
    for name in release.weights:
        _variant(endpoint, name)
    return {variant.name: release.weights.get(variant.name, 0.0) for variant in endpoint.variants}


def _variant(endpoint: Endpoint, name: str) -> Variant:
    variant = endpoint.variant(name)
    if variant is None:
        known = ", ".join(variant.name for variant in endpoint.variants)
        raise Rejected(f"{endpoint.ref.name} has no variant {name!r}: known are {known}")
    return variant


def _reason(change: Change) -> str:
    """The reason that the gateway's history shows for the change."""
    match change:
        case Promote(name):
            return f"promote {name}"
        case Rollback(release_id):
            return f"roll back to {release_id}"
    return action_of(change).value


def _summary(endpoint: Endpoint, body: Mapping[str, object]) -> str:
    parts: list[str] = []
    for key, label in (("weights", ""), ("mirror", "mirror ")):
        after = body.get(key)
        if isinstance(after, dict):
            for one in endpoint.variants:
                was = one.desired if key == "weights" else one.mirror
                if not same_weight(was, after[one.name]):
                    parts.append(f"{label}{one.name} {_number(was)} → {_number(after[one.name])}")
    stable = endpoint.in_role(Role.STABLE)
    if "stable" in body and (stable is None or stable.name != body["stable"]):
        parts.append(f"stable {stable.name if stable else '?'} → {body['stable']}")
    return ", ".join(parts) or "no change"


def _target(before: Endpoint, change: Change) -> Mapping[str, float]:
    match change:
        case Split(weights):
            return weights
        case Promote(name):
            return {name: 100.0}
        case Rollback(release_id):
            return next((release.weights for release in before.releases if release.id == release_id), {})
    raise Unsupported(f"the lab's gateway knows no {action_of(change).value}")


def _mirror_progress(before: Endpoint, now: Endpoint, change: Mirror) -> Progress:
    variant = now.variant(change.variant)
    if variant is not None and same_weight(variant.mirror, change.percent):
        return Settled(f"the gateway reports {_number(change.percent)} % mirrored to {change.variant}")
    is_now = "gone" if variant is None else f"mirrored at {_number(variant.mirror)} %"
    return _pending_or_diverged(before, now, f"{change.variant} is {is_now}")


def _pending_or_diverged(before: Endpoint, now: Endpoint, what: str) -> Progress:
    """The progress of an endpoint whose desired state is not the requested one: the gateway has not applied the change
    yet, or another change came after it."""
    if now.revision == before.revision:
        return Pending(f"the gateway has not taken it yet: it is still at generation {now.revision}")
    newest = next(iter(now.releases), None)
    known = before.releases[0].id if before.releases else ""
    if newest is None or newest.id == known:
        return Diverged(what)
    return Diverged(f"{what}, changed by {newest.by or 'somebody'}" + (f": {newest.note}" if newest.note else ""))


def _same(weights: Mapping[str, float | None], target: Mapping[str, float]) -> bool:
    """Whether the weights are the target's; a variant that the target does not name must have 0."""
    if not target or set(target) - set(weights):
        return False
    return all(same_weight(weight, target.get(name, 0.0)) for name, weight in weights.items())


def _percents(weights: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {_number(weight)} %" for name, weight in weights.items())


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"
