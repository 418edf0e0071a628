"""How fast Discord may be asked."""

import pytest

from boostmon.bot.pace import MARGIN, Limits, Pace, Window, lane_of_channel, lane_of_roles

ROLES = lane_of_roles("1")
SPACE = 1 / Limits().requests_per_second


def first_free(window: Window, now: float) -> float:
    return max(now, window.ready_at(now))


def test_a_window_allows_so_many_starts_and_then_waits() -> None:
    window = Window(3, 10.0)
    for moment in (0.0, 1.0, 2.0):
        assert window.ready_at(moment) <= moment
        window.start(moment)
    assert window.ready_at(3.0) == 10.0
    assert window.ready_at(10.0) <= 10.0


def test_a_window_never_lets_more_starts_pass_than_it_should() -> None:
    window, starts, now = Window(10, 10.0), list[float](), 0.0
    for _ in range(55):
        now = first_free(window, now)
        window.start(now)
        starts.append(now)
    assert all(late - early >= 10.0 for early, late in zip(starts, starts[10:], strict=False))


def test_an_answer_that_says_none_remain_closes_the_lane() -> None:
    pace = Pace(Limits())
    pace.start(ROLES, 0.0)
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "7.5"}
    pace.answered(ROLES, headers, 1.0)
    assert pace.ready_at(ROLES, 1.0) == pytest.approx(8.5 + MARGIN)


def test_an_answer_that_leaves_some_closes_nothing() -> None:
    pace = Pace(Limits())
    pace.start(ROLES, 0.0)
    pace.answered(ROLES, {"X-RateLimit-Remaining": "9", "X-RateLimit-Reset-After": "9"}, 1.0)
    assert pace.ready_at(ROLES, 1.0) <= 1.0


def test_all_lanes_together_stay_below_fifty_a_second() -> None:
    pace, now, starts = Pace(Limits()), 0.0, []
    for number in range(100):
        lane = lane_of_channel(str(number))
        now = max(now, pace.ready_at(lane, now))
        pace.start(lane, now)
        starts.append(now)
    assert starts[-1] == pytest.approx(99 * SPACE)
    in_a_second = max(sum(first <= s < first + 1 for s in starts) for first in starts)
    assert in_a_second < 50


def test_a_refusal_for_all_holds_up_every_lane() -> None:
    pace = Pace(Limits())
    pace.refused(ROLES, 2.0, everywhere=True, now=1.0)
    assert pace.ready_at(lane_of_channel("5"), 1.0) == pytest.approx(3.0 + MARGIN)


def test_a_refusal_for_one_lane_holds_up_that_one() -> None:
    pace = Pace(Limits())
    pace.refused(ROLES, 2.0, everywhere=False, now=1.0)
    assert pace.ready_at(ROLES, 1.0) == pytest.approx(3.0 + MARGIN)
    assert pace.ready_at(lane_of_channel("5"), 1.0) <= 1.0


def test_direct_messages_share_one_lane() -> None:
    assert lane_of_channel(None) == "direct"
    pace = Pace(Limits(direct_messages=1, direct_message_seconds=4.0))
    pace.start("direct", 0.0)
    assert pace.ready_at("direct", 1.0) == 4.0


def test_lanes_that_hold_nothing_up_are_forgotten() -> None:
    pace = Pace(Limits())
    pace.start(ROLES, 0.0)
    pace.forget_idle(5.0)
    assert pace.lanes == 1
    pace.forget_idle(11.0)
    assert pace.lanes == 0
