"""The same samples scored by Evidently itself and here, in the same bins.

Tolerances: PSI, KL and Jensen–Shannon to 1e-9, since both take the same bins and the same floor for empty ones.
Wasserstein to 2 % of σ, as here it comes from 200 bins instead of the values. KS to a factor of 1.5 in its p-value
(an approximation, and Evidently's is exact). χ² to a factor of 2, since Evidently takes the reference for the truth
and not for a sample: the reference is a hundred times as large here.

Evidently has an environment of its own, ``.venv/evidently``: ``scripts/prepare-venv .venv/evidently evidently`` makes
it, and CI does.
"""

from __future__ import annotations

import json
import math
import subprocess
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from backends.contracts import Direction
from backends.drift.distribution import Distribution
from backends.drift.evidently import parse
from backends.drift.methods import METHODS
from backends.drift.reported import AboutOptions
from tests.servers import require

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv" / "evidently" / "bin" / "python"
SIZE, REFERENCE_SIZE = 1500, 3000


def samples() -> dict[str, tuple[str, str, list[float] | list[str], list[float] | list[str]]]:
    """By name: Evidently's method, the kind, the live sample and the reference."""
    rng = Random(11)

    def normal(mean: float, size: int) -> list[float]:
        return [rng.gauss(mean, 1.0) for _ in range(size)]

    def names(weights: Sequence[float], size: int) -> list[str]:
        return rng.choices(("DE", "FR", "IT", "XX"), weights, k=size)

    found: dict[str, tuple[str, str, list[float] | list[str], list[float] | list[str]]] = {}
    for shift in (0.0, 0.4):
        for method in ("psi", "kl_div", "jensenshannon", "wasserstein"):
            found[f"{method} {shift}"] = (method, "number", normal(shift, SIZE), normal(0.0, REFERENCE_SIZE))
    for shift in (0.0, 0.07, 0.15):
        found[f"ks {shift}"] = ("ks", "number", normal(shift, SIZE), normal(0.0, REFERENCE_SIZE))
    for method in ("psi", "jensenshannon"):
        live, reference = names((6, 3, 1, 0.2), SIZE), names((5, 3, 2, 0.2), REFERENCE_SIZE)
        found[f"{method} of categories"] = (method, "category", live, reference)
    for step, weights in enumerate(((5, 3, 2, 1), (5.3, 3, 2, 1))):
        found[f"chi2 {step}"] = ("chisquare", "category", names(weights, SIZE), names((5, 3, 2, 1), 100 * SIZE))
    return found


@pytest.fixture(scope="module")
def evidently() -> dict[str, float]:
    """What Evidently says of each sample, as our adapter reads it."""
    require(PYTHON.exists(), "Evidently is not installed: scripts/prepare-venv .venv/evidently evidently")
    columns = [
        {"name": name, "method": method, "kind": kind, "live": live, "reference": reference}
        for name, (method, kind, live, reference) in samples().items()
    ]
    done = subprocess.run(
        [PYTHON, ROOT / "scripts" / "evidently_scores.py"],
        input=json.dumps({"columns": columns}),
        capture_output=True,
        text=True,
        timeout=360,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {report.feature: report.value for report in parse(done.stdout.encode(), "evidently", 0.0, AboutOptions())}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", list(samples()))
def test_as_evidently_has_it(name: str, evidently: dict[str, float]) -> None:
    method, kind, live, reference = samples()[name]
    ours = {"kl_div": "kl", "jensenshannon": "js", "ks": "ks_p", "chisquare": "chi2_p"}.get(method, method)
    one, other = (
        (by_category(live), by_category(reference))  # type: ignore[arg-type]  # the kind tells
        if kind == "category"
        else binned(method, live, reference)  # type: ignore[arg-type]
    )
    if kind == "category":
        everything = sorted({*one.categories, *other.categories})
        assert list(one.categories) == list(other.categories) == everything
    found, expected = METHODS[ours].score(one, other), evidently[name]
    if METHODS[ours].direction is Direction.BELOW:
        assert abs(math.log(found) - math.log(expected)) < math.log({"ks": 1.5, "chisquare": 2.0}[method])
    else:
        assert found == pytest.approx(expected, abs=0.02 if method == "wasserstein" else 1e-9)


def by_category(values: Sequence[str]) -> Distribution:
    names = tuple(sorted(set(values)))
    return Distribution(tuple(float(values.count(name)) for name in names), categories=names)


def binned(method: str, live: Sequence[float], reference: Sequence[float]) -> tuple[Distribution, Distribution]:
    """Both in Evidently's bins (Sturges' number of them over both samples), or in fine ones."""
    everything = [*live, *reference]
    low, high = min(everything), max(everything)
    number = math.ceil(math.log2(len(everything)) + 1) if method in ("psi", "kl_div", "jensenshannon") else 2000
    edges = [low + (high - low) * step / number for step in range(1, number)]
    return tuple(Distribution(counted(some, edges), (*edges, math.inf)) for some in (live, reference))  # type: ignore[return-value]


def counted(values: Sequence[float], edges: Sequence[float]) -> tuple[float, ...]:
    counts = [0.0] * (len(edges) + 1)
    for value in values:
        counts[bisect_right(edges, value)] += 1  # numpy's bins are closed on the left
    return tuple(counts)
