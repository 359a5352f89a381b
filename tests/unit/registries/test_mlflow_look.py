"""What is read anew of an MLflow registry that cannot tell what changed, and what is not; on a registry in memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from backends.contracts import ModelRef, ModelVersion
from backends.errors import Conflict, Forbidden, Rejected, TimedOut
from backends.registries.mlflow import MlflowRegistry
from backends.registries.mlflow_look import REREAD, SWEEP_FROM, Look
from backends.registries.mlflow_store import Location, Logged, Model, Run, version_of
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
        self.models_logged: dict[str, Logged] = {}
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

    def logged(self, models: Sequence[str], deadline: float) -> Mapping[str, Logged]:
        self._ask("logged")
        return {model: self.models_logged[model] for model in models if model in self.models_logged}

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


# ── what is not read again, what goes, and what takes too long ──────────────────────────────────────────────────


class Stamped(InMemory):
    """A registry that tells whether anything was written since."""

    at: object = 1

    def state(self, deadline: float) -> object:
        return self.at


def test_while_the_state_stays_nothing_is_read_and_then_everything_once() -> None:
    store, look = Stamped(["a", "b"]), Look(frozenset(), 20)
    first = look.versions(store, NEVER)
    store.asked.clear()
    assert look.versions(store, NEVER) is first
    assert not store.asked
    store.table["b"][0] = replace(store.table["b"][0], tags={"scan": "passed"})
    for state in (0, 2):
        store.at = state
        found = look.versions(store, NEVER)
        assert of(found, "b")["2"].tags == {"scan": "passed"}
        assert store.asked == {"models": 1, "versions a": 1, "versions b": 1}
        store.asked.clear()


def test_what_was_not_read_to_its_end_is_read_on_though_the_state_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    store, look = Stamped(["a"]), Look(frozenset(), 20)
    store.table["a"] = [_version("a", "1", "run")]
    store.measured = {"run": Run({"f1": 0.5}, final=True)}
    store.fails["runs"] = TimedOut("slow")
    assert of(look.versions(store, NEVER), "a")["1"].metrics == {}
    store.fails.clear()
    assert of(look.versions(store, NEVER), "a")["1"].metrics == {"f1": 0.5}


def test_only_the_models_that_are_wanted_are_read() -> None:
    store = InMemory([f"m{number:02d}" for number in range(MANY)])
    wanted = [f"m{number:02d}" for number in range(SWEEP_FROM + 1)]
    found = Look(frozenset(wanted), 20).versions(store, NEVER)
    assert {one.ref.model for one in found} == set(wanted)
    assert store.asked == {"models": 1, **{f"versions {name}": 1 for name in wanted}}, "and not all versions of all"


def test_a_model_that_is_gone_and_comes_back_is_read_anew() -> None:
    store, look = InMemory(["a", "b"]), Look(frozenset(), 20)
    look.versions(store, NEVER)
    gone = store.names.pop("b")
    assert {one.ref.model for one in look.versions(store, NEVER)} == {"a"}
    store.names["b"], store.table["b"] = gone, [_version("b", "9")]
    assert set(of(look.versions(store, NEVER), "b")) == {"9"}


def test_a_model_without_versions_is_no_reason_to_ask_for_each(store: InMemory) -> None:
    store.table["m03"] = []
    found = Look(frozenset(), 20).versions(store, NEVER)
    assert len(found) == 2 * (MANY - 1)
    assert store.asked == {"models": 1, "versions": 1}


def test_an_alias_is_with_its_own_version_only() -> None:
    store = InMemory(["a"])
    store.names["a"] = Model("a", {"champion": "1", "challenger": "2", "blessed": "1"}, 1)
    found = of(Look(frozenset(), 20).versions(store, NEVER), "a")
    assert {one.ref.version: one.aliases for one in found.values()} == {
        "1": ("blessed", "champion"),
        "2": ("challenger",),
    }


def test_no_more_versions_are_kept_than_are_wanted(store: InMemory) -> None:
    store.table["m00"] = [_version("m00", str(number)) for number in range(50, 0, -1)]
    found = Look(frozenset(), 20).versions(store, NEVER)
    assert list(of(found, "m00")) == [str(number) for number in range(50, 30, -1)]
    alone = Look(frozenset({"m00"}), 20).versions(store, NEVER)
    assert list(of(alone, "m00")) == [str(number) for number in range(50, 30, -1)]


def test_where_time_runs_out_the_next_read_goes_on_and_says_how_much_is_left() -> None:
    store, look = InMemory(["a", "b", "c"]), Look(frozenset(), 20)
    store.fails["versions c"] = TimedOut("slow")
    with pytest.raises(TimedOut, match="1 of 3 models are still to be read") as caught:
        look.versions(store, NEVER)
    assert caught.value.hint == "it goes on reading"
    store.fails.clear()
    store.asked.clear()
    look.versions(store, NEVER)
    assert store.asked["versions c"] == 1
    store.fails["versions a"] = store.fails["versions b"] = store.fails["versions c"] = TimedOut("slow")
    with pytest.raises(TimedOut, match=r"^slow$"):
        Look(frozenset(), 20).versions(store, NEVER)


def test_an_unchanged_model_that_cannot_be_read_again_in_time_is_shown_as_it_was() -> None:
    store, look = InMemory(["a", "b"]), Look(frozenset(), 20)
    before = look.versions(store, NEVER)
    store.fails["versions a"] = TimedOut("slow")
    assert look.versions(store, NEVER) == before


@pytest.mark.parametrize("error", [Rejected("no such run"), Forbidden("not yours")])
def test_runs_that_may_not_be_read_are_left_out_and_not_asked_for_again(error: Exception) -> None:
    store, look = InMemory(["a"]), Look(frozenset(), 20)
    store.table["a"] = [_version("a", "1", "secret")]
    store.fails["runs"] = error
    for _ in range(2):
        assert of(look.versions(store, NEVER), "a")["1"].metrics == {}
    assert store.asked["runs"] == 1


def test_the_runs_of_aliased_and_newest_versions_are_read_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.registries.mlflow_look.RUNS_PAGE", 1)
    store = InMemory(["a"])
    store.names["a"] = Model("a", {"champion": "1"}, 1)
    runs = {"4": "newest", "3": "a newer one", "2": "an older one", "1": "the champion's"}
    store.table["a"] = [_version("a", version, run) for version, run in runs.items()]
    Look(frozenset(), 20).versions(store, NEVER)
    asked = [one.removeprefix("run ") for one in store.asked if one.startswith("run ")]
    assert set(asked[:2]) == {"newest", "the champion's"}
    assert asked[2:] == ["a newer one", "an older one"]


def test_the_runs_that_are_kept_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are dropped, and read again, only where there are very many of them."""
    store, look = InMemory(["a"]), Look(frozenset(), 20)
    store.table["a"] = [_version("a", str(number), f"run{number}") for number in (3, 2, 1)]
    store.measured = {f"run{number}": Run({"f1": 0.5}, final=True) for number in (1, 2, 3)}
    look.versions(store, NEVER)
    look.versions(store, NEVER)
    assert store.asked["runs"] == 1
    monkeypatch.setattr("backends.registries.mlflow_look.RUNS_KEPT", 2)
    look.versions(store, NEVER)
    assert store.asked["runs"] == 2


def test_a_pass_over_all_versions_ends_where_single_models_are_fewer_calls(
    store: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One model has thousands of versions, of which few are wanted."""
    monkeypatch.setattr("backends.registries.mlflow_look.SWEEP_PAGE", 10)
    store.table["m00"] = [_version("m00", str(number)) for number in range(2000, 0, -1)]
    found = Look(frozenset(), 20).versions(store, NEVER)
    assert len(found) == 20 + 2 * (MANY - 1)
    assert store.asked["versions"] == MANY // 2
    assert sum(store.asked.values()) < 2 * MANY
