"""What can go wrong with a backend, as types.

No adapter lets an SDK's exception out: it raises one of these. ``str(error)`` is one sentence that an
operator can read, ``hint`` says what to do about it, and neither ever holds a secret.
"""

from __future__ import annotations


class BackendError(Exception):
    """Anything that a backend, or the way to it, did not do as asked.

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
    """The system does not know who is asking (HTTP 401): no credential, or an expired one."""


class Forbidden(BackendError):
    """The system knows who is asking and refuses (HTTP 403)."""


class Conflict(BackendError):
    """The guard did not hold: somebody else changed the object since it was read (HTTP 409, 412)."""


class Rejected(BackendError):
    """The system understood the request and will not do it (HTTP 400, 422, admission), or has no such object (404)."""


class RateLimited(BackendError):
    """Too many requests (HTTP 429). ``retry_after`` is in seconds, or ``None`` where the system does not say."""

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Unsupported(BackendError):
    """This system has no such operation."""


class Malformed(BackendError):
    """The answer is not what the system's contract says: the reason names what was wrong and where."""
