"""Evidently's names for p-values and distances, methods that nobody knows, and reports of older versions."""

from __future__ import annotations

import json
import math

import pytest

from backends.contracts import DriftScore, Gap
from backends.drift.evidently import EvidentlyDrift, parse
from backends.drift.reported import AboutOptions, Reports
from backends.errors import Malformed

AT = 1_795_000_000.0


def scores(*metrics: tuple[str, str | None, float, float]) -> dict[str, DriftScore]:
    """By column: of a method, a threshold and a value."""
    written = [
        {
            "metric_name": f"ValueDrift(column={column})",
            "config": {
                "type": "evidently:metric_v2:ValueDrift",
                "column": column,
                "method": method,
                "threshold": threshold,
            },
            "value": value,
        }
        for column, method, threshold, value in metrics
    ]
    content = json.dumps({"metadata": {"model": "sentiment"}, "metrics": written}).encode()
    found = Reports(36 * 3600.0).scores(parse(content, "r.json", AT, AboutOptions()), AT)
    return {one.feature: one for one in found}


@pytest.mark.parametrize(
    "method",
    [
        *("es", "Epps-Singleton", "TVD", "Total-Variation-Distance", "empirical_mmd", "anderson", "Anderson-Darling"),
        *(
            "cramer_von_mises",
            "Cramer-von Mises",
            "fisher_exact",
            "Fisher's Exact test",
            "mannw",
            "z",
            "Z-test p_value",
        ),
        *("Mann-Whitney U-rank test", "t_test", "g_test", "ks", "K-S p_value", "chisquare", "Chi-Square p_value"),
    ],
)
def test_p_values_alarm_below_their_threshold(method: str) -> None:
    """evidentlyai/evidently #306, #768: p-values are taken for distances, and the reverse."""
    found = scores(("amount", method, 0.05, 0.0003), ("age", method, 0.1, 0.62))
    assert (found["amount"].crossed, found["age"].crossed) == (True, False)


@pytest.mark.parametrize(
    "method",
    [
        *("psi", "PSI", "jensenshannon", "Jensen-Shannon distance", "kl_div", "Kullback-Leibler divergence"),
        *("wasserstein", "Wasserstein distance (normed)", "hellinger", "Hellinger distance", "ed", "Energy-distance"),
    ],
)
def test_distances_alarm_above_their_threshold(method: str) -> None:
    found = scores(("amount", method, 0.1, 0.4), ("age", method, 0.1, 0.02))
    assert (found["amount"].crossed, found["age"].crossed) == (True, False)


@pytest.mark.parametrize("method", ["custom function 'mine'", "perc_text_content_x", "mmd2", None])
def test_a_method_that_nobody_knows_is_shown_and_not_judged(method: str | None) -> None:
    (found,) = scores(("amount", method, 0.05, 0.62)).values()
    assert (found.crossed, found.gap) == (None, Gap.NO_REFERENCE)
    assert "0.62: whether more or less of it is drift is not known" in found.note


def test_a_constant_column_has_no_number() -> None:
    """evidentlyai/evidently #1929: the p-value of a constant column is NaN."""
    (found,) = scores(("flat", "chisquare", 0.05, math.nan)).values()
    assert (found.crossed, found.gap) == (None, Gap.FEW)


def test_a_report_of_an_older_version_is_said_to_be_one() -> None:
    """evidentlyai/evidently #1327: nothing in it is a metric of 0.7, which looked as if there was no drift."""
    old = {"version": "0.6.7", "metrics": [{"metric": "DataDriftTable", "result": {"drift_share": 0.5}}]}
    with pytest.raises(Malformed, match=r"has the report format of Evidently 0\.6 or older"):
        parse(json.dumps(old).encode(), "r.json", AT, AboutOptions())
    assert EvidentlyDrift.EMPTY
