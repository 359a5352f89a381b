"""Errors of backends.

An adapter raises only these errors, never an SDK's exception. ``str(error)`` is one sentence that an operator can read,
and ``hint`` says what to do about it. Neither ever holds a secret.

**What proves that a write was not applied**, for all transports:

==============================================================  ===========================================
proves it                                                       proves nothing: the system has to be read
==============================================================  ===========================================
the request was not sent: no connection, no name, no TLS        no answer in time, a connection that breaks
HTTP 400, 401, 403, 404                                         an answer that is cut, unreadable, too long
Kubernetes' 422 of validation, with its Status                  any other 422, 409, 412
the system's own refusal in another protocol (HAProxy's text)   408, 425, 429, any 5xx, every other status
==============================================================  ===========================================

A proxy may answer 503 or 408 after it has passed the request on. A proxy that repeats a request gets a 409 or 412 for
the second copy because the first was applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from backends.text import safe_message

REFUSALS = frozenset({400, 401, 403, 404})
"""The HTTP statuses that prove that a write was not applied. A 422 does only where its body tells whose it is."""


class BackendError(Exception):
    """A request that the backend, or the network on the way to it, did not carry out.

    ``message`` is one sentence; ``hint`` says what the operator can do, or is empty. Parts of both may be foreign: they
    are made fit to be shown (``backends.text``).

    ``maybe_applied`` is false only if the error proves that the request changed nothing and never will: it was not
    sent, the system refused it, or it only reads. Without it, the class decides: ``REFUSES`` says whether its errors
    are refusals.
    """

    REFUSES: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", maybe_applied: bool | None = None) -> None:
        message = safe_message(message)
        super().__init__(message)
        self.message = message
        self.hint = safe_message(hint)
        self.maybe_applied = not self.REFUSES if maybe_applied is None else maybe_applied


def nothing_applied(error: BackendError) -> bool:
    """Whether the error of a write proves that nothing was applied, and that nothing of it can be applied later."""
    return not error.maybe_applied


@contextmanager
def before_sending() -> Iterator[None]:
    """What an adapter reads and compares before it sends a write: an error there proves that nothing was applied."""
    try:
        yield
    except BackendError as error:
        error.maybe_applied = False
        raise


class Unreachable(BackendError):
    """No connection (``maybe_applied`` is false), or the server says that it cannot serve (HTTP 502, 503, 504)."""


class TimedOut(BackendError):
    """No answer within the deadline."""


class Unauthenticated(BackendError):
    """The system does not accept the credential (HTTP 401): there is no credential, or it has expired."""

    REFUSES = True


class Forbidden(BackendError):
    """The system accepts the credential, but the account lacks the permission (HTTP 403)."""

    REFUSES = True


class Conflict(BackendError):
    """The guard did not hold: the object was changed after it was read (HTTP 409, 412), possibly by a repeated copy of
    the same request."""


class Rejected(BackendError):
    """The system understood the request and refuses it (HTTP 400, 422, admission), or has no such object (404)."""

    REFUSES = True


class RateLimited(BackendError):
    """Too many requests (HTTP 429). ``retry_after`` is in seconds, or ``None`` if the system does not say."""

    def __init__(
        self, message: str, *, hint: str = "", retry_after: float | None = None, maybe_applied: bool | None = None
    ) -> None:
        super().__init__(message, hint=hint, maybe_applied=maybe_applied)
        self.retry_after = retry_after


class Unsupported(BackendError):
    """This system has no such operation."""

    REFUSES = True


class Malformed(BackendError):
    """The answer does not have the form that the system's API defines. The message says what is wrong and where."""
