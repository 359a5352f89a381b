"""Where a rollback may lead: which releases are known to be bad, and which one to go back to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from backends.contracts import Endpoint, Release
from shiftdeck.common.durations import age

if TYPE_CHECKING:
    from shiftdeck.fleet.endpoint import EndpointView

ROLLED_BACK = "was rolled back from"

RECENT_BACK_S = 600.0
"""How long after a way back the next one must name its release: two operators who go back at about the same time must
not go back two releases."""


def current_release(endpoint: Endpoint) -> Release | None:
    """The current release, or ``None`` if the system tells none."""
    return next((release for release in endpoint.releases if release.current), None)


def shares_of(release: Release) -> dict[str, float]:
    """Percent by variant, without the variants that get none. Two releases with the same shares are the same release,
    whatever their numbers: systems renumber a release when somebody goes back to it."""
    return {name: weight for name, weight in release.weights.items() if weight > 0}


def condemned_variants(endpoint: Endpoint) -> Mapping[str, str]:
    """The variants that somebody went back from, each with the reason: those of a bad release that the release after it
    has no more. Another step of a canary that was rolled back from is no place to go back to."""
    releases, current = endpoint.releases, current_release(endpoint)
    vouched = {name for one in releases if one.good for name in shares_of(one)}
    if current is not None and current.good is not False:
        vouched |= shares_of(current).keys()
    found: dict[str, str] = {}
    for number, release in enumerate(releases):
        if release.good is False:
            after = releases[number - 1] if number else current
            kept = shares_of(after).keys() if after is not None and after is not release else set()
            left = shares_of(release).keys() - kept - vouched - found.keys()
            found |= dict.fromkeys(left, f"release {release.id} {release.why or ROLLED_BACK}")
    return found


def condemnation(endpoint: Endpoint, release: Release) -> str:
    """Why a release of the endpoint is known to be bad, or ""."""
    if release.good is False:
        return f"release {release.id} {release.why or ROLLED_BACK}"
    if release.good:
        return ""
    bad = condemned_variants(endpoint)
    return next((f"it gives traffic to {name}: {bad[name]}" for name in shares_of(release) if name in bad), "")


def is_older(endpoint: Endpoint, release: Release) -> bool:
    """Whether the release is older than the current one, by the order in which the system lists them. Newer ones are
    what somebody went back from, or what was never in effect."""
    numbers = {one.id: number for number, one in enumerate(endpoint.releases)}
    current = current_release(endpoint)
    return current is None or numbers.get(release.id, -1) > numbers[current.id]


def last_good(view: EndpointView) -> Release | None:
    """The newest release before the current one that is marked as good. If none is marked so, the newest one that is
    not known to be bad. ``None`` if there is neither.

    A release that sends traffic to a variant with a critical finding, or to a variant that is gone, does not count. A
    mark counts for more than age: an earlier step of the same canary is not safe, and there may be too few requests yet
    for a critical finding on that canary.
    """
    endpoint = view.endpoint
    current = current_release(endpoint)
    now = shares_of(current) if current is not None else None
    there = {variant.name for variant in endpoint.variants}
    condemned = view.verdict.condemned()

    def possible(release: Release) -> bool:
        targets = shares_of(release)
        exists = release.image is not None or targets.keys() <= there
        return exists and targets != now and not targets.keys() & condemned and not condemnation(endpoint, release)

    older = [release for release in endpoint.releases if is_older(endpoint, release) and possible(release)]
    return next((release for release in older if release.good), older[0] if older else None)


def went_back(endpoint: Endpoint, now: float) -> str:
    """Who has just gone back to the current release, in words; "" if nobody has. The next rollback must then name its
    release."""
    current = current_release(endpoint)
    if current is None or current.returned_at is None or abs(now - current.returned_at) > RECENT_BACK_S:
        return ""
    ago = age(now - current.returned_at)
    return f"{current.by or 'somebody'} went back to release {current.id} {ago} ago"


def introduced(endpoint: Endpoint, release: Release, now: float) -> str:
    """A release in words: its id, its image or note, its age and its author."""
    image = release.image or ", ".join(
        dict.fromkeys(
            variant.image or str(variant.model)
            for variant in endpoint.variants
            if variant.name in shares_of(release) and (variant.image or variant.model)
        )
    )
    note = release.note if release.note and not image.endswith(release.note) else ""
    words = [
        f"image {image}" if image else "",
        note,
        f"{age(now - release.at)} old" if release.at is not None else "",
        f"by {release.by}" if release.by else "",
    ]
    return ", ".join([f"release {release.id}", *(one for one in words if one)])
