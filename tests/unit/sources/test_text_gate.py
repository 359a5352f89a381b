"""Foreign text is made fit to be shown at one gate, before anything reads it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import contracts
from backends.contracts import Alert, Endpoint, EndpointRef, ModelRef, ModelVersion, Role, Variant
from backends.errors import BackendError, Malformed, RateLimited
from backends.settings import Secret
from backends.text import MASK, MESSAGE_LIMIT, TEXT_LIMIT, masked, one_line
from shiftdeck.common.redaction import scrub
from shiftdeck.sources.text_gate import EXACT, AnswerGate, shown
from tests.hostile import HOSTILE


def is_fit(text: str) -> bool:
    return text.isprintable() and len(text) <= 8 * TEXT_LIMIT


# ── a text ──────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(max_size=2000))
def test_any_text_is_one_line_that_is_printed(text: str) -> None:
    fit = one_line(text)
    assert is_fit(fit)
    assert one_line(fit[:TEXT_LIMIT]) == fit[:TEXT_LIMIT], "what is fit stays as it is"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sentiment", "sentiment"),
        ("日本語 é", "日本語 é"),
        ("a\x1b[2Jb", "a␛[2Jb"),
        ("one\r\ntwo\n", "one␤two"),
        ("tab\tand\u00a0blank", "tab and blank"),
        ("\u202eabc\u200b", "<U+202E>abc<U+200B>"),
        ("\x9b\x7f\ud800", "<U+009B>␡�"),
        ("x" * 600, "x" * 499 + "…"),
    ],
)
def test_what_cannot_be_printed_is_seen(text: str, expected: str) -> None:
    assert one_line(text) == expected


# ── everything that an adapter can say ──────────────────────────────────────────────────────────────────────────


def _types() -> list[type[Any]]:
    found = [getattr(contracts, name) for name in dir(contracts)]
    return [one for one in found if inspect.isclass(one) and dataclasses.is_dataclass(one)]


NAMES = {name: getattr(contracts, name) for name in dir(contracts)}
SAID = [one for one in _types() if one.__name__ not in {"Wiring", "Call"}]


def _hostile(hint: Any) -> Any:
    """A value of that type, in which every text is hostile."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint is str:
        return HOSTILE
    if origin in (Union, UnionType):
        return _hostile(next((one for one in inside if one is str), inside[0]))
    if origin is tuple:
        return tuple(_hostile(one) for one in inside if one is not ...)
    if origin is not None and inspect.isclass(origin) and "Mapping" in origin.__name__:
        return {_hostile(inside[0]): _hostile(inside[1])}
    if inspect.isclass(hint) and issubclass(hint, Enum):
        return next(iter(hint))
    if dataclasses.is_dataclass(hint):
        return _made(hint)
    return {float: 1.0, int: 1, bool: True}.get(hint)


def _made(cls: Any) -> Any:
    hints = get_type_hints(cls, localns=NAMES)
    return cls(**{one.name: _hostile(hints[one.name]) for one in dataclasses.fields(cls) if one.init})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list | frozenset):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from _texts((*value.keys(), *value.values()))
    elif dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            if (type(value).__name__, one.name) not in EXACT:
                yield from _texts(getattr(value, one.name))


@pytest.mark.parametrize("cls", SAID, ids=lambda cls: cls.__name__)
def test_every_text_of_every_contract_is_made_fit(cls: type[Any]) -> None:
    made = _made(cls)
    assert all(map(is_fit, _texts(shown(made))))
    assert all(map(is_fit, _texts(AnswerGate().shown((made, made)))))


def test_most_contracts_hold_texts() -> None:
    assert sum(any(True for _ in _texts(_made(cls))) for cls in SAID) > 20


@pytest.mark.parametrize("kind", [BackendError, *BackendError.__subclasses__()], ids=lambda kind: kind.__name__)
def test_every_error_is_made_fit(kind: type[BackendError]) -> None:
    error = kind(f"said {HOSTILE}", hint=HOSTILE)
    assert all(map(is_fit, (str(error), error.message, error.hint)))
    assert error.message.startswith("said ␛[2J")
    assert len(str(Malformed("x" * 10_000))) == MESSAGE_LIMIT
    assert RateLimited("slow", retry_after=3.0).retry_after == 3.0


def test_what_a_system_is_guarded_by_stays_exact() -> None:
    tags, labels = {"notes": "one\ntwo"}, {"path": "a\tb"}
    assert shown(ModelVersion(ModelRef("m", "1"), tags=tags)).tags == tags
    assert shown(Alert("a", contracts.AlertState.FIRING, labels=labels)).labels == labels
    native = {"raw": HOSTILE}
    assert shown(Endpoint(EndpointRef("lab", "", "a\n"), (Variant("v1", Role.STABLE),), native=native)).native is native


# ── what is new ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_fit_is_itself_and_what_stays_is_not_made_again() -> None:
    fit, spoilt = Variant("v1", Role.STABLE), Variant(f"v2{HOSTILE}", Role.CANARY)
    assert shown(fit) is fit
    gate = AnswerGate()
    answer = (fit, spoilt)
    first = gate.shown(answer)
    assert isinstance(first, tuple)
    assert first[0] is fit
    assert gate.shown(answer) is first
    second = gate.shown((spoilt, fit, fit))
    assert isinstance(second, tuple)
    assert second[0] is first[1]


# ── credentials ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_credential_that_was_read_is_masked_by_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "s/ec ret-12\n")
    assert Secret(env="TOKEN_OF_TEST").reveal() == "s/ec ret-12"
    said = "svc:s/ec ret-12@host and s%2Fec%20ret-12"
    assert masked(said) == scrub(said) == f"svc:{MASK}@host and {MASK}"
    assert str(Malformed(said, hint=said)) == f"svc:{MASK}@host and {MASK}"
    assert shown(Variant("v1", Role.STABLE, message=said)).message == f"svc:{MASK}@host and {MASK}"


def test_what_is_named_like_a_credential_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's password is "sentiment": the endpoint of that name must still be found, and rolled back."""
    monkeypatch.setenv("TOKEN_OF_TEST", "sentiment")
    Secret(env="TOKEN_OF_TEST").reveal()
    image = "registry.example/sentiment:7"
    variant = Variant("sentiment-v7", Role.STABLE, image=image, message="sentiment is refused")
    endpoint = shown(Endpoint(EndpointRef("lab", "prod", "sentiment"), (variant,), revision="sentiment-1"))
    assert (str(endpoint.ref), endpoint.revision) == ("lab:prod/sentiment", "sentiment-1")
    assert (endpoint.variants[0].name, endpoint.variants[0].image) == ("sentiment-v7", image)
    assert endpoint.variants[0].message == f"{MASK} is refused"


def test_a_credential_too_short_to_be_masked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "abcde")
    with pytest.raises(BackendError, match="fewer than 6 characters") as caught:
        Secret(env="TOKEN_OF_TEST").reveal()
    assert "abcde" not in str(caught.value) + caught.value.hint
