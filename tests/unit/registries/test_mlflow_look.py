"""What is read anew of an MLflow registry that cannot tell what changed, and what is not; on a registry in memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from backends.contracts import ModelRef, ModelVersion
from backends.errors import Conflict, Rejected, TimedOut
from backends.registries.mlflow import MlflowRegistry
from backends.registries.mlflow_look import REREAD, Look
from backends.registries.mlflow_store import Location, Model, Run, version_of
from tests.realservers.wiring import made

MANY = 3 * REREAD
NEVER = math.inf


class InMemory:
    """A registry in memory. As a server, it does not tell that anything was written, and a tag or a stage of a version
    leaves its model as it was."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = {name: Model(name, {}, 1) for name in names}
        self.table = {name: [_version(name, "2"), _version(name, "1")] for name in names}
        self.measured: dict[str, Run] = {}
        self.asked: Counter[str] = Counter()
        self.fails: dict[str, Exception] = {}

    def _ask(self, what: str) -> None:
        self.asked[what] += 1
        if what in self.fails:
            raise self.fails[what]

    def prepare(self, deadline: float) -> None:
        pass

    def state(self, deadline: float) -> object:
        return None

    def models(self, size: int, token: str, deadline: float) -> tuple[list[Model], str]:
        self._ask("models")
        first = int(token or 0)
        page = list(self.names.values())[first : first + size]
        return page, str(first + size) if first + size < len(self.names) else ""

    def versions(self, model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        self._ask(f"versions {model}".rstrip())
        every = [one for name in sorted(self.table) for one in self.table[name]]
        found, first = self.table[model] if model else every, int(token or 0)
        return found[first : first + size], str(first + size) if first + size < len(found) else ""

    def version(self, model: str, version: str, deadline: float) -> tuple[ModelVersion, str]:
        self._ask("version")
        return next(one for one in self.table[model] if one.ref.version == version), ""

    def runs(self, runs: Sequence[str], deadline: float) -> Mapping[str, Run]:
        self._ask("runs")
        self.asked.update(f"run {run}" for run in runs)
        return {run: self.measured[run] for run in runs if run in self.measured}

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]:
        self._ask("aliases")
        return self.names[model].aliases

    def write(self, path: str, method: str, body: Mapping[str, object], deadline: float) -> None:
        self._ask("write")
        model, version = str(body["name"]), str(body.get("version", ""))
        if "alias" in body:
            rest = {name: at for name, at in self.names[model].aliases.items() if name != body["alias"]}
            aliases = {**rest, str(body["alias"]): version} if version else rest
            self.names[model] = replace(self.names[model], aliases=aliases)
            return
        for number, one in enumerate(self.table[model]):
            if one.ref.version == version and "stage" in body:
                self.table[model][number] = replace(one, stage=str(body["stage"]))
            elif one.ref.version == version:
                self.table[model][number] = replace(one, tags={**one.tags, str(body["key"]): str(body["value"])})

    def files(self, location: Location, folder: str, deadline: float) -> list[str]:
        return []

    def file(self, location: Location, folder: str, deadline: float) -> bytes:
        raise Rejected("no file")

    def writable(self) -> bool | None:
        return True

    def close(self) -> None:
        pass


def _version(name: str, version: str, run: str = "") -> ModelVersion:
    return version_of(
        name,
        version,
        stage="",
        created=1,
        updated=1,
        author="",
        run=run,
        source="",
        status="READY",
        description="",
        tags={},
    )


@pytest.fixture
def store() -> InMemory:
    return InMemory([f"m{number:02d}" for number in range(MANY)])


@pytest.fixture
def registry(store: InMemory) -> Iterator[MlflowRegistry]:
    adapter = made(MlflowRegistry, uri="http://server", timeout=60.0)
    adapter._opened = store
    yield adapter
    adapter.close()


def of(versions: Sequence[ModelVersion], model: str) -> dict[str, ModelVersion]:
    return {one.ref.version: one for one in versions if one.ref.model == model}


