"""PSI, and what a reference file holds."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.drift.psi import psi, shares
from backends.drift.reference import parse
from backends.errors import Malformed

counts = st.lists(st.floats(0, 1e6), min_size=5, max_size=5).filter(lambda some: sum(some) > 0.001)


@given(counts, counts)
def test_psi_is_a_symmetric_distance(live: list[float], reference: list[float]) -> None:
    p, q = shares(live), shares(reference)
    assert psi(p, q) >= 0
    assert psi(p, q) == pytest.approx(psi(q, p), abs=1e-12)
    assert psi(p, p) == 0
    assert math.isfinite(psi(p, q))


@given(counts, st.floats(0.1, 1000))
def test_psi_does_not_depend_on_how_many_were_counted(some: list[float], factor: float) -> None:
    assert psi(shares([count * factor for count in some]), shares(some)) == pytest.approx(0, abs=1e-9)


def test_psi_by_hand() -> None:
    assert psi((0.5, 0.5), (0.25, 0.75), epsilon=0) == pytest.approx(0.25 * math.log(2) - 0.25 * math.log(2 / 3))


def test_psi_needs_the_same_bins() -> None:
    with pytest.raises(ValueError, match="same bins"):
        psi((0.5, 0.5), (1.0,))


# ── the reference file ──────────────────────────────────────────────────────────────────────────────────────────

ENTRY = {"model": "m", "version": "7", "feature": "amount", "bounds": [1, 2, None], "counts": [100, 300, 600]}


def test_a_reference_is_read() -> None:
    found = parse(json.dumps({"features": [ENTRY]}).encode(), "r.json")
    reference = found["m", "7", "amount"]
    assert list(reference.bounds) == [1, 2, math.inf]
    assert reference.shares == (0.1, 0.3, 0.6)


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
        "[" * 100_000,
    ],
)
def test_what_is_wrong_with_a_reference_is_said(content: str) -> None:
    with pytest.raises(Malformed, match=r"r\.json"):
        parse(content.encode(), "r.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*ENTRY, "features"]), inner, max_size=6)
    ),
)


@given(st.one_of(st.binary(), json_values.map(lambda value: json.dumps({"features": [value]}).encode())))
def test_foreign_content_is_read_or_malformed(content: bytes) -> None:
    try:
        found = parse(content, "r.json")
    except Malformed:
        return
    assert all(sum(one.shares) == pytest.approx(1) for one in found.values())
