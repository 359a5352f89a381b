"""Whatever an MLflow server, a model's files or a journal hold: nothing but our own errors comes out."""

from __future__ import annotations

import json
import math
import shlex
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Call, Column, ModelRef, Signature
from backends.errors import BackendError, Malformed, Rejected
from backends.http import HttpResponse
from backends.registries import mlflow_calls as calls
from backends.registries.mlflow_artifacts import check_path, parse_location, signature_of
from backends.registries.mlflow_rest import RestStore
from backends.registries.mlflow_store import Location
from tests.foreign import HUGE

KEYS = (
    *("registered_models", "registered_model", "model_versions", "model_version", "runs", "info", "data", "metrics"),
    *("params", "tags", "inputs", "dataset_inputs", "dataset", "aliases", "alias", "version", "name", "key", "value"),
    *("run_id", "status", "artifact_uri", "next_page_token", "experiments", "experiment_id", "files", "path"),
    *("creation_timestamp", "last_updated_timestamp"),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.just(HUGE) | st.floats() | st.text(max_size=5)
ANSWERS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=25
)


class Answers:
    """In place of a connection: says the same to every request."""

    where = "server"

    def __init__(self, answer: object) -> None:
        self._body = json.dumps(answer).encode()

    def request(self, *_: object, **__: object) -> HttpResponse:
        return HttpResponse(200, {}, self._body, self.where)


def store(answer: object) -> RestStore:
    made = RestStore("http://server", 1.0, None, None, None)
    made._http = Answers(answer)  # type: ignore[assignment]  # all that is used of it
    return made


@pytest.mark.parametrize("stamp", [HUGE, str(HUGE), "9" * 5_000])
def test_a_time_of_more_than_64_bits_is_malformed(stamp: object) -> None:
    version = {"name": "m", "version": "1", "creation_timestamp": stamp}
    with pytest.raises(Malformed, match="creation_timestamp"):
        store({"model_versions": [version]}).versions("m", 1, "", math.inf)


@given(ANSWERS)
def test_a_server_may_answer_anything(answer: object) -> None:
    if isinstance(answer, dict):
        answer.pop("next_page_token", None)  # that there is always another page ends at the deadline
    there = store(answer)
    soon = math.inf
    for ask in (
        lambda: there.models(1, "", soon),
        lambda: there.versions("m", 1, "", soon),
        lambda: there.version("m", "1", soon),
        lambda: there.runs(["a"], soon),
        lambda: there.aliases("m", soon),
        lambda: there.files(Location("", run="a"), "mlflow-artifacts:/a", soon),
    ):
        with suppress(BackendError):
            ask()


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"registered_models": 3},
        {"registered_models": [{"name": ["a"]}]},
        {"registered_models": [{"name": "a", "last_updated_timestamp": "soon"}]},
    ],
)
def test_an_answer_of_another_shape_is_malformed(answer: object) -> None:
    with pytest.raises(Malformed):
        store(answer).models(1, "", math.inf)


# ── signatures ──────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_an_mlmodel_may_hold_anything(content: bytes) -> None:
    with suppress(Malformed):
        signature_of(content)


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=9))
def test_a_signature_may_hold_anything(told: object) -> None:
    for inputs in (told, json.dumps(told), [told], json.dumps([told])):
        with suppress(Malformed):
            signature_of(json.dumps({"signature": {"inputs": inputs}}).encode())


def test_types_are_told_as_mlflow_has_them() -> None:
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}
    several = [
        {"type": "double", "name": "age", "required": False},
        {"type": "array", "items": {"type": "string"}, "name": "words", "required": True},
        tensor,
    ]
    found = signature_of(json.dumps({"signature": {"inputs": json.dumps(several), "outputs": None}}).encode())
    assert found == Signature(
        (
            Column("age", "double", required=False),
            Column("words", "array(string)"),
            Column("2", "tensor(float32, [-1,4])"),
        )
    )
    assert signature_of(b"flavors: {}") is None


# ── locations ───────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(max_size=40) | st.lists(st.sampled_from(("..", "a", "%2e%2e", "", ".", "~", "\\"))).map("/".join))
def test_no_path_leads_up(path: str) -> None:
    with suppress(Rejected):
        check_path(path)
        assert ".." not in path.split("/")
        assert not path.startswith("/")


@given(st.text(max_size=40))
def test_a_location_may_be_anything(text: str) -> None:
    for scheme in ("", "runs:/", "models:/", "models:/m/1/", "runs:/a/"):
        with suppress(Rejected):
            parse_location(scheme + text)


def test_locations_as_mlflow_writes_them() -> None:
    assert parse_location("runs:/abc/drift/a.json") == Location("drift/a.json", run="abc")
    assert parse_location("models:/m/7/MLmodel") == Location("MLmodel", model="m", version="7")
    assert parse_location("models:/m@champion") == Location("", model="m", alias="champion")
    for wrong in ("s3://bucket/key", "models:/m", "runs:/", "baseline.json"):
        with pytest.raises(Rejected):
            parse_location(wrong)


