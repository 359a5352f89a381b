"""An MLflow server, by its REST API (https://mlflow.org/docs/latest/api_reference/rest-api.html).

Not by ``MlflowClient``: it takes its credentials, its time-out and its retries from environment variables, which all
contexts of this process would share, and needs ten times the processor time to decode an answer.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import cast

from backends.contracts import ModelVersion
from backends.errors import Malformed, TimedOut
from backends.http import HttpClient
from backends.registries.mlflow_store import API, UNFINISHED, Model, Run, named, version_of
from backends.settings import Secret

Json = Mapping[str, object]


class RestStore:
    """A registry behind http(s). Thread-safe."""

    def __init__(
        self, uri: str, timeout_s: float, token: Secret | None, username: str | None, password: Secret | None
    ) -> None:
        self._http = HttpClient(uri, timeout_s=timeout_s, token=token)
        self._username = username
        self._password = password

    def prepare(self, deadline: float) -> None:
        pass

    def state(self, deadline: float) -> object:
        return None

    def models(self, size: int, token: str, deadline: float) -> tuple[list[Model], str]:
        answer = self._get("/registered-models/search", {"max_results": str(size), "page_token": token}, deadline)
        models = [
            Model(_text(one, "name"), _aliases(one), _whole(one, "last_updated_timestamp"))
            for one in _list(answer, "registered_models")
        ]
        return models, _text(answer, "next_page_token")

    def versions(self, model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        asked = {
            "filter": named(model),
            "order_by": "version_number DESC",
            "max_results": str(size),
            "page_token": token,
        }
        answer = self._get("/model-versions/search", asked, deadline)
        return [_version(one) for one in _list(answer, "model_versions")], _text(answer, "next_page_token")

    def run(self, run: str, deadline: float) -> Run:
        answer = _object(self._get("/runs/get", {"run_id": run}, deadline), "run")
        data = _object(answer, "data")
        metrics: dict[str, float] = {}
        for one in _list(data, "metrics"):
            value = one.get("value")
            # NaN and infinities come as text.
            if isinstance(value, int | float | str):
                metrics[_text(one, "key")] = _number(value)
        return Run(
            metrics,
            _pairs(data, "params"),
            _pairs(data, "tags"),
            _text(_object(answer, "info"), "status") not in UNFINISHED,
        )

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]:
        answer = self._get("/registered-models/get", {"name": model}, deadline)
        return _aliases(_object(answer, "registered_model"))

    def set_alias(self, model: str, alias: str, version: str, deadline: float) -> None:
        body = {"name": model, "alias": alias, "version": version}
        _in_time(deadline)
        self._http.request("POST", f"{API}/registered-models/alias", json=body, headers=self._basic())

    def delete_alias(self, model: str, alias: str, deadline: float) -> None:
        _in_time(deadline)
        body = {"name": model, "alias": alias}
        self._http.request("DELETE", f"{API}/registered-models/alias", json=body, headers=self._basic())

    def writable(self) -> bool | None:
        return None

    def close(self) -> None:
        self._http.close()

    def _get(self, path: str, params: Mapping[str, str], deadline: float) -> Json:
        _in_time(deadline)
        given = {key: value for key, value in params.items() if value}
        answer = self._http.request("GET", API + path, params=given, headers=self._basic()).json()
        if not isinstance(answer, dict):
            raise Malformed(f"{self._http.where} answered {path} with JSON that is not an object")
        return cast("Json", answer)

    def _basic(self) -> dict[str, str]:
        if not self._username:
            return {}
        password = self._password.reveal() if self._password is not None else ""
        pair = base64.b64encode(f"{self._username}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}


def _in_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimedOut("the registry did not answer everything in time")


def _version(one: Json) -> ModelVersion:
    return version_of(
        _text(one, "name"),
        _text(one, "version"),
        stage=_text(one, "current_stage"),
        created=_whole(one, "creation_timestamp"),
        updated=_whole(one, "last_updated_timestamp"),
        author=_text(one, "user_id"),
        run=_text(one, "run_id"),
        source=_text(one, "source"),
        status=_text(one, "status"),
        description=_text(one, "description"),
        tags=_pairs(one, "tags"),
    )


def _aliases(one: Json) -> dict[str, str]:
    return {_text(alias, "alias"): _text(alias, "version") for alias in _list(one, "aliases")}


def _pairs(one: Json, key: str) -> dict[str, str]:
    return {_text(pair, "key"): _text(pair, "value") for pair in _list(one, key)}


def _list(one: Json, key: str) -> list[Json]:
    """The objects under ``key``; MLflow leaves an empty list out."""
    value = one.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"the registry's {key} is not a list of objects")
    return cast("list[Json]", value)


def _object(one: Json, key: str) -> Json:
    value = one.get(key)
    if not isinstance(value, dict):
        raise Malformed(f"the registry's answer has no object {key}")
    return cast("Json", value)


def _text(one: Json, key: str) -> str:
    value = one.get(key)
    if isinstance(value, list | dict):
        raise Malformed(f"the registry's {key} is not a text")
    return "" if value is None else str(value)


def _whole(one: Json, key: str) -> int:
    """An integer; MLflow writes 64-bit ones as text or as numbers."""
    value = one.get(key) or 0
    try:
        return int(cast("str", value))
    except (TypeError, ValueError, OverflowError):
        raise Malformed(f"the registry's {key} is not a whole number") from None


def _number(value: float | str) -> float:
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise Malformed("the registry's metric is not a number") from None
