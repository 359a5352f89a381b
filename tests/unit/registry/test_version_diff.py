"""Two versions of a model side by side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Column, Dataset, ModelRef, ModelVersion, Signature
from backends.errors import Rejected
from shiftdeck.registry.version_diff import Part, Row, find, side_by_side
from tests.fakes import FakeWorld
from tests.unit.planned import look

OLD = ModelVersion(
    ModelRef("sentiment", "7"),
    ("champion",),
    metrics={"f1": 0.94, "loss": 0.25, "auc": 0.99},
    params={"depth": "7", "rate": "0.1"},
    tags={"scan": "passed"},
    commit="abc",
    datasets=(Dataset("reviews", "d1", "training"),),
    signature=Signature((Column("age", "long"), Column("lang", "string"))),
    signature_note="",
)
NEW = ModelVersion(
    ModelRef("sentiment", "8"),
    metrics={"f1": 0.92, "loss": float("nan"), "ndcg": 0.5},
    params={"depth": "9", "rate": "0.1"},
    commit="def",
    datasets=(Dataset("reviews", "d2", "training"),),
    signature=Signature((Column("age", "string"), Column("lang", "string", required=False))),
    signature_note="",
)


def row(name: str, old: ModelVersion = OLD, new: ModelVersion = NEW) -> Row:
    (found,) = [one for one in side_by_side(old, new) if one.name == name]
    return found


def test_metrics_with_their_difference() -> None:
    assert row("f1") == Row(Part.METRICS, "f1", "0.94", "0.92", "-0.02 (-2.1%)")
    assert (row("auc").change, row("ndcg").change) == ("gone", "new")
    assert row("loss").new == "NaN"
    assert row("loss").differs


def test_params_tags_and_lineage() -> None:
    assert (row("depth").change, row("rate").change, row("scan").change) == ("changed", "", "gone")
    assert (row("commit").old, row("commit").new) == ("abc", "def")
    assert row("dataset reviews (training)") == Row(Part.LINEAGE, "dataset reviews (training)", "d1", "d2", "changed")
    assert row("aliases").old == "@champion"


def test_the_signature_says_whether_who_used_the_old_one_is_served() -> None:
    assert row("input age") == Row(Part.SIGNATURE, "input age", "long", "string", "does not fit")
    assert row("input lang") == Row(Part.SIGNATURE, "input lang", "string", "string, optional", "fits")
    unread = ModelVersion(NEW.ref, signature_note="its MLmodel file cannot be read")
    assert row("signature", new=unread).change == "cannot be compared"


def test_what_differs_comes_first_in_each_part() -> None:
    rows = side_by_side(OLD, NEW)
    assert [one.part for one in rows] == sorted((one.part for one in rows), key=list(Part).index)
    params = [one.name for one in rows if one.part is Part.PARAMS]
    assert params == ["depth", "rate"]


VALUES = st.dictionaries(st.sampled_from("abc"), st.floats(), max_size=3)
TEXTS = st.dictionaries(st.sampled_from("abc"), st.text(max_size=3), max_size=3)
VERSIONS = st.builds(ModelVersion, st.just(ModelRef("m", "1")), metrics=VALUES, params=TEXTS, tags=TEXTS)


@given(VERSIONS)
def test_a_version_does_not_differ_from_itself(one: ModelVersion) -> None:
    assert not [row for row in side_by_side(one, one) if row.differs]


@given(VERSIONS, VERSIONS)
def test_each_thing_has_one_row(old: ModelVersion, new: ModelVersion) -> None:
    rows = side_by_side(old, new)
    assert len({(one.part, one.name) for one in rows}) == len(rows)


def test_a_version_is_named_by_number_or_alias() -> None:
    view = look(FakeWorld())
    for name in ("7", "v7", "@champion", "champion"):
        assert find(view, "sentiment-classifier", name).ref.version == "7"
    with pytest.raises(Rejected) as caught:
        find(view, "sentiment-classifier", "99")
    assert "its versions are 8, 7" in caught.value.hint
    with pytest.raises(Rejected, match="no version of a model 'nobody'"):
        find(view, "nobody", "1")
