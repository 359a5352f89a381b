"""The images that the pods of a namespace run: the digests that nodes report, by image in the specification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backends.images.reference import digest_in
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.kinds import POD
from backends.platforms.kubernetes.objects import Object, items, text

PAGE = 250


def running_pods(client: KubeClient, namespace: str) -> Iterator[Object]:
    """The running pods of a namespace, read page by page. Raises ``BackendError``."""
    query = {"fieldSelector": "status.phase=Running", "limit": str(PAGE)}
    while True:
        answer = client.request("GET", POD.path(namespace), query=query)
        yield from items(answer, "items")
        further = text(answer, "metadata", "continue")
        if not further:
            return
        query = {**query, "continue": further}


def running_images(pods: Iterable[Object]) -> dict[str, tuple[str, ...]]:
    """The digests that containers run, by image as specified. Pure.

    Some nodes name an image by its configuration (``sha256:…`` without a repository). Registries do not have that
    digest, so it is ignored.
    """
    found: dict[str, dict[str, None]] = {}
    for pod in pods:
        if text(pod, "metadata", "deletionTimestamp"):
            continue
        asked = {text(one, "name"): text(one, "image") for one in items(pod, "spec", "containers")}
        for status in items(pod, "status", "containerStatuses"):
            image, digest = asked.get(text(status, "name"), ""), digest_in(text(status, "imageID"))
            if image and digest:
                found.setdefault(image, {})[digest] = None
    return {image: tuple(sorted(digests)) for image, digests in found.items()}
