"""Commands that wait for the database: a countdown begins when it is recorded, not when asked for.

The database is real. It is away in three ways: its log is locked, it is silent, it hangs up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from boostmon.commands.decider import (
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    TimerCommand,
    as_recorded,
)
from boostmon.commands.handler import CommandHandler, Handled
from boostmon.commands.sweeper import Sweeper, Swept
from boostmon.config import PoolConfig
from boostmon.database.connections.pool import Database, connect
from boostmon.errors import TimerNotFoundError
from boostmon.events.store import EventStore
from boostmon.events.timer import (
    HOUR,
    MINUTE,
    Cleared,
    Paused,
    Resumed,
    TimeAdded,
    TimeRemoved,
    TimerEvent,
    TimerId,
    TimerSet,
)
from boostmon.projections.role_timers import RoleTimers
from tests.commands.test_handler import StillClock
from tests.support.databases import Gate
from tests.support.timers import M, fresh_timer, slash

AWAY = 80_000  # milliseconds
BACK = 10 * MINUTE + AWAY
ASKED = 10 * MINUTE
IMPATIENT = PoolConfig(boostmon_pool_min=1, boostmon_command_timeout=0.3)

SET = SetTime(0, HOUR, M)
BEGINNINGS: list[tuple[Sequence[TimerCommand], TimerCommand, TimerEvent]] = [
    ([], SetTime(ASKED, MINUTE, M), TimerSet(BACK, MINUTE, BACK + MINUTE, M)),
    (
        [],
        AddTime(ASKED, MINUTE, M, starts=True),
        TimerSet(BACK, MINUTE, BACK + MINUTE, M, added=True),
    ),
    ([SET, Pause(59 * MINUTE)], Resume(ASKED, M), Resumed(BACK, BACK + MINUTE, M)),
    (
        [SetTime(0, ASKED + 1000, M)],  # it ends while the database is away
        AddTime(ASKED, MINUTE, M),
        TimeAdded(BACK, MINUTE, expires_at=BACK + MINUTE, warning_minutes=M),
    ),
]
ENDINGS: list[tuple[TimerCommand, TimerEvent]] = [
    (Pause(ASKED), Paused(ASKED, 1000)),
    (Clear(ASKED), Cleared(ASKED, 1000, "asked")),
    (RemoveTime(ASKED, 500, M), TimeRemoved(ASKED, 500, expires_at=ASKED + 500, warning_minutes=M)),
]


class Bench:
    """A process over a database that can be taken away."""

    def __init__(self, database: Database, gate: Gate, owner: asyncpg.Connection) -> None:
        self.database, self.gate, self.owner = database, gate, owner
        self.clock, self.timer = StillClock(ASKED), fresh_timer()
        self.store = EventStore(database)
        self.handler = CommandHandler(self.store, self.clock)

    async def before(self, commands: Sequence[TimerCommand]) -> None:
        """Do *commands* at their own time."""
        for command in commands:
            await CommandHandler(self.store).handle(self.timer, command, slash())

    async def retried(self) -> None:
        """Wait until the database has been asked once more, in vain."""
        repeats = self.database.repeats
        async with asyncio.timeout(20):
            while self.database.repeats == repeats:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)

    async def late(
        self, command: TimerCommand, away: Callable[["Bench"], AbstractAsyncContextManager[None]]
    ) -> Handled:
        """Give *command* while the database is away, for 80 s of timer time."""
        async with away(self):
            given = asyncio.create_task(self.handler.handle(self.timer, command, slash()))
            await self.retried()
            self.clock.time = BACK
            await self.retried()
            assert not given.done()
        return await asyncio.wait_for(given, 20)

    async def recorded(self) -> TimerEvent:
        """Return the newest event of the log."""
        return (await self.store.read(self.timer)).recorded[-1].event


@asynccontextmanager
async def locked(bench: Bench) -> AsyncIterator[None]:
    async with bench.owner.transaction():
        await bench.owner.execute("SELECT lock_log()")
        yield


@asynccontextmanager
async def silent(bench: Bench) -> AsyncIterator[None]:
    bench.gate.freeze()
    yield
    bench.gate.thaw()


@asynccontextmanager
async def gone(bench: Bench) -> AsyncIterator[None]:
    await bench.gate.close()
    yield
    await bench.gate.open()


@pytest.fixture
async def bench(bot_url: str, owner: asyncpg.Connection) -> AsyncIterator[Bench]:
    """Lend a process over the database of this test."""
    async with Gate(bot_url) as gate, await connect(gate.url, pool=IMPATIENT) as database:
        yield Bench(database, gate, owner)


@pytest.mark.parametrize(
    ("away", "before", "command", "event"),
    [(locked, *each) for each in BEGINNINGS] + [(away, *BEGINNINGS[0]) for away in (silent, gone)],
)
async def test_a_countdown_begins_when_it_is_recorded(
    bench: Bench, away: Any, before: Sequence[TimerCommand], command: Any, event: TimerEvent
) -> None:
    await bench.before(before)

    handled = await bench.late(command, away)

    assert (event,) == handled.events
    assert event == await bench.recorded()


@pytest.mark.parametrize(
    ("away", "command", "event"),
    [(locked, *each) for each in ENDINGS] + [(away, *ENDINGS[0]) for away in (silent, gone)],
)
async def test_what_stops_or_ends_keeps_the_time_at_which_it_was_asked(
    bench: Bench, away: Any, command: Any, event: TimerEvent
) -> None:
    await bench.before([SetTime(0, ASKED + 1000, M)])

    handled = await bench.late(command, away)

    assert (event,) == handled.events
    assert event == await bench.recorded()


async def test_what_an_earlier_attempt_recorded_counts_and_nothing_else(bench: Bench) -> None:
    origin = slash()
    append = bench.store._append  # noqa: SLF001 - an answer is lost on its way

    async def answer_lost(pieces: Any) -> Any:
        await append(pieces)
        bench.clock.time = BACK
        bench.store._append = append  # type: ignore[method-assign] # noqa: SLF001 - once
        return await append(pieces)

    bench.store._appending._send = answer_lost  # noqa: SLF001 - the same
    handled = await bench.handler.handle(bench.timer, SetTime(ASKED, MINUTE, M), origin)

    first = TimerSet(ASKED, MINUTE, ASKED + MINUTE, M)
    assert (first,) == handled.events
    assert 1 == len((await bench.store.read(bench.timer)).recorded)


async def test_a_repetition_of_the_same_interaction_answers_with_the_first(bench: Bench) -> None:
    origin = slash()
    first = await bench.handler.handle(bench.timer, SetTime(ASKED, MINUTE, M), origin)
    bench.clock.time = BACK

    assert first == await bench.handler.handle(bench.timer, SetTime(ASKED, MINUTE, M), origin)


def sweeper_beside(bench: Bench) -> Sweeper:
    return Sweeper(
        store=bench.store,
        timers=RoleTimers(bench.database),
        clock=bench.clock,
        interval=30,
        is_busy=bench.handler.is_busy,
    )


@pytest.mark.parametrize(
    "command", [Pause(ASKED), AddTime(ASKED, 3 * HOUR, M), SetTime(ASKED, 3 * HOUR, M)]
)
async def test_a_sweep_does_not_end_what_was_to_be_kept_before_its_end(
    bench: Bench, command: Any
) -> None:
    await bench.before([SetTime(0, ASKED + 1000, M)])
    sweeper, answers, read = sweeper_beside(bench), asyncio.Event(), bench.store.read

    async def read_late(timer: TimerId) -> Any:
        await answers.wait()
        return await read(timer)

    bench.store.read = read_late  # type: ignore[method-assign] # the database is away
    given = asyncio.create_task(bench.handler.handle(bench.timer, command, slash()))
    await asyncio.sleep(0)

    assert Swept(1, 0) == await sweeper.sweep(BACK)
    answers.set()
    assert 1 == len((await given).events)
    assert Swept(0, 0) == await sweeper.sweep(BACK)


async def test_a_timer_of_which_nothing_is_asked_is_swept(bench: Bench) -> None:
    await bench.before([SetTime(0, ASKED, M)])

    assert Swept(1, 1) == await sweeper_beside(bench).sweep(BACK)
    with pytest.raises(TimerNotFoundError):
        await bench.handler.handle(bench.timer, Pause(ASKED), slash())


@pytest.mark.parametrize("command", [c for _, c, _ in BEGINNINGS])
def test_what_begins_a_countdown_is_decided_as_of_its_recording(command: Any) -> None:
    assert BACK == as_recorded(command, BACK).now


@pytest.mark.parametrize("command", [c for c, _ in ENDINGS])
def test_what_ends_one_is_decided_as_of_its_asking(command: Any) -> None:
    assert command == as_recorded(command, BACK)
