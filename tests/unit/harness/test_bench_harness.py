"""What the harness of ``make bench`` counts with: its terminal, its link, its table."""

from __future__ import annotations

import pytest

from tests.bench.changes import changes
from tests.bench.emulator import Emulator
from tests.bench.link import Lane, Link
from tests.bench.table import Row, cells, markdown, quantile


def test_a_lane_delays_and_limits() -> None:
    lane = Lane(Link(round_trip_s=2.0, bytes_per_s=100.0, buffer=150, piece=100))
    lane.push(10.0, b"a" * 200)
    assert lane.full(10.0)
    assert not lane.full(11.0)
    assert lane.next_at == 12.0
    assert lane.pull(11.9) == b""
    assert lane.pull(12.0) == b"a" * 100
    assert lane.pull(13.0) == b"a" * 100
    assert lane.next_at is None


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_sequence_may_come_in_pieces(cut: int) -> None:
    screen = Emulator(40, 3)
    data = b"one\x1b[?2026$p\x1b[<u\x1b[>1u\x1b]11;?\x07two\x1b[48;5;17m!"
    answered = screen.feed(data[:cut]) + screen.feed(data[cut:])
    assert screen.lines[0].rstrip() == "onetwo!"
    assert answered == b"\x1b[?2026;2$y\x1b]11;rgb:0000/0000/0000\x1b\\"
    assert screen.backgrounds(6)[0] == "00005f"


def test_a_row_is_judged_by_its_ratio_where_there_is_a_reference() -> None:
    assert Row("a", 3.0, "s", limit=3.0, reference=1.0).reached
    assert not Row("a", 3.1, "s", limit=3.0, reference=1.0).reached
    assert Row("b", 599.0, "bytes", limit=600.0).reached
    assert Row("c", 1.0, "s").reached is None
    assert Row("d", None, "s", limit=1.0, note="no server here").reached is None
    assert "no server here" in cells(Row("d", None, "s", limit=1.0, note="no server here"))
    assert "≤ 3×" in cells(Row("a", 3.0, "s", limit=3.0, reference=1.0, reference_name="bare"))
    assert len({len(line) for line in markdown([Row("a", 1.0, "s"), Row("longer", 2.0, "kB/s")]).splitlines()}) == 1


def test_quantiles_are_values_that_were_measured() -> None:
    values = [float(one) for one in range(1, 101)]
    assert quantile(values, 0.99) == 99.0
    assert quantile(values, 0.5) == 50.0
    assert quantile([7.0], 0.99) == 7.0


def test_what_is_written_counts_for_the_row_that_it_is_written_on() -> None:
    arrivals = [(0.0, b"\x1b[1;1Habc"), (1.0, b"\x1b[1;2HX"), (1.001, b"\x1b[31m\x1b[2;1H\xe2\x94\x81Z"), (2.0, b"Z")]
    found = [(one.y, one.written, one.characters) for one in changes(arrivals, 0.5, 10, 2)]
    assert found == [(0, 7 + 5, 1), (1, 6 + 4, 4), (1, 1, 1)]
