"""The real program on a soak run's sources: a command in the background, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from shiftdeck.journal.entry import EntryKind
from shiftdeck.journal.journal import Entry, Journal, JournalError
from tests.soak.cases import Case
from tests.soak.engines import config_text

REASON = ("--reason", "a soak run", "--yes", "--json")
ENDS_S = 90.0


def configured(sources: str, folder: Path, late_s: float) -> Path:
    """A configuration with these sources, and a journal in ``folder``. ``late_s``: as ``opened`` takes it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "shiftdeck.toml"
    path.write_text(config_text(sources, folder, late_s=late_s))
    return path


def argv(config: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "tui", "--config", str(config), *words]


@contextmanager
def running(config: Path, *words: str, operator: str = "ana") -> Iterator[subprocess.Popen[str]]:
    """A command of the program, ended with the block if it has not ended by itself."""
    environment = {**os.environ, "SHIFTDECK_OPERATOR": operator}
    with subprocess.Popen(
        argv(config, *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def done(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command, run to its end."""
    return subprocess.run(
        argv(config, *words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ENDS_S, check=False
    )


def intent_of(journal: Journal, case: Case) -> Entry | None:
    """The newest intent of that change."""
    try:
        entries = journal.entries() if journal.path.exists() else ()
    except JournalError:  # a line is being written
        return None
    return next((one for one in entries if one.kind is EntryKind.INTENT and _is_for(one, case)), None)


def _is_for(intent: Entry, case: Case) -> bool:
    calls = cast("list[dict[str, object]]", intent.data["calls"])
    return any(case.matches(str(one["method"]), str(one["path"]), json.dumps(one["body"]).encode()) for one in calls)
