"""Debian's HAProxy, on free ports, with sockets of every level in a folder of its own."""

from __future__ import annotations

import signal
import socket
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.realservers.processes import Server, free_port
from tests.servers import require_program

HEAD = """
global
  nbthread 1
  stats socket {folder}/admin.sock level admin
  stats socket {folder}/operator.sock level operator
  stats socket {folder}/user.sock level user
  stats socket ipv4@127.0.0.1:{port} level admin
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
  retries 1
frontend own
  bind 127.0.0.1:{own}
  http-request use-service prometheus-exporter if {{ path /metrics }}
  http-request return status 200
"""


@dataclass(slots=True)
class Haproxy:
    """One HAProxy. ``frontends`` are the addresses of its ``listen`` sections, ``port`` the TCP socket's."""

    server: Server
    folder: Path
    port: int
    metrics: str
    frontends: dict[str, str]

    def socket(self, level: str = "admin") -> str:
        return str(self.folder / f"{level}.sock")

    def say(self, command: str) -> str:
        """What HAProxy itself answers to a command, beside whatever is tested."""
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(10)
            channel.connect(self.socket())
            channel.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: channel.recv(65536), b"")).decode()

    def reload(self) -> None:
        """As ``systemctl reload`` does."""
        assert self.server.process is not None
        self.server.process.send_signal(signal.SIGUSR2)

    def ask(self, name: str, requests: int) -> Counter[str]:
        """So many requests, one after the other: who answered them, failures among them."""
        found: Counter[str] = Counter()
        for _ in range(requests):
            try:
                with urllib.request.urlopen(f"{self.frontends[name]}/predict", timeout=10) as answer:
                    found[answer.read().decode()] += 1
            except urllib.error.HTTPError as error:
                found[error.read().decode() if error.code == 500 else str(error.code)] += 1
        return found


RESOLVER = """
resolvers dns
  nameserver one 127.0.0.1:{port}
  resolve_retries 1
  timeout resolve 200ms
  timeout retry 200ms
  hold nx 200ms
  hold valid 200ms
  hold other 200ms
  hold obsolete 200ms
"""


def haproxy(folder: Path, sections: dict[str, list[str]], resolver: int | None = None) -> Haproxy:
    """An HAProxy with these ``listen`` sections: by name its lines. ``resolver`` is the port of a name server, which
    the sections know as ``dns``. Not started yet."""
    program = require_program("haproxy")
    folder.mkdir(parents=True, exist_ok=True)
    own, port = free_port(), free_port()
    ports = {name: free_port() for name in sections}
    lines = [HEAD.format(folder=folder, port=port, own=own)]
    lines += [] if resolver is None else [RESOLVER.format(port=resolver)]
    for name, section in sections.items():
        lines += [f"listen {name}", f"  bind 127.0.0.1:{ports[name]}", *(f"  {line}" for line in section)]
    config = folder / "haproxy.cfg"
    config.write_text("\n".join([*lines, ""]))
    url = f"http://127.0.0.1:{own}"
    server = Server([program, "-W", "-db", "-f", str(config)], url, f"{url}/ready", folder / "haproxy.log")
    frontends = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    return Haproxy(server, folder, port, f"{url}/metrics", frontends)
