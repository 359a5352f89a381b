"""Classes as another distribution might register them: they differ in the contract that they state."""

from __future__ import annotations

from backends.contracts import CONTRACT_VERSION
from backends.serving.kserve import KServeServing


class Current(KServeServing):
    CONTRACT = CONTRACT_VERSION


class Newer(KServeServing):
    CONTRACT = CONTRACT_VERSION + 1


class Older(KServeServing):
    CONTRACT = CONTRACT_VERSION - 1


class Silent(Current):
    """States nothing itself, and what it inherits does not count."""


class Worded(KServeServing):
    CONTRACT = str(CONTRACT_VERSION)


def factory() -> KServeServing:
    """No class at all."""
    raise NotImplementedError
