"""The lab's gateway under attack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

from backends.contracts import Change, EndpointRef, Rollback, Split
from backends.lab.world import SCOPE
from tests.faults import FaultProxy
from tests.soak.cases import Case, System
from tests.soak.engines import CALL_S, planned
from tests.soak.lab_gateway import CANARY, STABLE, LabGateway

RELEASE = "11"
"""The release with all traffic on stable that every endpoint begins with."""


class LabSystem(System):
    name = "lab"

    def __init__(self, folder: Path, seed: int) -> None:
        self.gateway = LabGateway(seed)
        self.gateway.__enter__()
        self.proxy: FaultProxy = FaultProxy(self.gateway.url)
        self._made = 0

    @property
    def sources(self) -> str:
        return f'[contexts.soak.serving.lab]\nurl = "{self.proxy.url}"\nevery = "500ms"\ntimeout = "{CALL_S:g}s"\n'

    def cases(self, count: int, random: Random) -> list[Case]:
        return [self._case(random) for _ in range(count)]

    def close(self) -> None:
        self.proxy.close()
        self.gateway.__exit__(None, None, None)

    def back(self) -> Case:
        """A roll back to all traffic on stable, of one more endpoint. Its name is the endpoint's."""
        name = self._add()
        return self._case_of(name, name, Rollback(RELEASE), {STABLE: 100.0, CANARY: 0.0})

    def _case(self, random: Random) -> Case:
        name, share = self._add(), float(random.randint(11, 60))
        wanted = {STABLE: 100.0 - share, CANARY: share}
        words = ("shift", f"lab:{SCOPE}/{name}", f"{CANARY}={share:g}", "--override", "--observe", "0")
        return replace(self._case_of(f"{name} {CANARY}={share:g}", name, Split(wanted), wanted), words=words)

    def _add(self) -> str:
        self._made += 1
        name = f"e{self._made:03}"
        self.gateway.add(name)
        return name

    def _case_of(self, label: str, name: str, change: Change, wanted: dict[str, float]) -> Case:
        path = f"/v1/endpoints/{SCOPE}/{name}/traffic"
        return Case(
            label,
            lambda method, at, body: method == "PUT" and at == path,
            lambda engine: planned(engine, EndpointRef("lab", SCOPE, name), change),
            lambda: self.gateway.weights(name) == wanted,
        )
