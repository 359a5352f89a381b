"""What a page of the newest versions does not tell: champions of last year, and versions that somebody deleted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import ModelRef
from backends.errors import Forbidden, Malformed, Rejected, TimedOut
from backends.registries.mlflow_look import NAMED_S, Look
from backends.registries.mlflow_store import Model
from tests.unit.registries.test_mlflow_look import NEVER, InMemory, _version

MANY = ModelRef("many", "150")


class Registry(InMemory):
    """A model of 300 versions, and two others. ``refused`` are versions that it does not give, and why."""

    def __init__(self) -> None:
        super().__init__(["many", "plain", "sentiment"])
        self.table["many"] = [_version("many", str(number)) for number in range(300, 0, -1)]
        self.refused: dict[str, Exception] = {}

    def name(self, alias: str, version: str, *staged: str) -> None:
        known = self.names["many"]
        self.names["many"] = replace(known, aliases={**known.aliases, alias: version}, staged=staged)

    def version(self, model: str, version: str, deadline: float) -> tuple[object, str]:  # type: ignore[override]
        if version in self.refused:
            raise self.refused[version]
        try:
            return super().version(model, version, deadline)
        except StopIteration:
            raise Rejected("Model Version not found") from None


@pytest.fixture
def registry() -> Registry:
    return Registry()


def look(registry: Registry, *named: str, using: Look | None = None) -> tuple[dict[str, str], Look]:
    """The versions of the model by number, with why nothing is known of each."""
    used = using or Look(frozenset(), 20)
    refs = frozenset(ModelRef("many", one) for one in named)
    found = used.versions(registry, NEVER, refs)  # type: ignore[arg-type]  # a store with what is asked of it here
    assert {one.ref.model for one in found} == {"many", "plain", "sentiment"}
    return {one.ref.version: one.absent for one in found if one.ref.model == "many"}, used


def test_the_champion_is_read_though_20_newer_versions_are_there(registry: Registry) -> None:
    registry.name("champion", "150", "90")
    found, used = look(registry, "33")
    assert list(found)[20:] == ["150", "90", "33"]
    assert set(found.values()) == {""}
    (champion,) = (one for one in used.versions(registry, NEVER) if one.ref == MANY)  # type: ignore[arg-type]
    assert champion.aliases == ("champion",)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Rejected("no such version"), "the registry has no such version"),
        (Forbidden("not you"), "it cannot be read: not you"),
        (Malformed("odd"), "it cannot be read: odd"),
        (TimedOut("late", maybe_applied=False), "it was not read in time"),
    ],
)
def test_an_alias_names_its_version_even_if_nothing_is_known_of_it(
    registry: Registry, error: Exception, words: str
) -> None:
    """mlflow/mlflow PR #24825: an alias may outlive the version that it names."""
    registry.name("champion", "150")
    registry.refused["150"] = error
    found, used = look(registry)
    assert found["150"] == words
    assert used.remarks() == (f"@champion of many points to version 150: {words}",)
    (champion,) = (one for one in used.versions(registry, NEVER) if one.ref == MANY)  # type: ignore[arg-type]
    assert champion.aliases == ("champion",), "whoever moves the alias knows where it is"


def test_what_was_not_read_in_time_is_read_next(registry: Registry) -> None:
    registry.name("champion", "150")
    registry.refused["150"] = TimedOut("late", maybe_applied=False)
    _, used = look(registry)
    registry.refused.clear()
    found, _ = look(registry, using=used)
    assert found["150"] == ""
    assert not used.remarks()


def test_a_version_by_name_is_read_once_a_minute(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("backends.registries.mlflow_look.time.monotonic", lambda: now)
    registry.name("champion", "150")
    _, used = look(registry)
    look(registry, using=used)
    assert registry.asked["version"] == 1
    now += NAMED_S
    look(registry, using=used)
    assert registry.asked["version"] == 2
    used.forget("many")
    look(registry, using=used)
    assert registry.asked["version"] == 3, "what we wrote is read at once"


def test_a_model_of_which_the_registry_makes_nothing_hides_no_other(registry: Registry) -> None:
    odd = 'it\'s "v2"'
    registry.names[odd] = Model(odd, {}, 1)
    registry.table[odd] = []
    registry.fails[f"versions {odd}"] = Rejected("Invalid clause(s) in filter string")
    found, used = look(registry)
    assert found
    assert used.remarks() == (f"{odd} cannot be listed: Invalid clause(s) in filter string",)
    registry.fails.clear()
    look(registry, using=used)
    assert not used.remarks()
