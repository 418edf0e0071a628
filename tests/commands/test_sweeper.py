"""The sweeper over a real database: one pass at a time, with the time passed in."""

import asyncio
from typing import Any, cast

import asyncpg
import pytest

from boostmon.commands import sweeper as sweeping
from boostmon.commands.decider import AddTime, Pause, SetTime
from boostmon.commands.sweeper import Sweeper, Swept
from boostmon.database.connections.pool import Database
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, MINUTE, NoTimer, TimerId
from boostmon.projections.replay.run import replay
from boostmon.projections.role_timers import RoleTimers
from boostmon.projections.sql import statement
from tests.commands.test_handler import StillClock, sweeper_over
from tests.support.timers import CHANNEL, M, fresh_timer, handler_over, slash

OTHER_GUILD = "1100000000000000055"


async def types(owner: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await owner.fetch("SELECT type FROM event_log ORDER BY position")]


async def test_nothing_is_due_before_its_time(database: Database) -> None:
    await handler_over(database).handle(fresh_timer(), SetTime(0, HOUR, M), slash())
    assert Swept(0, 0) == await sweeper_over(database).sweep(50 * MINUTE - 1)


async def test_a_timer_of_two_hours_warns_at_60_10_and_1_and_then_ends(
    database: Database, owner: asyncpg.Connection
) -> None:
    timer, sweeper = fresh_timer(), sweeper_over(database)
    await handler_over(database).handle(timer, SetTime(0, 2 * HOUR, M, CHANNEL), slash())
    for minute in range(121):
        await sweeper.sweep(minute * MINUTE)
    rows = await owner.fetch("SELECT type, data FROM event_log ORDER BY position")
    expected = ["TimerSet", "WarningSent", "WarningSent", "WarningSent", "Expired"]
    assert expected == [row["type"] for row in rows]
    assert NoTimer() == (await EventStore(database).read(timer)).state
    kinds = await owner.fetch("SELECT kind FROM effects ORDER BY position, kind DESC")
    expected = ["give_role", "notice", "notice", "notice", "take_role", "notice"]
    assert expected == [row["kind"] for row in kinds]


async def test_the_row_shows_which_warnings_were_sent(
    database: Database, owner: asyncpg.Connection
) -> None:
    timer, sweeper = fresh_timer(), sweeper_over(database)
    await handler_over(database).handle(timer, SetTime(0, 2 * HOUR, M), slash())
    await sweeper.sweep(119 * MINUTE)
    sent = await owner.fetchval("SELECT warnings_sent::text FROM role_timers")
    assert '{"1": true, "10": true, "60": true}' == sent
    await handler_over(database).handle(timer, AddTime(119 * MINUTE, HOUR, M), slash())
    assert await owner.fetchval("SELECT warnings_sent::text FROM role_timers") == "{}"


async def test_sweepers_of_two_processes_decide_once(
    database: Database, owner: asyncpg.Connection
) -> None:
    handler = handler_over(database)
    for _ in range(20):
        await handler.handle(fresh_timer(), SetTime(0, HOUR, M), slash())
    one, other = sweeper_over(database), sweeper_over(database)
    await asyncio.gather(one.sweep(HOUR), other.sweep(HOUR))
    assert (await types(owner)).count("Expired") == 20


async def test_a_paused_timer_is_skipped(database: Database, owner: asyncpg.Connection) -> None:
    timer, handler = fresh_timer(), handler_over(database)
    await handler.handle(timer, SetTime(0, HOUR, M), slash())
    await handler.handle(timer, Pause(MINUTE), slash())
    assert Swept(0, 0) == await sweeper_over(database).sweep(99 * HOUR)
    assert await owner.fetchval("SELECT next_due_at FROM role_timers") is None


async def test_more_than_a_page_is_swept_in_one_pass(
    database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "PAGE", 3)
    for _ in range(8):
        await handler_over(database).handle(fresh_timer(), SetTime(0, HOUR, M), slash())
    assert Swept(8, 8) == await sweeper_over(database).sweep(HOUR)
    assert await owner.fetchval("SELECT count(*) FROM role_timers") == 0


async def test_a_bad_timer_is_skipped_and_the_others_are_swept(
    database: Database, owner: asyncpg.Connection
) -> None:
    handler = handler_over(database)
    for _ in range(3):
        await handler.handle(fresh_timer(), SetTime(0, HOUR, M), slash())
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await owner.execute(
        """UPDATE events SET data = '{"type": "Transferred", "at": 1}' WHERE position = 2"""
    )
    assert Swept(3, 2) == await sweeper_over(database).sweep(HOUR)
    assert await owner.fetchval("SELECT array_agg(id) FROM role_timers") == [2]


async def test_a_row_that_is_due_by_drift_only_is_left_alone(
    database: Database, owner: asyncpg.Connection
) -> None:
    await handler_over(database).handle(fresh_timer(), SetTime(0, HOUR, M), slash())
    await owner.execute("UPDATE role_timers SET next_due_at = 5")
    assert Swept(1, 0) == await sweeper_over(database).sweep(10)
    assert await types(owner) == ["TimerSet"]


