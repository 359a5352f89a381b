"""docs/exit-codes.md says what happens: each row of its tables is played, and its code and its object are compared."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from backends.errors import Forbidden, Unreachable
from shiftdeck.config.loader import Access, Gates, GatesConfig, load
from shiftdeck.journal.journal import InFlight, Journal, JournalError
from tests.fake_silences import Keeper, silenced_by
from tests.fakes import fake_context
from tests.unit.cli_world import Said, Shell, shell
from tui.cli import status as status_module
from tui.cli.options import ExitCode
from tui.startup import context

__all__ = ["shell"]

PAGE = Path(__file__).parents[3] / "docs" / "exit-codes.md"
SHIFT = ("shift", "sentiment", "v8=25")
WHY = ("--reason", "next step", "--yes")
MODEL = "sentiment-classifier"
REF = "lab:prod/sentiment"

Row = tuple[str, int]


@dataclass
class Scene:
    """Where a row is played."""

    shell: Shell
    patch: pytest.MonkeyPatch
    folder: Path

    @property
    def world(self) -> Any:
        return self.shell.world

    def type(self, *words: str, answer: str | None = None) -> Said:
        """Type a command with ``--json``: it prints one object, whatever happens."""
        said = self.shell.type(*words, "--json", answer=answer)
        assert isinstance(said.json, dict), said
        if "error" in said.json:
            assert said.json["error"]["code"] == said.code, said
            assert said.json["error"]["message"] in said.err, said
        return said

    def text(self, *words: str) -> Said:
        """Type a command that has no ``--json``."""
        return self.shell.type(*words)

    def journal(self) -> Journal:
        return Journal(self.shell.path)

    def on_reading(self, happens: Callable[[], None]) -> None:
        """``happens`` when the endpoint is read for the first time after a call was sent."""
        told: list[bool] = []

        def read() -> None:
            if self.world.sent and not told:
                told.append(True)
                happens()

        self.world.on["serving.read"] = read

    def two_systems(self) -> None:
        self.shell.contexts = {"prod-eu": fake_context(sources=(("serving", "lab"), ("serving", "other")))}
        self.world.fail["other"] = Unreachable("no route")

    def configured(self, text: str | None) -> str:
        """The path of a configuration file of that text, which is read as it is."""
        path = self.folder / "shiftdeck.toml"
        if text is not None:
            path.write_text(text)
        self.patch.setattr(context, "load", load)
        return str(path)


SCENES: dict[str, Callable[[Scene], Said]] = {}


def scene(row: str) -> Callable[[Callable[[Scene], Said]], Callable[[Scene], Said]]:
    def keep(play: Callable[[Scene], Said]) -> Callable[[Scene], Said]:
        SCENES[row] = play
        return play

    return keep


def failing(**faults: Exception) -> Callable[[Scene, tuple[str, ...]], Said]:
    """Type a command while calls of these keys fail; ``_`` stands for a dot."""

    def play(scene: Scene, words: tuple[str, ...]) -> Said:
        scene.world.fail.update({key.replace("_", "."): fault for key, fault in faults.items()})
        return scene.type(*words)

    return play


def gated(one: Scene, words: tuple[str, ...]) -> Said:
    """The command in a context whose gates want a tag that no version has."""
    gates = GatesConfig(Gates(tags={"scan": ("passed",)}, configured=True))
    one.shell.contexts = {"prod-eu": replace(fake_context(), gates=gates)}
    return one.type(*words)


GONE = Unreachable("no route")
SCENES |= {
    "the change is in effect": lambda one: one.type(*SHIFT, *WHY),
    "`--dry-run` of a plan that would be sent": lambda one: one.type(*SHIFT, "--dry-run"),
    "the serving system does not answer": lambda one: failing(serving=GONE)(one, (*SHIFT, *WHY)),
    "the serving system does not answer, with `--dry-run`": lambda one: failing(serving=GONE)(
        one, (*SHIFT, "--dry-run")
    ),
    "the endpoint is not found, and every serving system has answered": lambda one: one.type(
        "shift", "sentimant", "v8=25", *WHY
    ),
    "the endpoint has no such variant": lambda one: one.type("shift", "sentiment", "v9=25", *WHY),
    "a weight is no percentage": lambda one: one.type("shift", "sentiment", "v8=120", *WHY),
    "there is no `--reason`": lambda one: one.type(*SHIFT, "--yes"),
    "there is no terminal to confirm on, and no `--yes`": lambda one: one.type(*SHIFT, "--reason", "x"),
    "the endpoint cannot be read for the plan": lambda one: failing(serving_read=GONE)(one, (*SHIFT, *WHY)),
    "the system refuses the call": lambda one: failing(serving_send=Forbidden("no"))(one, (*SHIFT, *WHY)),
    "`status` while a source does not answer": lambda one: failing(serving=GONE)(one, ("status", "--observe", "0")),
    "`status` with a context that the configuration does not have": lambda one: one.type("status", "--context", "x"),
    "an unknown verb": lambda one: one.type("shfit"),
    "an unknown option": lambda one: one.type("status", "--watsch"),
    "the app without a terminal": lambda one: one.text(),
    "`open` of an endpoint that no serving system has": lambda one: one.text("open", "sentimant"),
    "`tag`, `stage`, `alias` while the registry does not answer": lambda one: failing(registries=GONE)(
        one, ("tag", MODEL, "8", "scan=passed", *WHY)
    ),
    "`alias`, or `stage` to Production, of a version that a gate blocks": lambda one: gated(
        one, ("alias", MODEL, "champion", "8", *WHY)
    ),
    "`tag`, `stage`, `alias` of a model that is not registered": lambda one: one.type(
        "tag", "nobody", "8", "scan=passed", *WHY
    ),
    "`diff` while the registry does not answer": lambda one: failing(registries=GONE)(one, ("diff", MODEL, "7", "8")),
    "`diff` of a version that is not registered": lambda one: one.type("diff", MODEL, "7", "99"),
    "`journal verify --expect` of a hash that no entry has": lambda one: one.type(
        "journal", "verify", "--expect", "a" * 64
    ),
    "`journal verify --expect` of what is no hash": lambda one: one.type("journal", "verify", "--expect", "abc"),
    "`journal resolve` of a number that is no change": lambda one: one.type(
        "journal", "resolve", "7", "--as", "applied", *WHY
    ),
}


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────────────────


@scene("`--dry-run` of a plan that a check blocks")
def _(one: Scene) -> Said:
    one.world.make_bad_canary()
    return one.type("shift", "sentiment", "v8=50", "--dry-run")


@scene("a check blocks the plan")
def _(one: Scene) -> Said:
    one.world.make_bad_canary()
    return one.type("shift", "sentiment", "v8=50", *WHY)


@scene("the endpoint is not found, and another serving system does not answer")
def _(one: Scene) -> Said:
    one.two_systems()
    return one.type("shift", "elsewhere", "v8=25", *WHY)


@scene("the answer to the confirmation is not the one asked for")
def _(one: Scene) -> Said:
    one.shell.on_a_terminal()
    return one.type(*SHIFT, "--reason", "x", answer="yes\n")


@scene("Ctrl-C, or the end of the input, at the confirmation")
def _(one: Scene) -> Said:
    one.shell.on_a_terminal()
    return one.type(*SHIFT, "--reason", "x", answer="")


@scene("the context is read-only")
def _(one: Scene) -> Said:
    one.shell.access(Access.READ_ONLY)
    return one.type(*SHIFT, *WHY)


@scene("the context has to be armed")
def _(one: Scene) -> Said:
    one.shell.access(Access.ARM)
    return one.type(*SHIFT, *WHY)


@scene("the intent cannot be recorded in the journal")
def _(one: Scene) -> Said:
    def full(*_: object, **__: object) -> InFlight:
        raise JournalError("the disk is full")

    one.patch.setattr(Journal, "begin", full)
    return one.type(*SHIFT, *WHY)


@scene("the journal cannot be read")
def _(one: Scene) -> Said:
    one.shell.path.mkdir()
    return one.type(*SHIFT, *WHY)


@scene("another operator changed the endpoint since the plan")
def _(one: Scene) -> Said:
    one.world.on["serving.send"] = lambda: one.world.rival("sentiment", {"v7": 80.0, "v8": 20.0})
    return one.type(*SHIFT, *WHY)


@scene("the change is not in effect within `--timeout`")
def _(one: Scene) -> Said:
    one.world.propagation = 1_000_000
    one.world.on["serving.read"] = lambda: one.world.clock.tick(1.0)
    return one.type(*SHIFT, *WHY, "--timeout", "2")


@scene("a change back began before the outcome was known")
def _(one: Scene) -> Said:
    one.world.propagation = 1_000_000

    def back() -> None:
        data = {"kind": "traffic", "back": True, "change": "rollback"}
        one.journal().begin(context="prod-eu", ref=REF, data=data).sent({"call": "traffic"})

    one.on_reading(back)
    return one.type(*SHIFT, *WHY)


@scene("a second Ctrl-C while the change is under way")
def _(one: Scene) -> Said:
    one.world.propagation = 1_000_000
    one.world.on["serving.read"] = lambda: os.kill(os.getpid(), signal.SIGINT) if one.world.sent else None
    return one.type(*SHIFT, *WHY)


@scene("one Ctrl-C while the change is under way, which it finishes")
def _(one: Scene) -> Said:
    one.world.propagation = 5
    one.on_reading(lambda: os.kill(os.getpid(), signal.SIGINT))
    return one.type(*SHIFT, *WHY)


# ── other verbs ─────────────────────────────────────────────────────────────────────────────────────────────────


@scene("the configuration has an error")
def _(one: Scene) -> Said:
    return one.type("--config", one.configured("[contexts.prod]\nacces = 1\n"), "status")


@scene("there is no configuration")
def _(one: Scene) -> Said:
    return one.type("--config", one.configured(None), "status")


@scene("`open` of an endpoint while its serving system does not answer")
def _(one: Scene) -> Said:
    one.world.fail["serving"] = GONE
    return one.text("open", "sentiment")


@scene("`silence` while the alerts cannot be read")
def _(one: Scene) -> Said:
    _silences(one)
    one.world.fail["alerts"] = GONE
    return one.type("silence", "HighErrorRate", *WHY)


@scene("`silence` of an alert that does not fire")
def _(one: Scene) -> Said:
    _silences(one)
    return one.type("silence", "Nothing", *WHY)


def _silences(one: Scene) -> None:
    silenced_by(Keeper(), one.world, one.patch)
    one.shell.contexts = {"prod-eu": fake_context(alerts=True)}


@scene("`doctor` finds something wrong")
def _(one: Scene) -> Said:
    one.journal().note()
    one.shell.path.chmod(0o666)
    return one.type("doctor")


@scene("`journal verify` finds a changed line")
def _(one: Scene) -> Said:
    one.journal().note(data={"message": "true"})
    one.shell.path.write_bytes(one.shell.path.read_bytes().replace(b'"true"', b'"fals"'))
    return one.type("journal", "verify")


@scene("`journal head` of a journal whose end was changed")
def _(one: Scene) -> Said:
    one.journal().note(data={"message": "true"})
    one.shell.path.write_bytes(one.shell.path.read_bytes().replace(b'"true"', b'"fals"'))
    return one.type("journal", "head")


@scene("`journal resolve` of a change whose outcome is known")
def _(one: Scene) -> Said:
    one.journal().begin(context="prod-eu", ref=REF, data={}).finish({"outcome": "settled"})
    return one.type("journal", "resolve", "1", "--as", "applied", *WHY)


@scene("`journal resolve` of a change in flight")
def _(one: Scene) -> Said:
    flight = one.journal().begin(context="prod-eu", ref=REF, data={})
    said = one.type("journal", "resolve", "1", "--as", "applied", *WHY)
    flight.leave()
    return said


@scene("Ctrl-C while sources are awaited")
def _(one: Scene) -> Said:
    told: list[bool] = []

    def interrupt() -> None:
        if not told:
            told.append(True)
            os.kill(os.getpid(), signal.SIGINT)
            one.world.hang("serving")

    one.world.on["serving.endpoints"] = interrupt
    said = one.type("status")
    one.world.let_go()
    assert said.json["error"]["kind"] == "interrupted"
    return said


@scene("Ctrl-C at `status --watch`")
def _(one: Scene) -> Said:
    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    one.patch.setattr(status_module, "unaged", interrupted)
    return one.text("status", "--watch")


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────────────


def rows() -> Iterator[Row]:
    """What happened, and the code, of each row of the page."""
    for what, code in re.findall(r"^\| (.+?) \| (\d+) \| .+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        yield what, int(code)


def test_each_row_is_played_and_each_scene_is_a_row() -> None:
    told = [what for what, _ in rows()]
    assert sorted(told) == sorted(SCENES)


def test_the_codes_are_those_of_the_program() -> None:
    found = re.findall(r"^\| (\d) \| (\w+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(code) for code, _ in found] == [int(code) for code in ExitCode]


@pytest.mark.parametrize(("what", "code"), [pytest.param(*row, id=row[0]) for row in rows()])
def test_a_command_ends_with_the_code_of_the_page(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str, code: int
) -> None:
    said = SCENES[what](Scene(shell, monkeypatch, tmp_path))
    assert said.code == code, said
