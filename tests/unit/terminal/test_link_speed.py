"""How often a slow line is drawn on, and how it is told from a good one."""

from __future__ import annotations

from tui.terminal.link_speed import IN_A_ROW, PAUSED_EVERY_S, Link


def test_a_slow_line_is_found_by_late_answers_and_left_by_quick_ones() -> None:
    link = Link()
    for _ in range(IN_A_ROW):
        assert not link.slow
        link.answered(0.9)
    assert link.slow
    link.answered(0.3)  # neither
    assert link.slow
    for _ in range(IN_A_ROW):
        assert link.slow
        link.answered(0.05)
    assert not link.slow


def test_one_late_answer_is_a_busy_machine() -> None:
    link = Link()
    for took_s in (0.9, 0.1, 0.9, 0.1):
        link.answered(took_s)
        assert not link.slow


def test_what_the_operator_says_holds() -> None:
    link = Link(chosen=True)
    for _ in range(IN_A_ROW):
        link.answered(0.01)
    assert link.slow
    link.toggle()
    for _ in range(IN_A_ROW):
        link.answered(2.0)
    assert not link.slow


def test_a_slow_line_and_a_terminal_that_nobody_looks_at_get_less() -> None:
    good, slow = Link(), Link(chosen=True)
    assert good.every_s(0.0, watched=True, running=False) == 0.0
    often = slow.every_s(0.0, watched=True, running=True)
    assert 0.0 < often < slow.every_s(0.0, watched=True, running=False)
    assert good.every_s(0.0, watched=False, running=False) > 0.0
    assert slow.every_s(60.0, watched=True, running=True) == 60.0
    assert slow.charts_s > good.charts_s == 0.0


def test_a_paused_screen_is_drawn_when_what_has_grown_old_is_twice_as_old() -> None:
    link = Link()
    at, drawn = 0.0, []
    while at < 600.0:
        at += link.every_s(0.0, watched=True, running=False, paused_s=at)
        drawn.append(at)
    assert drawn[:4] == [5.0, 10.0, 20.0, 40.0]
    assert drawn[-1] - drawn[-2] == PAUSED_EVERY_S
