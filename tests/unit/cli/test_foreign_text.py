"""Whatever systems, other operators and other people's adapters say: no command hands it to the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

import tests.fakes
from backends.errors import Unreachable
from shiftdeck.journal.journal import Journal
from tests.fakes import bound
from tests.hostile import FORGED, HOSTILE, spoiling
from tests.unit.cli_world import Said, Shell, shell

__all__ = ["shell"]

STYLES = re.compile(r"\x1b\[(?:0|1|2|3[1-7])m")
COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("doctor",),
    ("doctor", "--json"),
    ("journal",),
    ("journal", "--json"),
    ("journal", "--markdown"),
    ("journal", "open"),
    ("shift", "sentiment", "v8=30", "--dry-run"),
    ("shift", "sentiment", "v8=30", "--dry-run", "--json"),
    ("rollback", "sentiment", "--dry-run"),
    ("promote", "sentiment", "v8", "--dry-run"),
    ("silence", "sentiment", "--dry-run"),
    ("diff", "sentiment-classifier", "7", "8"),
    ("alias", "sentiment-classifier", "champion", "8", "--dry-run"),
    ("shift", f"nope{HOSTILE}", "v8=3"),
    ("--context", f"nope{HOSTILE}", "status"),
    ("--config", f"/nowhere/{HOSTILE[:20]}.toml", "status"),
)


def is_harmless(said: Said) -> None:
    """Nothing but printed characters, our own styles, and line ends; and no line that somebody else made."""
    for text in (said.out, said.err):
        rest = STYLES.sub("", text).replace("\n", "")
        assert rest.isprintable(), repr(re.findall(r"[^ -~]{0,9}[\x00-\x1f\x7f-\x9f\u200b\u202e]", rest)[:5])
        assert not any(line.startswith(FORGED) for line in text.splitlines())


@pytest.fixture(params=["answers", "errors", "defects"])
def hostile(request: pytest.FixtureRequest, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A world whose adapters say hostile things; a journal with an entry of somebody who did."""
    if request.param == "answers":
        made: Callable[..., object] = bound
        monkeypatch.setattr(tests.fakes, "bound", lambda cls, world: made(spoiling(cls), world))
    else:
        error = Unreachable(f"said {HOSTILE}", hint=HOSTILE)
        defect = RuntimeError(f"GET https://svc:secret@host/{HOSTILE}")
        for kind in ("serving", "registries", "metrics", "drift", "alerts", "accelerators"):
            shell.world.fail[kind] = error if request.param == "errors" else defect  # type: ignore[assignment]
    said = HOSTILE.replace("\ud800", "")  # a journal holds UTF-8
    data = {"change": said, "reason": said, "way_back": said, "before": {said: said}, said: [said]}
    journal = Journal(shell.path, operator=f"mallory{said}", host=said)
    journal.begin(context="prod-eu", ref=f"lab:prod/sentiment{said}", data=data).leave()
    return shell


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: ascii(" ".join(words))[:40])
def test_no_command_passes_it_on(hostile: Shell, words: tuple[str, ...]) -> None:
    said = hostile.type(*words)
    is_harmless(said)
    if "--json" in words and said.out:
        json.loads(said.out)
