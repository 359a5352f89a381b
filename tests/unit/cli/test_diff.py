"""``shiftdeck diff``."""

from __future__ import annotations

from backends.errors import Unreachable
from tests.unit.cli_world import Shell, shell

__all__ = ["shell"]


def test_two_versions_side_by_side(shell: Shell) -> None:
    said = shell.type("diff", "sentiment-classifier", "@champion", "v8")
    assert said.code == 0, said
    assert "sentiment-classifier  7 → 8" in said.out
    (f1,) = [line.split() for line in said.out.splitlines() if " f1 " in line]
    assert f1[-2].startswith(("+", "-"))
    assert "team" not in said.out, "what is the same is left out"
    assert "team" in shell.type("diff", "sentiment-classifier", "7", "8", "--all").out


def test_json_has_every_row(shell: Shell) -> None:
    found = shell.type("diff", "sentiment-classifier", "7", "8", "--json").json
    assert (found["model"], found["old"], found["new"]) == ("sentiment-classifier", "7", "8")
    (f1,) = [row for row in found["rows"] if row["name"] == "f1"]
    assert set(f1) == {"part", "name", "old", "new", "change"}
    (team,) = [row for row in found["rows"] if row["name"] == "team"]
    assert team["change"] is None


def test_what_is_not_there_is_named_with_what_is(shell: Shell) -> None:
    said = shell.type("diff", "sentiment-classifier", "7", "99")
    assert (said.code, "has no version '99'" in said.err, "8, 7" in said.err) == (2, True, True)
    said = shell.type("diff", "nobody", "1", "2")
    assert (said.code, "no version of a model 'nobody' was read" in said.err) == (2, True)


def test_a_registry_that_does_not_answer_is_said(shell: Shell) -> None:
    shell.world.fail["registries"] = Unreachable("no route to mlflow")
    said = shell.type("diff", "sentiment-classifier", "7", "8")
    assert said.code != 0
    assert "no route to mlflow" in said.err
