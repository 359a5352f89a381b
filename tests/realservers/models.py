"""Little model servers: each answers with its own name, counts its requests, and fails as often as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ModelServer:
    """Answers GET and POST with its name. Every ``fails``-th request gets a 500; 0 is none. Use ``serving``."""

    def __init__(self, name: str, fails: int = 0) -> None:
        self.name = name
        self.fails = fails
        self.requests = 0
        self._lock = threading.Lock()
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status = model.count()
                body = model.name.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the base class's name

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def count(self) -> int:
        """Count one request; the status to answer it with."""
        with self._lock:
            self.requests += 1
            return 500 if self.fails and self.requests % self.fails == 0 else 200

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A proxy resets the connections that it has kept: no traceback."""


@contextmanager
def serving(*names: str) -> Iterator[dict[str, ModelServer]]:
    """Servers of these names, until the end."""
    with ExitStack() as stack:
        found = {name: ModelServer(name) for name in names}
        for one in found.values():
            stack.callback(one.close)
        yield found