@pytest.mark.parametrize(("what", "value"), [("tag", "passed"), ("stage", "Production"), ("alias", "2")])
def test_what_we_wrote_ourselves_is_seen_at_the_next_look(
    registry: MlflowRegistry, store: InMemory, what: str, value: str
) -> None:
    """A tag and a stage leave the model as it was, and its turn to be read anew may be far away."""
    registry.versions()
    last = max(store.names)
    ref = ModelRef(last, "2")
    calls = {
        "tag": lambda: registry.compile_tag(ref, "scan", "passed", None),
        "stage": lambda: registry.compile_stage(ref, "Production", None),
        "alias": lambda: registry.compile_alias(last, "champion", "2", None),
    }
    (call,) = calls[what]()
    registry.send(call)
    store.asked.clear()
    found = of(registry.versions(), last)["2"]
    shown = {"tag": found.tags.get("scan"), "stage": found.stage, "alias": ref.version if found.aliases else ""}
    assert shown[what] == value
    assert store.asked[f"versions {last}"] == 1


def test_what_others_wrote_to_a_version_is_seen_in_its_turn(registry: MlflowRegistry, store: InMemory) -> None:
    registry.versions()
    last = max(store.names)
    store.table[last][0] = replace(store.table[last][0], tags={"scan": "passed"})
    looks = [of(registry.versions(), last)["2"].tags for _ in range(MANY // REREAD)]
    assert looks[0] == {}
    assert looks[-1] == {"scan": "passed"}
    read = [count for asked, count in store.asked.items() if asked.startswith("versions m")]
    assert (len(read), set(read)) == (MANY, {1}), "each once in its turn"


def test_a_model_that_changed_is_read_at_once(registry: MlflowRegistry, store: InMemory) -> None:
    registry.versions()
    last = max(store.names)
    store.names[last] = replace(store.names[last], updated=2)
    store.table[last].insert(0, _version(last, "3"))
    assert set(of(registry.versions(), last)) == {"1", "2", "3"}


def test_a_run_is_read_until_it_has_ended_and_never_again(registry: MlflowRegistry, store: InMemory) -> None:
    store.table["m00"] = [_version("m00", "2", "going"), _version("m00", "1", "ended")]
    store.measured = {"going": Run({"f1": 0.5}, final=False), "ended": Run({"f1": 0.8})}
    assert of(registry.versions(), "m00")["2"].metrics == {"f1": 0.5}
    store.measured["going"] = Run({"f1": 0.6}, final=False)
    assert of(registry.versions(), "m00")["2"].metrics == {"f1": 0.6}
    store.measured["going"] = Run({"f1": 0.7}, final=True)
    found = [of(registry.versions(), "m00") for _ in range(3)][-1]
    assert (found["2"].metrics, found["1"].metrics) == ({"f1": 0.7}, {"f1": 0.8})
    assert (store.asked["run going"], store.asked["run ended"]) == (3, 1)


def test_a_run_that_is_gone_is_asked_for_once(registry: MlflowRegistry, store: InMemory) -> None:
    store.table["m00"] = [_version("m00", "1", "deleted")]
    for _ in range(3):
        assert of(registry.versions(), "m00")["1"].metrics == {}
    assert store.asked["run deleted"] == 1


def test_a_write_that_found_something_else_there_changes_nothing(registry: MlflowRegistry, store: InMemory) -> None:
    (call,) = registry.compile_tag(ModelRef("m00", "2"), "scan", "passed", "failed")
    with pytest.raises(Conflict, match="unset now, not"):
        registry.send(call)
    assert store.asked["write"] == 0


def test_a_write_that_cannot_be_read_back_is_seen_at_the_next_look(registry: MlflowRegistry, store: InMemory) -> None:
    registry.versions()
    last = max(store.names)
    (call,) = registry.compile_stage(ModelRef(last, "2"), "Staging", None)
    written = store.write

    def write_and_go(path: str, method: str, body: Mapping[str, object], deadline: float) -> None:
        written(path, method, body, deadline)
        store.fails["version"] = TimedOut("gone")

    store.write = write_and_go  # type: ignore[method-assign]
    with pytest.raises(TimedOut) as caught:
        registry.send(call)
    assert caught.value.maybe_applied
    store.fails.clear()
    assert of(registry.versions(), last)["2"].stage == "Staging"


def test_pages_of_models_and_versions_are_followed(store: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.registries.mlflow_look.MODELS_PAGE", 7)
    monkeypatch.setattr("backends.registries.mlflow_look.SWEEP_PAGE", 9)
    found = Look(frozenset(), 20).versions(store, NEVER)
    assert [str(one.ref) for one in found] == [f"m{number:02d}/{one}" for number in range(MANY) for one in (2, 1)]
    assert not [asked for asked in store.asked if asked.startswith("versions m")], "all in one sweep"
