"""What the bot makes of trouble with its database; servers and troubles are real."""

import asyncio
import gc
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest
from msgspec import Struct

from boostmon.bot import app
from boostmon.bot.slash import settling
from boostmon.bot.wording import replies
from boostmon.commands.decider import SetTime
from boostmon.config import DiscordConfig, PoolConfig, SweepConfig
from boostmon.database.clocks.clock import DatabaseClock
from boostmon.database.connections import attempt as attempts
from boostmon.database.connections import connection as connections
from boostmon.database.connections import pool as pools
from boostmon.database.connections.connection import Connector, session
from boostmon.database.connections.pool import Database, connect
from boostmon.database.embedded.provision import BOT
from boostmon.database.schema.migrate import migrate
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.effects.lease import Lease
from boostmon.projections.replay import run
from tests.support.cluster import Node, Pair, pair, single
from tests.support.databases import Gate
from tests.support.timers import M, fresh_timer, handler_over, slash
from tests.support.town import Json, Town
from tests.support.town import town as a_town

IMPATIENT = PoolConfig(boostmon_pool_min=1, boostmon_command_timeout=1.0)
EVENTS = "SELECT count(*) FROM events"
COMMITTING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' LIMIT 1"
ONE_EACH = "SELECT count(*) = count(DISTINCT (command_id, ordinal)) FROM events"
VISITORS = "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('boostmon', 'boostmon_bot')"

LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'boostmon listener'"


class Place(Struct, frozen=True):
    """Where a bot and the owner of the tables connect."""

    bot_url: str
    owner_url: str


@pytest.fixture
async def alone() -> AsyncIterator[Node]:
    """Lend one server with the tables of the bot."""
    async with single() as node:
        await _migrate(node.url("boostmon"))
        yield node


@pytest.fixture
async def servers() -> AsyncIterator[Pair]:
    """Lend a primary and its standby with the tables of the bot."""
    async with pair() as made:
        await _migrate(made.owner_url)
        yield made


@pytest.fixture
def leases(monkeypatch: pytest.MonkeyPatch) -> list[Lease]:
    """List the leases of the bots of this test."""
    made: list[Lease] = []

    def lease(database: Database, **whose: str) -> Lease:
        made.append(Lease(database, name=whose["name"], holder=whose["holder"]))
        return made[-1]

    monkeypatch.setattr(app, "Lease", lease)
    return made


async def test_a_restart_loses_no_command_no_effect_and_no_session(alone: Node) -> None:
    place = Place(alone.url(BOT), alone.url("boostmon"))
    async with _town(place) as town:
        before = _sessions(town)
        await _ending_soon(town)
        await alone.stop()

        asked = await _given(town, "1h")
        record, left = await asyncio.gather(town.wait(asked, "edited"), town.say("max", "timeleft"))
        await alone.start()
        told = await _outcome(town, asked)

        assert record["message"]["content"] == replies.OPEN
        assert left["message"]["content"] == replies.UNANSWERED
        assert (_title(told), told["message"]["content"]) == ("Timed Role Activated", "")
        await _until(lambda: town.roles_of("max") == ["VIP"])
        await _until(lambda: "VIP" not in town.roles_of("vera"))
        assert (await town.events()).count("TimerSet") == 2
        assert (await town.events()).count("Expired") == 1
        assert _sessions(town) == before
    await _assert_clean(place.owner_url)


async def test_a_countdown_that_waited_for_the_database_is_whole(alone: Node) -> None:
    place, minute, away = Place(alone.url(BOT), alone.url("boostmon")), 60_000, 80_000
    async with _town(place) as town:
        clock: Any = town._surroundings.clock  # noqa: SLF001 - it is to pass quickly
        await _ending_soon(town)
        await alone.stop()
        asked = await _given(town, "1")
        paused = await town.send("mona", "pausetime", user="vera", role="VIP")
        await town.wait(asked, "edited")
        before, clock._offset = clock.now(), clock._offset + away  # noqa: SLF001 - the same
        await alone.start()
        told = [_title(await _outcome(town, each)) for each in (asked, paused)]
        ask = "SELECT data::text FROM event_log WHERE type = $1 ORDER BY position DESC LIMIT 1"
        begun = msgspec.json.decode((await town.database.fetch(ask, "TimerSet"))[0][0])
        held = msgspec.json.decode((await town.database.fetch(ask, "Paused"))[0][0])

        assert ["Timed Role Activated", "Timed Role Paused"] == told
        assert before + away <= begun["at"]
        assert begun["at"] + minute == begun["expires_at"]
        assert held["at"] <= before
        assert 0 < held["remaining_ms"] <= 3000
        await _until(lambda: town.roles_of("max") == ["VIP"])
        assert "Expired" not in await town.events()
    await _assert_clean(place.owner_url)


