"""The score of a chunk of three rows is chance (NannyML: what was left over after the last whole chunk)."""

from __future__ import annotations

from backends.contracts import Gap
from backends.drift.nannyml import NannymlOptions, parse
from backends.drift.reported import Reports, with_past

HEAD = (
    "chunk_key,chunk_start_index,chunk_end_index,chunk_end_date,chunk_period,"
    "amount_jensen_shannon_value,amount_jensen_shannon_upper_threshold,amount_jensen_shannon_alert\n"
)
DAY_S = 86_400.0


def score_of(*sizes_and_values: tuple[int, float]) -> tuple[float | None, Gap | None, str, tuple[float, ...]]:
    rows, start = [HEAD], 0
    for day, (size, value) in enumerate(sizes_and_values, 1):
        rows.append(f"c{day},{start},{start + size - 1},2026-11-0{day},analysis,{value},0.2,{value > 0.2}\n")
        start += size
    options = NannymlOptions(1.0, endpoint="fraud")
    reports = parse("".join(rows).encode(), "r.csv", 0.0, options)
    now = max(one.at or 0.0 for one in reports) + 60
    (score,) = Reports(36 * 3600.0).scores(with_past(reports), now)
    return score.value, score.gap, score.note, score.history


def test_a_leftover_chunk_is_no_score_and_no_alarm() -> None:
    value, gap, note, _ = score_of((1000, 0.05), (1000, 0.06), (1000, 0.05), (3, 0.63))
    assert (value, gap) == (None, Gap.FEW)
    assert note == "3 of about 1,000 samples: a leftover chunk"


def test_a_whole_chunk_counts_and_a_short_one_before_it_is_no_history() -> None:
    value, gap, _, history = score_of((1000, 0.05), (3, 0.63), (990, 0.31))
    assert (value, gap) == (0.31, None)
    assert history == (0.05, 0.31)


def test_where_all_chunks_are_small_none_is_short() -> None:
    assert score_of((40, 0.05), (38, 0.31))[0] == 0.31
