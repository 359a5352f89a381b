"""The age of what a target serves, by its time stamps and by the headers of its answer. Pure.

A federation, a gateway and a caching proxy answer at once and well, with values of an hour ago.
"""

from __future__ import annotations

from dataclasses import replace

from backends.dropped import Dropped, shown
from backends.errors import Unreachable
from backends.metrics.exposition import Scrape

OLD_S = 120.0
"""A value that was measured longer ago than this is of the past."""


def check_age(age: str, where: str) -> None:
    """Raises:
    Unreachable: the header ``Age`` tells that a cache on the way kept the answer for too long.
    """
    text = age.strip()[:12]
    if text.isascii() and text.isdigit() and float(text) > OLD_S:
        raise Unreachable(
            f"{where} gave an answer that is {float(text):.0f} s old: a cache on the way keeps it",
            hint="name the address of the target itself, or have the cache leave this path alone",
        )


def without_old(scrape: Scrape, now: float, where: str) -> Scrape:
    """The scrape without the series whose time stamps are old: a cache, a federation or a gateway repeats what it once
    had.

    Raises:
        Unreachable: all its series are old.
    """
    old = [key for key, at in scrape.stamps.items() if key in scrape.values and now - at > OLD_S]
    if not old:
        return scrape
    newest = now - max(scrape.stamps[key] for key in old)
    if len(old) == len(scrape.values):
        raise Unreachable(
            f"{where} repeats values that are {newest:.0f} s old by their time stamps",
            hint="see what it gets them from: a federation, a gateway or a cache has nothing newer",
        )
    dropped = Dropped()
    dropped.add(f"older than {OLD_S:.0f} s by its time stamp", shown(old[0]), len(old))
    gone = set(old)
    return replace(
        scrape,
        values={key: value for key, value in scrape.values.items() if key not in gone},
        series={key: one for key, one in scrape.series.items() if key not in gone},
        remarks=(*scrape.remarks, *dropped.remarks()),
    )


def clock_ahead(date: str, now: float) -> float:
    """How far the server's clock is ahead of ours, by its Date header; 0 if it has none."""
    if not date:
        return 0.0
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (TypeError, ValueError, OverflowError):
        return 0.0
