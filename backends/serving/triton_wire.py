"""The answers of Triton, as types. An answer that does not fit is ``Malformed``, and the message names the place. Pure.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md,
extension_model_configuration.md and extension_statistics.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from backends.errors import Malformed

READY, LOADING, UNLOADING, UNAVAILABLE = "READY", "LOADING", "UNLOADING", "UNAVAILABLE"
NOT_LOADED = "unloaded"
"""Triton's reason for a version that was unloaded by request."""

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a model. ``state`` is Triton's word, or "" if it was never loaded. ``reason`` explains the
    state."""

    name: str
    state: str = ""
    reason: str = ""

    @property
    def order(self) -> tuple[int, str]:
        """The sort key of a version. Versions are names of folders, mostly whole numbers; the greatest ready version
        answers."""
        whole = self.name.isascii() and self.name.isdigit() and len(self.name) < 20
        return (int(self.name) if whole else -1, self.name)

    @property
    def failed(self) -> bool:
        return self.state == UNAVAILABLE and self.reason.lower() not in ("", NOT_LOADED)


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of one version since it was loaded: requests, and nanoseconds by stage."""

    model: str
    version: str
    success: int
    fail: int
    success_ns: int
    stages: Mapping[str, int]


def index_of(answer: object) -> dict[str, tuple[Version, ...]]:
    """The versions of every model, greatest first; a model that was never loaded has none.

    Raises:
        Malformed: the answer is not an index.
    """
    if not isinstance(answer, list):
        raise _malformed("the index is no list")
    found: dict[str, list[Version]] = {}
    for number, one in enumerate(answer):
        where = f"index[{number}]"
        told = _object(one, where)
        versions = found.setdefault(_text(told, "name", where), [])
        if version := _text(told, "version", where, ""):
            versions.append(Version(version, _text(told, "state", where, ""), _line(_text(told, "reason", where, ""))))
    return {model: tuple(sorted(one, key=lambda v: v.order, reverse=True)) for model, one in found.items()}


def config_of(answer: object) -> Json:
    """The configuration of a model. Raises ``Malformed`` if the answer is none."""
    config = _object(answer, "the configuration")
    policy_of(config)
    return config


def policy_of(config: Json) -> tuple[str, ...] | int | None:
    """The versions that the policy names, or the number of newest versions, or ``None`` for all versions.

    Raises:
        Malformed: the configuration has no valid policy.
    """
    policy = config.get("version_policy")
    if policy is None:
        return 1  # the default of ModelVersionPolicy: the newest version
    told = _object(policy, "version_policy")
    if "specific" in told:
        versions = _object(told["specific"], "version_policy.specific").get("versions", [])
        if not isinstance(versions, list) or not all(isinstance(one, str | int) for one in versions):
            raise _malformed("version_policy.specific.versions is no list of versions")
        return tuple(str(one) for one in versions)
    if "all" in told:
        return None
    if "latest" in told:
        return _count(_object(told["latest"], "version_policy.latest").get("num_versions", 1), "num_versions")
    raise _malformed("version_policy is not a known one")


def told_policy(policy: tuple[str, ...] | int | None) -> str:
    if policy is None:
        return "all versions"
    if isinstance(policy, int):
        return "the newest version" if policy == 1 else f"the newest {policy} versions"
    return f"versions {', '.join(policy)}" if policy else "no version"


def with_versions(config: Json, versions: tuple[str, ...]) -> str:
    """The configuration for a load request, with a policy that names those versions."""
    return json.dumps({**config, "version_policy": {"specific": {"versions": [int(one) for one in versions]}}})


def statistics_of(answer: object) -> Iterator[Counted]:
    """The counts in an answer. Raises ``Malformed`` if the answer has no statistics."""
    listed = _object(answer, "the statistics").get("model_stats")
    if not isinstance(listed, list):
        raise _malformed("model_stats is no list")
    for number, one in enumerate(listed):
        where = f"model_stats[{number}]"
        told = _object(one, where)
        stats = _object(told.get("inference_stats"), f"{where}.inference_stats")
        success, fail = (_duration(stats, name, where) for name in ("success", "fail"))
        stages = {
            name: _duration(stats, name, where)[1]
            for name in ("queue", "compute_input", "compute_infer", "compute_output")
            if name in stats
        }
        name, version = _text(told, "name", where), _text(told, "version", where, "1")
        yield Counted(name, version, success[0], fail[0], success[1], stages)


def _duration(stats: Json, name: str, where: str) -> tuple[int, int]:
    told = _object(stats.get(name, {}), f"{where}.{name}")
    return _count(told.get("count", 0), f"{where}.{name}.count"), _count(told.get("ns", 0), f"{where}.{name}.ns")


def _count(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**64:
        raise _malformed(f"{where} is no count")
    return int(value)


def _object(value: object, where: str) -> Json:
    if not isinstance(value, dict):
        raise _malformed(f"{where} is no object")
    return cast("Json", value)


def _text(told: Json, key: str, where: str, default: str | None = None) -> str:
    value = told.get(key, default)
    if not isinstance(value, str):
        raise _malformed(f"{where}.{key} is no text")
    return value


def _line(text: str) -> str:
    """The first line that says something: a reason may be a whole traceback."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _malformed(what: str) -> Malformed:
    return Malformed(f"Triton's answer does not fit its protocol: {what}")
