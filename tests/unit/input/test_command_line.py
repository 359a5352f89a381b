"""Command mode: what is typed is understood, completed, or refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.input.actions import action
from tui.input.command_line import Command, CommandError, Words, completions, parse
from tui.input.line_editing import History, common

WORDS = Words(
    endpoints=("lab:prod/sentiment", "lab:prod/fraud"),
    variants=("v7", "v8"),
    releases=("16",),
    drills=("bad-canary", "gpu-fault"),
    contexts=("prod-eu", "prod-us"),
)


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("shift v8=25", ("shift", "v8=25")),
        ("  sort   p95 ", ("sort", "p95")),
        ("drill bad-canary", ("drills", "bad-canary")),
        ("q", ("quit", "")),
        ("rollb 16", ("rollback", "16")),
        ("roll", ("rollback", "")),
        ("arm 15m", ("arm", "15m")),
    ],
)
def test_parse(typed: str, command: tuple[str, str]) -> None:
    identifier, argument = command
    assert parse(typed) == Command(action(identifier), argument)


def test_pause_is_the_rollouts_and_its_former_word_is_taken_with_a_notice() -> None:
    assert parse("pause") == Command(action("pause"))
    assert parse("hold") == Command(action("pause"), notice=":hold is called :pause now")
    assert parse("refresh-pause") == Command(action("refresh_pause"))


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "type a command"),
        ("shfit v8=25", "did you mean shift?"),
        ("xyzzy", "no command 'xyzzy'"),
        ("s", "ambiguous: "),
        ("sort", "health|name|load"),
        ("open", "open what?"),
    ],
)
def test_what_is_no_command_is_refused_with_a_reason(typed: str, told: str) -> None:
    with pytest.raises(CommandError, match=told.replace("?", r"\?").replace("|", r"\|")):
        parse(typed)


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_command_or_an_error_with_words(typed: str) -> None:
    try:
        outcome = parse(typed).action.id
    except CommandError as error:
        outcome = str(error)
    assert outcome


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("so", ["sort", "sources"]),
        ("sort ", ["sort health", "sort name", "sort load", "sort p95", "sort errors", "sort drift"]),
        ("sort p", ["sort p95"]),
        ("shift ", ["shift v7=", "shift v8="]),
        ("shift v8=25 ", ["shift v8=25 v7="]),
        ("drill g", ["drill gpu-fault"]),
        ("context prod-e", ["context prod-eu"]),
        ("open lab:prod/f", ["open lab:prod/fraud"]),
        ("rollback ", ["rollback 16"]),
        ("quit ", []),
    ],
)
def test_completions(typed: str, offered: list[str]) -> None:
    assert completions(typed, WORDS) == offered


@given(st.text(alphabet="abcdeilmoprst 0123456789=:/-", max_size=20))
def test_a_completion_begins_with_what_was_typed(typed: str) -> None:
    assert all(line.startswith(typed.lstrip()) for line in completions(typed, WORDS))


def test_what_completions_have_in_common() -> None:
    assert common(["context prod-eu", "context prod-us"]) == "context prod-"
    assert common(["sort p95"]) == "sort p95"
    assert common([]) == ""


def test_history_goes_through_lines_that_begin_alike_and_back_to_what_was_typed() -> None:
    history = History()
    for line in ("sort p95", "shift v8=25", "sort load", "quit", "sort load"):
        history.add(line)
    assert history.back("so") == "sort load"
    assert history.back("sort load") == "sort p95"
    assert history.back("sort p95") == "sort p95"
    assert history.on("sort p95") == "sort load"
    assert history.on("sort load") == "so"
    assert history.lines == ["sort p95", "shift v8=25", "quit", "sort load"]
