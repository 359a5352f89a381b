"""The image that a variant runs, against the digest that its tag points to now. Pure.

A tag may move while replicas run. Replicas that start later then run another image than the present ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from backends.contracts import Variant
from shiftdeck.fleet.endpoint import VariantView

SHOWN = 19
"""How many characters of a digest are shown: ``sha256:`` and twelve more, as container tools do."""


@dataclass(frozen=True, slots=True)
class ImageFinding:
    """``moved`` is whether the replicas run another image than the tag names now; ``None``: not known. ``words`` say
    what runs and what the tag names. ``short`` is the digest to show where there is room for one."""

    moved: bool | None
    words: str
    short: str = ""


def finding(view: VariantView) -> ImageFinding | None:
    """The finding on a variant's image; ``None`` where nothing is known of the image."""
    variant, image = view.variant, view.image
    if not variant.image:
        return None
    running = running_digests(variant)
    if image is None:
        return ImageFinding(None, f"runs {_all(running)}", short(running[0])) if running else None
    if image.digest is None:
        return ImageFinding(None, image.note or "the registry tells no digest", short(running[0]) if running else "")
    named = {image.digest, *image.contains}
    signed = {True: "a signature is attached (not verified)", False: "no signature is attached", None: ""}[image.signed]
    tag = name_of(variant.image)
    if not running:
        words = f"{tag} is {short(image.digest)}; the system does not tell which digest runs"
        return ImageFinding(None, _joined(words, signed), short(image.digest))
    unnamed = [digest for digest in running if digest not in named]
    if unnamed:
        some = "some replicas run" if len(unnamed) < len(running) else "the replicas run"
        words = f"{tag} is {short(image.digest)} now, and {some} {_all(tuple(unnamed))}"
        return ImageFinding(True, _joined(words, signed), short(unnamed[0]))
    return ImageFinding(False, _joined(f"runs {_all(running)}, as {tag} says", signed), short(running[0]))


def running_digests(variant: Variant) -> tuple[str, ...]:
    """The digests that the replicas run, as the system reports them; else the digest that they were asked to run."""
    if variant.running:
        return variant.running
    digest = (variant.image or "").partition("@")[2]
    return (digest,) if digest else ()


def name_of(image: str) -> str:
    """The last part of an image's name, with its tag: the name that operators use."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name or image


def short(digest: str) -> str:
    return digest[:SHOWN]


def _all(digests: tuple[str, ...]) -> str:
    return ", ".join(short(digest) for digest in digests)


def _joined(*words: str) -> str:
    return "; ".join(word for word in words if word)
