"""The options of adapters: declared once as typed fields, from which the settings are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backends.discovery import OURS, adapter_class
from backends.options import Options, duration, flag, number, path, secret, source, table, text, texts, url
from backends.settings import Secret, Setting, SettingType


class Where(Options):
    """A first base."""

    url = url("the address", required=True)
    token = secret("a token")


class What(Options, platform="cluster"):
    """A second base."""

    context = text("the context")


class Both(Where, What):
    """Both bases, and a field of its own."""

    window = duration("how far back", default=60.0)
    token = secret("another token")


class Taken(Options):
    """Takes a field out of another class."""

    only = texts("only these", default=())
    context = What.context


def test_settings_are_those_of_the_bases_in_their_order_and_its_own() -> None:
    assert (
        Setting("url", SettingType.URL, "the address", required=True),
        Setting("token", SettingType.SECRET, "another token"),
        Setting("context", SettingType.TEXT, "the context", platform="cluster"),
        Setting("window", SettingType.DURATION, "how far back", default=60.0),
    ) == Both.SETTINGS
    assert Where.SETTINGS[1].help == "a token"


def test_a_field_that_is_taken_from_another_class_has_its_setting_at_its_own_place() -> None:
    assert [(one.key, one.platform) for one in Taken.SETTINGS] == [("only", ""), ("context", "cluster")]
    with pytest.raises((TypeError, RuntimeError)):
        type("Wrong", (Options,), {"other": What.context})


def test_values_are_read_with_defaults_and_cannot_be_changed() -> None:
    token = Secret(env="TOKEN")
    both = Both(2.5, url="http://127.0.0.1", token=token)
    assert (both.url, both.token, both.context, both.window, both.timeout_s) == (
        "http://127.0.0.1",
        token,
        None,
        60.0,
        2.5,
    )
    with pytest.raises(AttributeError):
        both.window = 1.0  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        both.timeout_s = 1.0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "url is a URL, not a NoneType"),
        ({"url": "u", "windw": 1.0}, "Both has no windw"),
        ({"url": "u", "window": "5m"}, "window is a duration, not a str"),
        ({"url": "u", "window": None}, "window is a duration, not a NoneType"),
        ({"url": "u", "window": True}, "window is a duration, not a bool"),
        ({"url": "u", "token": "s3cr3t"}, "token is a secret, not a str"),
    ],
)
def test_what_no_validation_gives_is_a_type_error_without_the_value(given: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words) as refused:
        Both(**given)
    assert "s3cr3t" not in str(refused.value)


def test_each_type_takes_what_its_validation_gives() -> None:
    class Every(Options):
        text = text("a text", default="")
        texts = texts("texts", default=())
        table = table("a table", default={})
        number = number("a number", default=1)
        flag = flag("a flag", default=False)
        path = path("a path")
        other = source("metrics", "another source")

    every = Every(text="a", texts=("b",), table={"c": "d"}, number=2, flag=True, path=Path("/e"), other="f")
    assert (every.text, every.texts, every.table, every.number) == ("a", ("b",), {"c": "d"}, 2)
    assert (every.flag, every.path, every.other) == (True, Path("/e"), "f")
    assert Every.other.setting.source_kind == "metrics"


def test_what_is_shown_of_options_names_where_a_secret_comes_from() -> None:
    assert "token=<secret from environment variable TOKEN>" in repr(Both(url="u", token=Secret(env="TOKEN")))


@pytest.mark.parametrize("name", OURS)
def test_options_of_ours_are_made_of_what_is_required_alone(name: str) -> None:
    kind, _, adapter = name.partition(".")
    declared = adapter_class(kind, adapter).OPTIONS
    made = declared(**{one.key: "x" for one in declared.SETTINGS if one.required})
    for setting in declared.SETTINGS:
        assert getattr(made, setting.key) == ("x" if setting.required else setting.default)
