"""One record per kind of source: what is made from it, and what is said of a kind that there is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import Adapter, Wiring
from backends.errors import Malformed
from backends.options import Options
from shiftdeck.config.loader import ContextConfig, SourceConfig
from shiftdeck.config.source_parser import common_settings
from shiftdeck.engine.initial_view import first_view
from shiftdeck.fleet.joiner import Joiner
from shiftdeck.source_kinds.table import KINDS, SOURCE_KINDS, UnknownKind, source_kind
from shiftdeck.sources.adapters import Adapters
from shiftdeck.sources.polled_source import PolledSource
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, SourceState
from tests.fakes import Clock, FakeWorld, fake_context, fake_factory
from tests.unit.builders import NOW, status

WEATHER = SourceConfig("weather", "lab", "lab", 1.0, 1.0, 60.0, {})


def adapters(context: ContextConfig) -> Adapters:
    return Adapters(context, fake_factory(FakeWorld()), Clock(NOW), lambda kind, name: None)


@pytest.mark.parametrize("kind", [one.kind for one in fake_context(alerts=True).sources])
def test_each_kind_is_asked_as_its_record_says(kind: str) -> None:
    context = fake_context(alerts=True)
    (config,) = context.of_kind(kind)
    made = adapters(context)
    poll = made.poll(config)
    assert poll() is poll(), "an answer that is equal to the last one is the same object"


@pytest.mark.parametrize("nonsense", [(5,), 5, None, ("text",), ({},), [object()]])
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_of_nonsense_is_malformed_and_takes_nothing_from_the_fleet(kind: str, nonsense: object) -> None:
    """The fleet keeps what the adapter answered before, and the joiner never sees an item of another type."""
    context = fake_context(alerts=True)
    config = next((one for one in context.sources if one.kind == kind), None)
    if config is None:
        config = SourceConfig(kind, "lab", "lab", 1.0, 1.0, 60.0, {})
        context = replace(context, sources=(*context.sources, config))
    method = {
        "registries": "versions",
        "serving": "endpoints",
        "metrics": "current",
        "drift": "scores",
        "alerts": "alerts",
        "accelerators": "gpus",
        "images": "images",
    }[kind]

    class Confused(Adapter):
        OPTIONS = Options

        def __init__(self, wiring: Wiring[Options]) -> None:
            pass

    setattr(Confused, method, lambda self, *_: nonsense)
    made = Adapters(context, lambda kind, name: Confused, Clock(NOW), lambda kind, name: None)
    source = PolledSource(
        name="lab",
        kind=kind,
        adapter="lab",
        every_s=1.0,
        timeout_s=1.0,
        poll=made.poll(config),
        clock=Clock(NOW),
        changed=lambda: None,
    )
    source.ask()
    found = source.snapshot()
    assert (found.value, found.status.state) == (None, SourceState.MALFORMED)
    assert "the adapter" in found.status.error


def test_a_kind_that_there_is_not_is_asked_for_nothing() -> None:
    class Weather(Adapter):
        def __init__(self, wiring: Wiring[Options]) -> None:
            raise AssertionError("its adapter was made")

    context = replace(fake_context(), sources=(WEATHER,))
    made = Adapters(context, lambda kind, name: Weather, Clock(NOW), lambda kind, name: None)
    with pytest.raises(UnknownKind, match=r"no kind of source 'weather': known are registries, serving, "):
        made.poll(WEATHER)


@pytest.mark.parametrize("error", [KeyError("uri"), SystemExit(3)])
def test_an_adapter_that_cannot_be_made_is_left_out_and_told_by_its_source(error: BaseException) -> None:
    class Broken(Adapter):
        OPTIONS = Options

        def __init__(self, wiring: Wiring[Options]) -> None:
            raise error

    usual = fake_factory(FakeWorld())
    acme = SourceConfig("registries", "acme", "acme", 1.0, 1.0, 60.0, {})
    context = replace(fake_context(), sources=(*fake_context().sources, acme))
    made = Adapters(context, lambda kind, name: Broken if name == "acme" else usual(kind, name), Clock(NOW), print)
    with pytest.raises(Malformed, match=f"the adapter failed: {type(error).__name__}"):
        made.get("registries", "acme")
    assert list(made.registries()) == [one.name for one in fake_context().of_kind("registries")]


def test_a_kind_that_there_is_not_has_no_record_no_settings_and_no_answers() -> None:
    with pytest.raises(UnknownKind):
        source_kind("weather")
    with pytest.raises(UnknownKind):
        common_settings("weather")
    with pytest.raises(UnknownKind):
        Readings({"weather": {"lab": Snapshot((), status("lab", kind="weather"))}})


def test_sources_are_shown_in_the_order_of_the_kinds_whatever_the_order_of_the_file() -> None:
    context = fake_context(alerts=True)
    turned = replace(context, sources=context.sources[::-1])
    shown = tuple(kind for kind in KINDS if context.of_kind(kind))
    assert tuple(one.kind for one in first_view(turned, Clock(NOW)).sources) == shown
    readings = Readings(
        {one.kind: {one.name: Snapshot(None, status(one.name, kind=one.kind))} for one in turned.sources}
    )
    assert tuple(one.kind for one in Joiner(turned).view(readings, NOW).sources) == shown


def test_the_usual_interval_is_the_default_of_the_configuration() -> None:
    for name, kind in SOURCE_KINDS.items():
        assert {one.key: one.default for one in common_settings(name)}["every"] == kind.every_s
