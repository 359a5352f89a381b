"""The methods: what any distance must be, and the same figures as SciPy's.

Tolerances: 1e-9 where SciPy computes the same formula. D of Kolmogorov and Smirnov is exact; its p-value comes from
Stephens' approximation and is within a factor of 1.5 of SciPy's down to 1e-8. Wasserstein from 160 bins is within 1 %
of σ of what SciPy gets from the values themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from backends.contracts import Direction
from backends.drift import distances, pvalues
from backends.drift.distances import shares
from backends.drift.distribution import Distribution, alike
from backends.drift.methods import METHODS

BOUNDS = (1.0, 2.0, 3.0, 5.0, 8.0, math.inf)
DISTANCES = [name for name, method in METHODS.items() if method.direction is Direction.ABOVE]
P_VALUES = [name for name, method in METHODS.items() if method.direction is Direction.BELOW]
UNORDERED = [name for name, method in METHODS.items() if not method.ordered]

counts = st.lists(st.integers(0, 10**6), min_size=6, max_size=6).filter(any)
filled = st.lists(st.integers(50, 10**5), min_size=6, max_size=6)


def score(name: str, live: Sequence[float], reference: Sequence[float], bounds: Sequence[float] = BOUNDS) -> float:
    one, other = Distribution(tuple(live), tuple(bounds)), Distribution(tuple(reference), tuple(bounds))
    return METHODS[name].score(one, other)


# ── what any of them must be ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", DISTANCES)
@given(live=counts, reference=counts)
def test_a_distance_is_finite_never_negative_and_zero_on_equals(
    name: str, live: list[int], reference: list[int]
) -> None:
    found = score(name, live, reference)
    assert 0 <= found < math.inf
    assert score(name, live, live) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["psi", "js", "ks", "linf"])
@given(live=counts, reference=counts)
def test_these_are_symmetric(name: str, live: list[int], reference: list[int]) -> None:
    assert score(name, live, reference) == pytest.approx(score(name, reference, live), abs=1e-12)


@pytest.mark.parametrize("name", ["js", "ks", "linf", *P_VALUES])
@given(live=counts, reference=counts)
def test_these_lie_between_0_and_1(name: str, live: list[int], reference: list[int]) -> None:
    assert 0 <= score(name, live, reference) <= 1


@pytest.mark.parametrize("name", UNORDERED)
@given(live=counts, reference=counts, order=st.permutations(range(6)))
def test_the_order_of_bins_is_nothing_to_these(
    name: str, live: list[int], reference: list[int], order: list[int]
) -> None:
    moved = score(name, [live[i] for i in order], [reference[i] for i in order])
    assert moved == pytest.approx(score(name, live, reference), abs=1e-9)


@pytest.mark.parametrize("name", ["ks", "wasserstein"])
def test_the_order_of_bins_is_all_to_these(name: str) -> None:
    near, far = [0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0]
    base = [1, 0, 0, 0, 0, 0]
    assert score("psi", near, base) == score("psi", far, base)
    assert score(name, [5, 5, 0, 0, 5, 5], [5, 5, 5, 5, 0, 0]) > score(name, [5, 5, 5, 0, 5, 0], [5, 5, 5, 5, 0, 0])


@pytest.mark.parametrize("name", DISTANCES)
@given(live=counts, reference=counts, factor=st.integers(2, 1000))
def test_a_distance_does_not_depend_on_how_many_were_counted(
    name: str, live: list[int], reference: list[int], factor: int
) -> None:
    scaled = score(name, [one * factor for one in live], reference)
    assert scaled == pytest.approx(score(name, live, reference), abs=1e-9)


@pytest.mark.parametrize("name", P_VALUES)
def test_the_more_were_counted_the_surer_is_a_difference(name: str) -> None:
    live, reference = [100, 120, 100, 90, 100, 90], [100, 100, 100, 100, 100, 100]
    found = [score(name, [one * k for one in live], [one * k for one in reference]) for k in (1, 4, 16)]
    assert found == sorted(found, reverse=True)
    assert score(name, reference, reference) == pytest.approx(1)


@pytest.mark.parametrize("measure", [distances.psi, distances.kl, distances.js, distances.linf, distances.ks])
def test_other_bins_cannot_be_compared(measure: Callable[[Sequence[float], Sequence[float]], float]) -> None:
    with pytest.raises(ValueError, match="same bins"):
        measure((0.5, 0.5), (1.0,))


def test_by_hand() -> None:
    live, reference = (0.5, 0.5), (0.25, 0.75)
    assert distances.psi(live, reference) == pytest.approx(0.25 * math.log(2) - 0.25 * math.log(2 / 3))
    assert distances.linf(live, reference) == distances.ks(live, reference) == 0.25
    # All values move by one bin of width 1; the reference is spread evenly over two bins: σ = 2/√12.
    moved = distances.wasserstein((0, 0, 0.5, 0.5), (0, 0.5, 0.5, 0), (0, 1, 2, math.inf))
    assert moved == pytest.approx(math.sqrt(3))


# ── thresholds ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", DISTANCES)
def test_thresholds_stand_for_the_same_change(name: str) -> None:
    """Half a standard deviation to act, a third to watch, in deciles of a normal distribution."""
    edges = [NormalDist().inv_cdf(i / 10) for i in range(1, 10)]

    def moved(by: float) -> list[float]:
        cumulative = [0.0, *(NormalDist(by).cdf(edge) for edge in edges), 1.0]
        return [high - low for low, high in pairwise(cumulative)]

    method = METHODS[name]
    bounds = (*edges, math.inf)
    assert score(name, moved(0.5), moved(0.0), bounds) == pytest.approx(method.threshold, rel=0.06)
    assert score(name, moved(0.316), moved(0.0), bounds) == pytest.approx(method.watch, rel=0.06)


@pytest.mark.parametrize("name", ["psi", "kl"])
def test_an_empty_bin_decides_nothing(name: str) -> None:
    method = METHODS[name]

    def hangs(live: Sequence[float]) -> bool:
        one, other = Distribution(tuple(live), BOUNDS), Distribution((200, 200, 200, 200, 200, 0), BOUNDS)
        return method.hangs_on_empty_bins(one, other, method.score(one, other), method.threshold)

    share = {"psi": 0.05, "kl": 0.0}[name]
    assert hangs([200 * (1 - share)] * 5 + [1000 * share]) is (name == "psi")
    assert not hangs([200, 200, 200, 200, 200, 0])
    assert not hangs([10, 10, 10, 10, 10, 950])


# ── as SciPy has it ─────────────────────────────────────────────────────────────────────────────────────────────


@given(live=filled, reference=filled)
def test_divergences_as_scipy(live: list[int], reference: list[int]) -> None:
    p, q = shares(live), shares(reference)
    least = min(*p, *q)
    if least < distances.FLOOR:
        return
    assert distances.kl(p, q) == pytest.approx(stats.entropy(q, p), abs=1e-9)
    assert distances.psi(p, q) == pytest.approx(stats.entropy(q, p) + stats.entropy(p, q), abs=1e-9)
    assert distances.js(p, q) == pytest.approx(jensenshannon(p, q, 2), abs=1e-6)


@given(live=filled, reference=filled)
def test_chi2_as_scipy(live: list[int], reference: list[int]) -> None:
    if min(a + b for a, b in zip(live, reference, strict=True)) * min(sum(live), sum(reference)) < 5 * (
        sum(live) + sum(reference)
    ):
        return  # bins with less are put together here
    expected = stats.chi2_contingency([live, reference], correction=False).pvalue
    assert pvalues.chi2_p(live, reference) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(st.floats(0, 300), st.integers(1, 60))
def test_the_chi2_distribution_as_scipy(x: float, freedom: int) -> None:
    assert pvalues.chi2_sf(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-9, abs=1e-13)


@given(st.floats(0.3, 4))
def test_the_kolmogorov_distribution_as_scipy(x: float) -> None:
    assert pvalues.kolmogorov_sf(x) == pytest.approx(stats.kstwobign.sf(x), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.1, 0.15, 0.2])
def test_ks_as_scipy_on_binned_values(shift: float) -> None:
    rng = Random(7)
    live = binned([rng.gauss(shift, 1) for _ in range(1500)])
    reference = binned([rng.gauss(0, 1) for _ in range(3000)])
    values = [[bin_ for bin_, count in enumerate(one) for _ in range(count)] for one in (live, reference)]
    expected = stats.ks_2samp(*values)
    assert distances.ks(shares(live), shares(reference)) == pytest.approx(expected.statistic, abs=1e-12)
    assert math.log(max(1e-300, pvalues.ks_p(live, reference))) == pytest.approx(
        math.log(expected.pvalue), abs=math.log(1.5)
    )


@pytest.mark.parametrize(
    ("live", "reference"),
    [([2, 3, 10, 5], [8, 5, 5, 2]), ([0, 6, 8, 6], [5, 9, 4, 2]), ([1, 9, 9, 1], [6, 6, 4, 4])],
)
def test_ks_of_few_values_has_the_correction_for_their_number(live: list[int], reference: list[int]) -> None:
    """20 against 20. Without M. Stephens' correction the p-value is 16 to 38 % too large here."""
    values = [[bin_ for bin_, count in enumerate(one) for _ in range(count)] for one in (live, reference)]
    expected = stats.ks_2samp(*values, method="asymp")
    assert pvalues.ks_p(live, reference) == pytest.approx(expected.pvalue, rel=0.08)


