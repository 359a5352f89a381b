"""The file that `init` writes is one that is read back, and says what could be set."""

from __future__ import annotations

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from backends.settings import Setting, SettingType
from shiftdeck.config.loader import Access, parse
from shiftdeck.config.template import SampleContext, SampleSource, render_config, toml_value
from shiftdeck.source_kinds.table import KINDS

SETTINGS = (
    Setting("text", SettingType.TEXT, "a text"),
    Setting("flag", SettingType.FLAG, "a flag", default=True),
    Setting("number", SettingType.NUMBER, "a number"),
    Setting("texts", SettingType.TEXTS, "texts"),
    Setting("headers", SettingType.TABLE, "a table"),
    Setting("poll", SettingType.DURATION, "a duration", default=90.0),
    Setting("token", SettingType.SECRET, "bearer token"),
)


def settings_of(_kind: str, _adapter: str) -> tuple[Setting, ...]:
    return SETTINGS


_CHARS = st.characters(exclude_categories=["Cs"], exclude_characters="=:")  # nothing that could look like a credential
_TEXTS = st.text(_CHARS, max_size=10)
_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
_TABLES = st.fixed_dictionaries(
    {},
    optional={
        "text": _TEXTS,
        "flag": st.booleans(),
        "number": st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False),
        "texts": st.lists(_TEXTS, max_size=3),
        "headers": st.dictionaries(st.sampled_from(["X-Team", "a b", "ü", ""]), _TEXTS, max_size=3),
        "token": st.just({"env": "TOKEN"}),
    },
)
_SOURCES = st.builds(SampleSource, st.sampled_from(KINDS), _NAMES, _TABLES, st.text(max_size=20))
_CONTEXTS = st.builds(
    SampleContext,
    _NAMES,
    st.lists(_SOURCES, min_size=1, max_size=4, unique_by=lambda source: (source.kind, source.name)).map(tuple),
    st.booleans(),
    st.sampled_from(Access),
    st.text(max_size=20),
)


@given(st.lists(_CONTEXTS, min_size=1, max_size=3, unique_by=lambda context: context.name))
def test_what_is_written_is_read_back(contexts: list[SampleContext]) -> None:
    config = parse(render_config(contexts, settings_of), Path("/config.toml"), settings_of)
    assert config.default_context == contexts[0].name
    assert list(config.contexts) == [context.name for context in contexts]
    for sample in contexts:
        context = config.contexts[sample.name]
        assert (context.production, context.access) == (sample.production, sample.access)
        assert len(context.sources) == len(sample.sources)
        for written in sample.sources:
            source = context.source(written.kind, written.name)
            assert source is not None
            options = {key: list(value) if isinstance(value, tuple) else value for key, value in source.options.items()}
            secret = options.pop("token")
            assert (secret is None) == ("token" not in written.table)
            defaults = {setting.key: setting.default for setting in SETTINGS}
            expected = defaults | dict(written.table)
            del expected["token"]
            assert options == expected


@given(
    st.recursive(st.booleans() | st.integers() | _TEXTS, lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner))
)
def test_any_value_is_written_as_toml_reads_it(value: object) -> None:
    assert tomllib.loads(f"value = {toml_value(value)}") == {"value": value}


def test_what_is_not_set_is_listed_with_its_default_and_help() -> None:
    text = render_config([SampleContext("lab", (SampleSource("serving", "lab", {"text": "x"}),))], settings_of)
    assert '# poll = "1m30s"    # a duration' in text
    assert '# token = { env = "NAME" }    # bearer token' in text
    assert '# every = "2s"' in text
    assert "# text = " not in text


def test_what_is_offered_as_a_comment_is_accepted_once_its_sign_is_taken_off() -> None:
    text = render_config([SampleContext("lab", (SampleSource("metrics", "m"),))], settings_of)
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line and line.startswith("# ") and "    # " in line else line
        for line in text.splitlines()
    )
    (source,) = parse(uncommented, Path("/config.toml"), settings_of).contexts["lab"].sources
    assert (source.window_s, source.every_s, source.options["poll"]) == (300.0, 5.0, 90.0)


def test_with_nothing_found_it_is_a_page_of_placeholders() -> None:
    text = render_config([])
    assert tomllib.loads(text) == {}
    assert "# [contexts.production.serving.lab]" in text
