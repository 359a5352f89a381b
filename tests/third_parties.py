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


class Optionless:
    CONTRACT = CONTRACT_VERSION


class WithDict(Optionless):
    OPTIONS = dict


class _NoAttributes(type):
    def __getattr__(cls, name: str) -> object:
        raise KeyError(name)


class Refusing(metaclass=_NoAttributes):
    """Raises for each attribute that it does not have."""


def __getattr__(name: str) -> object:
    """``Exiting`` ends the program, as a module that calls ``sys.exit`` when it is imported."""
    if name == "Exiting":
        raise SystemExit(3)
    raise AttributeError(name)


def factory() -> KServeServing:
    """No class at all."""
    raise NotImplementedError
