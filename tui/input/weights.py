"""The parser of weights, which the app and the command line share. Pure."""

from __future__ import annotations

import re

from shiftdeck.common.durations import parse_percent

_SIGN = re.compile(r"\s+%(?=[\s,]|$)")
_WORDS = re.compile(r"[\s,]+")


def parse_weights(text: str) -> dict[str, float]:
    """Percent by variant from "v8=25 v9=10%". Blanks or commas separate the weights; a blank may precede ``%``.

    Raises:
        ValueError: there is no weight, a word is not a weight, a variant is named twice, or a weight is not within
            0–100.
    """
    found: dict[str, float] = {}
    for word in _words(text):
        name, equals, percent = word.partition("=")
        if not (name and equals):
            raise ValueError(f"{word!r} is not a weight: write VARIANT=PERCENT, like v8=25")
        if name in found:
            raise ValueError(f"{name} is named twice")
        found[name] = _weight(name, percent)
    if not found:
        raise ValueError("no weight is given: write VARIANT=PERCENT, like v8=25")
    return found


def parse_share(text: str) -> tuple[str, float | None]:
    """A variant and its percentage from "v13=20" or "v13 20". A missing percentage is ``None``, a missing variant "".

    Raises:
        ValueError: there are more words, or the percentage is not within 0–100.
    """
    words = [part for word in _words(text) for part in word.split("=", 1)]
    if len(words) > 2 or words[:1] == [""]:
        raise ValueError(f"{text.strip()!r} is not one variant and its percentage: write VARIANT=PERCENT, like v13=20")
    name, percent = [*words, "", ""][:2]
    return name, _weight(name, percent) if len(words) == 2 else None


def _words(text: str) -> list[str]:
    return [word for word in _WORDS.split(_SIGN.sub("%", text)) if word]


def _weight(name: str, percent: str) -> float:
    try:
        return parse_percent(percent)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
