"""What never gets into the journal: anything that looks like a secret."""

from __future__ import annotations

import json
import math
import time
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.settings import Secret
from backends.text import MASK
from shiftdeck.common.redaction import holds_secret, may_hold_secret, names_secret, redact, scrub


@pytest.mark.parametrize(
    "key",
    [
        "authorization",
        "Authorization",
        "token",
        "x-api-key",
        "apiKey",
        "API_KEY",
        "db_password",
        "clientSecret",
        "Cookie",
        "secret",
        "privateKey",
        "aws_secret_access_key",
        "sharedAccessKey",
        "token_value",
    ],
)
def test_a_key_that_may_hold_a_secret_is_known(key: str) -> None:
    assert may_hold_secret(key)
    assert redact({"a": [{key: "hunter2"}]}) == {"a": [{key: MASK}]}
    assert redact({key: {"nested": ["hunter2", 5]}}) == {key: {"nested": [MASK, 5]}}
    assert redact([(key, "hunter2")]) == [[key, MASK]]


@pytest.mark.parametrize(
    "key", ["max_tokens", "tokenizer", "author", "keys", "monkey", "revision", "weights", "secretary"]
)
def test_other_keys_are_left_alone(key: str) -> None:
    assert redact({key: "value"}) == {key: "value"}


def test_weights_stay_whatever_the_variant_is_called() -> None:
    weights = {"token-classifier": 90.0, "auth": 10.0}
    assert redact({"weights": weights}) == {"weights": weights}


def test_asking_for_a_secret_is_less_than_having_to_do_with_one() -> None:
    assert names_secret("token")
    assert names_secret("X-Api-Key")
    assert not names_secret("token_url")
    assert may_hold_secret("token_url")


@pytest.mark.parametrize(
    "text",
    [
        "https://ada:hunter2@host/path",
        "postgresql+psycopg://ada:hunter2@db:5432/mlflow",
        "curl -H 'Authorization: Bearer hunter2hunter2'",
        "curl https://host/?api_key=hunter2&x=1",
        "mlflow --password=hunter2",
        "PASSWORD='hunter2 and more' run",
    ],
)
def test_a_credential_inside_a_text_is_taken_out(text: str) -> None:
    assert holds_secret(text)
    assert "hunter2" not in scrub(text)
    assert MASK in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:41234/metrics",
        "https://ada@host/path",
        "sqlite:////home/ada/mlflow.db",
        "kubectl -n ml-prod patch isvc sentiment --type merge -p '{\"spec\":{}}'",
        "the bearer of bad news: v8 is slow",
        "n_tokens=4096 sk-learn-fraud-detector ghost-in-the-machine-learning-model",
        "user: ada @ 10:30",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert scrub(text) == text


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON_LIKE)
def test_what_comes_out_is_json_and_comes_out_the_same_again(value: object) -> None:
    once = redact(value)
    json.dumps(once, allow_nan=False, ensure_ascii=False).encode()
    assert redact(once) == once


def test_what_json_has_no_form_for_stays_readable_or_is_refused() -> None:
    assert redact(MappingProxyType({"a": (1, math.inf), "b": "\udc80"})) == {"a": [1, "inf"], "b": "�"}
    with pytest.raises(TypeError, match="set has no JSON form"):
        redact({"a": {1}})
    with pytest.raises(TypeError, match="bytes"):
        redact(b"raw")


@pytest.mark.parametrize("part", ["x", "a-", "eyJ-", "a://", ":a:", "token ", "token= ", "sk-a-", "bearer ", "'", '"'])
def test_long_foreign_text_takes_no_longer_than_its_length(part: str) -> None:
    before = time.process_time()
    scrub(part * (100_000 // len(part)))
    assert time.process_time() - before < 2.0


def test_a_name_that_is_somebodys_credential_stays_and_a_sentence_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change is looked up by its names after a crash."""
    monkeypatch.setenv("TOKEN_OF_TEST", "sentiment")
    Secret(env="TOKEN_OF_TEST").reveal()
    data = {"alias": {"model": "sentiment"}, "calls": [{"path": "/v1/sentiment"}], "message": "sentiment is refused"}
    assert redact(data) == {**data, "message": f"{MASK} is refused"}
