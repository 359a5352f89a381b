"""Changes and differences in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import (
    Abort,
    Advance,
    Change,
    Endpoint,
    Mirror,
    ModelRef,
    Pause,
    Promote,
    Resume,
    Retry,
    Role,
    Rollback,
    Split,
)
from shiftdeck.changes.plan import changed_by, describe, difference
from tests.unit.builders import canary, endpoint, release, stable, variant


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Split({"v7": 75.0, "v8": 25.0}), "shift v7=75 v8=25"),
        (Split({"v7": 99.5, "v8": 0.5}), "shift v7=99.5 v8=0.5"),
        (Mirror("v13", 20.0), "mirror 20 % to v13"),
        (Promote("v8"), "promote v8"),
        (Rollback("16"), "roll back to release 16"),
        (Advance(), "advance one step"),
        (Advance(full=True), "advance to the end"),
        (Pause(), "pause"),
        (Resume(), "resume"),
        (Abort(), "abort"),
        (Retry(), "retry"),
    ],
)
def test_a_change_in_words(change: Change, words: str) -> None:
    assert describe(change) == words


BEFORE = endpoint()


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (BEFORE, ()),
        (endpoint(stable(75.0), canary(25.0), revision="18"), ("v7 90 % → 75 %", "v8 10 % → 25 %")),
        (endpoint(stable(None), canary()), ("v7 90 % → –",)),
        (endpoint(stable(), canary(mirror=20.0)), ("v8 mirrored – → 20 %",)),
        (endpoint(stable(), canary(), variant("v9", Role.IDLE, 0.0)), ("v9 appeared",)),
        (endpoint(stable(90.0)), ("v8 is gone",)),
        (endpoint(stable(), variant("v8", Role.STABLE, 10.0)), ("v8 canary → stable",)),
        (endpoint(stable(), canary(model=ModelRef("m", "9"))), ("v8 model None → m/9",)),
        (endpoint(revision="18"), ("revision 17 → 18",)),
        (endpoint(stable(ready=0), canary(observed=0.0)), ()),
    ],
)
def test_what_somebody_changed(now: Endpoint, lines: tuple[str, ...]) -> None:
    assert difference(BEFORE, now) == lines


def test_a_new_revision_alone_can_be_left_out() -> None:
    assert difference(BEFORE, endpoint(revision="18"), revision=False) == ()


def test_who_made_the_newest_release() -> None:
    now = endpoint(releases=(release("18", {}, current=True, by="ana"), release("17", {}, by="kofi")))
    assert changed_by(now) == "ana"
    assert changed_by(replace(now, releases=())) == ""


def test_a_change_without_a_release_blames_nobody() -> None:
    before = endpoint(releases=(release("17", {}, current=True, by="kofi"),))
    assert changed_by(replace(before, revision="18"), before) == ""
    rival = replace(before, releases=(release("18", {}, current=True, by="ana"),))
    assert changed_by(rival, before) == "ana"
    assert changed_by(rival, replace(before, releases=())) == "ana"
