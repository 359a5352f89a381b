"""Adapters by name: ours, and those that another distribution registers."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from backends import contracts, discovery
from backends.discovery import GROUP, OURS, UnknownAdapter, adapter_class, adapter_names
from backends.serving.kserve import KServeServing
from shiftdeck.config.loader import adapter_settings
from shiftdeck.source_kinds.table import KINDS

PROTOCOLS = {
    "registries": contracts.Registry,
    "serving": contracts.Serving,
    "metrics": contracts.Metrics,
    "accelerators": contracts.Accelerators,
    "drift": contracts.Drift,
    "alerts": contracts.Alerts,
    "images": contracts.Images,
}


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    discovery._others.cache_clear()
    yield
    discovery._others.cache_clear()


def registered(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """As if a distribution had registered these: ``serving_acme="module:Class"``."""
    found = EntryPoints(EntryPoint(name.replace("_", "."), value, GROUP) for name, value in points.items())
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: found.select(group=group))


@pytest.mark.parametrize("name", OURS)
def test_each_of_ours_is_what_its_name_says(name: str) -> None:
    kind, _, adapter = name.partition(".")
    cls = adapter_class(kind, adapter)
    wanted = {one for one in vars(PROTOCOLS[kind]) if not one.startswith("_")}
    assert kind in KINDS
    assert [one for one in sorted(wanted) if not hasattr(cls, one)] == []


def test_another_distribution_adds_an_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, serving_acme="backends.serving.kserve:KServeServing")
    assert adapter_class("serving", "acme") is KServeServing
    assert {"acme", "kserve"} <= set(adapter_names("serving"))
    assert adapter_settings("serving", "acme") == KServeServing.SETTINGS


def test_another_distribution_does_not_take_the_name_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, serving_kserve="elsewhere:Wrong")
    assert adapter_class("serving", "kserve") is KServeServing
    assert adapter_names("serving").count("kserve") == 1


def test_an_adapter_that_does_not_exist_names_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, serving_acme="elsewhere:Acme")
    with pytest.raises(UnknownAdapter, match=r"'kserv' for serving: known are acme, .*kserve"):
        adapter_class("serving", "kserv")
    with pytest.raises(LookupError, match="did you mean 'kserve'"):
        adapter_settings("serving", "kserv")


def test_what_cannot_be_imported_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, serving_acme="nowhere_at_all:Acme")
    with pytest.raises(LookupError, match="'acme' cannot be loaded: ModuleNotFoundError"):
        adapter_settings("serving", "acme")


def test_ours_are_found_without_reading_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*, group: str) -> EntryPoints:
        raise AssertionError(group)

    monkeypatch.setattr(importlib.metadata, "entry_points", never)
    assert adapter_settings("serving", "kserve") == KServeServing.SETTINGS