# ── writes ──────────────────────────────────────────────────────────────────────────────────────────────────────

TEXTS = st.text(min_size=1, max_size=8)


@given(TEXTS, TEXTS, TEXTS, st.text(max_size=8), st.sampled_from(calls.STAGES))
def test_a_call_is_understood_as_it_was_meant(model: str, version: str, name: str, expected: str, to: str) -> None:
    ref = ModelRef(model, version)
    for write in (
        calls.alias(model, name, version, expected),
        calls.alias(model, name, "", expected),
        calls.tag(ref, name, version, expected),
        calls.tag(ref, name, "", expected),
        calls.stage(ref, to, expected or None),
    ):
        compiled: tuple[Call, ...] = ()
        with suppress(Rejected):  # MLflow keeps that name to itself
            compiled = calls.compile_write(write, "http://server")
        for call in compiled:
            understood = calls.understood(call)
            assert (understood.place, understood.value, understood.expected) == (
                write.place,
                write.value,
                write.expected,
            )


REF = ModelRef("churn", "7")
SET_AND_READ = "(read, set, read back: MLflow has no compare-and-set)"


@pytest.mark.parametrize(
    ("write", "method", "path", "summary", "guard", "script"),
    [
        (
            calls.alias("churn", "champion", "7", "6"),
            "POST",
            "/registered-models/alias",
            "churn: alias @champion 6 → 7",
            f"alias @champion still at 6 {SET_AND_READ}",
            "set_registered_model_alias('churn', 'champion', '7')",
        ),
        (
            calls.alias("churn", "champion", "", "6"),
            "DELETE",
            "/registered-models/alias",
            "churn: alias @champion 6 → unset",
            f"alias @champion still at 6 {SET_AND_READ}",
            "delete_registered_model_alias('churn', 'champion')",
        ),
        (
            calls.tag(REF, "scan", "passed", None),
            "POST",
            "/model-versions/set-tag",
            "churn/7: tag scan unset → passed",
            f"tag scan still unset {SET_AND_READ}",
            "set_model_version_tag('churn', '7', 'scan', 'passed')",
        ),
        (
            calls.tag(REF, "scan", "", "passed"),
            "DELETE",
            "/model-versions/delete-tag",
            "churn/7: tag scan passed → unset",
            f"tag scan 'passed' {SET_AND_READ}",
            "delete_model_version_tag('churn', '7', 'scan')",
        ),
        (
            calls.stage(REF, "production", "Staging"),
            "POST",
            "/model-versions/transition-stage",
            "churn/7: stage Staging → Production",
            f"stage 'Staging' {SET_AND_READ}",
            "transition_model_version_stage('churn', '7', 'Production')",
        ),
    ],
)
def test_a_write_says_what_it_changes_what_it_rests_on_and_how_to_do_it_by_hand(
    write: calls.Write, method: str, path: str, summary: str, guard: str, script: str
) -> None:
    (call,) = calls.compile_write(write, "http://server")
    assert (call.method, call.path) == (method, f"/api/2.0/mlflow{path}")
    assert (call.summary, call.guard) == (summary, guard)
    assert call.command is not None
    assert f"MlflowClient('http://server').{script}" in shlex.split(call.command)[-1]
    assert calls.understood(call) == write


def test_what_is_so_already_needs_no_call() -> None:
    assert calls.compile_write(calls.alias("churn", "champion", "7", "7"), "http://server") == ()


def test_the_place_and_the_value_of_a_write_in_words() -> None:
    writes = calls.alias("churn", "champion", "7", ""), calls.tag(REF, "scan", "", ""), calls.stage(REF, "Staging", "")
    assert [one.place for one in writes] == ["alias @champion of churn", "tag scan of churn/7", "stage of churn/7"]
    assert [one.told("7") for one in writes] == ["at 7", "'7'", "'7'"]
    assert {one.told("") for one in writes} == {"unset"}


def test_a_call_without_what_it_expects_or_that_sets_nothing_is_not_ours() -> None:
    (call,) = calls.compile_write(calls.tag(REF, "scan", "passed", "failed"), "http://server")
    body = dict(cast("dict[str, object]", call.body))
    for other in (
        replace(call, headers={}),
        replace(call, path=call.path + "s"),
        replace(call, method="DELETE"),
        replace(call, body={**body, "value": ""}),
    ):
        with pytest.raises(Rejected):
            calls.understood(other)


@given(st.sampled_from(("POST", "DELETE", "GET")), st.text(max_size=9), st.dictionaries(TEXTS, LEAVES))
def test_any_other_call_is_refused(method: str, path: str, body: Any) -> None:
    with pytest.raises(Rejected):
        calls.understood(Call(method, path, body))
