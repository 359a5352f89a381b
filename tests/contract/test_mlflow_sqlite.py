"""The MLflow adapter against a real registry in an SQLite file."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import backends.registries.mlflow_look as module
from backends.child import Child, ChildEnded
from backends.contracts import Adapter, Call, ModelRef, ModelVersion, ProbeKind, Wiring
from backends.errors import Conflict, Forbidden, Malformed, Rejected, TimedOut, Unreachable, Unsupported
from backends.registries import mlflow_sqlite, mlflow_tables
from backends.registries.mlflow import MlflowRegistry
from tests.realservers.wiring import told
from tests.servers import require_program

Made = Callable[..., MlflowRegistry]

PATIENT_S = 60.0
"""The deadline of whatever is to succeed, however busy the machine."""

BRIEF_S = 0.5
"""The deadline of what is to be given up."""

MLFLOWS_OWN_S = 20.0
"""For so long MLflow itself waits for a lock."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with three models: one of 25 versions with runs and aliases, one plain, one with an apostrophe."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    client = client_of(path)
    experiment = client.create_experiment("training", artifact_location="s3://nowhere")
    client.create_registered_model("sentiment-classifier")
    for number in range(1, 26):
        run = client.create_run(experiment, tags={"mlflow.user": "ada", "dataset": "reviews"}).info.run_id
        client.log_metric(run, "f1", 0.9 + number / 1000)
        client.log_param(run, "depth", number)
        client.set_terminated(run)
        client.create_model_version("sentiment-classifier", f"s3://models/{number}", run, tags={"n": str(number)})
    client.set_registered_model_alias("sentiment-classifier", "champion", "24")
    client.set_registered_model_alias("sentiment-classifier", "challenger", "25")
    for name in ("eta-regressor", "o'hare"):
        client.create_registered_model(name)
        client.create_model_version(name, "s3://models/plain", description="plain")
    return path


def client_of(path: Path) -> Any:
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    uri = f"sqlite:///{path}"
    return MlflowClient(uri, uri)


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "my registry.db"))


class Kept:
    """A child process that outlives the adapters that use it: to import MLflow takes seconds."""

    def __init__(self) -> None:
        self.child = Child("backends.registries.mlflow_process", "MLflow")
        self.fails: dict[str, Exception] = {}
        self.ended = False

    def ask(self, request: Mapping[str, object], timeout_s: float) -> object:
        failure = self.fails.get(str(request["do"]))
        if failure is not None:
            self.ended = self.ended or isinstance(failure, ChildEnded)
            raise failure
        self.ended = False
        return self.child.ask(request, timeout_s)

    def awake(self) -> bool:
        return not self.ended and self.child.awake()

    def close(self) -> None:
        self.fails.clear()
        self.ended = False


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    made = Kept()
    yield made
    made.child.close()


