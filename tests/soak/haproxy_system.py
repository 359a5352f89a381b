"""HAProxy's runtime socket under attack."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from random import Random

from backends.contracts import EndpointRef, Split
from shiftdeck.changes.kind import Planned
from shiftdeck.engine.engine import Engine
from tests.raw_faults import RawFaultProxy
from tests.realservers.haproxy import haproxy
from tests.realservers.models import serving
from tests.soak.cases import Case, System
from tests.soak.engines import CALL_S, planned
from tests.treatments import Write


class HaproxySystem(System):
    name = "haproxy"
    most = 20

    def __init__(self, folder: Path, seed: int) -> None:
        self._models = serving("v7", "v8")
        models = self._models.__enter__()
        lines = ["balance roundrobin"]
        lines += [f"server {name} {models[name].address} weight {weight}" for name, weight in (("v7", 90), ("v8", 10))]
        self._free: list[str] = [f"e{number}" for number in range(self.most)]
        self._haproxy = haproxy(folder / "haproxy", dict.fromkeys(self._free, lines))
        self._haproxy.server.start()
        self.proxy: RawFaultProxy = RawFaultProxy(
            self._haproxy.socket(), folder / "haproxy.sock", b"set server", lambda answer: not _refused(answer)
        )

    @property
    def sources(self) -> str:
        head = f'[contexts.soak.serving.edge]\nadapter = "haproxy"\nsocket = "{self.proxy.path}"\n'
        return f'{head}every = "500ms"\ntimeout = "{CALL_S:g}s"\n'

    def cases(self, count: int, random: Random) -> list[Case]:
        assert count <= self.most
        return [self._case(name, random) for name in self._free[:count]]

    def close(self) -> None:
        self.proxy.close()
        self._haproxy.server.stop()
        self._models.__exit__(None, None, None)

    def _case(self, name: str, random: Random) -> Case:
        """The backends are few and used again, each time for a split that it does not have."""
        now = self._weights(name)
        weight = random.choice([one for one in range(11, 61) if one != now["v8"]])
        wanted = {"v7": 100 - weight, "v8": weight}
        return Case(
            f"{name} v8={weight}",
            lambda method, path, line: f"set server {name}/".encode() in line,
            partial(_planned, name=name, weight=weight),
            lambda: self._weights(name) == wanted,
            _same,
        )

    def _weights(self, name: str) -> dict[str, int]:
        said = {server: self._haproxy.say(f"get weight {name}/{server}") for server in ("v7", "v8")}
        return {server: int(answer.split()[0]) for server, answer in said.items()}


def _planned(engine: Engine, name: str, weight: int) -> Planned:
    return planned(engine, EndpointRef("edge", "", name), Split({"v7": 100.0 - weight, "v8": float(weight)}))


def _refused(answer: bytes) -> bool:
    """Whether there are words before the table of servers that follows the commands."""
    return not re.match(rb"\s*(1\n#|$)", answer)


def _same(body: object, write: Write) -> bool:
    assert isinstance(body, dict)
    return write.body.startswith(";".join(body["commands"]).encode())
