"""The way from a test API server to pods: an HTTP CONNECT tunnel on a UNIX socket, which ends on loopback.

An API server proxies to no loopback address. Told to reach its cluster through a tunnel, as Konnectivity is set up
(``--egress-selector-config-file``), it asks that for a pod's address, which may be any and need be none of this
machine.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer

import yaml

POD_ADDRESS = "10.0.1.1"
"""What a pod that listens on loopback may call its address."""


class Tunnel:
    """Listens in a folder, until closed. Connections to whatever address end at that port on 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        path = folder / "egress.sock"
        self._server = _Server(str(path), _Handler)
        transport = {"uds": {"udsName": str(path)}}
        selection = {"name": "cluster", "connection": {"proxyProtocol": "HTTPConnect", "transport": transport}}
        config = {"apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration"}
        self.config = folder / "egress.yaml"
        self.config.write_text(yaml.safe_dump({**config, "egressSelections": [selection]}))
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="egress", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False


class _Handler(StreamRequestHandler):
    def handle(self) -> None:
        words = self.rfile.readline().split()
        while self.rfile.readline().strip():
            pass
        port = int(words[1].rpartition(b":")[2])
        try:
            inner = socket.create_connection(("127.0.0.1", port), timeout=60)
        except OSError:
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        with inner:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pour, args=(inner, self.connection), daemon=True)
            back.start()
            _pour(self.connection, inner)
            back.join(60)


def _pour(source: socket.socket, into: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            into.sendall(data)
        into.shutdown(socket.SHUT_WR)
