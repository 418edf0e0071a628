"""Calls that wait for each other share a commit: nobody notices, but for the speed."""

import asyncio
from asyncio import Task
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs
from msgspec.structs import astuple, replace

from boostmon.commands.handler import Origin, piece
from boostmon.config import PoolConfig
from boostmon.database.connections.pool import Database, Question, connect
from boostmon.errors import DatabaseUnavailableError
from boostmon.events import store as stores
from boostmon.events.append import Append, Appended, Conflict, Elsewhere, Failed, Outcome, Repeated
from boostmon.events.batching import Batching
from boostmon.events.store import EventStore, History
from boostmon.events.timer import HOUR, Cleared, TimerEvent, TimerId, TimerSet
from tests.events.test_store import faults, impossible_row
from tests.support.databases import WAITING
from tests.support.timers import GUILD, M, fresh_timer, slash

OTHER_GUILD = "1100000000000000055"

SET = TimerSet(1_000, HOUR, HOUR + 1_000, M)


def following(
    timer: TimerId, version: int, origin: Origin | None = None, *events: TimerEvent
) -> Append:
    """Record *events*, or a TimerSet, after *version* events."""
    following = piece(History(timer, None), list(events or [SET]), origin or slash())
    return replace(following, expected_version=version)


def refused() -> Append:
    """Return a piece that PostgreSQL refuses."""
    return replace(following(fresh_timer(), 0), row=impossible_row())


async def commits(owner: asyncpg.Connection) -> int:
    return int(await owner.fetchval("SELECT count(DISTINCT xmin::text) FROM events"))


@asynccontextmanager
async def in_flight(
    owner: asyncpg.Connection, *calls: Coroutine[Any, Any, list[Outcome]]
) -> AsyncIterator[list[Task[list[Outcome]]]]:
    """Have *calls* wait for the log's lock while what is inside happens."""
    async with owner.transaction():
        await owner.execute("SELECT lock_log()")
        tasks = [asyncio.create_task(call) for call in calls]
        await _until_waiting(owner)
        yield tasks


async def _until_waiting(owner: asyncpg.Connection) -> None:
    async with asyncio.timeout(10):
        while not await owner.fetchval(WAITING):  # noqa: ASYNC110 - only the server can tell
            await asyncio.sleep(0)


async def test_callers_at_the_same_time_share_a_commit(
    database: Database, owner: asyncpg.Connection
) -> None:
    store = EventStore(database)
    outcomes = await asyncio.gather(*(store.append(following(fresh_timer(), 0)) for _ in range(20)))
    assert [[Appended(1, position)] for position in range(1, 21)] == outcomes
    assert await commits(owner) == 1


async def test_callers_behind_a_call_in_flight_share_the_next(
    database: Database, owner: asyncpg.Connection
) -> None:
    store = EventStore(database)
    async with in_flight(owner, store.append(following(fresh_timer(), 0))) as [first]:
        others = [asyncio.create_task(store.append(following(fresh_timer(), 0))) for _ in range(9)]
        await asyncio.sleep(0)
    await asyncio.gather(first, *others)
    assert await commits(owner) == 2


async def test_the_pieces_of_one_caller_stay_in_one_commit(
    database: Database, owner: asyncpg.Connection
) -> None:
    store = EventStore(database)
    many = [following(fresh_timer(), 0) for _ in range(stores.MOST * 2)]
    outcomes, single = await asyncio.gather(
        store.append(*many), store.append(following(fresh_timer(), 0))
    )
    assert all(isinstance(outcome, Appended) for outcome in (*outcomes, *single))
    sizes = await owner.fetch("SELECT count(*) FROM events GROUP BY xmin::text ORDER BY 1")
    assert [1, stores.MOST * 2] == [row[0] for row in sizes]


async def test_a_bad_piece_fails_alone_among_callers(
    database: Database, owner: asyncpg.Connection
) -> None:
    store = EventStore(database)
    calls = [store.append(following(fresh_timer(), 0)) for _ in range(4)]
    calls.insert(2, store.append(refused()))
    outcomes = [outcome for (outcome,) in await asyncio.gather(*calls)]
    assert isinstance(outcomes.pop(2), Failed)
    assert [Appended(1, position) for position in range(1, 5)] == outcomes
    assert [] == await faults(owner)


async def test_what_cannot_even_be_sent_fails_alone(database: Database) -> None:
    store = EventStore(database)
    good, bad = await asyncio.gather(
        store.append(following(fresh_timer(), 0)),
        store.append(following(fresh_timer(), 1 << 40)),
    )
    assert [Appended(1, 1)] == good
    assert isinstance(bad[0], Failed)


