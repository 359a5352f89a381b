"""Parses names of images: ``registry/repository:tag@digest``. Pure.

https://github.com/distribution/reference, with Docker's defaults: a name without a registry is on Docker Hub, and a
name without a folder there is in ``library``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HUB = "docker.io"
HUB_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """The parts of a name. ``tag`` and ``digest`` are "" if the name has none. A name with neither means ``latest``."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def asked(self) -> str:
        """The tag or digest to look up. The tag comes first, as it may now point to another digest."""
        return self.tag or self.digest or "latest"


def parse(text: str) -> Reference | None:
    """The parts of an image's name; ``None`` if the text is not a name of an image."""
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        return None
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host = first.lower()
    else:
        host, rest = HUB, name
    path, colon, tag = rest.rpartition(":")
    repository, tag = (path, tag) if colon else (rest, "")
    if host in HUB_HOSTS:
        host = HUB
        repository = repository if "/" in repository else f"library/{repository}"
    if not _REPOSITORY.fullmatch(repository) or len(repository) > 255 or (colon and not _TAG.fullmatch(tag)):
        return None
    return Reference(host, repository, tag, digest)


def digest_in(text: str) -> str:
    """The digest after "@" in an image's name or ID, or "". A digest without "@" can be that of a configuration."""
    _, at, digest = text.rpartition("@")
    return digest if at and is_digest(digest) else ""


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None
