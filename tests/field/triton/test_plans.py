"""What a plan for Triton has to say, as seen on the real server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from backends.contracts import Call, Promote
from backends.errors import TimedOut
from backends.metrics.triton import TritonMetrics
from backends.serving.triton import TritonServing
from backends.serving.triton_wire import Version
from tests.realservers.wiring import made

CONFIG: Mapping[str, object] = {"name": "m", "version_policy": {"specific": {"versions": ["1", "3"]}}}


def test_a_plan_says_that_versions_may_be_initialised_again_and_that_pinned_requests_count_alike() -> None:
    """A load may initialise every version that it names again (double memory); versions are counted however asked."""
    serving = made(TritonServing, url="http://127.0.0.1:9")
    versions = (Version("3", "READY"), Version("2", "UNAVAILABLE", "unloaded"), Version("1", "READY"))
    cautions = serving.forecast(serving.explain("m", versions, CONFIG), Promote("2")).cautions
    assert any("may initialise version 1 again" in one for one in cautions)
    assert any("shares and rates that were measured do not tell who answers" in one for one in cautions)
    alone = (Version("2", "READY"), Version("1", "UNAVAILABLE", "unloaded"))
    cautions = serving.forecast(serving.explain("m", alone, CONFIG), Promote("1")).cautions
    assert not any("initialise" in one or "counted alike" in one for one in cautions)


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [("UNAVAILABLE", "out of memory", "; version 2: out of memory"), ("LOADING", "", ""), ("READY", "", "")],
)
def test_a_load_that_takes_too_long_tells_why_a_version_failed(state: str, reason: str, told: str) -> None:
    serving = made(TritonServing, url="http://127.0.0.1:9")
    before = (Version("2", "UNAVAILABLE", "unloaded"), Version("1", "READY"))
    endpoint = serving.explain("m", before, CONFIG)
    (call,) = serving.compile(endpoint, Promote("2"))
    looks = iter([before, (Version("2", state, reason), Version("1", "READY"))])
    triton: Any = serving
    triton._index = lambda: {"m": next(looks)}
    triton._config = lambda model, versions: CONFIG

    class Slow:
        def request(self, *_: object, **__: object) -> Call:
            raise TimedOut("no answer in 3 s", maybe_applied=True)

    triton._loading = Slow()
    with pytest.raises(TimedOut) as caught:
        serving.send(call)
    assert caught.value.message == f"no answer in 3 s{told}"
    assert caught.value.maybe_applied


def test_doctor_says_which_errors_are_not_counted() -> None:
    words = [one.detail for one in made(TritonMetrics, url="http://127.0.0.1:9").probe()]
    assert any("does not count as failures" in one for one in words)
