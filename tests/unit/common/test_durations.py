"""Durations, ages and percentages: what people write, and what they read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftdeck.common.durations import age, format_duration, parse_duration, parse_percent, parse_ratio


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("7d", 604_800.0),
        ("1w", 604_800.0),
        ("1.5h", 5400.0),
        (" 10s ", 10.0),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_read_as_seconds(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        "s",
        "5 minutes",
        "5m5m",
        "30m1h",
        "-5s",
        "5M",
        "1h30",
        "٣s",
        "1e3s",
        "9999999999d",
        "30",
        "0",
        " 200 ",
        15,
        0.25,
        True,
        None,
        [],
        -1,
        math.nan,
        "1" * 400 + "s",
        math.inf,
        10**400,
    ],
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(written)


@given(st.floats(min_value=0, max_value=1e8))
def test_a_duration_written_out_is_read_back_exactly(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(0.5, "500ms"), (5400, "1h30m"), (0, "0s"), (86_400, "1d"), (2.0, "2s")])
def test_a_duration_is_written_as_people_write_it(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.text(max_size=20) | st.floats() | st.integers())
def test_any_foreign_text_is_a_duration_or_a_value_error(written: object) -> None:
    try:
        seconds = parse_duration(written)
    except ValueError:
        return
    assert 0 <= seconds < math.inf


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0s"),
        (3.2, "3s"),
        (59.9, "59s"),
        (60, "1m"),
        (899, "14m"),
        (7200, "2h"),
        (9.5 * 86_400, "9d"),
        (-3, "0s"),
        (None, "?"),
        (math.inf, "?"),
    ],
)
def test_an_age_is_one_unit_rounded_down(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(("written", "percent"), [("2.5%", 2.5), ("2.5 %", 2.5), ("0", 0.0), (100, 100.0), (0.1, 0.1)])
def test_a_percentage_is_read(written: object, percent: float) -> None:
    assert parse_percent(written) == percent


@pytest.mark.parametrize(
    "written",
    ["", "%", "-1%", "100.1%", "one", "nan%", "1e999", "2_5", ".5", "5.", "+5", "1e1", "٢٥", True, None, math.inf],
)
def test_what_is_no_percentage_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="percentage"):
        parse_percent(written)


def test_a_ratio_needs_its_percent_sign_since_a_bare_number_could_mean_either() -> None:
    assert parse_ratio("1%") == 0.01
    assert parse_ratio("2.5%") == 0.025
    for ambiguous in (0.01, 1, "0.01"):
        with pytest.raises(ValueError, match="sign"):
            parse_ratio(ambiguous)
