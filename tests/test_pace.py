"""How fast Discord may be asked."""

from heapq import heappop, heappush

import pytest

from boostmon.bot.pace import MARGIN, Limits, Pace, Turns, Window, lane_of_channel, lane_of_roles

ROLES = lane_of_roles("1")


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


def test_all_requests_together_stay_below_fifty_a_second_whenever_discord_counts_them() -> None:
    turns, now, counted, answers = Turns(49, 1.0), 0.0, list[float](), list[float]()
    while len(counted) < 400:
        while answers and answers[0] <= now:
            turns.end(heappop(answers))
        if turns.ready_at(now) <= now:
            turns.begin()
            answer = now + (0.05 if len(counted) % 7 == 0 else 0.002)
            counted.append(answer if len(counted) % 2 else now)  # as late, or as early, as may be
            heappush(answers, answer)
        now += 0.001
    in_a_second = max(sum(first <= c < first + 1 for c in counted) for first in counted)
    assert in_a_second <= 50


def test_a_request_without_an_answer_keeps_its_turn() -> None:
    turns = Turns(2, 1.0)
    turns.begin()
    turns.begin()
    assert turns.ready_at(100.0) > 100.0
    turns.end(100.0)
    assert turns.ready_at(100.5) == 101.0
    assert turns.ready_at(101.0) <= 101.0


def test_a_refusal_for_all_holds_up_every_request() -> None:
    pace = Pace(Limits())
    pace.refused(ROLES, 2.0, everywhere=True, now=1.0)
    assert pace.turns.ready_at(1.0) == pytest.approx(3.0 + MARGIN)


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
