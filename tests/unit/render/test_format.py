"""Figures as text: what is not known is never a zero, and nothing is rounded into something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.render import format as fmt


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.0004, "400 µs"), (0.231, "231 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (1.94, "1.9 s")],
)
def test_latency(seconds: float | None, text: str) -> None:
    assert fmt.latency(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0"), (90.0, "90"), (9.74, "9.7"), (0.04, "<0.1"), (100.0 - 1e-12, "100")]
)
def test_a_share_that_is_not_zero_never_reads_zero(value: float | None, text: str) -> None:
    assert fmt.share(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0/s"),
        (0.34, "0.3/s"),
        (812.4, "812/s"),
        (999.6, "1.0k/s"),
        (6400.0, "6.4k/s"),
        (2e5, "200k/s"),
    ],
)
def test_rate(value: float | None, text: str) -> None:
    assert fmt.rate(value) == text


def test_errors_memory_counts_and_replicas() -> None:
    assert fmt.ratio(0.024) == "2.4 %"
    assert fmt.ratio(None) == "–"
    assert fmt.gibibytes(61 * 2**30, 80 * 2**30) == "61/80G"
    assert fmt.gibibytes(None, 80 * 2**30) == "–/80G"
    assert fmt.gibibytes(None, None) == "–"
    assert fmt.count(4812) == "4,812"
    assert fmt.replicas(2, 3) == "2/3"
    assert fmt.replicas(None, 3) == "–/3"
    assert fmt.replicas(None, None) == "–"
    assert fmt.signed_percent(0.61) == "+61 %"
    assert fmt.signed_percent(None) == ""


@given(st.text(max_size=30), st.integers(0, 40))
def test_a_text_that_does_not_fit_is_cut_visibly(text: str, width: int) -> None:
    cut = fmt.fit(text, width)
    assert len(cut) <= max(0, width)
    assert cut == text or cut.endswith("…") or width == 0


def test_a_sparkline_is_scaled_to_its_top_and_shows_the_newest() -> None:
    assert fmt.sparkline((0.0, 0.5, 1.0), 3, "▁▂▃▄▅▆▇█") == "▁▅█"
    assert fmt.sparkline((1.0, 0.0, 0.0), 2, "▁▂▃▄▅▆▇█") == "▁▁"
    assert fmt.sparkline((0.1,), 3, "▁▂▃▄▅▆▇█", top=1.0) == "▂"
    assert fmt.sparkline((), 3, "▁▂▃▄▅▆▇█") == ""
