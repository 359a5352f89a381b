"""An MLflow server, by its REST API (https://mlflow.org/docs/latest/api_reference/rest-api.html).

``MlflowClient`` is not used. It takes its credentials, time-out and retries from environment variables, which all
contexts of this process would share. It also needs ten times the processor time to decode an answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import quote

from backends.contracts import EMPTY, ModelVersion
from backends.errors import Malformed, Rejected, TimedOut, Unsupported
from backends.http import HttpClient
from backends.registries.mlflow_artifacts import PROXIED
from backends.registries.mlflow_store import (
    API,
    CONTEXT,
    MAX_FILE,
    UNFINISHED,
    Location,
    Logged,
    Model,
    Run,
    among,
    named,
    version_of,
)
from backends.settings import Secret

FILES = "/api/2.0/mlflow-artifacts/artifacts"

Json = Mapping[str, object]


class RestStore:
    """A registry behind http(s). Thread-safe."""

    def __init__(
        self, uri: str, timeout_s: float, token: Secret | None, username: str | None, password: Secret | None
    ) -> None:
        basic = (username, password) if username and password is not None else None
        self._http = HttpClient(uri, timeout_s=timeout_s, token=token, basic=basic, max_body=MAX_FILE)
        self._experiments: list[str] = []

    def prepare(self, deadline: float) -> None:
        pass

    def state(self, deadline: float) -> object:
        return None

    def models(self, size: int, token: str, deadline: float) -> tuple[list[Model], str]:
        answer = self._get("/registered-models/search", {"max_results": str(size), "page_token": token}, deadline)
        models = [
            Model(_text(one, "name"), _aliases(one), _integer(one, "last_updated_timestamp"), _staged(one))
            for one in _list(answer, "registered_models")
        ]
        return models, _text(answer, "next_page_token")

    def versions(self, model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        asked = {
            "filter": named(model) if model else "",
            "order_by": "version_number DESC" if model else "name ASC",
            "max_results": str(size),
            "page_token": token,
        }
        answer = self._get("/model-versions/search", asked, deadline)
        return [_version(one) for one in _list(answer, "model_versions")], _text(answer, "next_page_token")

    def version(self, model: str, version: str, deadline: float) -> tuple[ModelVersion, str]:
        asked = {"name": model, "version": version}
        found = _version(_object(self._get("/model-versions/get", asked, deadline), "model_version"))
        return found, _text(self._get("/model-versions/get-download-uri", asked, deadline), "artifact_uri")

    def runs(self, runs: Sequence[str], deadline: float) -> Mapping[str, Run]:
        known = bool(self._experiments)
        found = self._search(runs, deadline)
        left = [run for run in runs if run not in found]
        if left and known:
            self._experiments = []  # the runs may be in an experiment that was created since the list was read
            found |= self._search(left, deadline)
        return found

    def _search(self, runs: Sequence[str], deadline: float) -> dict[str, Run]:
        token = ""
        while not self._experiments or token:
            asked = {"max_results": "1000", "view_type": "ALL", "page_token": token}
            answer = self._get("/experiments/search", asked, deadline)
            self._experiments += [_text(one, "experiment_id") for one in _list(answer, "experiments")]
            token = _text(answer, "next_page_token")
            if not self._experiments and not token:
                return {}
        found: dict[str, Run] = {}
        body = {
            "experiment_ids": self._experiments,
            "filter": among(runs),
            "run_view_type": "ALL",
            "max_results": len(runs),
        }
        for one in _list(self._read("POST", "/runs/search", deadline, body=body), "runs"):
            found[_text(_object(one, "info"), "run_id")] = _run(one)
        return found

    def logged(self, models: Sequence[str], deadline: float) -> Mapping[str, Logged]:
        found: dict[str, Logged] = {}
        for model in models:
            try:
                answer = self._get(f"/logged-models/{quote(model, safe='')}", {}, deadline)
            except Rejected:  # it is gone, or the server is older than MLflow 3
                continue
            found[model] = _logged(_object(answer, "model"))
        return found

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]:
        answer = self._get("/registered-models/get", {"name": model}, deadline)
        return _aliases(_object(answer, "registered_model"))

    def write(self, path: str, method: str, body: Mapping[str, object], deadline: float) -> None:
        _check_deadline(deadline)
        self._http.request(method, API + path, json=body)

    def files(self, location: Location, folder: str, deadline: float) -> list[str]:
        if not location.run:
            raise Unsupported("MLflow lists the artifacts of runs only", hint="name the run: runs:/RUN/PATH")
        found: list[str] = []
        token = ""
        while True:
            asked = {"run_id": location.run, "path": location.path, "page_token": token}
            answer = self._get("/artifacts/list", asked, deadline)
            found += [_text(one, "path") for one in _list(answer, "files") if one.get("is_dir") is not True]
            token = _text(answer, "next_page_token")
            if not token:
                return found

    def file(self, location: Location, folder: str, deadline: float) -> bytes:
        """The content of a file, by one of two routes.

        If the server proxies its artifact store, the route is ``mlflow-artifacts``
        (https://mlflow.org/docs/latest/self-hosting/architecture/artifact-store/). Otherwise it is the one of MLflow's
        own web pages, by which the server fetches the file from its store.
        """
        _check_deadline(deadline)
        scheme, _, rest = folder.partition(":")
        if scheme == PROXIED:
            path = f"{rest.rstrip('/')}/{location.path}".lstrip("/")
            if rest.startswith("//"):  # the URI names the server as well: mlflow-artifacts://host/path
                path = path.partition("/")[2]
            return self._http.request("GET", f"{FILES}/{quote(path)}").body
        asked = {"path": location.path}
        if location.run:
            return self._http.request("GET", "/get-artifact", params={**asked, "run_id": location.run}).body
        asked |= {"name": location.model, "version": location.version}
        return self._http.request("GET", "/model-versions/get-artifact", params=asked).body

    def writable(self) -> bool | None:
        return None

    def close(self) -> None:
        self._http.close()

    def _get(self, path: str, params: Mapping[str, str], deadline: float) -> Json:
        return self._read("GET", path, deadline, params={key: value for key, value in params.items() if value})

    def _read(
        self, method: str, path: str, deadline: float, *, params: Mapping[str, str] = EMPTY, body: object = None
    ) -> Json:
        _check_deadline(deadline)
        answer = self._http.request(method, API + path, params=params, json=body, reads=True).json()
        if not isinstance(answer, dict):
            raise Malformed(f"{self._http.where} answered {path} with JSON that is not an object")
        return cast("Json", answer)


def _check_deadline(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimedOut("the registry did not answer everything in time", maybe_applied=False)


def _run(one: Json) -> Run:
    data, info = _optional(one, "data"), _object(one, "info")
    metrics: dict[str, float] = {}
    for metric in _list(data, "metrics"):
        value = metric.get("value")
        # The server writes NaN and infinities as text.
        if isinstance(value, int | float | str):
            metrics[_text(metric, "key")] = _number(value)
    return Run(
        metrics,
        _pairs(data, "params"),
        _pairs(data, "tags"),
        _text(info, "status") not in UNFINISHED,
        _text(info, "artifact_uri"),
        tuple(_dataset(read) for read in _list(_optional(one, "inputs"), "dataset_inputs")),
    )


def _logged(one: Json) -> Logged:
    data = _optional(one, "data")
    metrics: dict[str, float] = {}
    for metric in sorted(
        _list(data, "metrics"), key=lambda told: (_integer(told, "step"), _integer(told, "timestamp"))
    ):
        value = metric.get("value")
        if isinstance(value, int | float | str):
            metrics[_text(metric, "key")] = _number(value)
    return Logged(metrics, _pairs(data, "params"))


def _dataset(read: Json) -> tuple[str, str, str]:
    dataset = _object(read, "dataset")
    return _text(dataset, "name"), _text(dataset, "digest"), _pairs(read, "tags").get(CONTEXT, "")


def _version(one: Json) -> ModelVersion:
    return version_of(
        _text(one, "name"),
        _text(one, "version"),
        stage=_text(one, "current_stage"),
        created=_integer(one, "creation_timestamp"),
        updated=_integer(one, "last_updated_timestamp"),
        author=_text(one, "user_id"),
        run=_text(one, "run_id"),
        source=_text(one, "source"),
        status=_text(one, "status"),
        description=_text(one, "description"),
        tags=_pairs(one, "tags"),
    )


def _aliases(one: Json) -> dict[str, str]:
    return {_text(alias, "alias"): _text(alias, "version") for alias in _list(one, "aliases")}


def _staged(one: Json) -> tuple[str, ...]:
    found = sorted((_text(other, "current_stage"), _text(other, "version")) for other in _list(one, "latest_versions"))
    return tuple(version for stage, version in found if stage not in ("", "None"))


def _pairs(one: Json, key: str) -> dict[str, str]:
    return {_text(pair, "key"): _text(pair, "value") for pair in _list(one, key)}


def _list(one: Json, key: str) -> list[Json]:
    """The objects under ``key``. MLflow omits an empty list."""
    value = one.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"the registry's {key} is not a list of objects")
    return cast("list[Json]", value)


def _object(one: Json, key: str) -> Json:
    value = one.get(key)
    if not isinstance(value, dict):
        raise Malformed(f"the registry's answer has no object {key}")
    return cast("Json", value)


def _optional(one: Json, key: str) -> Json:
    return _object(one, key) if one.get(key) is not None else {}


def _text(one: Json, key: str) -> str:
    value = one.get(key)
    if isinstance(value, list | dict):
        raise Malformed(f"the registry's {key} is not a text")
    return "" if value is None else str(value)


def _integer(one: Json, key: str) -> int:
    """An integer. MLflow writes a 64-bit integer as text or as a number."""
    value = one.get(key) or 0
    try:
        number = int(cast("str", value))
    except (TypeError, ValueError, OverflowError):
        raise Malformed(f"the registry's {key} is not a whole number") from None
    if not -(2**63) <= number < 2**63:
        raise Malformed(f"the registry's {key} has more than 64 bits")
    return number


def _number(value: float | str) -> float:
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise Malformed("the registry's metric is not a number") from None
