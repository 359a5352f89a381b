"""The README says what is so: its keys are those of the one registry, its files are there, its commands run, its
configuration is valid, and its JSON is of the shape that is printed."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from backends.contracts import Subject
from shiftdeck.changes.run import OutcomeKind
from tests.fake_silences import Keeper, silenced_by
from tests.fake_steps import stepped_factory
from tests.fakes import fake_context
from tests.unit import cli_world
from tests.unit.cli_world import Shell, shell
from tui.cli import open_app
from tui.cli.main import VERBS, cli
from tui.cli.options import ExitCode
from tui.input.actions import ACTIONS, ActionSpec
from tui.input.keymap import shown_key

__all__ = ["shell"]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

GROUPS = {"change": "Change", "look": "Look", "program": "Program"}


def keys_table() -> str:
    """The table of keys as the README has to have it, one row a key, panes in one row."""
    rows = ["| key | what it does | `:` command |", "|---|---|---|"]
    for group, title in GROUPS.items():
        rows.append(f"| **{title}** | | |")
        rows.extend(_row(key) for key in ACTIONS if key.group == group and not key.id.startswith("pane("))
        if group == "look":
            panes = [key for key in ACTIONS if key.id.startswith("pane(")]
            rows.append(f"| `{panes[0].keys[0]}`–`{panes[-1].keys[0]}` | Choose a pane where there is room for one | |")
    return "\n".join(rows)


def _row(key: ActionSpec) -> str:
    command = f"`:{key.word}`" if key.word else ""
    return f"| `{shown_key(key, {})}` | {key.help} | {command} |"


def test_the_table_of_keys_is_the_registry() -> None:
    found = re.search(r"<!-- keys -->\n(.*?)\n<!-- /keys -->", README, re.DOTALL)
    assert found is not None
    assert found[1].strip() == keys_table()


def test_every_file_that_it_links_to_is_there() -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert linked
    assert [name for name in linked if not (ROOT / name).exists()] == []


# ── what is in its code blocks ──────────────────────────────────────────────────────────────────────────────────


def blocks(language: str) -> list[str]:
    """The code blocks in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands(program: str) -> list[list[str]]:
    """The words of each command line in a shell block that begins with that program, without it."""
    lines = [shlex.split(line, comments=True) for block in blocks("sh") for line in block.splitlines()]
    return [words[1:] for words in lines if words[:1] == [program]]


def test_its_targets_are_those_of_the_makefile() -> None:
    targets = [words for words in commands("make") if words]
    assert targets
    for words in targets:
        done = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def world_of_the_readme(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """The in-memory world with an alert that can be silenced, on a terminal where no app is opened."""
    silenced_by(Keeper(), shell.world, monkeypatch)
    shell.world.alerts[0] = dataclasses.replace(shell.world.alerts[0], subject=Subject("sentiment", "v8", "prod"))
    shell.contexts = {"prod-eu": fake_context(alerts=True)}
    shell.on_a_terminal()
    monkeypatch.setattr(open_app, "show", lambda *_, **__: 0)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return shell


def confirmed(words: list[str]) -> str | None:
    """What is typed at the question that this command asks."""
    if words[:1] in (["shift"], ["promote"], ["advance"]):
        return words[1] + "\n"
    return "\n" if words[:1] == ["rollback"] else "yes\n"


@pytest.mark.parametrize("words", commands("shiftdeck"), ids=" ".join)
def test_its_commands_run(world_of_the_readme: Shell, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if "checkout" in words:  # an endpoint that is a rollout by steps
        monkeypatch.setattr(cli_world, "fake_factory", stepped_factory)
        words = [word.replace("checkout", "sentiment") for word in words]
    if words[:1] == ["advance"]:
        words = [*words, "--reason", "the README leaves it out"]
    said = world_of_the_readme.type(*words, answer=confirmed(words))
    assert said.code == 0, said


def test_its_commands_are_all_verbs_but_those_for_later() -> None:
    told = {words[0] for words in commands("shiftdeck") if words}
    assert told <= set(VERBS)
    named = {name for name in VERBS if re.search(rf"\b{name}\b", README)}
    assert named == set(VERBS), "each verb is at least named"


def test_its_options_are_those_of_every_action() -> None:
    sentence = re.search(r"All actions take (.*?)\.\s", README, re.DOTALL)
    assert sentence is not None
    options = re.findall(r"`(--[a-z-]+)`", sentence[1])
    assert len(options) == 5
    for verb in ("shift", "promote", "rollback", "mirror", "advance", "pause", "resume", "abort", "retry", "unpin"):
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        known = {name for parameter in command.params for name in parameter.opts}
        assert set(options) <= known, verb


def test_its_exit_codes_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| (\d) \| (\w+)", README, re.MULTILINE)
    assert [int(number) for number, _ in rows] == [int(code) for code in ExitCode]
    words = {code: code.name.lower() for code in ExitCode} | {ExitCode.USAGE: "the"}
    assert [word for _, word in rows] == [words[code] for code in ExitCode]


def test_its_kinds_of_outcomes_are_all() -> None:
    sentence = re.search(r"`kind` is (.*?)`seq`", README, re.DOTALL)
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[1])) == {str(kind) for kind in OutcomeKind}


# ── status --json ───────────────────────────────────────────────────────────────────────────────────────────────


def shape(value: Any) -> Any:
    """The keys and the kinds of values of a JSON value; of a list, those of its items together."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return type(value).__name__


def test_its_status_has_the_shape_that_is_printed(shell: Shell) -> None:
    """Key by key, in their order, and of each value its kind; what may be null is not null in the one that is read."""
    (block,) = blocks("json")
    documented = json.loads(block)
    shell.world.make_bad_canary()
    printed = shell.type("status", "--json").json
    sentiment = next(one for one in printed["endpoints"] if one["ref"] == documented["endpoints"][0]["ref"])
    gateway = next(one for one in printed["sources"] if one["name"] == documented["sources"][0]["name"])
    canary = next(one for one in sentiment["variants"] if one["name"] == "v8")
    canary["metrics"]["mean"] = 0.1  # the fake metrics have none
    printed |= {"sources": [gateway], "endpoints": [{**sentiment, "variants": [canary]}]}
    assert json.dumps(shape(printed)) == json.dumps(shape(documented))
    assert [len(one["generated_at"]) for one in (printed, documented)] == [24, 24]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", documented["generated_at"])
    assert documented["endpoints"][0]["health"] == sentiment["health"] == "critical"


# ── configuration ───────────────────────────────────────────────────────────────────────────────────────────────


PAGES = ("README.md", "docs/gates.md", "docs/kubernetes.md", "docs/machines.md", "docs/drift.md")

REST = {
    "docs/gates.md": "[contexts.prod-eu.serving.kserve]\n",
    "docs/drift.md": '[contexts.prod.metrics.prometheus]\nurl = "http://127.0.0.1:9090"\n[contexts.prod.serving.kserve]\n',
}
"""What a page leaves out of its blocks: the sources that they name."""


@pytest.mark.parametrize("page", PAGES)
def test_the_configuration_in_each_page_is_valid(page: str, tmp_path: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found
    for number, block in enumerate(found):
        path = tmp_path / f"{number}.toml"
        path.write_text(block + REST.get(page, ""))
        done = CliRunner().invoke(cli, ["--config", str(path), "config", "check"], catch_exceptions=False)
        assert done.exit_code == 0, f"{page}: {block}{done.stderr}"
        assert "is valid" in done.stdout
