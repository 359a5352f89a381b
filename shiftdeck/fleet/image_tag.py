"""What image a variant runs, against what its tag points to now. Pure.

A tag may move while replicas run: those that start later then run something else than those that are there.
"""

from __future__ import annotations

from dataclasses import dataclass

from backends.contracts import Variant
from shiftdeck.fleet.endpoint import VariantView

SHOWN = 19
"""Characters of a digest that are shown: ``sha256:`` and twelve more, as container tools do."""


@dataclass(frozen=True, slots=True)
class ImageFinding:
    """``moved`` is whether what runs is not what the tag names now, ``None`` where that cannot be told; ``words`` say
    what runs and where it went, and ``short`` the digest that matters."""

    moved: bool | None
    words: str
    short: str = ""


def finding(view: VariantView) -> ImageFinding | None:
    """``None`` where nothing is known of the image at all."""
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
    strange = [digest for digest in running if digest not in named]
    if strange:
        some = "some replicas run" if len(strange) < len(running) else "the replicas run"
        words = f"{tag} is {short(image.digest)} now, and {some} {_all(tuple(strange))}"
        return ImageFinding(True, _joined(words, signed), short(strange[0]))
    return ImageFinding(False, _joined(f"runs {_all(running)}, as {tag} says", signed), short(running[0]))


def running_digests(variant: Variant) -> tuple[str, ...]:
    """What the replicas run, by the system's word; else the digest that they were asked to run."""
    if variant.running:
        return variant.running
    digest = (variant.image or "").partition("@")[2]
    return (digest,) if digest else ()


def name_of(image: str) -> str:
    """The last part of an image's name, with its tag: what an operator calls it."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name or image


def short(digest: str) -> str:
    return digest[:SHOWN]


def _all(digests: tuple[str, ...]) -> str:
    return ", ".join(short(digest) for digest in digests)


def _joined(*words: str) -> str:
    return "; ".join(word for word in words if word)
