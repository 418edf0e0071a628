"""The write side over a real database: races, repetitions, and the row that follows the log."""

import asyncio
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from boostmon.commands.decider import (
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    TimerCommand,
)
from boostmon.commands.handler import CommandHandler
from boostmon.commands.sweeper import Sweeper
from boostmon.database.clocks.clock import Clock
from boostmon.database.connections.pool import Database, connect
from boostmon.errors import (
    ConcurrencyError,
    RejectedError,
    TimerElsewhereError,
    TimerNotFoundError,
)
from boostmon.events.append import Append, Conflict, Outcome
from boostmon.events.store import Draft, EventStore
from boostmon.events.timer import (
    HOUR,
    MINUTE,
    Expired,
    NoTimer,
    OnHold,
    Running,
    TimeRemoved,
    TimerId,
    TimerSet,
    remaining_ms,
)
from boostmon.projections.replay.run import check
from boostmon.projections.role_timers import RoleTimers
from tests.support.timers import M, fresh_timer, handler_over, slash

OTHER_GUILD = "1100000000000000099"


class StillClock:
    """A clock that stands at *time*."""

    trusted = True

    def __init__(self, time: int = 0) -> None:
        self.time = time

    def now(self) -> int:
        return self.time

    def discord_now(self) -> int:
        return self.time

    async def wait_until(self, *_: Any, **__: Any) -> None:
        raise AssertionError("a test calls one pass itself; nothing may wait for the next")


def sweeper_over(database: Database) -> Sweeper:
    clock: Clock = StillClock()
    store = EventStore(database)
    return Sweeper(store=store, timers=RoleTimers(database), clock=clock, interval=30)


async def test_a_command_answers_with_what_it_did(database: Database) -> None:
    timer, handler = fresh_timer(), handler_over(database)
    handled = await handler.handle(timer, SetTime(0, HOUR, M), slash())
    assert (TimerSet(0, HOUR, HOUR, M),) == handled.events
    assert NoTimer() == handled.before
    assert isinstance(handled.after, Running)
    assert handled.position == 1


async def test_a_refused_command_records_nothing(
    database: Database, owner: asyncpg.Connection
) -> None:
    with pytest.raises(TimerNotFoundError):
        await handler_over(database).handle(fresh_timer(), Pause(0), slash())
    assert await owner.fetchval("SELECT count(*) FROM events") == 0


async def test_a_hundred_additions_at_once_add_a_hundred_minutes(database: Database) -> None:
    timer, handler = fresh_timer(), handler_over(database)
    await handler.handle(timer, SetTime(0, HOUR, M), slash())
    await asyncio.gather(
        *(handler.handle(timer, AddTime(0, MINUTE, M), slash()) for _ in range(100))
    )
    state = (await EventStore(database).read(timer)).state
    assert HOUR + 100 * MINUTE == remaining_ms(state, 0)


async def test_two_processes_lose_no_addition(database: Database) -> None:
    timer, handlers = fresh_timer(), [handler_over(database), handler_over(database)]
    await handlers[0].handle(timer, SetTime(0, HOUR, M), slash())
    await asyncio.gather(
        *(handlers[i % 2].handle(timer, AddTime(0, MINUTE, M), slash()) for i in range(40))
    )
    state = (await EventStore(database).read(timer)).state
    assert HOUR + 40 * MINUTE == remaining_ms(state, 0)


async def test_the_same_interaction_delivered_twice_counts_once(database: Database) -> None:
    timer, origin = fresh_timer(), slash()
    handlers = [handler_over(database), handler_over(database)]
    await handlers[0].handle(timer, SetTime(0, HOUR, M), slash())
    one, other = await asyncio.gather(
        *(handler.handle(timer, AddTime(0, MINUTE, M), origin) for handler in handlers)
    )
    assert one == other
    assert await handlers[0].handle(timer, AddTime(0, MINUTE, M), origin) == one
    state = (await EventStore(database).read(timer)).state
    assert HOUR + MINUTE == remaining_ms(state, 0)


async def test_a_command_repeated_for_another_role_answers_with_the_first(
    database: Database,
) -> None:
    handler, origin = handler_over(database), slash()
    one, other = fresh_timer(), fresh_timer()
    for timer in (one, other):
        await handler.handle(timer, SetTime(0, HOUR, M), slash())
    first = await handler.handle(one, Pause(MINUTE), origin)
    assert await handler.handle(other, Pause(MINUTE), origin) == first
    assert one == first.timer
    assert isinstance((await EventStore(database).read(other)).state, Running)


async def test_a_role_of_another_server_is_refused(database: Database) -> None:
    handler, timer = handler_over(database), fresh_timer()
    await handler.handle(timer, SetTime(0, HOUR, M), slash())
    elsewhere = TimerId(OTHER_GUILD, timer.user_id, timer.role_id)
    with pytest.raises(TimerElsewhereError):
        await handler.handle(elsewhere, SetTime(0, HOUR, M), slash())


