"""Authentication at a container registry: anonymous, with a password, with a token, or in Azure's way.

A registry that requires authentication answers 401, with the address of a token server and the scope of the token. The
token is valid for one repository and a few minutes. https://distribution.github.io/distribution/spec/auth/token
Azure's registries exchange a token of Microsoft Entra for a refresh token, and that for a token of this kind.
https://azure.github.io/acr/AAD-OAuth.html
"""

from __future__ import annotations

import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode, urlsplit

from backends.errors import Malformed, Unauthenticated
from backends.http import HttpClient, HttpResponse
from backends.settings import Secret

SHORTEST_S = 60.0
"""The lifetime of a token if its server gives none, by the specification."""

EARLY_S = 10.0

_CHALLENGE = re.compile(r"(?:^|,)\s*(Bearer|Basic)(?:\s+|$)", re.IGNORECASE)
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """The challenge of a 401. ``scheme`` is "bearer" or "basic"."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The configured credentials; each can be missing. ``token`` is sent unchanged; ``entra`` is exchanged."""

    username: str = ""
    password: Secret | None = None
    token: Secret | None = None
    entra: Secret | None = None
    tenant: str = ""

    def basic(self) -> str | None:
        if not self.username or self.password is None:
            return None
        return b64encode(f"{self.username}:{self.password.reveal()}".encode()).decode("ascii")


def challenge_of(header: str) -> Challenge | None:
    """The challenge in a ``WWW-Authenticate`` header: Bearer rather than Basic; ``None`` if there is neither."""
    found: dict[str, Challenge] = {}
    starts = list(_CHALLENGE.finditer(header))
    for number, start in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(header)
        told = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(header[start.end() : end])}
        scheme = start[1].lower()
        found.setdefault(
            scheme, Challenge(scheme, told.get("realm", ""), told.get("service", ""), told.get("scope", ""))
        )
    return found.get("bearer") or found.get("basic")


def token_of(answer: object, where: str) -> tuple[str, float]:
    """The token and its lifetime in seconds, from the answer of a token server.

    Raises:
        Malformed: the answer has no valid token.
    """
    told = cast("Mapping[str, object]", answer) if isinstance(answer, dict) else {}
    token = told.get("token") or told.get("access_token")
    if not (isinstance(token, str) and _sendable(token)):
        raise Malformed(f"{where} answered without a token")
    seconds = told.get("expires_in")
    good = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < 1e9
    return token, float(cast("float", seconds)) if good else SHORTEST_S


class Door:
    """Keeps the tokens of one registry. Thread-safe."""

    def __init__(self, http: HttpClient, credentials: Credentials, timeout_s: float) -> None:
        self._http = http
        self._credentials = credentials
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}
        self._basic = False
        self._refresh = ""

    def header(self, scope: str) -> Mapping[str, str]:
        """The header of the first request: a token that is still valid, or the password if it was accepted before."""
        if self._credentials.token is not None:
            return {"Authorization": f"Bearer {_checked(self._credentials.token)}"}
        with self._lock:
            kept = self._tokens.get(scope)
        if kept is not None and kept[1] > time.monotonic():
            return {"Authorization": f"Bearer {kept[0]}"}
        if self._basic and (basic := self._credentials.basic()) is not None:
            return {"Authorization": f"Basic {basic}"}
        return {}

    def answer(self, refused: HttpResponse, scope: str) -> Mapping[str, str]:
        """The header of the request after a 401.

        Raises:
            Unauthenticated: the credentials do not fit the challenge.
            BackendError: the token server does not give a token.
        """
        where = refused.where
        challenge = challenge_of(refused.headers.get("www-authenticate", ""))
        if challenge is None or self._credentials.token is not None:
            raise Unauthenticated(f"{where} does not let us in", hint="check the credentials of this source")
        if challenge.scheme == "basic":
            basic = self._credentials.basic()
            if basic is None:
                raise Unauthenticated(f"{where} requires a password", hint="set username and password")
            self._basic = True
            return {"Authorization": f"Basic {basic}"}
        wanted = challenge.scope or scope
        if self._credentials.entra is not None:
            token, good_s = self._from_azure(challenge, wanted)
        else:
            token, good_s = self._from_realm(challenge, wanted)
        with self._lock:
            self._tokens[scope] = (token, time.monotonic() + max(good_s - EARLY_S, 1.0))
        return {"Authorization": f"Bearer {token}"}

    def _from_realm(self, challenge: Challenge, scope: str) -> tuple[str, float]:
        try:
            parts = urlsplit(challenge.realm)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise Malformed(f"{self._http.where} gives no valid address of a token server")
        basic = self._credentials.basic()
        if basic is not None and parts.scheme == "http" and self._http.base_url.startswith("https:"):
            raise Unauthenticated(f"{self._http.where} wants the password sent to {parts.hostname} without encryption")
        query = {name: value for name, value in (("service", challenge.service), ("scope", scope)) if value}
        path = "?".join(
            part for part in (parts.path or "/", "&".join(filter(None, (parts.query, urlencode(query))))) if part
        )
        http = HttpClient(f"{parts.scheme}://{parts.netloc}", timeout_s=self._timeout_s)
        try:
            headers = {"Authorization": f"Basic {basic}"} if basic is not None else {}
            return token_of(http.request("GET", path, headers=headers).json(), http.where)
        finally:
            http.close()

    def _from_azure(self, challenge: Challenge, scope: str) -> tuple[str, float]:
        """A token by way of a refresh token. That is valid for hours, and is requested again once it is refused."""
        service = challenge.service or self._http.where
        kept = self._refresh
        if kept:
            try:
                return self._azure_token(service, scope, kept)
            except Unauthenticated:
                self._refresh = ""
        entra = self._credentials.entra
        assert entra is not None
        form = {"grant_type": "access_token", "service": service, "access_token": _checked(entra)}
        if self._credentials.tenant:
            form["tenant"] = self._credentials.tenant
        told = self._http.request("POST", "/oauth2/exchange", form=form).json()
        refresh = told.get("refresh_token") if isinstance(told, dict) else None
        if not (isinstance(refresh, str) and _sendable(refresh)):
            raise Malformed(f"{self._http.where} answered without a refresh token")
        self._refresh = refresh
        return self._azure_token(service, scope, refresh)

    def _azure_token(self, service: str, scope: str, refresh: str) -> tuple[str, float]:
        form = {"grant_type": "refresh_token", "service": service, "scope": scope, "refresh_token": refresh}
        return token_of(self._http.request("POST", "/oauth2/token", form=form).json(), self._http.where)


def _sendable(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable()


def _checked(secret: Secret) -> str:
    value = secret.reveal()
    if not _sendable(value):
        raise Unauthenticated(f"the {secret.origin} holds a text that cannot be a token")
    return value


def errors_in(body: bytes) -> str:
    """The message of the first error in a registry's answer, in the specified format; or ""."""
    try:
        told = json.loads(body[:65536].decode("utf-8", "replace"))
    except (ValueError, RecursionError):  # ValueError: no JSON, or a number of too many digits
        return ""
    errors = told.get("errors") if isinstance(told, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    message = first.get("message") if isinstance(first, dict) else None
    return "".join(char for char in message if char.isprintable())[:200] if isinstance(message, str) else ""
