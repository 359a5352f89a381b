"""The process that writes the registry, seen from the lab."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class LabError(Exception):
    """The lab cannot go on: a sentence for the operator."""


class RegistryBuilder:
    """``finish`` hands it the catalogue and waits until all is written."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def finish(self, catalogue: Sequence[Mapping[str, object]], progress: Callable[[float], None]) -> None:
        """Raises ``LabError`` where the process fails; ``progress`` gets 0–1."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        with suppress(ConnectionError):
            process.stdin.write(json.dumps(catalogue).encode() + b"\n")
            await process.stdin.drain()
        async for line in process.stdout:
            progress(float(line))
        said = (await errors).decode(errors="replace").strip().splitlines()
        if await process.wait() != 0:
            raise LabError(f"the registry could not be written: {said[-1] if said else 'no reason given'}")


@asynccontextmanager
async def registry_builder(database: Path) -> AsyncIterator[RegistryBuilder]:
    """Start writing the registry to ``database``; the process has ended when the block has."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "backends.lab.registry",
        str(database),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield RegistryBuilder(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
