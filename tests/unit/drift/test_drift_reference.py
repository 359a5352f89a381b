"""What a file of reference distributions may hold, and what is said of one that does not."""

from __future__ import annotations

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.drift.reference import of, parse
from backends.errors import Malformed
from tests.foreign import json_of

ENTRY = {"model": "m", "version": "7", "feature": "amount", "bounds": [1, 2, None], "counts": [100, 300, 600]}


def test_a_reference_is_read() -> None:
    found = parse(json.dumps({"features": [ENTRY]}).encode(), "r.json")
    reference = found["m", "7", "amount"]
    assert list(reference.bounds) == [1, 2, math.inf]
    assert reference.counts == (100, 300, 600)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"features": 3}',
        '{"features": [3]}',
        '{"features": [{}]}',
        json.dumps({"features": [{**ENTRY, "bounds": [1, None]}]}),
        json.dumps({"features": [{**ENTRY, "bounds": [1, 2, 3]}]}),
        json.dumps({"features": [{**ENTRY, "bounds": [2, 1, None]}]}),
        json.dumps({"features": [{**ENTRY, "counts": [0, 0, 0]}]}),
        json.dumps({"features": [{**ENTRY, "counts": [1, -1, 3]}]}),
        json.dumps({"features": [{**ENTRY, "counts": [1, math.nan, 3]}]}),
        json.dumps({"features": [{**ENTRY, "counts": ["1", 1, 3]}]}),
        json.dumps({"features": [{**ENTRY, "counts": [10**400, 1, 3]}]}),
        json.dumps({"features": [{**ENTRY, "counts": [1e308, 1e308, 1e308]}]}),
        json.dumps({"features": [{**ENTRY, "categories": ["DE", "DE", "FR"]}]}),
        json.dumps({"features": [{**ENTRY, "categories": ["DE"]}]}),
        "[" * 100_000,
    ],
)
def test_what_is_wrong_with_a_reference_is_said(content: str) -> None:
    with pytest.raises(Malformed, match=r"r\.json"):
        parse(content.encode(), "r.json")


json_values = json_of(*ENTRY, "features", "categories")


@given(st.one_of(st.binary(), json_values.map(lambda value: json.dumps({"features": [value]}).encode())))
def test_foreign_content_is_read_or_malformed(content: bytes) -> None:
    try:
        found = parse(content, "r.json")
    except Malformed:
        return
    assert all(sum(one.shares) == pytest.approx(1) for one in found.values())


def test_an_entry_without_a_version_is_for_all_that_have_none() -> None:
    general = {key: value for key, value in ENTRY.items() if key != "version"}
    found = parse(json.dumps({"features": [{**general, "counts": [1, 1, 1]}, ENTRY]}).encode(), "r.json")
    own, other = of(found, ("m", "7", "amount")), of(found, ("m", "8", "amount"))
    assert own is not None
    assert other is not None
    assert (own.counts, other.counts) == ((100, 300, 600), (1, 1, 1))
    assert of(found, ("other", "7", "amount")) is None


def test_categories_are_read() -> None:
    entry = {"model": "m", "version": "7", "feature": "country", "categories": ["DE", "FR"], "counts": [10, 30]}
    found = parse(json.dumps({"features": [entry]}).encode(), "r.json")["m", "7", "country"]
    assert (found.categories, found.counts, found.bounds) == (("DE", "FR"), (10, 30), ())


TABLE = """model,version,feature,bound,category,count
m,7,amount,2,,300
m,7,amount,1,,100
m,7,amount,+Inf,,600
m,7,country,,DE,10
m,7,country,,FR,30
"""


def test_a_table_is_read_like_json() -> None:
    found = parse(TABLE.encode(), "r.csv")
    assert found["m", "7", "amount"] == parse(json.dumps({"features": [ENTRY]}).encode(), "r.json")["m", "7", "amount"]
    assert found["m", "7", "country"].categories == ("DE", "FR")


@pytest.mark.parametrize(
    "content",
    ["", "a,b\n1,2\n", TABLE.replace("300", "many"), TABLE.replace(",2,", ",x,"), 'model,feature,bound,count\n"'],
)
def test_what_is_wrong_with_a_table_is_said(content: str) -> None:
    with pytest.raises(Malformed, match=r"r\.csv"):
        parse(content.encode(), "r.csv")


lines = st.lists(st.text('m,7amount+Inf12"\n', max_size=20), max_size=6)


tables = lines.map(lambda some: "\n".join(["model,feature,bound,category,count", *some]).encode())


@given(st.one_of(st.binary(), tables))
def test_foreign_tables_are_read_or_malformed(content: bytes) -> None:
    with suppress(Malformed):
        parse(content, "r.csv")
