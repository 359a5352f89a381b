"""The settings that servers with an HTTP API have in common, and the client that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from backends.errors import Rejected
from backends.http import MAX_BODY, HttpClient
from backends.settings import Secret, Setting, SettingType

CONNECTION_SETTINGS: tuple[Setting, ...] = (
    Setting("url", SettingType.URL, "the server's address, with the path before /api if it has one", required=True),
    Setting("token", SettingType.SECRET, "bearer token"),
    Setting("username", SettingType.TEXT, "user name, where the server asks for a password"),
    Setting("password", SettingType.SECRET, "and the password"),
    Setting("headers", SettingType.TABLE, "further headers to send (X-Scope-OrgID for Mimir, say)", default={}),
)


def connection(options: Mapping[str, object], max_body: int = MAX_BODY) -> HttpClient:
    """The client that ``CONNECTION_SETTINGS`` ask for.

    Raises:
        Rejected: there is a user without a password, or the other way round.
    """
    user, password = options["username"], cast("Secret | None", options["password"])
    if bool(user) is not bool(password):
        raise Rejected("username and password are set together, or not at all")
    return HttpClient(
        str(options["url"]),
        timeout_s=cast("float", options["timeout"]),
        token=cast("Secret | None", options["token"]),
        basic=(str(user), password) if user and password else None,
        headers={"Accept": "application/json", **cast("Mapping[str, str]", options["headers"] or {})},
        max_body=max_body,
    )
