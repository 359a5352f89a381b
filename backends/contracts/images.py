"""Container images as their registries report them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backends.contracts.adapter import Adapter


@dataclass(frozen=True, slots=True)
class Image:
    """What a container registry reports of an image now. ``reference`` is the image's name as the variant has it.

    ``digest`` is the digest that its tag points to, or ``None`` if not known; ``note`` then says why. If the digest is
    that of an index, ``contains`` are the digests of the manifests of its platforms: a node may report either.
    ``signed`` is whether a signature is attached. The signature is not verified: anybody who may push can attach one.
    ``running`` does not come from the registry: it holds, by serving source and scope, the digests that replicas with
    this image run (see ``Runs``).
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
        """The images of those references that belong to this registry, as they are now. Other references are left
        out."""
        ...

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags of a repository, in the registry's order. Raises ``Rejected`` if there is no such repository."""
        ...
