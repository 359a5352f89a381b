"""At which versions a cluster serves a kind. Adapters are built for one version of each."""

from __future__ import annotations

from backends.errors import Malformed
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.failures import Missing
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import items, text


class OtherVersions(Malformed):
    """A kind that is there, but not at the version that is read. Its objects are not known, which is not none."""


def other_versions(client: KubeClient, kind: Kind) -> tuple[str, ...]:
    """The versions other than ours at which that kind is served.

    Raises:
        BackendError: the server does not answer.
    """
    if not kind.group:
        return ()
    try:
        group = client.request("GET", f"/apis/{kind.group}")
    except Missing:
        return ()
    versions = [text(one, "version") for one in items(group, "versions")]
    return tuple(one for one in versions if one and one != kind.version and kind.plural in _served(client, kind, one))


def _served(client: KubeClient, kind: Kind, version: str) -> frozenset[str]:
    try:
        found = client.request("GET", kind._replace(version=version, plural="").path())
    except Missing:
        return frozenset()
    return frozenset(text(one, "name") for one in items(found, "resources"))


def served_otherwise(kind: Kind, versions: tuple[str, ...]) -> OtherVersions:
    """The error for a kind that is there, but at those versions only."""
    words = f"{kind.resource} is served as {', '.join(versions)} only, and is read as {kind.version}"
    return OtherVersions(
        words, hint=f"serve {kind.version} too, or use a release of shiftdeck that reads {versions[0]}"
    )