async def test_a_failover_loses_no_acknowledged_command_and_one_process_goes_on_speaking(
    servers: Pair, leases: list[Lease]
) -> None:
    place = Place(servers.bot_url, servers.owner_url)
    async with _town(place) as town, _second_bot(town, place), _watched(leases) as at_once:
        before = _sessions(town)
        await town.say("mona", "settime", user="max", role="VIP", duration="10h")
        await _until(lambda: _speakers(leases) == 1)
        await _ending_soon(town)
        asked = [await _shortened(town) for _ in range(10)]
        servers.first.kill()
        asked += [await _shortened(town) for _ in range(10)]
        asked.append(await town.send("mona", "settime", user="carl", role="VIP", duration="1h"))
        await servers.promote()
        told = [await _outcome(town, each) for each in asked]

        titles = [_title(record) for record in told]
        assert titles == ["Timed Role Reduced"] * 20 + ["Timed Role Activated"]
        assert (await town.events()).count("TimeRemoved") == 20
        await _until(lambda: "VIP" in town.roles_of("carl"))
        await _until(lambda: _speakers(leases) == 1)
        assert max(at_once) == 1
        await _until(lambda: _requests(town, "POST", "/messages") > 0)
        assert _requests(town, "PUT", "/roles/") == 3
        assert _requests(town, "DELETE", "/roles/") == 1
        assert _requests(town, "POST", "/messages") == 1
        assert _sessions(town) == before
        assert await servers.second.ask(ONE_EACH)
    await _assert_clean(servers.second.url("boostmon"))


