"""Registries of models, and what they know of a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from backends.contracts.adapter import Adapter

if TYPE_CHECKING:
    from backends.contracts.calls import Call, Receipt
    from backends.contracts.refs import ModelRef


@dataclass(frozen=True, slots=True)
class Column:
    """One input, output or parameter of a model. ``type`` is the registry's own word ("double", "tensor(float32,
    [-1,4])"). ``name`` is its place ("0") where it has none."""

    name: str
    type: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and what it answers."""

    inputs: tuple[Column, ...] = ()
    outputs: tuple[Column, ...] = ()
    params: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Dataset:
    """Data that a run read. ``context`` is what for ("training"); ``digest`` tells two states of it apart."""

    name: str
    digest: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """What a registry knows of one version. ``commit`` is the state of the code that trained it and ``code`` what was
    run, ``datasets`` what it read. ``signature`` takes a file to be read: ``Describes`` fills it in, or says in
    ``signature_note`` why it is not known."""

    ref: ModelRef
    aliases: tuple[str, ...] = ()
    stage: str | None = None
    created: float | None = None
    updated: float | None = None
    author: str = ""
    run: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    digest: str | None = None
    status: str = ""
    description: str = ""
    commit: str = ""
    code: str = ""
    datasets: tuple[Dataset, ...] = ()
    signature: Signature | None = None
    signature_note: str = "not read"


class Registry(Adapter, Protocol):
    """Where versions of models are registered."""

    def versions(self) -> tuple[ModelVersion, ...]:
        """The versions worth showing, newest first within each model, aliases joined in."""
        ...

    def compile_alias(self, model: str, alias: str, version: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. The calls that point ``alias`` at ``version``, if it still points at ``expected`` (``None``: unset)."""
        ...

    def send(self, call: Call) -> Receipt:
        """Send one compiled call. Raises ``Conflict`` where the alias does not point at what was expected."""
        ...


@runtime_checkable
class Describes(Protocol):
    """A registry that knows more of a version than is read of all of them."""

    def describe(self, ref: ModelRef) -> ModelVersion:
        """Everything about one version, read afresh, with its signature (``None``: it has none).

        Raises:
            Rejected: there is no such version.
        """
        ...


@runtime_checkable
class Artifacts(Protocol):
    """A registry that keeps files beside its versions.

    A location is ``runs:/RUN/PATH`` (what a training run wrote) or ``models:/NAME/VERSION/PATH`` and
    ``models:/NAME@ALIAS/PATH`` (what belongs to the model itself), as MLflow writes them.
    """

    def artifact(self, location: str) -> bytes:
        """The content of a file, of at most 16 MiB.

        Raises:
            Rejected: there is no such file, or its path leads out of where it should be.
            Unsupported: it is kept where this registry does not serve it from.
            Malformed: it is too large.
        """
        ...

    def artifacts(self, location: str) -> tuple[str, ...]:
        """The locations of the files in a folder, in alphabetical order; without folders in it. Raises likewise."""
        ...


@runtime_checkable
class Annotates(Protocol):
    """A registry whose versions have tags and stages that can be set. ``expected`` is what is there now, ``None`` for
    nothing; ``send`` raises ``Conflict`` where that has changed."""

    def own(self, ref: ModelRef) -> ModelVersion:
        """A version read afresh: its aliases, stage and tags, without what its run tells.

        Raises:
            Rejected: there is no such version.
        """
        ...

    def compile_tag(self, ref: ModelRef, key: str, value: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. Sets a tag, or takes it away where ``value`` is empty; no call where it is so already.

        Raises:
            Rejected: the registry keeps that key to itself.
        """
        ...

    def compile_stage(self, ref: ModelRef, stage: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. Moves a version to a stage; no call where it is there already.

        Raises:
            Rejected: there is no such stage.
        """
        ...
