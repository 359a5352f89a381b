"""Matchers of silences: several on one label, values that look like operators, and names that are not classic."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.alerts.alertmanager import AlertmanagerAlerts, read_silences
from backends.contracts import Alert, AlertState
from tests.examples import examples
from tests.realservers.wiring import made

ALERTS = made(AlertmanagerAlerts, url="http://127.0.0.1:9")


def alert(**labels: str) -> Alert:
    return Alert("A", AlertState.FIRING, "", "", None, labels, None, "f", "am")


def matchers(*given: tuple[str, str, bool, bool]) -> dict[str, str]:
    listed = [{"name": name, "value": value, "isRegex": regex, "isEqual": equal} for name, value, regex, equal in given]
    times = {"startsAt": "2026-11-20T03:00:00Z", "endsAt": "2026-11-20T04:00:00Z"}
    raw = [{"id": "s1", "status": {"state": "active"}, "matchers": listed, **times}]
    (silence,) = read_silences(raw, "am")
    return dict(silence.matchers)


def test_two_matchers_on_one_label_are_both_told() -> None:
    """prometheus/alertmanager #4681, prymitive/karma #3509."""
    found = matchers(("severity", "page|warning", True, True), ("severity", "critical", False, False))
    assert found == {"severity": "=~page|warning and !=critical"}


def test_a_value_that_looks_like_a_pattern_is_no_pattern() -> None:
    assert matchers(("a", "=~b", False, True)) != matchers(("a", "b", True, True))
    assert matchers(("a", "!=b", False, True)) != matchers(("a", "b", False, False))
    assert matchers(("a", "b", False, True)) == {"a": "b"}


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("path", "~admin", 'path="~admin"'),
        ("note", 'a "b", c\\d', 'note="a \\"b\\", c\\\\d"'),
        ("service.name", "sentiment", '"service.name"="sentiment"'),
        ("plain", "prod", 'plain="prod"'),
    ],
)
def test_the_line_of_amtool_means_what_the_call_means(name: str, value: str, word: str) -> None:
    """prometheus/alertmanager #3385, #1913, PR #4468."""
    call = ALERTS.compile_silence(alert(**{name: value}), starts=0.0, duration_s=60.0, author="ada", comment="known")
    assert shlex.split(call.command)[-1] == word


@examples(100)
@given(st.text(min_size=1, max_size=8), st.text(max_size=12))
def test_every_value_is_one_quoted_word(name: str, value: str) -> None:
    call = ALERTS.compile_silence(alert(**{name: value}), starts=0.0, duration_s=60.0, author="ada", comment="known")
    word = shlex.split(call.command)[-1]
    assert word.endswith('"')
    assert "\n" not in word
