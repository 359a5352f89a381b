"""Images as the registries of containers know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backends.contracts.adapter import Adapter


@dataclass(frozen=True, slots=True)
class Image:
    """What a container registry says of an image now. ``reference`` is the variant's own way of naming it.

    ``digest`` is what its tag points to, ``None`` where that is not known; ``note`` then says why. Where that is an
    index, ``contains`` are the digests of its platforms' manifests: a node may tell either. ``signed`` is whether a
    signature is attached to it. It is not verified: anybody who may push can attach one. ``running`` is not the
    registry's: by serving source and scope, the digests that replicas run which were asked to run this (see ``Runs``).
    """

    reference: str
    digest: str | None = None
    contains: tuple[str, ...] = ()
    signed: bool | None = None
    note: str = ""
    running: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


class Images(Adapter, Protocol):
    """A registry of container images."""

    def images(self, references: Sequence[str]) -> tuple[Image, ...]:
        """Those of the references that lie in this registry, as it has them now; others are left out."""
        ...

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags of a repository, in the registry's order. Raises ``Rejected`` where there is no such repository."""
        ...
