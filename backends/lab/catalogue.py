"""The content of the lab's registry: every version of every model, and the training runs of the newer versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from backends.lab.families import FAMILIES
from backends.lab.learn import Trained
from backends.lab.world import DAY, ENDPOINTS, EndpointSpec

WITH_RUN = 4  # the number of newest versions that have a run with metrics
AUTHORS = ("ana", "kofi", "mei", "jonas", "priya", "sam")
NEWEST_AGE_DAYS: Mapping[str, float] = {
    "sentiment-classifier": 0.12, "fraud-detector": 1.4, "search-ranker": 6.3, "churn-predictor": 41.5,
    "price-optimizer": 0.3, "eta-regressor": 22.6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """A version of a model, ``age`` versions behind the newest."""

    model: str
    version: int
    age: int


def newest(spec: EndpointSpec) -> int:
    return max(int(variant.version) for variant in spec.variants)


def trained_keys() -> tuple[Key, ...]:
    """The versions to train: all versions with a run. They include all served versions."""
    return tuple(
        Key(spec.model, version, newest(spec) - version)
        for spec in ENDPOINTS
        for version in range(max(1, newest(spec) - WITH_RUN + 1), newest(spec) + 1)
    )


def catalogue(trained: Mapping[tuple[str, str], Trained], now: float, seed: int) -> list[Mapping[str, object]]:
    """The registry's content, as JSON for the process that writes it. Times are in milliseconds, as in MLflow."""
    return [_model(spec, trained, now, seed) for spec in ENDPOINTS]


def _model(
    spec: EndpointSpec, trained: Mapping[tuple[str, str], Trained], now: float, seed: int
) -> Mapping[str, object]:
    family = FAMILIES[spec.model]
    rng = Random(f"{seed} catalogue {spec.model}")
    created, versions = now - NEWEST_AGE_DAYS[spec.model] * DAY, []
    for version in range(newest(spec), 0, -1):
        versions.append(_version(spec, version, created, trained.get((spec.model, str(version))), rng))
        created -= rng.uniform(5.0, 16.0) * DAY
    aliases = {"champion": spec.stable.removeprefix("v")}
    challenger = next((v for v in spec.variants if v.name != spec.stable and (v.weight or v.mirror)), None)
    if challenger is not None:
        aliases["challenger"] = challenger.version
    return {
        "name": spec.model,
        "description": family.description,
        "tags": {"owner": family.owner, "task": family.task},
        "versions": versions[::-1],
        "aliases": aliases,
    }


def _version(
    spec: EndpointSpec, version: int, created: float, trained: Trained | None, rng: Random
) -> Mapping[str, object]:
    commit, author = f"{rng.getrandbits(160):040x}", rng.choice(AUTHORS)
    told: dict[str, object] = {
        "version": str(version),
        "created": round(created * 1000),
        "source": f"s3://models.example.com/{spec.model}/{version}",
        "description": f"Version {version} of {spec.model}, trained by {author}.",
        "tags": {
            "security_scan": "passed",
            "git_commit": commit[:12],
            "owner": FAMILIES[spec.model].owner,
            "author": author,
        },
    }
    if trained is not None:
        how = trained.recipe
        told["signature"] = _signature(spec.model)
        told["run"] = {
            "name": f"train-{spec.model}-v{version}",
            "user": author,
            "metrics": {name: round(value, 5) for name, value in trained.metrics.items()},
            "params": {
                "rows": str(how.rows),
                "epochs": str(how.epochs),
                "learning_rate": str(how.rate),
                "l2": str(how.l2),
                "stumps": str(how.stumps),
            },
        }
    return told


def _signature(model: str) -> Mapping[str, object]:
    """A signature in the format of an ``MLmodel`` file: each part is a list in JSON, stored as a string."""

    def columns(*names: str) -> str:
        return json.dumps([{"type": "double", "name": name, "required": True} for name in names])

    inputs = columns(*(feature.name for feature in FAMILIES[model].features))
    return {"inputs": inputs, "outputs": columns("prediction"), "params": None}
