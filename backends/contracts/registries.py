"""Registries of models, and the data that they keep of each version."""

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
    [-1,4])"). ``name`` is its position ("0") if it has no name."""

    name: str
    type: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs, outputs and parameters of a model."""

    inputs: tuple[Column, ...] = ()
    outputs: tuple[Column, ...] = ()
    params: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Dataset:
    """Data that a run read. ``context`` is its purpose ("training"); ``digest`` differs between two states of the
    data."""

    name: str
    digest: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model. ``commit`` is the revision of the code that trained it, ``code`` the
    program that was run, ``datasets`` the data that it read. ``absent`` says why nothing is known of a version that
    an alias or a variant names: the registry does not have it, or it could not be read. ``signature`` is in a file
    of its own: ``Describes`` fills it in, or says in ``signature_note`` why it is not known."""

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
    absent: str = ""
    signature: Signature | None = None
    signature_note: str = "not read"


class Registry(Adapter, Protocol):
    """Where versions of models are registered."""

    def versions(self) -> tuple[ModelVersion, ...]:
        """The versions to show, newest first within each model, with their aliases."""
        ...

    def compile_alias(self, model: str, alias: str, version: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. The calls that point ``alias`` at ``version``, if it still points at ``expected`` (``None``: unset)."""
        ...

    def send(self, call: Call) -> Receipt:
        """Send one compiled call. Raises ``Conflict`` if the alias does not point at the expected version."""
        ...


@runtime_checkable
class VersionsByName(Protocol):
    """A registry of which ``versions`` tells the newest versions only."""

    def versions_with(self, named: frozenset[ModelRef]) -> tuple[ModelVersion, ...]:
        """As ``versions``, with the ``named`` versions whose models it has, however old they are. One that it does not
        have is ``absent``."""
        ...


@runtime_checkable
class Describes(Protocol):
    """A registry that has more data of a version than ``Registry.versions`` reads."""

    def describe(self, ref: ModelRef) -> ModelVersion:
        """All data of one version, read now, with its signature (``None``: it has no signature).

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
            Rejected: there is no such file, or its path leads out of its folder.
            Unsupported: the file is in a storage that this registry does not serve.
            Malformed: the file is too large.
        """
        ...

    def artifacts(self, location: str) -> tuple[str, ...]:
        """The locations of the files in a folder, in alphabetical order, without subfolders. Raises as ``artifact``."""
        ...


@runtime_checkable
class Annotates(Protocol):
    """A registry whose versions have tags and stages that can be set. ``expected`` is the present value, or ``None`` if
    there is none; ``send`` raises ``Conflict`` if the value has changed."""

    def own(self, ref: ModelRef) -> ModelVersion:
        """One version, read now: its aliases, stage and tags, without the data of its run.

        Raises:
            Rejected: there is no such version.
        """
        ...

    def compile_tag(self, ref: ModelRef, key: str, value: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. The calls that set a tag, or remove it if ``value`` is empty. No call if the tag has that value
        already.

        Raises:
            Rejected: the key is reserved for the registry.
        """
        ...

    def compile_stage(self, ref: ModelRef, stage: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. The calls that move a version to a stage. No call if it is in that stage already.

        Raises:
            Rejected: there is no such stage.
        """
        ...