class BusyStore(EventStore):
    """A store on whose streams somebody else is always first."""

    tries = 0

    async def append(self, *appends: Append | Draft) -> list[Outcome]:
        self.tries += 1
        return [Conflict(1) for _ in appends]


async def test_ten_lost_races_are_a_clear_refusal(database: Database) -> None:
    store = BusyStore(database)
    with pytest.raises(ConcurrencyError, match="try again"):
        await CommandHandler(store).handle(fresh_timer(), SetTime(0, HOUR, M), slash())
    assert store.tries == 10


async def test_removing_all_time_ends_the_timer_in_one_commit(
    database: Database, owner: asyncpg.Connection
) -> None:
    timer, handler = fresh_timer(), handler_over(database)
    await handler.handle(timer, SetTime(0, HOUR, M), slash())
    handled = await handler.handle(timer, RemoveTime(MINUTE, HOUR, M), slash())
    assert [TimeRemoved, Expired] == [type(event) for event in handled.events]
    assert await owner.fetchval("SELECT count(*) FROM role_timers") == 0
    effects = await owner.fetch("SELECT kind FROM effects WHERE position = $1", handled.position)
    assert {"take_role", "notice"} == {row["kind"] for row in effects}


class Household(RuleBasedStateMachine):
    """After every step, however two handlers race, each row is what the log says."""

    run: Any
    databases: tuple[Database, Database]
    owner: asyncpg.Connection

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000_000
        self.handlers = [handler_over(database) for database in self.databases]
        self.sweepers = [sweeper_over(database) for database in self.databases]
        self.timers = [fresh_timer() for _ in range(3)]

    def give(self, which: int, *commands: TimerCommand) -> None:
        """Give *commands* at once, by turns to one and the other handler."""

        async def one(number: int, command: TimerCommand) -> None:
            try:
                await self.handlers[number % 2].handle(self.timers[which], command, slash())
            except RejectedError:
                return

        async def all_at_once() -> None:
            await asyncio.gather(*(one(*numbered) for numbered in enumerate(commands)))

        self.run(all_at_once())

    def state(self, which: int) -> Any:
        history = self.run(EventStore(self.databases[0]).read(self.timers[which]))
        return history.state

    which = st.integers(0, 2)
    durations = st.integers(1, 3 * HOUR)

    @rule(ms=st.integers(1, 90 * MINUTE))
    def wait(self, ms: int) -> None:
        self.now += ms

    @rule(which=which, duration=durations)
    def set(self, which: int, duration: int) -> None:
        self.give(which, SetTime(self.now, duration, M, None))

    @rule(which=which, durations=st.lists(durations, min_size=2, max_size=4))
    def race_to_add(self, which: int, durations: list[int]) -> None:
        before = self.state(which)
        self.give(which, *(AddTime(self.now, duration, M) for duration in durations))
        if before != NoTimer():
            expected = remaining_ms(before, self.now) + sum(durations)
            assert expected == remaining_ms(self.state(which), self.now)

    @rule(which=which, duration=durations)
    def race_of_remove_and_pause(self, which: int, duration: int) -> None:
        self.give(which, RemoveTime(self.now, duration, M), Pause(self.now))

    @rule(which=which)
    def race_to_resume(self, which: int) -> None:
        before = self.state(which)
        self.give(which, Resume(self.now, M), Resume(self.now, M))
        if isinstance(before, OnHold):
            assert before.remaining_ms == remaining_ms(self.state(which), self.now)

    @rule(which=which)
    def clear(self, which: int) -> None:
        self.give(which, Clear(self.now))

    @rule()
    def race_to_sweep(self) -> None:
        async def both() -> None:
            await asyncio.gather(*(sweeper.sweep(self.now) for sweeper in self.sweepers))

        self.run(both())
        after = self.run(self.sweepers[0].sweep(self.now))
        assert after.due == 0

    @invariant()
    def every_row_follows_from_the_log(self) -> None:
        report = self.run(check(self.owner))
        assert report.drifts == []
        assert report.broken == []


def test_the_rows_follow_the_log_in_every_history(bot_url: str, owner_url: str) -> None:
    quick = settings(
        max_examples=12,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    with asyncio.Runner() as runner:
        one = runner.run(connect(bot_url))
        other = runner.run(connect(bot_url))
        owner = runner.run(asyncpg.connect(owner_url))
        Household.run = staticmethod(runner.run)
        Household.databases, Household.owner = (one, other), owner
        try:
            run_state_machine_as_test(Household, settings=quick)
        finally:
            for opened in (one, other, owner):
                runner.run(opened.close())
