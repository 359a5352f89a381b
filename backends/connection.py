"""The settings that all servers with an HTTP API have in common, and the client made from these settings."""

from __future__ import annotations

from backends.errors import Rejected
from backends.http import MAX_BODY, HttpClient
from backends.options import Options, secret, table, text, url


class ConnectionOptions(Options):
    """The server's address and the credentials for it."""

    url = url("the server's address, with the path before /api if it has one", required=True)
    token = secret("bearer token")
    username = text("user name, if the server asks for a password")
    password = secret("and the password")
    headers = table("further headers to send (X-Scope-OrgID for Mimir, for example)", default={})


def connection(options: ConnectionOptions, max_body: int = MAX_BODY, timeout_s: float | None = None) -> HttpClient:
    """The client for these options. ``timeout_s`` replaces their deadline.

    Raises:
        Rejected: a user name without a password, or a password without a user name.
    """
    user, password = options.username, options.password
    if bool(user) is not bool(password):
        raise Rejected("username and password are set together, or not at all")
    return HttpClient(
        options.url,
        timeout_s=options.timeout_s if timeout_s is None else timeout_s,
        token=options.token,
        basic=(user, password) if user and password else None,
        headers={"Accept": "application/json", **options.headers},
        max_body=max_body,
    )
