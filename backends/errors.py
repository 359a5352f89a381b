"""Errors of backends.

An adapter raises only these errors, never an SDK's exception. ``str(error)`` is one sentence that an operator can read,
and ``hint`` says what to do about it. Neither ever holds a secret.
"""

from __future__ import annotations


class BackendError(Exception):
    """A request that the backend, or the network on the way to it, did not carry out.

    ``message`` is one sentence; ``hint`` says what the operator can do, or is empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Unreachable(BackendError):
    """No connection, or the server says that it cannot serve (HTTP 502, 503, 504). Nothing was applied."""


class TimedOut(BackendError):
    """No answer within the deadline. ``maybe_applied`` is true when a write may have reached the system."""

    def __init__(self, message: str, *, hint: str = "", maybe_applied: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.maybe_applied = maybe_applied


class Unauthenticated(BackendError):
    """The system does not accept the credential (HTTP 401): there is no credential, or it has expired."""


class Forbidden(BackendError):
    """The system accepts the credential, but the account lacks the permission (HTTP 403)."""


class Conflict(BackendError):
    """The guard did not hold: the object was changed after it was read (HTTP 409, 412)."""


class Rejected(BackendError):
    """The system understood the request and refuses it (HTTP 400, 422, admission), or has no such object (404)."""


class RateLimited(BackendError):
    """Too many requests (HTTP 429). ``retry_after`` is in seconds, or ``None`` if the system does not say."""

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Unsupported(BackendError):
    """This system has no such operation."""


class Malformed(BackendError):
    """The answer does not have the form that the system's API defines. The message says what is wrong and where."""
