"""The Triton adapters against a stub of Triton, made from its published protocols: no real Triton runs here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backends.contracts import (
    Action,
    Diverged,
    Endpoint,
    EndpointRef,
    ModelRef,
    Phase,
    Promote,
    Role,
    Rollback,
    Settled,
    Split,
)
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
)
from backends.metrics.triton import TritonMetrics
from backends.serving.triton import TritonServing
from backends.serving.triton_wire import Json, Version
from tests.faults import Fault, FaultProxy
from tests.realservers.triton import StubModel, StubTriton, stub_triton
from tests.realservers.wiring import made


@pytest.fixture
def triton() -> Iterator[StubTriton]:
    models = {
        "sentiment": StubModel([1, 2, 3], {"specific": {"versions": [1, 2]}}, broken={3}),
        "fraud": StubModel([7]),
        "asleep": StubModel([], {"specific": {"versions": []}}),
    }
    with stub_triton(models) as one:
        yield one


def serving(triton: StubTriton, **options: object) -> TritonServing:
    return made(TritonServing, url=triton.url, **options)


SENTIMENT = EndpointRef("tested", "", "sentiment")


def observed(endpoint: Endpoint) -> dict[str, float | None]:
    return {one.name: one.observed for one in endpoint.variants}


def test_models_as_endpoints_and_versions_as_variants(triton: StubTriton) -> None:
    found = {one.ref.name: one for one in serving(triton, registered={"sentiment": "classifier"}).endpoints()}
    assert list(found) == ["fraud", "sentiment"], "a model that was never loaded is none"
    sentiment = found["sentiment"]
    assert [(one.name, one.role, one.desired, one.observed, one.ready) for one in sentiment.variants] == [
        ("2", Role.STABLE, 100.0, 100.0, 1),
        ("1", Role.IDLE, 0.0, 0.0, 1),
    ]
    assert sentiment.variants[0].model == ModelRef("classifier", "2")
    assert sentiment.variants[1].message == "answers requests that name it"
    assert sentiment.phase is Phase.STEADY
    assert Action.SHIFT not in sentiment.actions, "there is no split"
    assert found["fraud"].actions[Action.PROMOTE] == (
        "Triton tells of version 7 only: it knows those that were loaded since it started"
    )
    assert [one.ref.name for one in serving(triton, models=("fr*",)).endpoints()] == ["fraud"]
    with pytest.raises(Rejected, match="no model 'nope'"):
        serving(triton).read(EndpointRef("tested", "", "nope"))


def test_what_has_not_changed_is_asked_for_in_one_question(triton: StubTriton) -> None:
    one = serving(triton)
    first = one.endpoints()
    triton.asked.clear()
    assert one.endpoints() == first
    assert triton.asked == ["/v2/repository/index"]
    triton.models["sentiment"].load({"specific": {"versions": [1]}})
    assert one.endpoints() != first
    assert triton.asked.count("/v2/models/sentiment/config") == 1


def test_back_to_the_version_before_and_forward_again(triton: StubTriton) -> None:
    one = serving(triton)
    before = one.read(SENTIMENT)
    back = Rollback("1")
    (call,) = one.compile(before, back)
    assert call.summary == "loaded versions 2, 1 → 1"
    assert one.forecast(before, back).cautions[0] == "requests that name version 2 will fail"
    assert "curl -X POST" in call.command
    one.send(call)
    now = one.read(SENTIMENT)
    assert observed(now) == {"2": 0.0, "1": 100.0}
    assert isinstance(one.progress(before, now, back), Settled)
    assert triton.infer("sentiment", 10) == 1
    assert one.forecast(before, back).undo == Promote("2")
    forward = Promote("2")
    (call,) = one.compile(now, forward)
    assert one.forecast(now, forward).cautions[0].startswith("kept in Triton's memory")
    one.send(call)
    assert triton.models["sentiment"].loaded == {1, 2}, "what is below stays for those who name it"
    assert triton.infer("sentiment", 10) == 2


def test_a_version_that_cannot_be_loaded_leaves_what_was_there(triton: StubTriton) -> None:
    triton.models["sentiment"].known[3] = "unloaded"
    one = serving(triton)
    before = one.read(SENTIMENT)
    (call,) = one.compile(before, Promote("3"))
    with pytest.raises(Rejected, match="out of memory"):
        one.send(call)
    now = one.read(SENTIMENT)
    assert observed(now) == {"3": 0.0, "2": 100.0, "1": 0.0}
    assert now.phase is Phase.DEGRADED
    assert "3: Internal: out of memory" in now.message
    assert next(release for release in now.releases if release.id == "3").good is False
    assert isinstance(one.progress(before, now, Promote("3")), Diverged)


def test_a_version_that_was_unloaded_is_not_wanted_whatever_the_configuration_says(triton: StubTriton) -> None:
    """Version 1 stays in place when version 2 is unloaded, so it goes on telling the policy that names both."""
    one = serving(triton)
    (call,) = one.compile(one.read(SENTIMENT), Rollback("1"))
    one.send(call)
    assert triton.models["sentiment"].told == {"specific": {"versions": [1, 2]}}
    now = one.read(SENTIMENT)
    assert [(one.name, one.desired, one.observed, one.wanted) for one in now.variants] == [
        ("2", 0.0, 0.0, 0),
        ("1", 100.0, 100.0, 1),
    ]
    (call,) = one.compile(now, Promote("2"))
    assert call.summary == "loaded versions 1 → 1, 2"


def test_where_a_greater_version_has_failed_it_is_not_known_which_is_wanted(triton: StubTriton) -> None:
    triton.models["sentiment"].known[3] = "Internal: out of memory\n\nAt:\n  model.py(14): initialize\n"
    now = serving(triton).read(SENTIMENT)
    assert [(one.name, one.desired, one.observed) for one in now.variants] == [
        ("3", None, 0.0),
        ("2", None, 100.0),
        ("1", 0.0, 0.0),
    ]
    assert now.variants[0].message == "Internal: out of memory", "one line, as a row has room for"
    assert now.releases[0].why == "failed to load: Internal: out of memory"


def test_nothing_is_promoted_while_somebody_loads_a_version(triton: StubTriton) -> None:
    model = triton.models["sentiment"]
    model.known[3], model.loading = "", {3}
    one = serving(triton)
    now = one.read(SENTIMENT)
    assert now.phase is Phase.PROGRESSING
    assert now.actions[Action.PROMOTE] == "somebody loads version 3 now: wait until it is ready, or has failed"
    with pytest.raises(Rejected, match="somebody loads version 3"):
        one.compile(now, Promote("1"))
    assert "somebody loads version 3 now" in one.forecast(now, Rollback("1")).cautions[1]


def test_a_model_of_which_nothing_is_loaded_can_be_loaded_again(triton: StubTriton) -> None:
    model = triton.models["sentiment"]
    model.unload()
    one = serving(triton)
    before = one.read(SENTIMENT)
    assert [variant.desired for variant in before.variants] == [0.0, 0.0]
    with pytest.raises(Rejected, match="promote 2 loads the model as its repository says"):
        one.compile(before, Rollback("1"))
    with pytest.raises(Rejected, match="no configuration to load version 1"):
        one.compile(before, Promote("1"))
    (call,) = one.compile(before, Promote("2"))
    assert (call.body, "none → as the repository's own policy says" in call.summary) == ({}, True)
    assert "it may be another one" in one.forecast(before, Promote("2")).cautions[0]
    assert one.forecast(before, Promote("2")).weights is None
    one.send(call)
    assert isinstance(one.progress(before, one.read(SENTIMENT), Promote("2")), Settled)


def test_what_somebody_else_changed_is_not_overwritten(triton: StubTriton) -> None:
    one = serving(triton)
    (call,) = one.compile(one.read(SENTIMENT), Rollback("1"))
    triton.models["sentiment"].load({"specific": {"versions": [2]}})
    with pytest.raises(Conflict):
        one.send(call)
    assert triton.loads == []


@pytest.mark.parametrize("mode", ["none", "poll"])
def test_another_control_mode_is_told_beforehand_or_learnt(mode: str) -> None:
    with stub_triton({"sentiment": StubModel([1, 2], {"all": {}})}, mode) as triton:
        told = serving(triton, control=mode)
        assert "explicit model control mode only" in str(told.read(SENTIMENT).actions[Action.PROMOTE])
        assert [probe.ok for probe in told.probe()] == [True, True, False]
        one = serving(triton)
        (call,) = one.compile(one.read(SENTIMENT), Rollback("1"))
        with pytest.raises(Rejected) as caught:
            one.send(call)
        assert "--model-control-mode=explicit" in caught.value.hint
        assert "explicit model control mode only" in str(one.read(SENTIMENT).actions[Action.ROLLBACK])


def test_what_does_not_fit_is_refused(triton: StubTriton) -> None:
    one = serving(triton)
    endpoint = one.read(SENTIMENT)
    for change, error in (
        (Split({"1": 50.0, "2": 50.0}), Unsupported),
        (Promote("9"), Rejected),
        (Rollback("9"), Rejected),
        (Promote("2"), Rejected),
    ):
        with pytest.raises(error):
            one.compile(endpoint, change)


def test_statistics_as_metrics(triton: StubTriton) -> None:
    metrics = made(TritonMetrics, url=triton.url, scope="ml")
    metrics.current(60.0)
    triton.infer("sentiment", 40, failed=10)
    metrics._memory._attempt = (0, 0.0, None)  # the next question is not answered from the one before
    found = {(one.subject.endpoint, one.subject.variant): one for one in metrics.current(60.0)}
    two = found["sentiment", "2"]
    assert (two.samples, two.error_ratio) == (40, 0.25)
    assert two.mean == pytest.approx(0.05)
    assert two.subject.scope == "ml"
    assert found["sentiment", "1"].samples == 0
    (queue,) = [s for s in metrics.samples("nv_inference_queue_duration_us") if s.labels["version"] == "2"]
    assert queue.value == 30 * 10_000
    assert metrics.probe()[0].ok
    metrics.close()


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (Fault.GONE, 0, Unreachable),
        (Fault.STATUS, 401, Unauthenticated),
        (Fault.STATUS, 403, Forbidden),
        (Fault.STATUS, 429, RateLimited),
        (Fault.STATUS, 500, Unreachable),
        (Fault.GARBAGE, 0, Malformed),
        (Fault.NOISE, 0, BackendError),
        (Fault.TRUNCATED, 0, BackendError),
    ],
    ids=lambda value: str(getattr(value, "__name__", value)),
)
def test_faults(triton: StubTriton, fault: Fault, status: int, error: type[BackendError]) -> None:
    with FaultProxy(triton.url) as proxy:
        one, metrics = made(TritonServing, url=proxy.url), made(TritonMetrics, url=proxy.url)
        proxy.set(fault, status=status)
        for ask in (one.endpoints, lambda: metrics.current(60.0)):
            with pytest.raises(error):
                ask()
        assert one.probe()[0].ok is False
        proxy.set(Fault.PASS)
        assert len(one.endpoints()) == 2


def test_a_load_whose_answer_is_lost_may_have_been_done(triton: StubTriton, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultProxy(triton.url) as proxy:
        one = made(TritonServing, url=proxy.url)
        (call,) = one.compile(one.read(SENTIMENT), Rollback("1"))
        look = one._config

        def last_look(model: str, versions: tuple[Version, ...]) -> Json | None:
            found = look(model, versions)
            proxy.set(Fault.LOST_ANSWER, only="POST")
            return found

        monkeypatch.setattr(one, "_config", last_look)
        with pytest.raises(TimedOut) as caught:
            one.send(call)
        monkeypatch.undo()
        assert caught.value.maybe_applied
        proxy.set(Fault.PASS)
        assert observed(one.read(SENTIMENT)) == {"2": 0.0, "1": 100.0}
