"""The lab's side of the process that writes the registry."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class LabError(Exception):
    """The lab cannot continue. The message is a sentence for the operator."""


class RegistryBuilder:
    """``finish`` passes the catalogue to the process and waits until everything is written."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def finish(self, catalogue: Sequence[Mapping[str, object]], progress: Callable[[float], None]) -> None:
        """Raises ``LabError`` if the process fails. ``progress`` gets values from 0 to 1."""
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
    """Start the process that writes the registry to ``database``. It ends at the end of the block at the latest."""
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
