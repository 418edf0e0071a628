"""Looks: when which member is read, how many at once, and by whom."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from boostmon.bot.members.agreement import AGAIN_AFTER
from boostmon.bot.members.looks import AT_ONCE, DOUBTS_AT_ONCE, PATIENCE, POLL, Looks, Member
from boostmon.errors import DatabaseUnavailableError
from tests.support.fakes import Machine, Relay, at_work, turns


class Doubts:
    """Who is in doubt, as the database tells."""

    def __init__(self) -> None:
        self.due: list[Member] = []
        self.asked = 0
        self.fails = False

    async def in_doubt(self, most: int) -> list[Member]:
        self.asked += 1
        if self.fails:
            raise DatabaseUnavailableError
        return self.due[:most]


class Readings:
    """Reads members; each reading ends when the test says so."""

    def __init__(self) -> None:
        self.begun: list[Member] = []
        self.pauses: dict[Member, float | Exception | None] = {}
        self.hold = False
        self._ends = asyncio.Event()

    async def of(self, *member: str) -> float | None:
        self.begun.append((member[0], member[1]))
        if self.hold:
            await self._ends.wait()
        pause = self.pauses.pop((member[0], member[1]), None)
        if isinstance(pause, Exception):
            raise pause
        return pause

    def end(self) -> None:
        """Let every reading end."""
        self.hold = False
        self._ends.set()


class Bench:
    """Looks with all that they talk to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.machine, self.relay = Machine(patch), Relay()
        self.doubts, self.readings = Doubts(), Readings()
        standings: Any = self.doubts
        agreement: Any = self.readings
        self.looks = Looks(standings=standings, agreement=agreement, relay=self.relay)

    async def settle(self) -> None:
        """Let the loop do all that it would do at this moment."""
        self.looks.want("nobody", "nobody", after=1e9)  # wakes it
        for _ in range(50):
            await asyncio.sleep(0)

    async def after(self, seconds: float) -> None:
        """Let time pass, and the loop do what is due."""
        self.machine.now += seconds
        await self.settle()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Lend looks in which nobody is wanted."""
    return Bench(monkeypatch)


def member(number: int) -> Member:
    return "1", str(number)


async def test_a_member_is_read_when_their_time_has_come(bench: Bench) -> None:
    async with at_work(bench.looks.run()):
        bench.looks.want("1", "1", after=5.0)
        await bench.after(4.9)
        assert [] == bench.readings.begun

        await bench.after(0.2)

        assert [member(1)] == bench.readings.begun


async def test_the_earlier_wish_counts(bench: Bench) -> None:
    async with at_work(bench.looks.run()):
        for after in (9.0, 5.0, 7.0):
            bench.looks.want("1", "1", after=after)
        await bench.after(5.1)
        assert [member(1)] == bench.readings.begun

        await bench.after(9.0)

        assert [member(1)] == bench.readings.begun


async def test_a_member_is_read_by_one_look_at_a_time_and_again_if_wanted_meanwhile(
    bench: Bench,
) -> None:
    bench.readings.hold = True
    async with at_work(bench.looks.run()):
        bench.looks.want("1", "1")
        await bench.settle()
        bench.looks.want("1", "1")
        await bench.settle()
        assert [member(1)] == bench.readings.begun

        bench.readings.end()
        await bench.settle()

        assert [member(1)] * 2 == bench.readings.begun


async def test_a_few_are_read_at_once_and_the_first_due_first(bench: Bench) -> None:
    bench.readings.hold = True
    for number in range(AT_ONCE + 3):
        bench.looks.want("1", str(number), after=10.0 - number)
    async with at_work(bench.looks.run()):
        await bench.after(10.0)
        assert [member(number) for number in (6, 5, 4, 3)] == bench.readings.begun

        bench.readings.end()
        await bench.settle()

        assert AT_ONCE + 3 == len(set(bench.readings.begun))


async def test_who_is_to_be_read_again_is(bench: Bench) -> None:
    bench.readings.pauses[member(1)] = 60.0
    async with at_work(bench.looks.run()):
        bench.looks.want("1", "1")
        await bench.settle()
        await bench.after(59.0)
        assert 1 == len(bench.readings.begun)

        await bench.after(2.0)

        assert 2 == len(bench.readings.begun)


@pytest.mark.parametrize("error", [DatabaseUnavailableError(), LookupError("nowhere")])
async def test_a_look_that_fails_is_done_again_and_keeps_no_other_waiting(
    bench: Bench, error: Exception
) -> None:
    bench.readings.pauses[member(1)] = error
    with capture_logs() as logged:
        async with at_work(bench.looks.run()):
            bench.looks.want("1", "1")
            bench.looks.want("1", "2")
            await bench.settle()
            assert [member(1), member(2)] == bench.readings.begun

            await bench.after(AGAIN_AFTER + 1)

    assert [member(1), member(2), member(1)] == bench.readings.begun
    assert ["member not looked at"] == [line["event"] for line in logged]


async def test_who_is_in_doubt_is_read_within_seconds(bench: Bench) -> None:
    async with at_work(bench.looks.run()):
        await bench.settle()
        bench.doubts.due = [member(1), member(2)]
        await bench.after(POLL)

        assert [member(1), member(2)] == bench.readings.begun


async def test_the_database_is_asked_for_doubts_every_few_seconds_alone(bench: Bench) -> None:
    async with at_work(bench.looks.run()):
        for _ in range(20):
            await bench.after(POLL / 4)

        assert 6 >= bench.doubts.asked


async def test_who_is_in_doubt_and_wanted_later_waits_until_then(bench: Bench) -> None:
    bench.readings.pauses[member(1)] = 300.0
    bench.doubts.due = [member(1)]
    async with at_work(bench.looks.run()):
        for _ in range(5):
            await bench.after(POLL)

        assert [member(1)] == bench.readings.begun


async def test_doubts_that_cannot_be_read_are_tried_again(bench: Bench) -> None:
    bench.doubts.fails, bench.doubts.due = True, [member(1)]
    with capture_logs() as logged:
        async with at_work(bench.looks.run()):
            await bench.settle()
            bench.doubts.fails = False
            await bench.after(POLL)

    assert [member(1)] == bench.readings.begun
    assert ["the members in doubt were not read"] == [line["event"] for line in logged]


async def test_many_in_doubt_are_read_in_portions(bench: Bench) -> None:
    bench.doubts.due = [member(number) for number in range(DOUBTS_AT_ONCE + 7)]
    async with at_work(bench.looks.run()):
        await turns(lambda: len(bench.readings.begun) == DOUBTS_AT_ONCE)
        bench.doubts.due = bench.doubts.due[DOUBTS_AT_ONCE:]
        await bench.after(POLL)

        assert DOUBTS_AT_ONCE + 7 == len(set(bench.readings.begun))


async def test_who_does_not_speak_to_discord_reads_nobody(bench: Bench) -> None:
    bench.relay.lose()
    bench.doubts.due = [member(1)]
    async with at_work(bench.looks.run()):
        bench.looks.want("1", "2")
        bench.looks.want_in_time("1", "3")
        for _ in range(20):
            await bench.after(POLL)

        assert ([], 0) == (bench.readings.begun, bench.doubts.asked)


async def test_what_was_wanted_when_the_lease_was_lost_for_a_moment_is_read_after_it(
    bench: Bench,
) -> None:
    async with at_work(bench.looks.run()):
        bench.looks.want("1", "1", after=5.0)
        bench.relay.is_idle = False
        bench.looks.want_in_time("1", "2")
        bench.relay.lose()
        await bench.after(9.0)
        bench.relay.win()
        bench.relay.is_idle = True
        await bench.after(1.0)

        assert [member(1), member(2)] == bench.readings.begun


async def test_a_look_that_need_not_be_prompt_waits_for_a_quiet_moment(bench: Bench) -> None:
    bench.relay.is_idle = False
    async with at_work(bench.looks.run()):
        bench.looks.want_in_time("1", "1")
        await bench.after(PATIENCE / 2)
        assert [] == bench.readings.begun

        bench.relay.is_idle = True
        await bench.settle()

        assert [member(1)] == bench.readings.begun


async def test_a_look_that_need_not_be_prompt_waits_a_minute_and_not_longer(bench: Bench) -> None:
    bench.relay.is_idle = False
    async with at_work(bench.looks.run()):
        bench.looks.want_in_time("1", "1")
        await bench.after(PATIENCE / 2)
        bench.looks.want_in_time("1", "1")  # which begins no new minute
        await bench.after(PATIENCE / 2 + 1)

        assert [member(1)] == bench.readings.begun


async def test_who_is_wanted_both_at_once_and_in_time_is_read_once(bench: Bench) -> None:
    async with at_work(bench.looks.run()):
        bench.looks.want_in_time("1", "1")
        bench.looks.want("1", "1")
        await bench.settle()
        await bench.after(PATIENCE + 1)

        assert [member(1)] == bench.readings.begun


async def test_what_is_due_goes_before_what_can_wait(bench: Bench) -> None:
    for number in range(AT_ONCE):
        bench.looks.want_in_time("1", str(number))
        bench.looks.want("2", str(number))
    bench.readings.hold = True
    async with at_work(bench.looks.run()):
        await bench.settle()

        assert {"2"} == {guild_id for guild_id, _ in bench.readings.begun}


async def test_a_stop_waits_for_no_look(bench: Bench) -> None:
    bench.readings.hold = True
    async with at_work(bench.looks.run()):
        bench.looks.want("1", "1")
        await bench.settle()

    assert [member(1)] == bench.readings.begun


async def test_whoever_stands_by_rests_although_somebody_is_to_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float | None] = []
    timeout = asyncio.timeout

    def noted(seconds: float | None) -> asyncio.Timeout:
        rests.append(seconds)
        return timeout(seconds)

    monkeypatch.setattr(asyncio, "timeout", noted)
    bench.relay.leads = False
    bench.looks.want("1", "11")
    async with at_work(bench.looks.run()):
        await turns(lambda: rests)

    assert [POLL] == rests