async def test_a_frozen_primary_is_left_for_good(
    servers: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boostmon.database.connections.listen.HEARTBEAT", 0.5)
    place = Place(servers.bot_url, servers.owner_url)
    async with _town(place, IMPATIENT) as town:
        before = _sessions(town)
        servers.first.freeze()
        asked = await _given(town, "1h")
        await servers.promote()
        assert _title(await _outcome(town, asked)) == "Timed Role Activated"

        servers.first.thaw()
        old = await servers.first.ask(EVENTS)
        assert _title(await town.say("mona", "pausetime", user="max")) == "Timed Role Paused"
        async with await connect(servers.bot_url, pool=IMPATIENT) as fresh:
            assert await fresh.run(lambda c: c.fetchval(EVENTS)) == 2
        # What was cut off in its commit waits there for ever, for a standby that will not come.
        await servers.first.until(f"SELECT ({VISITORS} AND wait_event <> 'SyncRep') = 0")
        await servers.second.until(f"SELECT ({LISTENERS}) = 1")

        assert await servers.first.ask(EVENTS) == old
        assert await town.events() == ["TimerSet", "Paused"]
        assert _sessions(town) == before
    await _assert_clean(servers.second.url("boostmon"))


async def test_a_bot_cut_off_from_the_others_acknowledges_nothing_on_the_old_primary(
    servers: Pair,
) -> None:
    async with _town(Place(servers.bot_url, servers.owner_url), IMPATIENT) as town:
        before = _sessions(town)
        await servers.promote()  # both take writes now; on the old one nobody confirms them
        asked = await _given(town, "1h")

        assert _title(await _outcome(town, asked)) == "Timed Role Activated"
        assert await servers.second.ask(EVENTS) == 1
        assert _sessions(town) == before


async def test_a_running_bot_does_not_go_back_to_a_primary_that_was_replaced(
    servers: Pair,
) -> None:
    connector = Connector(servers.bot_url)
    servers.first.freeze()
    await servers.promote()
    (await connector.open()).terminate()
    servers.first.thaw()
    await servers.second.stop()

    with pytest.raises(OSError, match=r"replaced by a standby|No such file"):
        await connector.open()


async def test_what_the_standby_does_not_have_is_not_reported_as_done(
    servers: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "EACH_HOST", 0.3)
    timer, origin = fresh_timer(), slash()
    async with await connect(servers.bot_url, pool=IMPATIENT) as database:
        handler = handler_over(database)
        await database.run(lambda c: c.fetchval("SELECT 1"))
        servers.second.freeze()
        work = asyncio.create_task(handler.handle(timer, SetTime(0, HOUR, M), origin))
        # Cancelled after a second, the statement leaves its commit behind, seen by everybody here.
        await servers.first.until("SELECT count(*) = 1 FROM events")
        await asyncio.sleep(2)
        assert not work.done()

        servers.second.thaw()
        await work
        servers.first.kill()
        await servers.promote()

    assert await servers.second.ask(EVENTS) == 1


async def test_a_connection_killed_in_the_middle_of_a_commit_counts_once(servers: Pair) -> None:
    async with _town(Place(servers.bot_url, servers.owner_url)) as town:
        servers.second.freeze()
        asked = await _given(town, "1h")
        await servers.first.until(f"SELECT EXISTS ({COMMITTING})")
        assert await servers.first.ask(f"SELECT pg_terminate_backend(({COMMITTING}))")
        servers.second.thaw()

        assert _title(await _outcome(town, asked)) == "Timed Role Activated"
        assert await town.events() == ["TimerSet"]
    await _assert_clean(servers.owner_url)


async def test_a_connection_killed_before_its_commit_counts_once(
    database: Database, owner_url: str, owner: asyncpg.Connection, superuser: asyncpg.Connection
) -> None:
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%append_%'"
        " AND pg_blocking_pids(pid) = ARRAY[$1::int]"
    )
    async with a_town(database, owner_url) as town:
        async with owner.transaction():
            await owner.execute("SELECT lock_log()")
            holder = await owner.fetchval("SELECT pg_backend_pid()")
            asked = await _given(town, "1h")
            pid = await _answer(superuser, waiting, holder)
            await superuser.execute("SELECT pg_terminate_backend($1)", pid)

        assert _title(await _outcome(town, asked)) == "Timed Role Activated"
        assert await town.events() == ["TimerSet"]


async def test_a_commit_whose_answer_was_lost_counts_once(
    database: Database, bot_url: str, owner_url: str
) -> None:
    async with (
        Interrupter(bot_url) as gate,
        await connect(gate.url, pool=IMPATIENT) as cut_off,
        a_town(cut_off, owner_url) as town,
    ):
        gate.cut_after(b'"type":"TimerSet"')
        asked = await _given(town, "1h")

        assert _title(await _outcome(town, asked)) == "Timed Role Activated"
        assert gate.cuts == 1
        kinds = await database.run(lambda c: c.fetch("SELECT type FROM event_log"))
        assert [row["type"] for row in kinds] == ["TimerSet"]


async def test_fifty_commands_on_two_connections_are_all_answered(
    bot_url: str, owner_url: str, owner: asyncpg.Connection
) -> None:
    two = PoolConfig(boostmon_pool_min=2, boostmon_pool_max=2)
    async with await connect(bot_url, pool=two) as database, a_town(database, owner_url) as town:
        await town.say("mona", "settime", user="max", role="VIP", duration="10h")
        async with owner.transaction():
            await owner.execute("SELECT lock_log()")
            asked = await asyncio.gather(*(_shortened(town) for _ in range(50)))
        told = await asyncio.gather(*(_outcome(town, each) for each in asked))

        assert [_title(record) for record in told] == ["Timed Role Reduced"] * 50
        assert (await town.events()).count("TimeRemoved") == 50
    await _assert_clean(owner_url)


