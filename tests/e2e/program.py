"""``shiftdeck`` as a program, run to its end or in the background, and what it prints, read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import wait_until

SHIFTDECK = Path(sys.executable).with_name("shiftdeck")
CLI_S = 150.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"not JSON: exit code {self.code}, stdout {self.out!r}, stderr {self.err!r}") from None

    def lines(self) -> list[Any]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def command(*args: str | Path, config: Path | None = None) -> list[str]:
    """The command line of ``shiftdeck`` with these arguments, and with ``--config`` where there is one."""
    named = [] if config is None else ["--config", str(config)]
    return [str(SHIFTDECK), *named, *map(str, args)]


def run(*args: str | Path, config: Path | None = None, timeout_s: float = CLI_S) -> Result:
    """Run ``shiftdeck`` to its end, with no terminal."""
    done = subprocess.run(
        command(*args, config=config),
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=timeout_s,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@contextmanager
def running(*args: str | Path, config: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """``shiftdeck`` in the background, ended with the block if it has not ended by itself."""
    argv = command(*args, config=config)
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def source(status: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One source of what ``status --json`` prints."""
    found: dict[str, Any] = next(one for one in status["sources"] if one["name"] == name)
    return found


def endpoint(status: Mapping[str, Any], ref: str) -> dict[str, Any]:
    """One endpoint of what ``status --json`` prints."""
    found: dict[str, Any] = next(one for one in status["endpoints"] if one["ref"] == ref)
    return found


def variant(status: Mapping[str, Any], ref: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in endpoint(status, ref)["variants"] if one["name"] == name)
    return found


def printed_journal(config: Path) -> list[dict[str, Any]]:
    """The journal's entries, oldest first, as the command line prints them."""
    return run("journal", "--json", "--limit", "1000", config=config).lines()


def journal(config: Path) -> list[dict[str, Any]]:
    """The same from its file: a command takes half a second of processor, and some tests look again and again."""
    with suppress(FileNotFoundError), config.with_name("journal.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.endswith("\n")]
    return []


def outcomes(entries: Sequence[Mapping[str, Any]], seq: int) -> list[dict[str, Any]]:
    """The data of every outcome of that intent; more than one would be a lie."""
    return [dict(one["data"]) for one in entries if one["kind"] == "outcome" and one["data"]["intent"] == seq]


def intents(entries: Sequence[Mapping[str, Any]]) -> list[int]:
    return [one["seq"] for one in entries if one["kind"] == "intent"]


def wait_sent(config: Path, timeout_s: float = 40.0) -> int:
    """The number of the first intent of which a call was taken, once there is one: the change is under way then."""

    def sent() -> int | None:
        return next((int(one["data"]["intent"]) for one in journal(config) if one["kind"] == "sent"), None)

    return wait_until(sent, timeout_s, lambda: f"a change under way; the journal holds {journal(config)}")
