"""Silences and edits of a registry are asked for, carried out and interrupted like any change."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from typing import Any

import pytest

from shiftdeck.changes import manager
from shiftdeck.journal.journal import EntryKind
from tests.fake_silences import Keeper, silenced_by
from tests.fakes import fake_context
from tests.unit.cli_world import Shell, shell
from tests.waiting import wait_until

__all__ = ["shell"]

MODEL = "sentiment-classifier"
EDITS = (("tag", MODEL, "8", "scan=passed"), ("stage", MODEL, "8", "Production"), ("alias", MODEL, "live", "8"))
SILENCE = ("silence", "HighErrorRate")
VERBS = (*EDITS, SILENCE)


@pytest.fixture
def keeper(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """Alerts of the world that can be silenced."""
    made = Keeper()
    silenced_by(made, shell.world, monkeypatch)
    shell.contexts = {"prod-eu": fake_context(alerts=True)}
    return made


def sent(shell: Shell, keeper: Keeper) -> int:
    return len(shell.world.sent) + len(keeper.kept)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), (" yes \n", 0), ("no\n", 3), ("\n", 3), ("", 3)])
def test_a_word_confirms_and_anything_else_does_not(
    shell: Shell, keeper: Keeper, verb: tuple[str, ...], answer: str, code: int
) -> None:
    shell.on_a_terminal()
    said = shell.type(*verb, "--reason", "INC-42", answer=answer)
    assert said.code == code, said
    assert "Type yes to apply it" in said.err
    assert bool(sent(shell, keeper)) is (code == 0)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_an_end_of_input_is_an_object_for_scripts(shell: Shell, keeper: Keeper, verb: tuple[str, ...]) -> None:
    shell.on_a_terminal()
    said = shell.type(*verb, "--reason", "INC-42", "--json", answer="")
    assert (said.code, said.json["outcome"]["kind"], said.json["seq"]) == (3, "refused", None)
    assert not sent(shell, keeper)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_whoever_interrupts_twice_is_told_that_the_outcome_is_not_known(
    shell: Shell, keeper: Keeper, verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "LAST_S", 0.1)
    released, kinds = threading.Event(), (signal.SIGINT, signal.SIGINT)
    send = keeper.send

    def interrupted() -> None:
        for number in kinds:
            os.kill(os.getpid(), number)
            released.wait(0.3)
        released.wait(30.0)

    def slow(call: Any) -> Any:
        interrupted()
        return send(call)

    keeper.send = slow  # type: ignore[method-assign]
    shell.world.on["registries.send"] = interrupted
    said = shell.type(*verb, "--reason", "INC-42", "--yes", "--json")
    assert [entry.kind for entry in shell.journal()] == [EntryKind.INTENT]
    released.set()
    assert said.code == 5, said
    assert "the change goes on" in said.err
    assert said.json["outcome"]["kind"] == "unknown"
    wait_until(lambda: len(shell.journal()) == 3, 10.0, "the outcome that was written all the same")


def test_one_interrupt_lets_a_silence_finish(shell: Shell, keeper: Keeper) -> None:
    send = keeper.send

    def once(call: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return send(call)

    keeper.send = once  # type: ignore[method-assign]
    said = shell.type(*SILENCE, "--reason", "INC-42", "--yes")
    assert said.code == 0, said
    assert len(keeper.kept) == 1


def test_a_silence_in_a_read_only_context_is_refused_and_kept(shell: Shell, keeper: Keeper) -> None:
    context = shell.contexts["prod-eu"]
    shell.contexts = {"prod-eu": replace(context, access=fake_context().access.READ_ONLY)}
    said = shell.type(*SILENCE, "--reason", "INC-42", "--yes")
    assert said.code == 3, said
    assert shell.journal()[0].data["outcome"] == "refused"
