"""Whether changes may be made now: by the configuration, and for the time for which that was allowed."""

from __future__ import annotations

import pytest

from shiftdeck.changes.access import Gate
from shiftdeck.config.loader import Access
from tests.fakes import Clock, fake_context


@pytest.mark.parametrize("access", [Access.READ_WRITE, Access.ARM])
def test_arming_for_a_time_ends_with_it_in_any_context(access: Access) -> None:
    clock = Clock()
    gate = Gate(fake_context(access), clock)
    gate.arm(300.0)
    clock.tick(299.0)
    assert (gate.refusal(), gate.state().until) == ("", clock() + 1.0)
    clock.tick(2.0)
    assert gate.refusal() == "read-only until armed, or with --arm"
    gate.arm(300.0)
    assert gate.refusal() == ""


def test_a_read_write_context_is_open_without_being_armed_and_again_after_arming_without_a_time() -> None:
    clock = Clock()
    gate = Gate(fake_context(Access.READ_WRITE), clock)
    assert gate.refusal() == ""
    gate.disarm()
    assert gate.refusal() != ""
    gate.arm()
    clock.tick(1e9)
    assert (gate.refusal(), gate.state().until) == ("", None)
