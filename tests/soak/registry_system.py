"""A real MLflow server under attack: aliases, which have no guard."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from random import Random

from backends.contracts import ModelRef
from shiftdeck.changes.kind import Planned
from shiftdeck.changes.registry_edit import Kind, Registered
from shiftdeck.engine.engine import Engine
from tests.faults import FaultProxy
from tests.realservers.mlflow import Scientist, mlflow_server
from tests.soak.cases import Case, System
from tests.waiting import wait_until

CALL_S = 2.0
SEEN_S = 60.0
ALIAS = "champion"
VERSIONS = 3


class MlflowSystem(System):
    name = "mlflow"
    most = 10

    def __init__(self, folder: Path, seed: int) -> None:
        self._server = mlflow_server(folder / "mlflow").start()
        self._scientist = Scientist(self._server.url)
        self._models = [f"m{number}" for number in range(self.most)]
        experiment = self._scientist.experiment("soak")
        run = self._scientist.run(experiment)
        for model in self._models:
            self._scientist.model(model)
            for _ in range(VERSIONS):
                self._scientist.register(model, run)
            self._scientist.alias(model, ALIAS, "1")
        self.proxy: FaultProxy = FaultProxy(self._server.url)

    @property
    def sources(self) -> str:
        uri = self.proxy.url
        return f'[contexts.soak.registries.mlflow]\nuri = "{uri}"\nevery = "500ms"\ntimeout = "{CALL_S:g}s"\n'

    def cases(self, count: int, random: Random) -> list[Case]:
        return [self._case(model, random) for model in self._models[:count]]

    def close(self) -> None:
        self.proxy.close()
        self._server.stop()

    def _case(self, model: str, random: Random) -> Case:
        """The models are few and used again, each time for a version that the alias is not at."""
        now = self._version(model)
        wanted = random.choice([str(one) for one in range(1, VERSIONS + 1) if str(one) != now])
        return Case(
            f"{model} @{ALIAS} {now} → {wanted}",
            lambda method, path, body: path.endswith("/registered-models/alias") and _names(body, model),
            partial(_planned, model=model, version=wanted),
            lambda: self._version(model) == wanted,
            words=("alias", model, ALIAS, wanted),
        )

    def _version(self, model: str) -> str:
        found = self._scientist.ask("GET", f"/mlflow/registered-models/alias?name={model}&alias={ALIAS}")
        version = found["model_version"]
        assert isinstance(version, dict)
        return str(version["version"])


def _names(body: bytes, model: str) -> bool:
    try:
        return bool(json.loads(body)["name"] == model)
    except (ValueError, KeyError):
        return False


def _planned(engine: Engine, model: str, version: str) -> Planned:
    wait_until(lambda: model in engine.view.registry_of, SEEN_S, f"{model} to be seen")
    change = Registered(Kind.ALIAS, ModelRef(model, version), ALIAS)
    return engine.changes.kinds.registry_edits.plan(engine.view, (change,), reason="a soak run")
