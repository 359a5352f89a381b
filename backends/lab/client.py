"""A client for one server on loopback that sends many small requests at little cost.

httpx takes about as long for a request as the gateway for its answer, and the lab shares two cores with the app that
watches it. This client only sends a JSON body by POST on a kept connection, and reads an answer with a
``Content-Length``.
"""

from __future__ import annotations

import asyncio
import json

MAX_KEPT = 64
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class LoopbackClient:
    """Runs on one event loop. Connections are made as needed and kept."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._kept: list[Connection] = []

    async def post(self, path: str, body: object, timeout_s: float) -> int:
        """Send ``body`` as JSON and read the whole answer; returns its status.

        Raises:
            OSError: no connection, a broken connection, or an answer that is not HTTP with a ``Content-Length``.
            TimeoutError: no answer in time.
        """
        payload = json.dumps(body, separators=(",", ":")).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\n\r\n"
        )
        async with asyncio.timeout(timeout_s):
            connection = await self._connection()
            kept = False
            try:
                status = await _exchange(connection, head.encode() + payload)
                kept = len(self._kept) < MAX_KEPT
            finally:
                if kept:
                    self._kept.append(connection)
                else:
                    connection[1].close()
        return status

    def close(self) -> None:
        for _, writer in self._kept:
            writer.close()
        self._kept.clear()

    async def _connection(self) -> Connection:
        while self._kept:
            reader, writer = self._kept.pop()
            if not (reader.at_eof() or writer.is_closing()):
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)


async def _exchange(connection: Connection, request: bytes) -> int:
    reader, writer = connection
    writer.write(request)
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        length = next(int(line[15:]) for line in lines if line[:15].lower() == "content-length:")
        await reader.readexactly(length)
        return int(status_line.split(" ", 2)[1])
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, StopIteration, ValueError, IndexError) as error:
        raise ConnectionError(f"the answer is not what was expected: {type(error).__name__}") from None
