"""Which groups of measures there are. Each is a function that is given the settings of the run and yields rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from tests.bench.table import Row


@dataclass(frozen=True, slots=True)
class Run:
    """How to measure: ``quick`` for a first look, with fewer runs and shorter waits. ``folder`` is empty and is
    removed afterwards."""

    folder: Path
    quick: bool = False

    def times(self, whole: int, quick: int) -> int:
        return quick if self.quick else whole

    def room(self, name: str) -> Path:
        """A folder of its own."""
        path = self.folder / name
        path.mkdir(parents=True)
        return path


Group = Callable[[Run], Iterator[Row]]

GROUPS = {
    "startup": "tests.bench.startup:measure",
    "live": "tests.bench.live:measure",
    "first-keys": "tests.bench.first_keys:measure",
    "status": "tests.bench.status:measure",
    "commands": "tests.bench.commands:measure",
    "painting": "tests.bench.painting:measure",
    "processor": "tests.bench.processor:measure",
    "peers": "tests.bench.peers:measure",
    "fleet": "tests.bench.fleet:measure",
    "memory": "tests.bench.memory:measure",
}
"""By name, in the order in which they are run."""

OPTIONAL = ("peers",)
"""Only run when they are named."""


def group(name: str) -> Group:
    module, _, function = GROUPS[name].partition(":")
    return cast("Group", getattr(import_module(module), function))