def test_bins_in_which_little_is_expected_are_put_together() -> None:
    live, reference = [40, 30, 3, 1, 2], [80, 70, 2, 4, 1]
    pooled = stats.chi2_contingency([[40, 30, 6], [80, 70, 7]], correction=False).pvalue
    assert pvalues.chi2_p(live, reference) == pytest.approx(pooled, rel=1e-9)
    apart = stats.chi2_contingency([live, reference], correction=False).pvalue
    assert abs(pooled - apart) > 0.05, "the sparse bins would decide it"


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5, 1.5])
def test_wasserstein_as_scipy_on_the_values_themselves(shift: float) -> None:
    rng = Random(7)
    live, reference = [rng.gauss(shift, 1) for _ in range(1500)], [rng.gauss(0, 1.3) for _ in range(3000)]
    expected = stats.wasserstein_distance(live, reference) / stats.tstd(reference)
    found = score("wasserstein", binned(live), binned(reference), (*EDGES, math.inf))
    assert found == pytest.approx(expected, abs=0.01)


EDGES = [step / 20 - 5 for step in range(201)]


def binned(values: Sequence[float]) -> list[int]:
    found = [0] * (len(EDGES) + 1)
    for value in values:
        found[min(len(EDGES), max(0, math.ceil((value + 5) * 20)))] += 1
    return found


# ── the same bins ───────────────────────────────────────────────────────────────────────────────────────────────


def test_finer_bins_are_put_together() -> None:
    fine = Distribution((1, 2, 3, 4, 5), (1, 2, 3, 4, math.inf))
    coarse = Distribution((10, 10, 10), (2, 4, math.inf))
    pair = alike(fine, coarse)
    assert pair is not None
    assert pair[0] == Distribution((3, 7, 5), (2, 4, math.inf))
    assert alike(fine, Distribution((1, 1), (7, math.inf))) is None
    assert alike(fine, Distribution((1, 1), categories=("a", "b"))) is None


def test_a_category_that_is_new_counts_as_empty_in_the_reference() -> None:
    pair = alike(Distribution((3, 1), categories=("DE", "XX")), Distribution((2, 2), categories=("DE", "FR")))
    assert pair is not None
    assert [one.counts for one in pair] == [(3, 0, 1), (2, 2, 0)]
