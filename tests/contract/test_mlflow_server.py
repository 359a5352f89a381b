"""The MLflow adapter against a real MLflow server on SQLite, with two workers and basic authentication."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from backends.contracts import Column, Dataset, Gap, Histogram, ModelRef, ModelVersion, ProbeKind, Signature
from backends.drift.evidently import EvidentlyDrift
from backends.drift.histograms import HistogramDrift
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
)
from backends.registries import mlflow_look
from backends.registries.mlflow import MlflowRegistry
from backends.settings import Secret
from shiftdeck.changes.recovery import resolve
from shiftdeck.changes.registry_edit import Kind, Registered, RegistryPlan, intent_data
from shiftdeck.changes.run import Outcome, OutcomeKind
from shiftdeck.config.loader import Access, ContextConfig, SourceConfig
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.entry import EntryKind
from shiftdeck.journal.journal import Journal
from shiftdeck.registry.version_diff import describe, side_by_side
from tests.changing import long_after
from tests.faults import Fault, FaultProxy
from tests.realservers.mlflow import ADMIN, AUTH, PASSWORD, Scientist, fill, hash_quickly, mlflow_server, mlmodel
from tests.realservers.processes import Server
from tests.realservers.wiring import made
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

PATIENT_S = 240.0
"""The deadline of whatever is to succeed, however busy the machine: a test that hangs is ended by its own."""

READER = "reader"
COMMIT = "9f2c41d0a7b6e5d4c3b2a190f8e7d6c5b4a39281"
BASELINE = {"features": [{"feature": "len", "bounds": [1, None], "counts": [3000, 4000]}]}


@dataclass(frozen=True, slots=True)
class World:
    server: Server
    scientist: Scientist
    database: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("mlflow")
    server = mlflow_server(folder, basic_auth=True).start()
    try:
        scientist = Scientist(server.url, (ADMIN, PASSWORD))
        scientist.ask("POST", "/mlflow/users/create", {"username": READER, "password": PASSWORD})
        hash_quickly(folder)
        experiment = scientist.experiment("sentiment")
        scientist.model("sentiment")
        for number in (1, 2, 3):
            run = scientist.run(
                experiment,
                metrics={"f1": 0.9 + number / 100, "broken": "NaN"},
                params={"depth": str(number)},
                tags={"mlflow.source.git.commit": COMMIT, "mlflow.source.name": "train.py", "team": "search"},
                dataset=("reviews", f"digest-{number}"),
                files={
                    "model/MLmodel": mlmodel(
                        {"age": "long" if number < 3 else "string", "lang": "string"}, {"score": "double"}, ("lang",)
                    ),
                    "baseline.json": json.dumps(BASELINE).encode(),
                    "drift/2.json": b"{}",
                    "drift/1.json": b"{}",
                },
            )
            scientist.register("sentiment", run, tags={"security_scan": "passed"} if number < 3 else None)
        scientist.alias("sentiment", "champion", "2")
        scientist.alias("sentiment", "challenger", "3")
        scientist.model("o'hare")
        scientist.register("o'hare", scientist.run(experiment, ended=False))
        scientist.model("new")
        yield World(server, scientist, folder / "mlflow.db")
    finally:
        server.stop()


@pytest.fixture(scope="module")
def many_models(world: World) -> None:
    """Two hundred more models of 25 versions each."""
    fill(world.database, 200, 25)


@pytest.fixture
def put_back(world: World) -> Iterator[None]:
    """After the test, sentiment has none of the tags, aliases and stages that tests give it."""
    yield
    registry = at(world.server.url)
    for number, found in of(registry).items():
        ref, aliases = ModelRef("sentiment", number), set(found.aliases) - {"champion", "challenger"}
        calls = [registry.compile_alias("sentiment", alias, "", number) for alias in aliases]
        tags = {key: value for key, value in found.tags.items() if key not in ("security_scan", "team")}
        calls += [registry.compile_tag(ref, key, "", value) for key, value in tags.items()]
        if found.stage not in (None, "None"):
            calls.append(registry.compile_stage(ref, "None", found.stage))
        for call in (one for several in calls for one in several):
            registry.send(call)
    registry.close()


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TEST_PASSWORD", PASSWORD)


@pytest.fixture
def registry(world: World) -> Iterator[MlflowRegistry]:
    adapter = at(world.server.url)
    yield adapter
    adapter.close()


def at(url: str, **options: object) -> MlflowRegistry:
    given = {"timeout": PATIENT_S, "username": ADMIN, "password": Secret(env="MLFLOW_TEST_PASSWORD"), **options}
    return made(MlflowRegistry, uri=url, **given)


def of(registry: MlflowRegistry, model: str = "sentiment") -> dict[str, ModelVersion]:
    return {one.ref.version: one for one in registry.versions() if one.ref.model == model}


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_versions_with_aliases_runs_and_lineage(registry: MlflowRegistry) -> None:
    versions = registry.versions()
    known = [str(one.ref) for one in versions if one.ref.model in ("sentiment", "o'hare")]
    assert known == ["o'hare/1", "sentiment/3", "sentiment/2", "sentiment/1"]
    second = of(registry)["2"]
    assert second.aliases == ("champion",)
    assert second.metrics["f1"] == pytest.approx(0.92)
    assert math.isnan(second.metrics["broken"])
    assert second.params == {"depth": "2"}
    assert second.tags == {"security_scan": "passed", "team": "search"}
    assert (second.author, second.commit, second.code) == ("ada", COMMIT, "train.py")
    assert second.datasets == (Dataset("reviews", "digest-2", "training"),)
    assert second.source.startswith("mlflow-artifacts:")


def test_what_is_read_of_one_version_tells_its_signature(registry: MlflowRegistry) -> None:
    third = registry.describe(ModelRef("sentiment", "3"))
    age, lang = Column("age", "string"), Column("lang", "string", required=False)
    assert third.signature == Signature((age, lang), (Column("score", "double"),))
    assert (third.aliases, third.signature_note, third.params) == (("challenger",), "", {"depth": "3"})
    bare = registry.describe(ModelRef("o'hare", "1"))
    assert bare.signature is None
    assert "No such artifact" in bare.signature_note
    with pytest.raises(Rejected):
        registry.describe(ModelRef("sentiment", "99"))


def test_what_others_change_is_seen(world: World, registry: MlflowRegistry) -> None:
    registry.versions()
    world.scientist.model("later")
    run = world.scientist.run(world.scientist.experiment("made after the first look"), metrics={"f1": 0.5})
    world.scientist.register("later", run)
    world.scientist.alias("later", "champion", "1")
    found = of(registry, "later")["1"]
    assert (found.aliases, found.metrics) == (("champion",), {"f1": 0.5})
    world.scientist.ask("DELETE", "/mlflow/registered-models/delete", {"name": "later"})
    assert not of(registry, "later")


def test_a_run_that_goes_on_is_read_again(world: World, registry: MlflowRegistry) -> None:
    (before,) = of(registry, "o'hare").values()
    body = {"run_id": before.run, "key": "loss", "value": 0.25, "timestamp": 1}
    world.scientist.ask("POST", "/mlflow/runs/log-metric", body)
    assert of(registry, "o'hare")["1"].metrics["loss"] == 0.25


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_of_runs_and_models(registry: MlflowRegistry) -> None:
    run = of(registry)["2"].run
    assert json.loads(registry.artifact(f"runs:/{run}/baseline.json")) == BASELINE
    assert b"signature" in registry.artifact("models:/sentiment/2/MLmodel")
    assert registry.artifact("models:/sentiment@champion/MLmodel") == registry.artifact("models:/sentiment/2/MLmodel")
    assert registry.artifacts(f"runs:/{run}/drift") == (f"runs:/{run}/drift/1.json", f"runs:/{run}/drift/2.json")
    for missing in (f"runs:/{run}/none.json", "runs:/ffff/baseline.json", "models:/sentiment@nobody/MLmodel"):
        with pytest.raises(Rejected):
            registry.artifact(missing)


@pytest.mark.parametrize("path", ["../../mlflow.db", "%2e%2e/%2e%2e/mlflow.db", "a/../../b", "/etc/passwd", "file:/x"])
def test_no_path_leads_out(registry: MlflowRegistry, path: str) -> None:
    run = of(registry)["2"].run
    with pytest.raises(Rejected):
        registry.artifact(f"runs:/{run}/{path}")


def test_files_that_the_server_fetches_from_elsewhere(world: World, registry: MlflowRegistry, tmp_path: Path) -> None:
    """Its clients would go to that store themselves, with credentials that shiftdeck does not have."""
    experiment = world.scientist.experiment("elsewhere", str(tmp_path))
    files = {"model/MLmodel": mlmodel({"x": "double"}, {"y": "double"}), "reports/a.json": b"[]"}
    run = world.scientist.run(experiment, files=files)
    world.scientist.model("elsewhere")
    world.scientist.register("elsewhere", run)
    assert registry.artifacts(f"runs:/{run}/reports") == (f"runs:/{run}/reports/a.json",)
    assert registry.artifact(f"runs:/{run}/reports/a.json") == b"[]"
    described = registry.describe(ModelRef("elsewhere", "1")).signature
    assert described is not None
    assert described.inputs == (Column("x", "double"),)


def test_a_file_that_is_too_large_is_not_read(world: World, registry: MlflowRegistry) -> None:
    run = world.scientist.run(world.scientist.experiment("large"), files={"large.bin": bytes(17 * 1024 * 1024)})
    with pytest.raises(Malformed, match="more than 16384 KiB"):
        registry.artifact(f"runs:/{run}/large.bin")


class Live:
    """A metrics source with live values of one feature, by version of the model."""

    def __init__(self, counts: dict[str, tuple[float, float]]) -> None:
        self._counts = counts

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        return tuple(
            Histogram(
                {
                    "endpoint": "sentiment",
                    "variant": f"v{version}",
                    "scope": "",
                    "model": "sentiment",
                    "version": version,
                    "feature": "len",
                },
                (1.0, math.inf),
                counts,
            )
            for version, counts in self._counts.items()
        )


def test_a_baseline_beside_the_version_that_was_trained_on_it(world: World) -> None:
    live = Live({"2": (300.0, 400.0), "1": (690.0, 10.0), "99": (300.0, 400.0)})
    with FaultProxy(world.server.url) as proxy:
        registry = at(proxy.url)
        sources = {("registries", "mlflow"): registry, ("metrics", "live"): live}
        drift = made(HistogramDrift, sources, metrics="live", registry="mlflow", artifact="baseline.json")
        scores = {score.subject.variant: score for score in drift.scores()}
        assert scores["v2"].value == pytest.approx(0.0, abs=1e-6)
        assert scores["v2"].baseline == "baseline.json sentiment/2"
        assert scores["v1"].crossed
        assert scores["v99"].gap is Gap.NO_REFERENCE
        proxy.set(Fault.GONE)
        assert {score.subject.variant for score in drift.scores()} == set(scores), "what a run wrote stays so"
        registry.close()


def test_reports_among_the_artifacts_of_a_run(world: World) -> None:
    metric = {"config": {"type": "evidently:metric_v2:ValueDrift", "column": "len", "method": "psi"}, "value": 0.3}
    reports = {f"drift/{day}.json": json.dumps({"metrics": [metric]}).encode() for day in (1, 2)}
    run = world.scientist.run(world.scientist.experiment("monitoring"), files={**reports, "drift/notes.txt": b"-"})
    registry = at(world.server.url)
    for artifact in (f"runs:/{run}/drift", f"runs:/{run}/drift/2.json"):
        drift = made(
            EvidentlyDrift,
            {("registries", "mlflow"): registry},
            registry="mlflow",
            artifact=artifact,
            endpoint="sentiment",
        )
        (score,) = drift.scores()
        assert (score.feature, score.method, score.value) == ("len", "psi", 0.3)
    registry.close()


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_operators_move_one_alias(world: World, registry: MlflowRegistry) -> None:
    other = at(world.server.url)
    (mine,) = registry.compile_alias("sentiment", "live", "1", None)
    (theirs,) = other.compile_alias("sentiment", "live", "3", None)
    assert registry.send(mine).revision == "1"
    with pytest.raises(Conflict, match="at 1 now, not unset"):
        other.send(theirs)
    assert of(other)["1"].aliases == ("live",)
    (gone,) = other.compile_alias("sentiment", "live", "", "1")
    other.send(gone)
    assert of(registry)["1"].aliases == ()
    with pytest.raises(Rejected):
        registry.send(registry.compile_alias("sentiment", "champion", "77", "2")[0])
    with pytest.raises(Rejected):
        registry.send(registry.compile_alias("nobody", "champion", "1", None)[0])
    other.close()


def test_tags_are_compared_set_and_read_back(world: World, registry: MlflowRegistry) -> None:
    ref = ModelRef("sentiment", "3")
    (call,) = registry.compile_tag(ref, "security_scan", "passed", None)
    assert registry.send(call).detail == "tag security_scan of sentiment/3 is 'passed'"
    with pytest.raises(Conflict):
        registry.send(call)
    assert of(registry)["3"].tags["security_scan"] == "passed"
    (gone,) = registry.compile_tag(ref, "security_scan", "", "passed")
    registry.send(gone)
    assert "security_scan" not in of(registry)["3"].tags
    assert registry.compile_tag(ref, "a", "b", "b") == ()
    with pytest.raises(Rejected, match="to itself"):
        registry.compile_tag(ref, "mlflow.user", "eve", "ada")


def test_stages_are_compared_set_and_read_back(registry: MlflowRegistry) -> None:
    ref = ModelRef("sentiment", "1")
    (call,) = registry.compile_stage(ref, "staging", None)
    assert call.summary == "sentiment/1: stage None → Staging"
    registry.send(call)
    assert of(registry)["1"].stage == "Staging"
    with pytest.raises(Conflict):
        registry.send(call)
    (back,) = registry.compile_stage(ref, "None", "Staging")
    registry.send(back)
    assert of(registry)["1"].stage is None
    with pytest.raises(Rejected, match="no stage"):
        registry.compile_stage(ref, "Live", None)


def test_an_answer_that_was_lost_is_not_taken_for_a_failure(world: World) -> None:
    with FaultProxy(world.server.url) as proxy:
        registry = at(proxy.url, timeout=10.0)
        (call,) = registry.compile_alias("sentiment", "lost", "1", None)
        proxy.set(Fault.LOST_ANSWER, only="POST")
        with pytest.raises(TimedOut) as caught:
            registry.send(call)
        assert caught.value.maybe_applied
        proxy.set(Fault.PASS)
        assert "lost" in of(registry)["1"].aliases
        registry.send(registry.compile_alias("sentiment", "lost", "", "1")[0])
        registry.close()


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (Fault.STATUS, 401, Unauthenticated),
        (Fault.STATUS, 403, Forbidden),
        (Fault.STATUS, 404, Rejected),
        (Fault.STATUS, 429, RateLimited),
        (Fault.STATUS, 500, Unreachable),
        (Fault.STATUS, 503, Unreachable),
        (Fault.GARBAGE, 0, Malformed),
        (Fault.NOISE, 0, Malformed),
        (Fault.TRUNCATED, 0, Unreachable),
        (Fault.GONE, 0, Unreachable),
        (Fault.HANG, 0, TimedOut),
        (Fault.SLOW, 0, TimedOut),
    ],
)
def test_every_fault_has_its_name_and_passes(world: World, fault: Fault, status: int, kind: type[BackendError]) -> None:
    timeout = 1.0 if kind is TimedOut else 15.0
    with FaultProxy(world.server.url, slow_s=9.0) as proxy:
        registry = at(proxy.url, timeout=timeout)
        proxy.set(fault, status=status, headers={"Retry-After": "7"} if status == 429 else None)
        (call,) = registry.compile_alias("sentiment", "champion", "1", "2")
        ref = ModelRef("sentiment", "2")
        for ask in (registry.versions, lambda: registry.describe(ref), lambda: registry.send(call)):
            with pytest.raises(kind) as caught:
                ask()
            assert not caught.value.maybe_applied, "nothing was sent"
        if isinstance(caught.value, RateLimited):
            assert caught.value.retry_after == 7
        assert registry.probe()[-1].ok is False
        proxy.set(Fault.PASS)
        registry._timeout = PATIENT_S  # for a whole look; a single answer still has to come in time
        wait_until(lambda: recovered(registry), 120, "the registry to be read again", every_s=0.2)
        registry.close()


def recovered(registry: MlflowRegistry) -> bool:
    try:
        return "champion" in of(registry)["2"].aliases
    except TimedOut:
        return False  # a busy machine, and a deadline of a second


def test_probe_says_what_it_found(registry: MlflowRegistry) -> None:
    probes = registry.probe()
    assert [(one.kind, one.ok) for one in probes] == [
        (ProbeKind.REACH, True),
        (ProbeKind.READ, True),
        (ProbeKind.WRITE, None),
    ]


# ── who may ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def asks_for_passwords(world: World) -> None:
    """The server checks passwords itself, also after a test that has started it again without."""
    if AUTH[0] not in world.server.argv:
        world.server.kill()
        world.server.argv += AUTH
        world.server.start()


@pytest.mark.usefixtures("asks_for_passwords")
def test_who_is_nobody_and_who_may_only_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG", "something else")
    with pytest.raises(Unauthenticated):
        at(world.server.url, username=None).versions()
    with pytest.raises(Unauthenticated) as caught:
        at(world.server.url, password=Secret(env="WRONG")).versions()
    assert "something else" not in str(caught.value)
    reader = at(world.server.url, username=READER)
    assert of(reader)["2"].metrics["f1"] == pytest.approx(0.92)
    (call,) = reader.compile_alias("sentiment", "champion", "1", "2")
    with pytest.raises(Forbidden):
        reader.send(call)
    reader.close()


def test_a_server_that_is_killed_and_started_again(world: World, registry: MlflowRegistry) -> None:
    """Started again as most are run: behind something else that asks for passwords."""
    before = of(registry)
    world.server.kill()
    with pytest.raises(Unreachable):
        registry.versions()
    world.server.argv = [one for one in world.server.argv if one not in AUTH]
    world.server.start()
    assert of(registry) == before
    stranger = at(world.server.url, username=None)
    assert of(stranger).keys() == before.keys()
    stranger.close()


# ── many ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("many_models")
def test_two_hundred_models_are_read_with_few_calls_and_then_only_what_changed(world: World) -> None:
    with FaultProxy(world.server.url) as proxy:
        registry = at(proxy.url, max_versions=25.0)
        versions = registry.versions()
        first = proxy.requests
        many = [one for one in versions if one.ref.model.startswith("model-")]
        assert len(many) == 5000
        assert all(one.metrics["f1"] == int(one.ref.version) / 100 and one.params for one in many)
        assert first <= 32, "2 pages of models, 6 of versions, 1 of experiments, 21 of runs; one by one it were 5,200"
        again = proxy.requests
        assert registry.versions() == versions
        still = proxy.requests - again
        assert still <= 14, "2 pages of models, 10 models in their turn, a run that goes on"
        world.scientist.alias("model-117", "champion", "25")
        again = proxy.requests
        found = of(registry, "model-117")
        assert proxy.requests - again <= still + 1
        assert found["25"].aliases == ("champion",)
        registry.close()


@pytest.mark.usefixtures("many_models")
def test_a_slow_server_is_read_in_several_looks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was read is kept: it never begins from the beginning."""
    monkeypatch.setattr(mlflow_look, "SWEEP_PAGE", 900)
    registry = at(world.server.url)
    seen: list[str] = []
    store = registry._store()
    meant = store.versions

    def twice(model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        if len(seen) % 3 == 2:
            seen.append("")
            raise TimedOut("out of time")
        seen.append(token)
        return meant(model, size, token, deadline)

    store.versions = twice  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(TimedOut, match="are still to be read"):
            registry.versions()
    assert len([one for one in registry.versions() if one.ref.model.startswith("model-")]) == 200 * 20
    tokens = [token for token in seen if token]
    assert len(tokens) == len(set(tokens)), "no page twice"
    registry.close()


# ── planned, journalled, recovered ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def engine(world: World, tmp_path: Path) -> Iterator[Engine]:
    given = {"uri": world.server.url, "models": ("sentiment",), "username": ADMIN}
    options = {**given, "password": Secret(env="MLFLOW_TEST_PASSWORD")}
    source = SourceConfig("registries", "mlflow", "mlflow", 15.0, 30.0, 60.0, options)
    context = ContextConfig("tests", (source,), access=Access.READ_WRITE)
    made = Engine(context, Journal(tmp_path / "journal.jsonl"))
    made.start()
    assert made.wait_for(lambda view: bool(view.versions), 60)
    yield made
    made.stop(0.0)


def propose(engine: Engine, changes: Sequence[Registered], reason: str) -> RegistryPlan:
    return engine.changes.kinds.registry_edits.plan(engine.view, changes, reason=reason)


def apply(engine: Engine, plan: RegistryPlan) -> tuple[Outcome, int | None]:
    run = engine.carry_out(plan, reason=plan.reason)
    assert run.outcome is not None
    return run.outcome, run.seq


@pytest.mark.usefixtures("put_back")
def test_tags_stages_and_aliases_are_planned_journalled_and_read_back(world: World, engine: Engine) -> None:
    ref = ModelRef("sentiment", "1")
    changes = (
        Registered(Kind.TAG, ref, "review", "yes"),
        Registered(Kind.STAGE, ref, value="Archived"),
        Registered(Kind.ALIAS, ref, "old"),
    )
    plan = propose(engine, changes, reason="INC-42")
    assert [call.method for call in plan.calls] == ["POST"] * 3
    outcome, seq = apply(engine, plan)
    assert (outcome.kind, seq) == (OutcomeKind.SETTLED, 1), outcome
    kinds = [entry.kind for entry in engine.journal.entries(newest_first=False)]
    assert kinds == [EntryKind.INTENT, *[EntryKind.SENT] * 3, EntryKind.OUTCOME]
    registry = at(world.server.url)
    found = of(registry)["1"]
    assert (found.tags["review"], found.stage, found.aliases) == ("yes", "Archived", ("old",))
    assert propose(engine, changes[:2], reason="again").calls == (), "it is so already"
    # Somebody else is faster than a plan.
    late = propose(engine, (Registered(Kind.TAG, ref, "review", "no"),), reason="INC-42")
    registry.send(registry.compile_tag(ref, "review", "perhaps", "yes")[0])
    outcome, _ = apply(engine, late)
    assert outcome.kind is OutcomeKind.CONFLICT
    assert of(registry)["1"].tags["review"] == "perhaps"
    registry.close()


@pytest.mark.usefixtures("put_back")
def test_the_commands_in_a_plan_do_the_same(world: World, registry: MlflowRegistry) -> None:
    """Run by a Python that has MLflow, with the credential where MLflow's client looks for it."""
    ref, said = ModelRef("sentiment", "3"), 'it\'s "so": $HOME `id`'
    environment = {**os.environ, "MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for calls in (
        registry.compile_alias("sentiment", "typed", "3", None),
        registry.compile_tag(ref, "said", said, None),
        registry.compile_stage(ref, "Staging", None),
    ):
        for call in calls:
            done = subprocess.run(
                ["bash", "-c", call.command], env=environment, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, f"{call.command}\n{done.stderr}"
    found = of(registry)["3"]
    assert "typed" in found.aliases
    assert (found.tags["said"], found.stage) == (said, "Staging")


@pytest.mark.usefixtures("put_back")
@pytest.mark.parametrize(("sent", "kind"), [(True, OutcomeKind.SETTLED), (False, OutcomeKind.FAILED)])
def test_what_a_crash_left_is_told_from_the_registry(
    world: World, engine: Engine, sent: bool, kind: OutcomeKind
) -> None:
    plan = propose(engine, (Registered(Kind.TAG, ModelRef("sentiment", "2"), f"crash-{sent}", "1"),), reason="INC-42")
    flight = engine.journal.begin(context="tests", ref="sentiment/2", data=intent_data(plan))
    if sent:
        registry = at(world.server.url)
        registry.send(plan.calls[0])
        registry.close()
    flight.leave()
    engine._recovery.resolve()
    looked = [finding.outcome for finding in engine.findings if finding.entry.seq == flight.seq]
    assert looked == ([kind] if sent else [None]), "this look, or that of the engine's own"
    if not sent:
        later = resolve(engine.journal, "tests", lambda: engine.changes.kinds, long_after())
        assert [finding.outcome for finding in later if finding.entry.seq == flight.seq] == [kind]


def test_gates_read_the_real_signature(world: World, engine: Engine) -> None:
    """Version 3 takes another type of age than the champion."""
    old, new = (describe(engine.view, engine.adapter, ModelRef("sentiment", version)) for version in ("2", "3"))
    (age,) = [row for row in side_by_side(old, new) if row.name == "input age"]
    assert (age.old, age.new, age.change) == ("long", "string", "does not fit")