@pytest.fixture(params=["known tables", "by MLflow"])
def registry(
    database: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Made]:
    """Makes adapters, which read the tables themselves and, the second time, leave that to MLflow."""
    if request.param == "by MLflow":
        monkeypatch.setattr(mlflow_tables, "KNOWN", frozenset())
    monkeypatch.setattr(mlflow_sqlite, "Child", lambda *_, **__: kept)
    made: list[MlflowRegistry] = []

    def no_source(kind: str, name: str) -> Adapter:
        raise LookupError(kind, name)

    def make(uri: str = f"sqlite:///{database}", **options: object) -> MlflowRegistry:
        given = told(MlflowRegistry, PATIENT_S, **{"uri": uri, **options})
        made.append(MlflowRegistry(Wiring("mlflow", given, no_source, time.time)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def of(versions: tuple[ModelVersion, ...], model: str) -> list[ModelVersion]:
    return [one for one in versions if one.ref.model == model]


def test_versions_come_newest_first_with_aliases_and_what_their_runs_measured(registry: Made) -> None:
    versions = registry().versions()
    assert sorted({one.ref.model for one in versions}) == ["eta-regressor", "o'hare", "sentiment-classifier"]
    found = of(versions, "sentiment-classifier")
    assert [one.ref.version for one in found] == [str(number) for number in range(25, 5, -1)]
    newest, champion = found[0], found[1]
    assert (newest.aliases, champion.aliases, found[2].aliases) == (("challenger",), ("champion",), ())
    assert champion.metrics == {"f1": pytest.approx(0.924)}
    assert champion.params == {"depth": "24"}
    assert champion.tags == {"n": "24", "dataset": "reviews"}
    assert (champion.author, champion.stage, champion.status) == ("ada", None, "READY")
    assert champion.created == pytest.approx(time.time(), abs=3600)
    (plain,) = of(versions, "o'hare")
    assert (plain.description, plain.run, plain.metrics) == ("plain", None, {})


def test_pages_are_followed_to_their_end(registry: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MODELS_PAGE", 1)
    monkeypatch.setattr(module, "VERSIONS_PAGE", 7)
    versions = registry(max_versions=1000.0).versions()
    assert len(versions) == 27
    assert [one.ref.version for one in of(versions, "sentiment-classifier")][-1] == "1"


def test_only_the_models_that_were_named(registry: Made) -> None:
    assert {one.ref.model for one in registry(models=("eta-regressor",)).versions()} == {"eta-regressor"}


def test_what_others_change_is_seen_at_the_next_look(registry: Made, database: Path) -> None:
    adapter = registry()
    before = adapter.versions()
    assert adapter.versions() == before
    other = client_of(database)
    other.set_registered_model_alias("sentiment-classifier", "champion", "25")
    other.set_model_version_tag("eta-regressor", "1", "owner", "eve")
    other.create_model_version("o'hare", "s3://models/next")
    after = adapter.versions()
    assert of(after, "sentiment-classifier")[0].aliases == ("challenger", "champion")
    assert of(after, "eta-regressor")[0].tags == {"owner": "eve"}
    assert [one.ref.version for one in of(after, "o'hare")] == ["2", "1"]


def test_reading_the_tables_gives_what_mlflow_gives(
    registry: Made, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = client_of(database)
    run = other.create_run("0").info.run_id
    other.log_metric(run, "f1", float("inf"))
    other.log_metric(run, "loss", -0.5)
    other.log_metric(run, "loss", -0.25, step=2)
    other.log_param(run, "näme", "ü" * 300)
    other.create_model_version("o'hare", "s3://models/running", run, tags={"a b": "c\nd"}, description="läuft")
    other.create_model_version("o'hare", "s3://models/gone")
    other.delete_model_version("o'hare", "3")
    other.create_model_version("o'hare", "s3://models/runless", "0123456789abcdef0123456789abcdef")
    other.create_registered_model("empty", description="of nothing")
    other.register_prompt("prompt", "Answer {{question}}.")
    ours = registry()
    read = ours.versions()
    assert not of(read, "prompt")
    monkeypatch.setattr(mlflow_tables, "KNOWN", frozenset())
    mlflows = registry()
    assert read == mlflows.versions()
    store, child = ours._store(), mlflows._store()
    deadline = time.monotonic() + 60
    assert store.models(2, "", deadline)[0] == child.models(2, "", deadline)[0]
    assert store.aliases("sentiment-classifier", deadline) == child.aliases("sentiment-classifier", deadline)


def test_metrics_are_those_of_the_model_and_not_of_its_run(registry: Made, database: Path) -> None:
    """mlflow/mlflow #16788, PR #14417: two models of one run; #18489, #25728: a model that was logged without a run."""
    client = client_of(database)
    experiment = client.get_experiment_by_name("training").experiment_id
    run = client.create_run(experiment).info.run_id
    client.create_registered_model("pair")
    for number, f1 in enumerate((0.40, 0.95), 1):
        model = client.create_logged_model(
            experiment, name=f"m{number}", source_run_id=run, params={"depth": f"{number}"}
        )
        client.log_metric(run, "f1", f1 - 0.1, step=1, model_id=model.model_id)
        client.log_metric(run, "f1", f1, step=2, model_id=model.model_id)
        client.create_model_version("pair", f"s3://models/{model.model_id}", run)
    other = client.create_run(experiment).info.run_id
    alone = client.create_logged_model(experiment, name="alone")
    client.log_metric(other, "f1", 0.93, model_id=alone.model_id)
    client.create_model_version("pair", f"s3://models/{alone.model_id}")
    with sqlite3.connect(database) as file:  # the client asks the tracking server of this whole process for a source
        file.execute("UPDATE model_versions SET source = 'models:/' || substr(source, 13) WHERE name = 'pair'")
    adapter = registry()
    third, second, first = of(adapter.versions(), "pair")
    assert [one.metrics for one in (first, second, third)] == [{"f1": 0.40}, {"f1": 0.95}, {"f1": 0.93}]
    assert (first.params, second.params) == ({"depth": "1"}, {"depth": "2"})
    assert adapter.describe(ModelRef("pair", "1")).metrics == {"f1": 0.40}


def fill(file: sqlite3.Connection) -> None:
    """Rows as MLflow writes them: to create 300 versions by MLflow takes half a minute."""
    numbers = [number for number in range(1, 301) if number % 7]
    for name, versions in (("many", numbers), ('it\'s "v2"', [1, 2]), ("模型 *?[x]", [1])):
        copied(file, "registered_models", "eta-regressor", [{"name": name}])
        copied(file, "model_versions", "eta-regressor", [{"name": name, "version": number} for number in versions])
    file.execute("UPDATE model_versions SET current_stage = 'Production' WHERE name = 'many' AND version IN (2, 40)")
    aliases = [{"name": "many", "alias": "champion", "version": 150}, {"name": "many", "alias": "gone", "version": 7}]
    copied(file, "registered_model_aliases", "sentiment-classifier", aliases)


def copied(file: sqlite3.Connection, table: str, name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Copies of a model's row in a table, each with other values."""
    cursor = file.execute(f"SELECT * FROM {table} WHERE name = ? LIMIT 1", (name,))  # noqa: S608 - our own names
    columns = [one[0] for one in cursor.description]
    first = dict(zip(columns, cursor.fetchone(), strict=True))
    marks = ", ".join("?" * len(columns))
    file.executemany(f"INSERT INTO {table} VALUES ({marks})", [tuple({**first, **row}.values()) for row in rows])  # noqa: S608


def test_versions_that_are_named_are_read_however_old_they_are(registry: Made, database: Path) -> None:
    """A registry as in life: 300 versions with gaps, an old champion and an old stage, an alias whose version is gone
    (mlflow/mlflow PR #24825), and names that its own filter makes nothing of."""
    with sqlite3.connect(database) as file:
        fill(file)
    adapter = registry()
    served = frozenset({ModelRef("many", "33"), ModelRef("many", "14"), ModelRef("nowhere", "1")})
    many = of(adapter.versions_with(served), "many")
    assert [one.ref.version for one in many][:3] == ["300", "299", "298"]
    assert [one.ref.version for one in many][20:] == ["150", "40", "33", "14", "7"]
    found = {one.ref.version: one for one in many}
    assert (found["150"].aliases, found["150"].absent) == (("champion",), "")
    assert (found["40"].stage, found["33"].absent) == ("Production", "")
    assert (found["7"].aliases, found["7"].absent) == (("gone",), "the registry has no such version")
    assert found["14"].absent == "the registry has no such version"
    told = "@gone of many points to version 7: the registry has no such version"
    assert told in adapter.remarks()
    assert of(adapter.versions_with(served), "模型 *?[x]")
    (call,) = adapter.compile_alias("many", "champion", "300", "150")
    adapter.send(call)
    assert "champion" in adapter.own(ModelRef("many", "300")).aliases


@pytest.mark.parametrize("registry", ["known tables"], indirect=True)
def test_tables_of_a_known_version_are_read_without_mlflow(registry: Made, kept: Kept) -> None:
    """So that neither the first look nor the memory is MLflow's, as long as nothing is written."""
    kept.fails = dict.fromkeys(("prepare", "models", "versions", "run", "aliases"), Unreachable("asked"))
    assert registry().versions()


def test_models_that_mlflow_would_not_open_are_left_to_it_to_refuse(registry: Made, database: Path) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("UPDATE registered_models SET workspace = 'other' WHERE name = 'eta-regressor'")
    connection.close()
    with pytest.raises(Malformed):
        registry().versions()


def test_nothing_new_costs_next_to_nothing(registry: Made) -> None:
    adapter = registry()
    adapter.versions()
    began = time.thread_time()
    for _ in range(20):
        adapter.versions()
    assert (time.thread_time() - began) / 20 < 0.005


# ── aliases ─────────────────────────────────────────────────────────────────────────────────────────────────────


def moved(adapter: MlflowRegistry, version: str, expected: str | None, alias: str = "champion") -> Call:
    (call,) = adapter.compile_alias("sentiment-classifier", alias, version, expected)
    return call


def test_an_alias_is_moved_and_read_back(registry: Made) -> None:
    adapter = registry()
    assert adapter.send(moved(adapter, "25", "24")).revision == "25"
    assert of(adapter.versions(), "sentiment-classifier")[0].aliases == ("challenger", "champion")


def test_an_alias_is_made_and_taken_away(registry: Made) -> None:
    adapter = registry()
    adapter.send(moved(adapter, "20", None, alias="fallback"))
    assert of(adapter.versions(), "sentiment-classifier")[5].aliases == ("fallback",)
    adapter.send(moved(adapter, "", "20", alias="fallback"))
    assert of(adapter.versions(), "sentiment-classifier")[5].aliases == ()


def test_an_alias_that_somebody_moved_is_left_there(registry: Made, database: Path) -> None:
    adapter = registry()
    call = moved(adapter, "25", "24")
    client_of(database).set_registered_model_alias("sentiment-classifier", "champion", "23")
    with pytest.raises(Conflict, match="at 23 now, not at 24"):
        adapter.send(call)
    assert of(adapter.versions(), "sentiment-classifier")[2].aliases == ("champion",)


def test_an_alias_that_is_not_unset_is_left_there(registry: Made) -> None:
    adapter = registry()
    with pytest.raises(Conflict, match="at 24 now, not unset"):
        adapter.send(moved(adapter, "25", None))


def test_an_alias_that_moves_on_at_once_is_a_conflict(registry: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = registry()
    adapter.versions()
    store = adapter._store()
    meant = store.write

    def and_somebody_else(path: str, method: str, body: Mapping[str, object], deadline: float) -> None:
        meant(path, method, body, deadline)
        meant(path, method, {**body, "version": "19"}, deadline)

    monkeypatch.setattr(store, "write", and_somebody_else)
    with pytest.raises(Conflict, match="is at 19 now"):
        adapter.send(moved(adapter, "25", "24"))


def test_a_version_that_gets_a_stage_takes_it_from_no_other(registry: Made, database: Path) -> None:
    """Who else is in that stage is for whoever looks at them to decide."""
    adapter = registry()
    for version in ("23", "24"):
        adapter.send(*adapter.compile_stage(ModelRef("sentiment-classifier", version), "Production", None))
    stages = {one.ref.version: one.stage for one in of(adapter.versions(), "sentiment-classifier") if one.stage}
    assert stages == {"23": "Production", "24": "Production"}


@pytest.mark.parametrize("registry", ["by MLflow"], indirect=True)
def test_a_write_that_nobody_can_vouch_for_says_so(registry: Made, kept: Kept) -> None:
    adapter = registry()
    kept.fails["write"] = ChildEnded("the MLflow process ended (signal 9)")
    with pytest.raises(TimedOut) as caught:
        adapter.send(moved(adapter, "25", "24"))
    assert caught.value.maybe_applied
    kept.fails = {"versions": TimedOut("the MLflow process gave no answer", maybe_applied=True)}
    with pytest.raises(TimedOut) as caught:
        registry().versions()
    assert not caught.value.maybe_applied, "nothing was written"


@pytest.mark.parametrize("registry", ["by MLflow"], indirect=True)
def test_a_child_that_ended_is_prepared_anew(registry: Made, kept: Kept) -> None:
    adapter = registry()
    kept.fails["models"] = ChildEnded("the MLflow process ended (signal 9)")
    with pytest.raises(Unreachable, match="signal 9"):
        adapter.versions()
    kept.fails = {"prepare": Unreachable("it is too early")}
    with pytest.raises(Unreachable, match="too early"):
        adapter.versions()
    kept.fails = {}
    assert adapter.versions()


def test_no_such_model_or_version_is_rejected(registry: Made) -> None:
    adapter = registry()
    with pytest.raises(Rejected):
        adapter.send(moved(adapter, "99", "24"))
    (call,) = adapter.compile_alias("nobody", "champion", "1", None)
    with pytest.raises(Rejected):
        adapter.send(call)


def test_a_call_says_what_a_human_would_type(registry: Made) -> None:
    call = moved(registry("https://ada:secret@registry.example/ml"), "25", "24")
    assert (call.method, call.path) == ("POST", "/api/2.0/mlflow/registered-models/alias")
    assert call.body == {"name": "sentiment-classifier", "alias": "champion", "version": "25"}
    assert "still at 24" in call.guard
    assert "set_registered_model_alias" in call.command
    assert "secret" not in repr(call)
    with pytest.raises(Rejected, match="to itself"):
        moved(registry(), "25", None, alias="latest")
    assert registry().compile_alias("m", "champion", "7", "7") == (), "there already"


# ── what can be wrong with the file ─────────────────────────────────────────────────────────────────────────────


def test_a_file_that_is_not_there_is_not_made(registry: Made, tmp_path: Path) -> None:
    adapter = registry(f"sqlite:///{tmp_path}/deep/none.db")
    with pytest.raises(Unreachable):
        adapter.versions()
    assert [one.ok for one in adapter.probe()] == [False]
    assert not (tmp_path / "deep").exists()


def test_a_locked_file_is_given_up_in_time(registry: Made, database: Path) -> None:
    adapter = registry()
    adapter.versions()
    lock = sqlite3.connect(database, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    adapter._timeout = BRIEF_S
    for ask in (adapter.versions, lambda: adapter.send(moved(adapter, "25", "24"))):
        began = time.monotonic()
        with pytest.raises(TimedOut) as caught:
            ask()
        assert time.monotonic() - began < MLFLOWS_OWN_S / 2
        assert not caught.value.maybe_applied
    lock.execute("ROLLBACK")
    adapter._timeout = PATIENT_S
    assert adapter.versions()
    lock.close()


def test_a_reader_in_the_way_of_a_write_is_waited_for_no_longer_than_told(
    registry: Made, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look before a write does not meet this lock, and has all the time that it takes."""
    monkeypatch.setattr(mlflow_sqlite, "GRACE_S", PATIENT_S)  # a child on a busy machine answers late
    adapter = registry()
    adapter.versions()
    store = adapter._store()
    meant = store.write

    def soon(path: str, method: str, body: Mapping[str, object], deadline: float) -> None:
        meant(path, method, body, time.monotonic() + BRIEF_S)

    monkeypatch.setattr(store, "write", soon)
    reader = sqlite3.connect(database, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM registered_models").fetchall()
    began = time.monotonic()
    with pytest.raises(TimedOut) as caught:
        adapter.send(moved(adapter, "25", "24"))
    assert time.monotonic() - began < MLFLOWS_OWN_S / 2
    assert not caught.value.maybe_applied
    reader.execute("ROLLBACK")
    reader.close()
    assert of(adapter.versions(), "sentiment-classifier")[1].aliases == ("champion",)


def test_a_replaced_file_is_read_anew(registry: Made, database: Path, template: Path) -> None:
    adapter = registry()
    client_of(database).delete_registered_model("eta-regressor")
    assert not of(adapter.versions(), "eta-regressor")
    fresh = Path(shutil.copy(template, database.with_suffix(".new")))
    fresh.replace(database)
    assert of(adapter.versions(), "eta-regressor")


def passes_without_roots_privilege(test: str) -> None:
    """Run a test again in a process of root that obeys the permissions of files, as other users' do."""
    privilege = ["--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    done = subprocess.run(
        [require_program("setpriv", "util-linux"), *privilege, *pytest_],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=PATIENT_S * 5,
        check=False,
        env={**os.environ, "CI": ""},  # only CI asks every server for its version
    )
    assert done.returncode == 0, done.stdout
    assert "[100%]" in done.stdout


def tables(path: Path) -> set[tuple[str]]:
    connection = sqlite3.connect(path)
    try:
        return set(connection.execute("SELECT name FROM sqlite_master"))
    finally:
        connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num = 'abc'",
        "DROP TABLE registered_model_aliases",
        "DROP TABLE alembic_version",
    ],
)
def test_other_tables_than_ours_are_left_as_they_are(registry: Made, database: Path, statement: str) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute(statement)
    connection.close()
    before = tables(database)
    with pytest.raises(Malformed) as caught:
        registry().versions()
    assert caught.value.hint
    assert tables(database) == before


@pytest.mark.parametrize("content", [b"", b"this is no database " * 1000])
def test_what_is_no_database_is_said(registry: Made, database: Path, content: bytes) -> None:
    database.write_bytes(content)
    with pytest.raises(Malformed):
        registry().versions()
    assert database.read_bytes() == content


def test_a_file_that_may_not_be_written_can_be_read(
    registry: Made, database: Path, request: pytest.FixtureRequest
) -> None:
    database.chmod(0o444)
    if os.access(database, os.W_OK):
        passes_without_roots_privilege(request.node.nodeid)
        return
    adapter = registry()
    assert adapter.versions()
    with pytest.raises(Forbidden):
        adapter.send(moved(adapter, "25", "24"))
    assert adapter.probe()[-1].ok is False


def test_probe_says_what_it_found(registry: Made) -> None:
    probes = registry().probe()
    assert [(one.kind, one.ok) for one in probes] == [
        (ProbeKind.REACH, True),
        (ProbeKind.READ, True),
        (ProbeKind.WRITE, True),
    ]
    assert "3 models" in probes[1].detail


def test_a_kind_of_registry_that_is_not_known_is_said(registry: Made) -> None:
    with pytest.raises(Unsupported):
        registry("databricks://profile").versions()


def test_nothing_is_printed_and_no_folder_made(
    registry: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    adapter = registry()
    adapter.versions()
    adapter.send(moved(adapter, "25", "24"))
    with pytest.raises(Unreachable):
        registry("sqlite:///none.db").versions()
    assert list(elsewhere.iterdir()) == []
    assert capfd.readouterr() == ("", "")
