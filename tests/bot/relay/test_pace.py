"""How fast Discord may be asked."""

import asyncio
from heapq import heappop, heappush

import pytest

from boostmon import machine
from boostmon.bot.discord.pace import (
    DIRECT,
    MARGIN,
    Limits,
    Pace,
    Turns,
    Window,
    lane_of_channel,
    lane_of_roles,
)

ROLES = lane_of_roles("1")


def test_a_window_allows_so_many_starts_and_then_waits() -> None:
    window = Window(3, 10.0)
    for moment in (0.0, 1.0, 2.0):
        assert window.ready_at(moment) <= moment
        window.start(moment)
    assert window.ready_at(3.0) == 10.0
    assert window.ready_at(10.0) <= 10.0


def answered(turns: Turns, *moments: float) -> None:
    for moment in moments:
        turns.begin()
        turns.end(moment)


def test_what_was_answered_longest_ago_makes_room_first() -> None:
    turns = Turns(3, 10.0)
    answered(turns, 0.0, 1.0, 2.0)
    assert turns.ready_at(3.0) == 10.0
    turns.begin()
    assert turns.ready_at(3.0) == 11.0


def test_a_promise_keeps_a_turn_until_it_is_withdrawn() -> None:
    turns = Turns(2, 10.0)
    turns.promise()
    turns.promise()
    assert turns.promise_at(0.0) > 0.0
    assert turns.ready_at(0.0) <= 0.0
    turns.withdraw()
    assert turns.promise_at(0.0) <= 0.0


def test_a_promise_that_is_being_kept_counts_once() -> None:
    turns = Turns(2, 10.0)
    turns.promise()
    turns.begin()
    assert turns.promise_at(0.0) <= 0.0


async def test_requests_nobody_announced_keep_to_the_lane_all_the_same() -> None:
    pace, sent = Pace(Limits(direct_messages=2, direct_message_seconds=0.2)), list[float]()

    async def request() -> None:
        async with pace.turn(DIRECT):
            sent.append(machine.monotonic())

    await asyncio.gather(*(request() for _ in range(6)))

    assert all(late - early >= 0.2 for early, late in zip(sent, sent[2:], strict=False))


async def test_a_lane_that_is_full_holds_up_no_other() -> None:
    pace = Pace(Limits(messages=1, message_seconds=60.0))
    async with pace.turn("channel:1"):
        pass
    waiting = asyncio.create_task(_ask(pace, "channel:1"))
    async with asyncio.timeout(5):
        await _ask(pace, "channel:2")
    assert not waiting.done()
    waiting.cancel()


async def _ask(pace: Pace, lane: str) -> None:
    async with pace.turn(lane):
        pass


@pytest.mark.parametrize(("leads", "most"), [(True, 3), (False, 1)])
async def test_processes_share_the_limit_for_all_requests(*, leads: bool, most: int) -> None:
    pace = Pace(Limits(requests=3, requests_beside=1, request_seconds=60.0))
    pace.share(lambda: leads)
    for _ in range(most):
        await _ask(pace, f"reads:{most}")

    waiting = asyncio.create_task(_ask(pace, "reads:9"))
    await asyncio.sleep(0.05)

    assert not waiting.done()
    waiting.cancel()


async def test_whoever_takes_the_lease_asks_for_more_at_once() -> None:
    pace, leads = Pace(Limits(requests=3, requests_beside=1, request_seconds=60.0)), [False]
    pace.share(lambda: leads[0])
    await _ask(pace, "reads:1")
    leads[0] = True

    async with asyncio.timeout(5):
        await _ask(pace, "reads:2")


def test_both_shares_stay_below_what_discord_allows_together() -> None:
    limits = Limits()

    assert limits.requests + limits.requests_beside < 50  # topics/rate-limits, "Global Rate Limit"


def test_an_answer_that_says_none_remain_closes_the_lane() -> None:
    pace = Pace(Limits())
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "7.5"}
    pace.answered(ROLES, headers, 1.0)
    assert pace.ready_at(ROLES, 1.0) == pytest.approx(8.5 + MARGIN)


def test_an_answer_that_leaves_some_closes_nothing() -> None:
    pace = Pace(Limits())
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
    assert pace.ready_at(DIRECT, 1.0) == pytest.approx(3.0 + MARGIN)  # no effect is begun in vain
    assert pace.quiet_in(1.0) == pytest.approx(2.0 + MARGIN)


def test_a_refusal_for_one_lane_holds_up_that_one() -> None:
    pace = Pace(Limits())
    pace.refused(ROLES, 2.0, everywhere=False, now=1.0)
    assert pace.ready_at(ROLES, 1.0) == pytest.approx(3.0 + MARGIN)
    assert pace.ready_at(lane_of_channel("5"), 1.0) <= 1.0


def test_direct_messages_share_one_lane() -> None:
    assert lane_of_channel(None) == DIRECT


async def test_lanes_that_hold_nothing_up_are_forgotten() -> None:
    pace = Pace(Limits())
    pace.promise(ROLES)
    pace.forget_idle(machine.monotonic())
    assert pace.lanes == 1
    pace.withdraw(ROLES)
    await _ask(pace, ROLES)
    pace.forget_idle(machine.monotonic())
    assert pace.lanes == 1
    pace.forget_idle(machine.monotonic() + 11.0)
    assert pace.lanes == 0


async def test_whoever_speaks_next_waits_until_what_was_asked_is_forgotten() -> None:
    pace = Pace(Limits())
    await _ask(pace, ROLES)
    assert pace.quiet_in(machine.monotonic()) == pytest.approx(10.0, abs=1.0)
