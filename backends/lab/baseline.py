"""The training baseline for drift scores: ``reference.json``."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from backends.lab.families import FAMILIES
from backends.lab.learn import Model
from backends.lab.meters import bins_of

ROWS = 3000


def reference(models: Mapping[tuple[str, str], Model], seed: int) -> Mapping[str, object]:
    """Counts by bin of each feature and of the predictions, for each (model, version).

    The rows are drawn from the same distributions as the training data. The bounds are those of the live histograms;
    the last one, infinity, is ``None``.
    """
    rows: dict[str, list[tuple[float, ...]]] = {}
    for name, family in FAMILIES.items():
        rng = Random(f"{seed} baseline {name}")
        rows[name] = [family.draw(rng) for _ in range(ROWS)]
    entries: list[Mapping[str, object]] = []
    for (name, version), model in models.items():
        bins = bins_of(FAMILIES[name])
        for row in rows[name]:
            for one, value in zip(bins.values(), (*row, model.predict(row)), strict=True):
                one.add(value)
        entries.extend(
            {
                "model": name,
                "version": version,
                "feature": feature,
                "bounds": [*(float(bound) for bound in one.bounds), None],
                "counts": one.counts,
            }
            for feature, one in bins.items()
        )
    return {"features": entries}