async def test_a_database_that_refuses_its_bot_for_a_while_leaves_the_outcome_open(
    alone: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "PATIENCE", 0.2)
    place = Place(alone.url(BOT), alone.url("boostmon"))
    async with _town(place) as town:
        before = _sessions(town)
        await alone.ask("ALTER ROLE boostmon_bot NOLOGIN")
        await alone.ask("ALTER ROLE boostmon NOLOGIN")
        await alone.ask(f"SELECT count(pg_terminate_backend(pid)) {VISITORS[15:]}")
        asked = await _given(town, "1h")
        record = await town.wait(asked, "edited")
        await alone.ask("ALTER ROLE boostmon_bot LOGIN")
        await alone.ask("ALTER ROLE boostmon LOGIN")

        assert record["message"]["content"] == replies.OPEN
        assert _title(await _outcome(town, asked)) == "Timed Role Activated"
        assert await town.events() == ["TimerSet"]
        assert _sessions(town) == before


async def test_a_statement_that_an_administrator_cancels_is_repeated(
    database: Database, superuser: asyncpg.Connection
) -> None:
    statements = iter(["SELECT 1 FROM pg_sleep(60) AS till_cancelled", "SELECT 1"])
    asleep = "SELECT pid FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
    work = asyncio.create_task(database.run(lambda c: c.fetchval(next(statements))))
    pid = await _answer(superuser, asleep, "SELECT 1 FROM pg_sleep(60) AS till_cancelled")
    await superuser.execute("SELECT pg_cancel_backend($1)", pid)

    assert await asyncio.wait_for(work, 10) == 1


async def test_a_connection_that_fell_silent_is_not_used_again(bot_url: str) -> None:
    pool = PoolConfig(boostmon_pool_min=1, boostmon_pool_max=1, boostmon_command_timeout=0.2)
    backends: list[int] = []

    async def hang_twice(connection: asyncpg.Connection) -> None:
        backends.append(await connection.fetchval("SELECT pg_backend_pid()"))
        if len(backends) < 3:
            await connection.execute("SELECT pg_sleep(60)")

    async with await connect(bot_url, pool=pool) as database:
        await database.run(hang_twice)

    assert len(set(backends)) == 3


async def test_idle_connections_to_a_silent_server_are_given_up_without_a_word(
    bot_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    pool = PoolConfig(boostmon_pool_min=3, boostmon_pool_max=3, boostmon_command_timeout=0.2)
    async with Gate(bot_url) as gate, await connect(gate.url, pool=pool) as database:
        gate.freeze()
        first = asyncio.create_task(database.run(lambda c: c.fetchval("SELECT 1")))
        await _until(lambda: not database.answers)
        others = asyncio.gather(*(database.run(lambda c: c.fetchval("SELECT 1")) for _ in "ab"))
        await asyncio.sleep(1)
        gate.thaw()
        assert (await first, await others) == (1, [1, 1])

    gc.collect()  # asyncio complains when it lets go of a task that failed
    assert "never retrieved" not in caplog.text


async def test_work_that_is_stopped_while_the_server_is_silent_ends_without_a_word(
    bot_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "PATIENCE", 0.1)
    begun, release = asyncio.Event(), asyncpg.Pool.release

    async def released(*arguments: Any, **options: Any) -> None:
        begun.set()
        await release(*arguments, **options)

    pool = PoolConfig(boostmon_pool_min=1, boostmon_command_timeout=0.5)
    async with Gate(bot_url) as gate, await connect(gate.url, pool=pool) as database:
        monkeypatch.setattr(asyncpg.Pool, "release", released)
        gate.freeze()
        work = asyncio.create_task(database.run(lambda c: c.fetchval("SELECT 1")))
        await begun.wait()
        work.cancel()
        await asyncio.wait([work])

    gc.collect()  # asyncio complains when it lets go of a task that failed
    assert "never retrieved" not in caplog.text


async def test_a_role_that_may_not_ask_for_confirmation_repeats_all_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "CONFIRM", "SELECT pg_promote()")
    failures = iter([ConnectionResetError()])

    async def fail_once(connection: asyncpg.Connection) -> str:
        for failure in failures:
            raise failure
        return str(await connection.fetchval("SELECT 'done'"))

    assert await database.run(fail_once) == "done"