async def test_an_extension_that_came_first_keeps_the_role(
    database: Database, owner: asyncpg.Connection
) -> None:
    timer = fresh_timer()
    await handler_over(database).handle(timer, SetTime(0, HOUR, M), slash())
    await asyncio.gather(
        handler_over(database).handle(timer, AddTime(HOUR, HOUR, M), slash()),
        sweeper_over(database).sweep(HOUR),
        return_exceptions=True,
    )
    await sweeper_over(database).sweep(HOUR)
    log = await types(owner)
    assert log in (["TimerSet", "TimeAdded"], ["TimerSet", "Expired"])


async def test_the_due_scan_reads_few_pages_among_many_timers(owner: asyncpg.Connection) -> None:
    await owner.execute(
        "INSERT INTO role_timers (user_id, role_id, expires_at, guild_id, version, next_due_at)"
        " SELECT n, 1, 0, 1, 1, 1000000 + n FROM generate_series(1, 20000) AS n"
    )
    await owner.execute("ANALYZE role_timers")
    plan = await owner.fetch(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT TEXT) " + statement("due"), 500, 0, 0, 500
    )
    text = "\n".join(row[0] for row in plan)
    assert "role_timers_due" in text


async def state_of(database: Database, timer: TimerId) -> object:
    return (await EventStore(database).read(timer)).state


@pytest.mark.parametrize("guild_id", ["", "unknown", OTHER_GUILD])
async def test_a_row_of_a_wrong_server_keeps_no_timer_from_ending(
    database: Database, owner: asyncpg.Connection, guild_id: str
) -> None:
    timers, handler = [fresh_timer(), fresh_timer()], handler_over(database)
    for timer in timers:
        await handler.handle(timer, SetTime(0, HOUR, M), slash())
    await owner.execute("UPDATE role_timers SET guild_id = $1 WHERE id = 1", guild_id)
    await sweeper_over(database).sweep(HOUR)
    assert [NoTimer(), NoTimer()] == [await state_of(database, timer) for timer in timers]


async def test_a_row_with_another_timers_number_keeps_neither_from_ending(
    database: Database, owner: asyncpg.Connection
) -> None:
    one, other, handler = fresh_timer(), fresh_timer(), handler_over(database)
    await handler.handle(one, SetTime(0, HOUR, M), slash())
    await handler.handle(other, SetTime(0, 2 * HOUR, M), slash())
    await owner.execute("DELETE FROM role_timers WHERE id = 2")
    await owner.execute("UPDATE role_timers SET id = 2 WHERE id = 1")
    await sweeper_over(database).sweep(HOUR)
    await replay(owner)
    await sweeper_over(database).sweep(2 * HOUR)
    assert [NoTimer(), NoTimer()] == [await state_of(database, timer) for timer in (one, other)]


async def test_nothing_is_swept_by_a_time_that_is_doubted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "PAUSE_AFTER_TROUBLE", 0.01)
    await handler_over(database).handle(fresh_timer(), SetTime(0, HOUR, M), slash())
    clock, store = DoubtedClock(2 * HOUR), EventStore(database)
    sweeper = Sweeper(store=store, timers=RoleTimers(database), clock=clock, interval=30)
    running = asyncio.create_task(sweeper.run())
    try:
        await asyncio.sleep(0.1)
        assert {"TimerSet"} == await recorded(database)

        clock.trusted = True
        await asyncio.wait_for(clock.waited.wait(), 10)
        assert {"TimerSet", "Expired"} == await recorded(database)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_of_changes_that_come_together_one_question_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeping, "GATHERS", 3600.0)
    store, timers, clock = cast(EventStore, None), NothingTimed(), WokenClock()
    sweeper = Sweeper(store=store, timers=timers, clock=clock, interval=30)
    running = asyncio.create_task(sweeper.run())
    for _ in range(20):
        await asyncio.sleep(0)
        sweeper.wake()
    assert [sweeping.EARLIEST] == timers.asked
    running.cancel()
    await asyncio.wait([running])


class NothingTimed(RoleTimers):
    """A read model without timers."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def next_due_at(self, after: int) -> None:
        self.asked.append(after)


class WokenClock(StillClock):
    """A clock that waits for nothing but to be woken."""

    async def wait_until(self, *_: Any, wake: asyncio.Event, **__: Any) -> None:
        await wake.wait()


class DoubtedClock(StillClock):
    """A clock that is not trusted yet; it tells when a pass is over."""

    trusted = False

    def __init__(self, time: int) -> None:
        super().__init__(time)
        self.waited = asyncio.Event()

    async def wait_until(self, *_: Any, **__: Any) -> None:
        self.waited.set()
        await asyncio.Event().wait()


async def recorded(database: Database) -> set[str]:
    return {row["type"] for row in await database.fetch("SELECT type FROM event_log")}
