"""Whatever somebody else's report holds, it is read or it is malformed."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from backends.drift import evidently, nannyml
from backends.drift.reported import AboutOptions
from backends.errors import Malformed
from tests.foreign import HUGE, json_of

KEYS = (
    "metrics",
    "metric_results",
    "config",
    "type",
    "column",
    "method",
    "threshold",
    "value",
    "timestamp",
    "metadata",
)
LOCATION = ("metric_value_location", "metric", "params", "model")
COLUMNS = (
    "chunk_end_date",
    "chunk_start_index",
    "chunk_end_index",
    "chunk_period",
    "a_ks_value",
    "a_ks_alert",
    "_value",
)

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(HUGE)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["x:ValueDrift", "psi", "2026-11-10", "9" * 400])
)
values = json_of(*KEYS, *LOCATION, leaves=leaves)
config = st.fixed_dictionaries(
    {"type": st.just("x:ValueDrift"), "column": leaves, "method": leaves, "threshold": leaves}
)
metric = st.fixed_dictionaries({"config": config, "value": leaves})
reports = values | st.fixed_dictionaries({"metrics": st.lists(metric, max_size=3), "timestamp": leaves})


@given(st.binary() | reports.map(lambda value: json.dumps(value).encode()))
def test_foreign_evidently_reports(content: bytes) -> None:
    with suppress(Malformed):
        for one in evidently.parse(content, "r.json", 1.0, AboutOptions()):
            assert one.feature


rows = st.lists(st.dictionaries(st.sampled_from(COLUMNS), leaves, max_size=6), max_size=3)
tables = st.lists(
    st.lists(st.sampled_from([*COLUMNS, "value", "chunk", "1", "nan", "1e999", '"']), max_size=5), max_size=5
)


@given(
    st.binary()
    | values.map(lambda value: json.dumps(value).encode())
    | rows.map(lambda value: json.dumps(value).encode())
    | tables.map(lambda some: "\n".join(",".join(row) for row in some).encode())
)
def test_foreign_nannyml_results(content: bytes) -> None:
    with suppress(Malformed):
        for one in nannyml.parse(content, "r.csv", 1.0, nannyml.NannymlOptions()):
            assert one.samples >= 0