class Interrupter(Gate):
    """A gate that hangs up once, when the server's answer to a given question comes."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._marks: tuple[bytes, ...] = ()
        self._cut = False
        self.cuts = 0

    def cut_after(self, *marks: bytes) -> None:
        """Swallow the answer to the next question with *marks*, one behind another; hang up."""
        self._marks = marks

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        name = writer.get_extra_info("sockname")
        is_answer = isinstance(name, tuple) and name[1] == self.port
        while part := await reader.read(65536):
            if is_answer and self._cut:
                self._cut = False
                self.cuts += 1
                raise ConnectionResetError
            if not is_answer and self._marks and self._marks[0] in part:
                self._marks = self._marks[1:]
                self._cut = not self._marks
            writer.write(part)
            await writer.drain()
        writer.close()


async def _migrate(owner_url: str) -> None:
    async with session(owner_url) as owner:
        await migrate(owner, BOT)


@asynccontextmanager
async def _town(place: Place, pool: PoolConfig | None = None) -> AsyncIterator[Town]:
    async with (
        await connect(place.bot_url, pool=pool or PoolConfig()) as database,
        a_town(database, place.owner_url) as town,
    ):
        yield town


@asynccontextmanager
async def _second_bot(town: Town, place: Place) -> AsyncIterator[None]:
    """Run another bot with the same token, as during a deploy."""
    sandbox = town.client.sandbox
    clock = DatabaseClock()
    async with await connect(place.bot_url) as database:
        await clock.measure(database)
        surroundings = app.Surroundings(
            database=database,
            owner_url=place.owner_url,
            clock=clock,
            discord=DiscordConfig(discord_token=sandbox.token, boostmon_discord_api=sandbox.api),
            sweep=SweepConfig(),
            quiet_seconds=0.1,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(app.run(surroundings, stop))
        try:
            await _until(lambda: running.done() or len(_sessions(town)) == 2)
            yield
        finally:
            stop.set()
            await running


@asynccontextmanager
async def _watched(leases: list[Lease]) -> AsyncIterator[list[int]]:
    """Note over and over how many speak at once."""
    seen: list[int] = []

    async def watch() -> None:
        while True:
            seen.append(_speakers(leases))
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watching.cancel()


def _speakers(leases: list[Lease]) -> int:
    return sum(lease.held for lease in leases)


def _sessions(town: Town) -> list[tuple[str, object]]:
    """List the sessions at the gateway, each with the connection that serves it."""
    return [(each.id, each.connection) for each in town.client.sandbox.discord.sessions]


def _requests(town: Town, method: str, path: str) -> int:
    """Count the requests to a path with *path* in it."""
    requests = town.client.sandbox.state()["requests"]
    return sum(each["method"] == method and path in each["path"] for each in requests)


async def _given(town: Town, duration: str) -> str:
    return await town.send("mona", "settime", user="max", role="VIP", duration=duration)


async def _shortened(town: Town) -> str:
    return await town.send("mona", "removetime", user="max", role="VIP", duration="1")


async def _ending_soon(town: Town) -> None:
    """Give vera a role that ends in three seconds."""
    guild_id, user_id = town.client.ids["guild"], town.id_of("user", "vera")
    timer = TimerId(guild_id, user_id, town.id_of("role", "VIP"))
    command = SetTime(time.time_ns() // 1_000_000, 3000, ())
    await handler_over(town.database).handle(timer, command, slash())
    await _until(lambda: "VIP" in town.roles_of("vera"))


async def _outcome(town: Town, asked: str) -> Json:
    """Return what came of the command *asked* once it is known."""
    async with asyncio.timeout(30):
        while True:
            record: Json = await town.client.sim(f"interaction/{asked}", method="GET")
            if record["followups"] or (record["message"] and record["message"]["embeds"]):
                return record
            await asyncio.sleep(0.02)


def _title(record: Json) -> str:
    (embed,) = record["message"]["embeds"]
    return str(embed["title"])


async def _answer(connection: asyncpg.Connection, question: str, *arguments: object) -> object:
    """Ask until there is an answer."""
    async with asyncio.timeout(30):
        while True:
            if (answer := await connection.fetchval(question, *arguments)) is not None:
                return answer
            await asyncio.sleep(0.01)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not done():  # noqa: ASYNC110 - what is waited for raises no event
            await asyncio.sleep(0.02)


async def _assert_clean(owner_url: str) -> None:
    """Check that the rows follow from the log, as `boostmon replay --check` does."""
    async with session(owner_url) as owner:
        report = await run.check(owner)
    assert report.clean, report
