"""How images are named: ``registry/repository:tag@digest``. Pure.

https://github.com/distribution/reference, and what Docker adds: no registry is Docker Hub, and there no path is
``library``.
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
_RUNTIME = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII)  # docker-pullable://, as kubelets wrote image IDs


@dataclass(frozen=True, slots=True)
class Reference:
    """``tag`` and ``digest`` are "" where the name has none; with neither, the tag ``latest`` is meant."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def asked(self) -> str:
        """What to ask the registry for: the tag comes first, as it may have moved away from the digest."""
        return self.tag or self.digest or "latest"


def parse(text: str) -> Reference | None:
    """The parts of an image's name, or ``None`` where it is none."""
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
    """The digest that an image's name or ID ends in, or ""."""
    digest = _RUNTIME.sub("", text).rpartition("@")[2]
    return digest if is_digest(digest) else ""


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None
