"""init and config: a file that is written, checked, and named when something in it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.cli_world import Said
from tui.cli import init as init_module
from tui.cli.init import look
from tui.cli.main import cli


def type_(*words: str, env: Mapping[str, str | None] | None = None) -> Said:
    done = CliRunner().invoke(cli, list(words), env=env, catch_exceptions=False)
    return Said(done.exit_code, done.stdout, done.stderr)


MLFLOW = "https://ana:hunter2@mlflow.example.com/path"


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"MLFLOW_TRACKING_URI": "https://mlflow.example.com"},
        {"MLFLOW_TRACKING_URI": MLFLOW, "MLFLOW_TRACKING_TOKEN": "geheim", "PROMETHEUS_URL": "http://prom:9090"},
        {"MLFLOW_TRACKING_URI": "file:///tmp/mlruns", "KUBECONFIG": __file__},
        {"MLFLOW_REGISTRY_URI": "sqlite:////m.db", "MLFLOW_TRACKING_USERNAME": "ana", "MLFLOW_TRACKING_PASSWORD": "x"},
    ],
)
def test_what_init_writes_passes_the_check_and_is_read_only(tmp_path: Path, env: Mapping[str, str]) -> None:
    path = tmp_path / "new" / "shiftdeck.toml"
    said = type_("init", "--output", str(path), env=env)
    assert said.code == 0, said
    assert str(path) in said.out
    assert "config check" in said.out
    text = path.read_text()
    assert "hunter2" not in text
    assert "geheim" not in text
    checked = type_("--config", str(path), "config", "check")
    assert checked.code == 0, checked
    assert "read-only" in checked.out
    assert "registries" in checked.out


def test_init_names_what_it_found(tmp_path: Path) -> None:
    path = tmp_path / "shiftdeck.toml"
    said = type_("init", "--output", str(path), env={"MLFLOW_TRACKING_URI": MLFLOW, "MLFLOW_TRACKING_TOKEN": "geheim"})
    assert "MLflow: https://mlflow.example.com/path, from MLFLOW_TRACKING_URI" in said.out
    assert 'uri = "https://mlflow.example.com/path"' in path.read_text()
    assert 'token = { env = "MLFLOW_TRACKING_TOKEN" }' in path.read_text()


def test_keys_by_ids_of_an_earlier_release_are_named_by_the_check(tmp_path: Path) -> None:
    path = tmp_path / "shiftdeck.toml"
    path.write_text('[contexts.a.serving.lab]\nurl = "http://127.0.0.1:1"\n[keys]\nhold = "f3"\npause = "f4"\n')
    said = type_("--config", str(path), "config", "check")
    assert said.code == 0, said
    assert "notice: [keys] hold: the action is called pause now" in said.out
    assert "notice: [keys] pause: in this release it still means refresh_pause" in said.out


def test_init_leaves_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "shiftdeck.toml"
    path.write_text("# mine\n")
    said = type_("init", "--output", str(path))
    assert said.code == 2
    assert "--force" in said.err
    assert path.read_text() == "# mine\n"
    assert type_("init", "--output", str(path), "--force").code == 0
    assert path.read_text() != "# mine\n"


def test_a_driver_becomes_a_source(tmp_path: Path) -> None:
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM\n")
    kinds = [one.source.kind for one in look({}, tmp_path) if one.source]
    assert "accelerators" in kinds
    assert "accelerators" not in [one.source.kind for one in look({}, tmp_path / "proc") if one.source]


def test_prometheus_becomes_a_source_where_there_is_an_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"PROM_URL": "http://ana:hunter2@prom:9090"}
    monkeypatch.setattr(init_module, "adapter_names", lambda kind: ("openmetrics",))
    assert not [one for one in look(env) if one.source and one.source.kind == "metrics"]
    monkeypatch.setattr(init_module, "adapter_names", lambda kind: ("openmetrics", "prometheus"))
    [found] = [one.source for one in look(env) if one.source and one.source.kind == "metrics"]
    assert found.table == {"url": "http://prom:9090"}


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "shiftdeck.toml"
    path.write_text('[contexts.prod]\nacces = "read-write"\n[contexts.prod.registries.mlflow]\nevery = "fast"\n')
    for words in (("config", "check"), ("status",), ()):
        said = type_("--config", str(path), *words)
        assert said.code == 2
        lines = said.err.splitlines()
        assert f"{path}:2: contexts.prod.acces" in lines[0]
        assert any(line.startswith(f"{path}:4: ") for line in lines)


def test_no_configuration_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    said = type_("status", "--config", str(tmp_path / "none.toml"))
    assert said.code == 2
    for words in (str(tmp_path / "none.toml"), "shiftdeck init", "shiftdeck demo"):
        assert words in said.err


def test_the_paths(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_STATE_HOME": str(tmp_path / "s"), "SHIFTDECK_CONFIG": None}
    said = type_("config", "path", env=env)
    assert said.code == 0, said
    assert str(tmp_path / "c/shiftdeck/config.toml") in said.out
    assert str(tmp_path / "s/shiftdeck/journal.jsonl") in said.out
    assert "not there yet" in said.out


@pytest.mark.parametrize("verb", ["stats", "rolback"])
def test_a_slip_in_a_verb_is_answered(verb: str) -> None:
    said = type_(verb)
    assert said.code == 2
    assert "Did you mean" in said.err


def test_help_shows_every_verb_and_the_exit_codes() -> None:
    said = type_("--help")
    assert said.code == 0
    for words in ("demo", "rollback", "doctor", "4  conflict", "5  unknown outcome"):
        assert words in said.out


def test_no_colour_holds_for_what_is_started_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    monkeypatch.setenv("NO_COLOR", "")
    assert type_("--no-color", "config", "path").code == 0
    assert os.environ["NO_COLOR"] == "1"
