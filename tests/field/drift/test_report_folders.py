"""Folders in which one report is half-written, of an older version, or no report at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.drift.evidently import EvidentlyDrift
from backends.errors import Malformed
from tests.examples import examples
from tests.realservers.wiring import made

OLD = json.dumps({"metrics": [{"metric": "DataDriftTable", "result": {}}]}).encode()


def report(column: str) -> bytes:
    config = {"type": "evidently:metric_v2:ValueDrift", "column": column, "method": "psi", "threshold": 0.1}
    return json.dumps({"metadata": {"model": "m"}, "metrics": [{"config": config, "value": 0.3}]}).encode()


def written(folder: Path, *contents: bytes) -> EvidentlyDrift:
    for number, content in enumerate(contents):
        path = folder / f"{number}.json"
        path.write_bytes(content)
        os.utime(path, (1_795_000_000 + number, 1_795_000_000 + number))
    return made(EvidentlyDrift, path=folder, stale_after=1e12)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("bad", [report("x")[:-20], OLD, b"", b"[1"])
def test_a_bad_report_takes_no_other_with_it_wherever_it_stands(tmp_path: Path, bad: bytes, place: int) -> None:
    contents = [report("amount"), report("lang")]
    contents.insert(place, bad)
    adapter = written(tmp_path, *contents)
    assert {one.feature for one in adapter.scores()} == {"amount", "lang"}
    (told,) = adapter.remarks()
    assert told.startswith("dropped: a report that is not valid")
    (tmp_path / f"{place}.json").write_bytes(report("age"))
    assert {one.feature for one in adapter.scores()} == {"amount", "lang", "age"}
    assert not adapter.remarks()


def test_a_folder_of_bad_reports_only_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=r"0\.6 or older"):
        written(tmp_path, b"[1", OLD).scores()


@examples(50)
@given(st.binary(max_size=40))
def test_whatever_lies_beside_a_report_changes_nothing_about_it(
    tmp_path_factory: pytest.TempPathFactory, foreign: bytes
) -> None:
    folder = tmp_path_factory.mktemp("reports")
    adapter = written(folder, report("amount"), foreign)
    assert [one.feature for one in adapter.scores()] == ["amount"]
