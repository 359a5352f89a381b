"""The error answers of a Kubernetes API server, as ``backends.errors``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from backends.errors import (
    REFUSALS,
    BackendError,
    Conflict,
    Forbidden,
    Malformed,
    RateLimited,
    Rejected,
    TimedOut,
    Unauthenticated,
    Unreachable,
)
from backends.platforms.kubernetes.objects import number, text, whole

LONGEST = 400
"""How many characters of the server's own message are passed on."""

TEST_FAILED = "the server rejected our request due to an error in our request"
"""The server's whole message if a ``test`` of a JSON patch failed, or a path in it does not exist (seen with 1.20)."""

_VALIDATION = re.compile(r" is invalid: |denied the request|is invalid$")
"""A 422 of validation, or of an admission webhook."""

_RBAC = re.compile(r"cannot \w+ (resource|path) ")
_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/[^/]+(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/?]+))?$"
)
READS = ("GET", "HEAD", "WATCH")
_VERBS = {"GET": "get", "WATCH": "watch", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Missing(Rejected):
    """There is no such object, or no such kind (HTTP 404)."""


class Gone(BackendError):
    """The resource version is too old: the server no longer has the events after it (HTTP 410)."""


def forbidden_words(verb: str, resource: str, namespace: str) -> str:
    """The message for a missing permission; all modules use this one."""
    return f"forbidden: {verb} on {resource}" + (f" in {namespace}" if namespace else " in all namespaces")


def failure(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes, where: str) -> BackendError:
    """The error for an answer other than 2xx.

    ``method`` is that of HTTP, or WATCH: a watch is a GET, and a permission of its own. ``path`` is the request's path
    without its query; ``where`` names the server. An admission webhook's refusal has
    status 403 too: only RBAC's own message is ``Forbidden``. A JSON patch whose ``test`` fails is a ``Conflict``.
    """
    error = _failure(method, path, status, headers, _status(body), where)
    invalid = status == 422 and (method != "PATCH" or _VALIDATION.search(error.message) is not None)
    refused = (status in REFUSALS or invalid) and not isinstance(error, Conflict)
    error.maybe_applied = method not in READS and not refused
    return error


def _failure(
    method: str, path: str, status: int, headers: Mapping[str, str], answer: object, where: str
) -> BackendError:
    said = text(answer, "message")[:LONGEST] or f"{where} answered with HTTP {status}"
    write = method not in READS
    match status:
        case 401:
            return Unauthenticated(f"{where} does not accept the credentials", hint="log in again")
        case 403 if _RBAC.search(said) or not text(answer, "message"):
            return Forbidden(_missing_permission(method, path), hint=_permission_hint(path))
        case 404:
            return Missing(said)
        case 409:
            return Conflict(said)
        case 410:
            return Gone(said)
        case 422 if method == "PATCH" and said == TEST_FAILED:
            return Conflict("the object has changed since it was read: a test of the patch failed")
        case 408:
            return TimedOut(said)
        case 412:
            return Conflict(said)
        case 429:
            return RateLimited(f"{where} refuses more requests for a while", retry_after=_retry_after(headers, answer))
        case 503 | 502:
            return Unreachable(said)
        case 504:
            return TimedOut(said)
    if status >= 500:
        return (TimedOut if write and "failed calling webhook" not in said else Unreachable)(said)
    if status >= 400:
        return Rejected(said)
    return Malformed(f"{where} answered with HTTP {status}, which is not expected", hint="is this the API server?")


def _status(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _missing_permission(method: str, path: str) -> str:
    match = _PATH.match(path)
    if match is None:
        return f"forbidden: {method} {path}"
    plural, group, sub = match["plural"], match["group"], match["subresource"]
    resource = (f"{plural}.{group}" if group else plural) + (f"/{sub}" if sub else "")
    verb = _VERBS.get(method, method.lower())
    if verb == "get" and match["name"] is None:
        verb = "list"
    return forbidden_words(verb, resource, match["namespace"] or "")


def _permission_hint(path: str) -> str:
    match = _PATH.match(path)
    if match is not None and match["namespace"] is None and match["name"] is None:
        return 'set namespaces = ["NAME", …] for this source to read those that you may, or ask for this permission'
    return "ask for this permission"


def _retry_after(headers: Mapping[str, str], answer: object) -> float | None:
    told = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    seconds = whole(told.strip())
    return float(seconds) if seconds is not None else number(answer, "details", "retryAfterSeconds")