async def test_a_cancelled_caller_harms_no_other(
    database: Database, owner: asyncpg.Connection
) -> None:
    store = EventStore(database)
    five = (store.append(following(fresh_timer(), 0)) for _ in range(5))
    async with in_flight(owner, *five) as calls:
        calls[0].cancel()
        calls[3].cancel()
        await asyncio.wait([calls[0], calls[3]])
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [True, False, False, True, False] == [
        isinstance(each, asyncio.CancelledError) for each in ended
    ]
    assert all(isinstance(each[0], Appended) for each in ended if isinstance(each, list))
    assert [Appended(1, 6)] == await store.append(following(fresh_timer(), 0))


async def test_who_is_cancelled_before_its_turn_is_not_recorded(
    database: Database, owner: asyncpg.Connection
) -> None:
    store = EventStore(database)
    async with in_flight(owner, store.append(following(fresh_timer(), 0))) as [first]:
        late = asyncio.create_task(store.append(following(fresh_timer(), 0)))
        await asyncio.sleep(0)
        late.cancel()
        await asyncio.wait([late])
    assert [Appended(1, 1)] == await first
    assert [Appended(1, 2)] == await store.append(following(fresh_timer(), 0))


async def test_of_two_on_one_stream_the_later_conflicts_or_follows(
    database: Database, owner: asyncpg.Connection
) -> None:
    store, timer = EventStore(database), fresh_timer()
    outcomes = await store.append(
        following(timer, 0), following(timer, 0), following(timer, 1), following(timer, 3)
    )
    assert [Appended(1, 1), Conflict(1), Appended(2, 2), Conflict(2)] == outcomes
    assert [2] == [row[0] for row in await owner.fetch("SELECT version FROM role_timers")]
    assert [] == await faults(owner)


async def test_of_two_on_one_stream_the_last_decides_whether_there_is_a_row(
    database: Database, owner: asyncpg.Connection
) -> None:
    store, ended, begun = EventStore(database), fresh_timer(), fresh_timer()
    await store.append(
        following(ended, 0),
        replace(following(begun, 0), row=None),
        replace(following(ended, 1), row=None),
        following(begun, 1),
    )
    rows = await owner.fetch("SELECT user_id, version FROM role_timers")
    assert [(begun.user_id, 2)] == [tuple(row) for row in rows]


async def test_a_command_twice_in_one_call_counts_once(database: Database) -> None:
    store, origin, one, two = EventStore(database), slash(), fresh_timer(), fresh_timer()
    outcomes = await store.append(
        following(one, 5, origin), following(two, 0, origin), following(one, 0, origin)
    )
    assert [Conflict(0), Appended(1, 1), Repeated(two)] == outcomes


async def test_a_refused_command_names_nobody_in_the_database(
    database: Database, owner: asyncpg.Connection
) -> None:
    await EventStore(database).append(following(fresh_timer(), 7))
    assert await owner.fetchval("SELECT count(*) FROM people") == 0


async def test_reads_at_the_same_time_are_one_statement(database: Database) -> None:
    sent: list[int] = []
    store = EventStore(database)
    plain = database.ask

    async def counted(question: Question) -> list[asyncpg.Record]:
        sent.append(1)
        return await plain(question)

    database.ask = counted  # type: ignore[method-assign]
    timers = [fresh_timer() for _ in range(10)]
    await asyncio.gather(*(store.append(following(timer, 0)) for timer in timers))
    histories = await asyncio.gather(*map(store.read, timers))
    assert timers == [history.timer for history in histories]
    assert [1] * 10 == [history.version for history in histories]
    assert len(sent) == 2


async def test_everybody_hears_when_the_database_is_closed(bot_url: str) -> None:
    database = await connect(bot_url, pool=PoolConfig(boostmon_pool_min=1))
    store = EventStore(database)
    await store.append(following(fresh_timer(), 0))
    await database.close()
    calls = [store.append(following(fresh_timer(), 0)) for _ in range(3)]
    ended = await asyncio.gather(*calls, store.read(fresh_timer()), return_exceptions=True)
    assert [DatabaseUnavailableError] * 4 == [type(each) for each in ended]


