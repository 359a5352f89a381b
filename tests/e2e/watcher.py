"""``shiftdeck status --watch --json`` in the background, read as it prints."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.e2e.program import command, source
from tests.waiting import wait_until

Status = Mapping[str, Any]


class Watcher:
    """The fleet as a script sees it, for as long as the block lasts."""

    def __init__(self, config: Path) -> None:
        self._process = subprocess.Popen(
            command("status", "--watch", "--json", config=config),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._latest: Status | None = None
        self._errors: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        assert self._process.stderr is not None
        threading.Thread(target=self._errors.extend, args=(self._process.stderr,), daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._latest = json.loads(line)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def latest(self) -> Status:
        assert self._latest is not None, "nothing was printed yet"
        return self._latest

    def wait_for(self, condition: Callable[[Status], object], timeout_s: float, what: str) -> Status:
        """The newest status, once the condition holds for it."""

        def met() -> Status | None:
            assert self._process.poll() is None, "".join(self._errors)
            latest = self._latest
            return latest if latest is not None and condition(latest) else None

        return wait_until(
            met, timeout_s, lambda: f"{what}; last printed: {json.dumps(self._latest)[:3000]} {''.join(self._errors)}"
        )

    def wait_state(self, name: str, *states: str, timeout_s: float = 40.0) -> dict[str, Any]:
        """The source of that name, once it is in one of these states."""
        found = self.wait_for(
            lambda status: source(status, name)["state"] in states, timeout_s, f"{name} to be {' or '.join(states)}"
        )
        return source(found, name)
