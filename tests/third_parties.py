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


class Silent(KServeServing):
    """States nothing, as the class of ours that it inherits from."""


class Worded(KServeServing):
    CONTRACT = str(CONTRACT_VERSION)


def factory() -> KServeServing:
    """No class at all."""
    raise NotImplementedError