async def test_closing_the_database_leaves_nobody_waiting(
    bot_url: str, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boostmon.database.connections.pool.FAREWELL", 0.1)
    database = await connect(bot_url, pool=PoolConfig(boostmon_pool_min=1))
    store = EventStore(database)
    async with in_flight(owner, store.append(following(fresh_timer(), 0))) as [first]:
        second = asyncio.create_task(store.append(following(fresh_timer(), 0)))
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await database.close()
            ended = await asyncio.gather(first, second, return_exceptions=True)
    assert [DatabaseUnavailableError] * 2 == [type(each) for each in ended]


async def test_a_caller_with_many_pieces_takes_turns_with_the_others() -> None:
    batches: list[list[str]] = []
    gate = asyncio.Semaphore(0)

    async def send(pieces: Sequence[str]) -> list[str]:
        batches.append(list(pieces))
        await gate.acquire()
        return [piece.upper() for piece in pieces]

    asking = Batching(send, most=2)
    callers = [asyncio.create_task(asking.ask([*word])) for word in ("abc", "def", "g", "h", "ij")]
    for _ in range(4):
        gate.release()
    answers = await asyncio.gather(*callers)
    assert ["ABC", "DEF", "G", "H", "IJ"] == ["".join(answer) for answer in answers]
    assert [["g", "h"], ["a", "b", "c"], ["i", "j"], ["d", "e", "f"]] == batches


async def test_who_waits_when_the_sender_is_cancelled_is_let_go() -> None:
    started = asyncio.Event()

    async def send(_: Sequence[int]) -> list[int]:
        started.set()
        await asyncio.Event().wait()
        return []

    asking = Batching(send, most=1)
    callers = [asyncio.create_task(asking.ask([number])) for number in range(3)]
    await started.wait()
    (sender,) = asyncio.all_tasks() - {asyncio.current_task(), *callers}
    sender.cancel()
    ended = await asyncio.gather(*callers, return_exceptions=True)
    assert [asyncio.CancelledError] * 3 == [type(each) for each in ended]


class Call(Struct, frozen=True):
    """What one caller asks for: pieces by (timer, expected version, command), and patience."""

    pieces: tuple[tuple[int, int, int], ...]
    delay: int
    gives_up_after: int | None


CALLS = st.lists(
    st.builds(
        Call,
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 12)),
            min_size=1,
            max_size=4,
        ).map(tuple),
        st.integers(0, 6),
        st.none() | st.integers(0, 30),
    ),
    min_size=1,
    max_size=12,
)
_runs = count(1)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(calls=CALLS)
def test_any_interleaving_equals_one_call_after_the_other(
    calls: list[Call], bot_url: str, owner_url: str
) -> None:
    asyncio.run(_compare(calls, bot_url, owner_url))


async def _compare(calls: list[Call], bot_url: str, owner_url: str) -> None:
    run = next(_runs)
    timers = [fresh_timer() for _ in range(3)]
    owner = await asyncpg.connect(owner_url)
    first_position = await owner.fetchval("SELECT coalesce(max(position), 0) FROM events")
    async with await connect(bot_url, pool=PoolConfig(boostmon_pool_min=1)) as database:
        store = EventStore(database)
        tasks = [asyncio.create_task(_call(store, timers, run, call)) for call in calls]
        await asyncio.gather(*tasks, _impatience(tasks, calls), return_exceptions=True)
        await store.append(following(fresh_timer(), 0))  # behind what the cancelled have sent
    log = await owner.fetch(
        "SELECT user_id, version, command_id FROM event_log WHERE position > $1 ORDER BY position",
        first_position,
    )
    assert [] == await faults(owner)
    await owner.close()
    _judge(tasks, calls, timers, run, [tuple(row) for row in log])


async def _call(store: EventStore, timers: list[TimerId], run: int, call: Call) -> list[Outcome]:
    for _ in range(call.delay):
        await asyncio.sleep(0)
    return await store.append(
        *(
            following(timers[timer], version, slash(f"{run}:{command}"), *_events(command))
            for timer, version, command in call.pieces
        )
    )


def _events(command: int) -> list[TimerEvent]:
    """Return what *command* records: every third one ends the timer, which then has no row."""
    return [SET] if command % 3 else [SET, Cleared(2_000, HOUR - 1_000, "asked")]


async def _impatience(tasks: list[asyncio.Task[list[Outcome]]], calls: list[Call]) -> None:
    for tick in range(31):
        for task, call in zip(tasks, calls, strict=True):
            if call.gives_up_after == tick:
                task.cancel()
        await asyncio.sleep(0)


