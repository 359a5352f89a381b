"""What the pods of a namespace run: the digests that nodes report for the images that pods were asked to run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backends.images.reference import digest_in
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.kinds import POD
from backends.platforms.kubernetes.objects import Object, items, text

PAGE = 250


def running_pods(client: KubeClient, namespace: str) -> Iterator[Object]:
    """The pods of a namespace that run, page by page. Raises ``BackendError``."""
    query = {"fieldSelector": "status.phase=Running", "limit": str(PAGE)}
    while True:
        answer = client.request("GET", POD.path(namespace), query=query)
        yield from items(answer, "items")
        further = text(answer, "metadata", "continue")
        if not further:
            return
        query = {**query, "continue": further}


def running_images(pods: Iterable[Object]) -> dict[str, tuple[str, ...]]:
    """By image as it was asked for, the digests that containers run. Pure.

    A node that names an image by its configuration (``sha256:…`` without a repository) tells no digest that a registry
    would know, and counts for nothing.
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
