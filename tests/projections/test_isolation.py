"""Whatever isolation a server has for a default, ours sees what it has waited for."""

import asyncio

import asyncpg
import pytest

from boostmon.commands import erase
from boostmon.commands.decider import SetTime
from boostmon.commands.handler import piece
from boostmon.config import PoolConfig
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database, connect
from boostmon.errors import EraseRefusedError
from boostmon.events.append import Append, Appended, call_for
from boostmon.events.store import EventStore, History
from boostmon.events.timer import HOUR, Cleared, TimerEvent, TimerId, TimerSet
from boostmon.projections.replay.run import check, replay
from tests.bot.members.test_observer import until
from tests.support.databases import WAITING
from tests.support.timers import M, fresh_timer, handler_over, slash

ALONE = PoolConfig(boostmon_pool_min=1)
SET = TimerSet(9, HOUR, HOUR + 9, M)
# While a test holds the lock of the log, one more process waits for it.


def first(timer: TimerId, *events: TimerEvent) -> Append:
    return piece(History(timer, None), list(events or [SET]), slash())


def repeatable(url: str) -> str:
    """Return *url* for sessions whose transactions see what was there when they began."""
    setting = "-cdefault_transaction_isolation%3Drepeatable%5C%20read"
    return url.replace("options=", f"options={setting}%20")


async def until_waiting(owner: asyncpg.Connection, count: int) -> None:
    async def waiting() -> bool:
        return bool(await owner.fetchval(WAITING) >= count)

    await until(waiting)


async def test_two_processes_append_whatever_isolation_is_the_default(
    bot_url: str, owner: asyncpg.Connection
) -> None:
    url = repeatable(bot_url)
    async with await connect(url, pool=ALONE) as one, await connect(url, pool=ALONE) as two:
        async with owner.transaction(isolation="read_committed"):
            await owner.execute("SELECT lock_log()")
            calls = [
                asyncio.create_task(EventStore(each).append(first(fresh_timer())))
                for each in (one, two)
            ]
            await until_waiting(owner, 2)
        outcomes = [outcome for (outcome,) in await asyncio.gather(*calls)]
    assert [Appended, Appended] == [type(outcome) for outcome in outcomes]


async def test_erasing_sees_a_timer_that_starts_while_it_waits(
    database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    timer, handler = fresh_timer(), handler_over(database)
    await handler.handle(timer, SetTime(0, HOUR, M), slash())
    async with session(repeatable(owner_url)) as eraser:
        await erase.end_timers(eraser, handler, timer.user_id, 5)
        await owner.execute("UPDATE effects SET state = 'done'")
        query, arguments = call_for([piece(await EventStore(database).read(timer), [SET], slash())])
        async with owner.transaction(isolation="read_committed"):
            await owner.execute("SELECT lock_log()")
            erasing = asyncio.create_task(erase.replace(eraser, timer.user_id))
            await until_waiting(owner, 1)
            await owner.fetch(query, *arguments)
        with pytest.raises(EraseRefusedError, match="started meanwhile"):
            await erasing
    assert (await check(owner)).clean


async def test_a_replay_brings_back_no_row_of_a_timer_that_ends_while_it_waits(
    database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    timer = fresh_timer()
    await handler_over(database).handle(timer, SetTime(0, HOUR, M), slash())
    await owner.execute("DELETE FROM role_timers")
    query, arguments = call_for(
        [piece(await EventStore(database).read(timer), [Cleared(9, HOUR)], slash())]
    )
    async with session(repeatable(owner_url)) as replayer:
        async with owner.transaction(isolation="read_committed"):
            await owner.execute("SELECT lock_log()")
            replaying = asyncio.create_task(replay(replayer))
            await until_waiting(owner, 1)
            await owner.fetch(query, *arguments)
        await replaying
    assert (await check(owner)).clean


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_an_append_in_another_isolation_is_refused(
    owner: asyncpg.Connection, isolation: str
) -> None:
    for appends in ([first(fresh_timer())], [first(fresh_timer()), first(fresh_timer())]):
        query, arguments = call_for(appends)
        with pytest.raises(asyncpg.FeatureNotSupportedError, match="appends are read committed"):
            async with owner.transaction(isolation=isolation):
                await owner.fetch(query, *arguments)