def _judge(
    tasks: list[asyncio.Task[list[Outcome]]],
    calls: list[Call],
    timers: list[TimerId],
    run: int,
    log: list[tuple[str, int, str]],
) -> None:
    """Compare with the model: the log holds a version once, a command once, and what was told."""
    told: dict[tuple[str, int], str] = {}
    for task, call in zip(tasks, calls, strict=True):
        if task.cancelled():
            continue
        for (timer, expected, command), outcome in zip(call.pieces, task.result(), strict=True):
            user, command_id = timers[timer].user_id, f"{run}:{command}"
            by_command = {entry[2]: entry for entry in log}
            match outcome:
                case Appended(version=version):
                    assert version == expected + len(_events(command))
                    assert told.setdefault((user, version), command_id) == command_id
                    assert (user, version, command_id) in log
                case Repeated(timer=first):
                    assert first.user_id == by_command[command_id][0]
                case Conflict(version=version):
                    assert version != expected
                    assert version <= sum(entry[0] == user for entry in log)
                case _:
                    pytest.fail(f"{outcome}")
    own = [entry for entry in log if entry[2].startswith(f"{run}:")]
    for command_id, times in Counter(entry[2] for entry in own).items():
        assert times == len(_events(int(command_id.partition(":")[2])))
    for timer_id in timers:
        versions = [entry[1] for entry in own if entry[0] == timer_id.user_id]
        assert list(range(1, len(versions) + 1)) == versions


async def test_a_temporary_table_cannot_stand_in_for_the_log_in_a_batch(
    owner: asyncpg.Connection,
) -> None:
    await owner.execute("CREATE TEMPORARY TABLE events (position bigint)")
    await owner.execute(
        "SELECT append_batch(ARRAY[$1], ARRAY[$2], ARRAY[$3], ARRAY[0], ARRAY['7'],"
        " ARRAY[NULL], ARRAY['cli'], ARRAY[1], ARRAY[$4], '{}', '{}', ARRAY[NULL]::bigint[],"
        " ARRAY[NULL], ARRAY[NULL]::bigint[], ARRAY[NULL]::bigint[], ARRAY[NULL],"
        " ARRAY[NULL]::bigint[], ARRAY[NULL]::bigint[], ARRAY[NULL]::bigint[], ARRAY[0], ARRAY[0])",
        *astuple(fresh_timer()),
        '{"type": "Expired", "at": 1}',
    )
    await owner.execute("DROP TABLE pg_temp.events")
    assert await owner.fetchval("SELECT count(*) FROM events") == 1


OPEN = "SELECT position, xmin::text AS writer, due_at <= clock_timestamp() AS is_due FROM effects"


@pytest.mark.parametrize("others", [0, 1])
async def test_a_new_event_makes_due_what_was_put_off_and_leaves_alone_what_is_due(
    database: Database, owner: asyncpg.Connection, others: int
) -> None:
    store, timer = EventStore(database), fresh_timer()
    await store.append(following(timer, 0))
    await store.append(following(timer, 1))
    await owner.execute("UPDATE effects SET due_at = 'infinity' WHERE position = 1")
    before = await owner.fetch(f"{OPEN} ORDER BY 1")

    more = [following(fresh_timer(), 0) for _ in range(others)]
    await store.append(following(timer, 2), *more)
    after = await owner.fetch(f"{OPEN} WHERE position < 3 ORDER BY 1")

    assert [(False, 1), (True, 2)] == [(row["is_due"], row["position"]) for row in before]
    assert [(True, 1), (True, 2)] == [(row["is_due"], row["position"]) for row in after]
    rewritten = [one["writer"] != two["writer"] for one, two in zip(before, after, strict=True)]
    assert [True, False] == rewritten


async def test_of_two_servers_with_one_role_in_a_batch_the_second_is_told_of_the_first(
    database: Database, owner: asyncpg.Connection
) -> None:
    timer = fresh_timer()
    twin = TimerId(OTHER_GUILD, timer.user_id, timer.role_id)
    behind = piece(await EventStore(database).read(twin), [Cleared(2, 1)], slash())
    later = structs.replace(behind, expected_version=1)
    before = await owner.fetchval("SELECT last_value FROM role_timers_id_seq")
    outcomes = await EventStore(database).append(following(timer, 0), following(twin, 0), later)
    assert [Appended(1, 1), Elsewhere(GUILD), Elsewhere(GUILD)] == outcomes
    assert await owner.fetchval("SELECT last_value FROM role_timers_id_seq") == before, "one call"
