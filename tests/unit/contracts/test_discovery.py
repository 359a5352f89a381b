"""Adapters by name: ours, and those that another distribution registers."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from click.testing import CliRunner

from backends import contracts, discovery
from backends.contracts import CONTRACT_VERSION
from backends.discovery import (
    GROUP,
    OURS,
    UnknownAdapter,
    UnusableAdapter,
    adapter_class,
    adapter_names,
    contract_of,
)
from backends.serving.kserve import KServeServing
from shiftdeck.config.loader import adapter_settings, parse
from shiftdeck.source_kinds.table import KINDS
from tests.third_parties import Current
from tui.cli.main import cli

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
    registered(monkeypatch, serving_acme="tests.third_parties:Current")
    assert adapter_class("serving", "acme") is Current
    assert {"acme", "kserve"} <= set(adapter_names("serving"))
    assert adapter_settings("serving", "acme") == KServeServing.OPTIONS.SETTINGS


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
    with pytest.raises(UnusableAdapter, match=r"serving\.acme of .* cannot be loaded: ModuleNotFoundError"):
        adapter_settings("serving", "acme")


# ── the contract that an adapter is written for ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", OURS)
def test_ours_are_written_for_the_contract_beside_them(name: str) -> None:
    assert contract_of(adapter_class(*name.split("."))) == CONTRACT_VERSION


@pytest.mark.parametrize(
    ("written", "said", "hint"),
    [
        ("Newer", f"is written for version {CONTRACT_VERSION + 1} of the adapter contract", "upgrade shiftdeck, or"),
        ("Older", f"is written for version {CONTRACT_VERSION - 1} of the adapter contract", "install a version of"),
        ("Silent", "does not state the version of the adapter contract", f"CONTRACT = {CONTRACT_VERSION}"),
        ("Worded", "does not state the version of the adapter contract", f"CONTRACT = {CONTRACT_VERSION}"),
        ("factory", "does not state the version of the adapter contract", f"CONTRACT = {CONTRACT_VERSION}"),
    ],
)
def test_an_adapter_for_another_contract_is_refused_with_words(
    monkeypatch: pytest.MonkeyPatch, written: str, said: str, hint: str
) -> None:
    registered(monkeypatch, serving_acme=f"tests.third_parties:{written}")
    with pytest.raises(UnusableAdapter) as refused:
        adapter_class("serving", "acme")
    assert "serving.acme" in refused.value.message
    assert said in refused.value.message
    assert f"this is shiftdeck {importlib.metadata.version('shiftdeck')}, with version {CONTRACT_VERSION}" in str(
        refused.value
    )
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Exiting", "cannot be loaded: SystemExit: 3"),
        ("Refusing", "cannot be loaded: KeyError: 'CONTRACT'"),
        ("Optionless", "does not say what it can be told"),
        ("WithDict", "does not say what it can be told"),
    ],
)
def test_an_adapter_that_cannot_be_loaded_is_refused_with_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: str, said: str
) -> None:
    registered(monkeypatch, serving_acme=f"tests.third_parties:{written}")
    text = '[contexts.prod.serving.acme]\n[contexts.prod.serving.lab]\nurl = "http://127.0.0.1:9"\n'
    config = parse(text, tmp_path / "config.toml")
    (fault,) = config.faults
    assert "serving.acme" in str(fault)
    assert said in str(fault)
    assert [one.name for one in config.contexts["prod"].sources] == ["acme", "lab"]


def test_the_configuration_keeps_the_other_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    registered(monkeypatch, serving_acme="tests.third_parties:Newer")
    text = '[contexts.prod.serving.acme]\nurl = "http://x"\n[contexts.prod.serving.lab]\nurl = "http://127.0.0.1:9"\n'
    config = parse(text, tmp_path / "config.toml")
    (fault,) = config.faults
    assert str(fault).startswith(f"{tmp_path}/config.toml:1: contexts.prod.serving.acme: the adapter serving.acme")
    assert "upgrade shiftdeck" in str(fault)
    assert [one.name for one in config.contexts["prod"].sources] == ["acme", "lab"]


def test_config_check_names_the_source_and_lists_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    registered(monkeypatch, serving_acme="tests.third_parties:Older")
    file = tmp_path / "config.toml"
    file.write_text('[contexts.prod.serving.acme]\n[contexts.prod.serving.lab]\nurl = "http://127.0.0.1:9"\n')
    done = CliRunner().invoke(cli, ["--config", str(file), "config", "check"])
    assert done.exit_code == 2
    assert f"{file}:1: contexts.prod.serving.acme: the adapter serving.acme of " in done.stderr
    assert "install a version of" in done.stderr
    assert "is valid" not in done.stdout
    assert "lab" in done.stdout


def test_ours_are_found_without_reading_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*, group: str) -> EntryPoints:
        raise AssertionError(group)

    monkeypatch.setattr(importlib.metadata, "entry_points", never)
    assert adapter_settings("serving", "kserve") == KServeServing.OPTIONS.SETTINGS
