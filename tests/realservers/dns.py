"""A name server on loopback whose answers a test changes: it knows A records only."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Self

ADDRESS, NO_SUCH_NAME = 1, 3


class Dns:
    """Answers queries over UDP. ``names`` has the addresses by name; a name that is not in it does not exist."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="dns", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()

    def _run(self) -> None:
        while True:
            query, peer = self._socket.recvfrom(4096)
            if not query:
                return
            self._socket.sendto(self._answer(query), peer)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode())
            at += length + 1
        question = query[12 : at + 5]
        (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
        known = self.names.get(".".join(labels))
        found = known if known and kind == ADDRESS else []
        flags = 0x8180 | (NO_SUCH_NAME if known is None else 0)
        head = query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0)
        records = [struct.pack("!HHHIH", 0xC00C, ADDRESS, 1, 1, 4) + socket.inet_aton(one) for one in found]
        return head + question + b"".join(records)
