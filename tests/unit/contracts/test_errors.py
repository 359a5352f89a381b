"""Which errors of a write prove that nothing was applied, by their class, and by an answer's status."""

from __future__ import annotations

import json

import pytest

from backends.child import read_answer
from backends.errors import (
    BackendError,
    Conflict,
    Forbidden,
    Malformed,
    RateLimited,
    Rejected,
    TimedOut,
    Unauthenticated,
    Unreachable,
    Unsupported,
    before_sending,
    nothing_applied,
)
from backends.http import HttpResponse, refusal
from backends.platforms.kubernetes.failures import failure

REFUSALS = (Unauthenticated("no"), Forbidden("no"), Rejected("no"), Unsupported("no"))
OPEN = (Unreachable("no"), TimedOut("no"), Conflict("no"), RateLimited("no"), Malformed("no"))
STATUSES = range(300, 600)
PROOFS = {400, 401, 403, 404}
INVALID = b'{"message": "Thing \\"a\\" is invalid: spec: Required value"}'


@pytest.mark.parametrize("error", [*REFUSALS, *OPEN], ids=lambda error: type(error).__name__)
def test_an_adapter_that_says_nothing_else_proves_it_by_a_refusal_only(error: BackendError) -> None:
    assert nothing_applied(error) is (error in REFUSALS)


@pytest.mark.parametrize("error", OPEN, ids=lambda error: type(error).__name__)
def test_an_error_before_anything_was_sent_proves_it(error: BackendError) -> None:
    cls = type(error)
    with pytest.raises(cls) as caught, before_sending():
        raise cls("no")
    assert nothing_applied(caught.value)


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_of_http(status: int) -> None:
    write, read = (refusal(HttpResponse(status, {}, b"no", "it", write=write)) for write in (True, False))
    assert nothing_applied(write) is (status in PROOFS)
    assert nothing_applied(read)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", [b"", INVALID, b'{"message": "no", "code": %b}' % (b"9" * 5_000)])
def test_a_status_of_kubernetes(status: int, body: bytes) -> None:
    write, read = (failure(method, "/api/v1/namespaces/a", status, {}, body, "it") for method in ("PATCH", "GET"))
    assert nothing_applied(write) is (status in PROOFS or (status == 422 and body == INVALID))
    assert nothing_applied(read)


def test_a_patch_is_refused_by_validation_or_admission_and_not_by_its_own_test() -> None:
    for said, proves in (
        ('Deployment.apps "a" is invalid: spec.replicas: Invalid value: -1', True),
        ('admission webhook "w" denied the request: no', True),
        ("the server rejected our request due to an error in our request", False),
        ("testing value /spec/replicas failed", False),
    ):
        error = failure("PATCH", "/a", 422, {}, json.dumps({"message": said}).encode(), "it")
        assert nothing_applied(error) is proves, said


@pytest.mark.parametrize("proves", [True, False])
@pytest.mark.parametrize("name", ["TimedOut", "Rejected", "Malformed", "RateLimited"])
def test_a_child_process_passes_it_on(name: str, proves: bool) -> None:
    line = json.dumps({"error": [name, "no", "", not proves]}).encode()
    with pytest.raises(BackendError) as caught:
        read_answer(line, "it")
    assert type(caught.value).__name__ == name
    assert nothing_applied(caught.value) is proves
