"""The release before: its database is migrated as it is, and its processes may run beside."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from boostmon.commands.decider import Clear, SetTime, Sweep
from boostmon.commands.handler import Origin
from boostmon.config import PoolConfig
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database, connect
from boostmon.database.schema import migrate as runner
from boostmon.database.schema.migrate import migrate, pending
from boostmon.errors import DatabaseError
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.effects.kinds import GIVE_ROLE
from boostmon.projections.effects.queue import OwedEffect, OwedEffects
from boostmon.projections.effects.standings import FIRST_LOOK, Standings
from boostmon.projections.replay.run import check
from tests.support import lived_in
from tests.support.databases import Schema
from tests.support.lived_in import NOW
from tests.support.places import TESTS
from tests.support.release_before import Release
from tests.support.timers import GUILD, M, fresh_timer, handler_over, slash

CHAIN = "SELECT position, version, data::text, recorded_at, hash FROM events ORDER BY position"
WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = $1)"
FIRST = """
SELECT guild_id, user_id, role_id FROM streams JOIN people USING (person_id) ORDER BY stream_id
"""
EVENTS = TESTS / "data" / "events.jsonl"
DECODES = """
import sys
from pathlib import Path
from boostmon.events.store import decode

for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
    decode(line)
"""
LIVED_IN = str(Path(lived_in.__file__))


@pytest.fixture
async def before(release: Release, empty_schema: Schema) -> AsyncIterator[Database]:
    """Lend a database that the release before has made, and lived in."""
    where = {"DATABASE_URL": empty_schema.owner_url}
    assert (await release.carry_out("-m", "boostmon", "migrate", **where))[0] == 0
    code, said = await release.carry_out("-P", LIVED_IN, **where)
    assert code == 0, said
    async with await connect(empty_schema.owner_url, pool=PoolConfig(boostmon_pool_min=1)) as made:
        yield made


def test_its_migrations_are_what_they_were(release: Release) -> None:
    theirs = {path.name: path.read_bytes() for path in release.migrations.glob("*.sql")}
    ours = {path.name: path.read_bytes() for path in runner.CHECKOUT.glob("*.sql")}
    assert theirs
    assert theirs == {name: ours.get(name) for name in theirs}


async def test_it_reads_every_event_that_this_release_writes(release: Release) -> None:
    code, said = await release.carry_out("-c", DECODES, str(EVENTS))

    assert (code, said) == (0, "")


@pytest.mark.usefixtures("before")
async def test_a_database_is_migrated_with_its_log_as_it_is(
    release: Release, empty_schema: Schema
) -> None:
    where = {"DATABASE_URL": empty_schema.owner_url}
    async with session(empty_schema.owner_url) as owner:
        chain = await owner.fetch(CHAIN)
        rows = await owner.fetch("SELECT * FROM role_timers ORDER BY id")
        code, said = await release.carry_out("-m", "boostmon", "replay", "--check", **where)
        assert code == 0, said

        await migrate(owner, None)

        assert [] == await pending(owner)
        assert chain == await owner.fetch(CHAIN)
        assert rows == await owner.fetch("SELECT * FROM role_timers ORDER BY id")
        found = await check(owner)
        assert found.clean
        assert f"head {found.head}" in said


@pytest.mark.usefixtures("before")
async def test_it_does_not_start_over_a_database_that_was_migrated(
    release: Release, empty_schema: Schema
) -> None:
    async with session(empty_schema.owner_url) as owner:
        await migrate(owner, None)

    where = {"DATABASE_URL": empty_schema.owner_url}
    code, said = await release.carry_out("-m", "boostmon", "migrate", **where)

    assert code == 1
    assert "The database was migrated by a newer BoostMon (0005_batches); update this one." in said


async def until_it_waits(observer: asyncpg.Connection, migrating: asyncpg.Connection) -> None:
    """Wait until a migration waits for somebody who has locked a table."""
    async with asyncio.timeout(30):
        while not await observer.fetchval(WAITS, migrating.get_server_pid()):  # noqa: ASYNC110 - in the server
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("before")
@pytest.mark.parametrize("begins_with", ["SELECT lock_log()", "SELECT"])
async def test_whoever_locks_the_same_tables_in_another_order_does_not_end_a_migration(
    empty_schema: Schema, begins_with: str
) -> None:
    timer, url = fresh_timer(role_id="1100000000000000009"), empty_schema.owner_url
    async with session(url) as writer, session(url) as owner, session(url) as observer:
        async with writer.transaction():
            await writer.execute(begins_with)  # an append, or somebody else
            await writer.fetch("SELECT FROM events")
            migrating = asyncio.create_task(migrate(owner, None))
            await until_it_waits(observer, owner)
            await writer.execute(
                "INSERT INTO streams (guild_id, person_id, role_id) VALUES ($1, person_of($2), $3)",
                *[timer.guild_id, timer.user_id, timer.role_id],
            )

        assert await migrating
        assert [] == await pending(owner)


@pytest.mark.usefixtures("before")
async def test_nobody_waits_behind_a_migration_that_waits_for_a_dump(
    empty_schema: Schema,
) -> None:
    url = empty_schema.owner_url
    async with session(url) as dump, session(url) as owner, session(url) as writer:
        async with dump.transaction():
            await dump.fetch("SELECT FROM events")
            migrating = asyncio.create_task(migrate(owner, None))
            await until_it_waits(writer, owner)
            await writer.execute("SET statement_timeout = '20s'")

            await writer.execute("SELECT lock_log(), (SELECT count(*) FROM events)")

            assert not migrating.done()
        assert await migrating
        assert [] == await pending(owner)


@pytest.mark.usefixtures("before")
async def test_a_migration_that_waits_for_too_long_says_for_what(
    empty_schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PATIENCE", 0.1)
    async with session(empty_schema.owner_url) as dump, session(empty_schema.owner_url) as owner:
        async with dump.transaction():
            await dump.fetch("SELECT FROM events")
            with pytest.raises(DatabaseError, match="needs tables that somebody else has held"):
                await migrate(owner, None)

        assert await migrate(owner, None)


@pytest.mark.usefixtures("before")
async def test_what_was_being_attempted_is_in_doubt_after_it_and_nothing_else_is(
    release: Release, empty_schema: Schema
) -> None:
    attempt, close = map(release.statement, ("attempt_effect", "close_effect"))
    async with session(empty_schema.owner_url) as owner:
        await owner.execute(attempt, 1, GIVE_ROLE, None)
        await owner.execute("UPDATE effects SET attempted_at = now() WHERE kind = 'notice'")
        await owner.execute(attempt, 2, GIVE_ROLE, None)
        await owner.execute(close, 2, GIVE_ROLE, "done", "{}")

        await migrate(owner, None)

        ask = "SELECT position FROM effects WHERE look_again_at IS NOT NULL"
        assert [1] == [row["position"] for row in await owner.fetch(ask)]
        left = await owner.fetchval(
            "SELECT extract(epoch FROM look_again_at - clock_timestamp())::float8 FROM effects"
            " WHERE look_again_at IS NOT NULL"
        )
        assert 0 < left <= FIRST_LOOK


async def test_an_upgraded_database_goes_on(before: Database, empty_schema: Schema) -> None:
    async with session(empty_schema.owner_url) as owner:
        await migrate(owner, None)
        timer = TimerId(*(await owner.fetchrow(FIRST)))
        await handler_over(before).handle(timer, Clear(NOW + HOUR), slash())

        assert (await check(owner)).clean
        standings = await Standings(before).of_member(GUILD, timer.user_id)
        assert [(False, True)] == [(each.wanted, each.is_open) for each in standings]


# Beside a process of this release.


async def test_the_database_still_understands_all_that_it_says(
    release: Release, owner: asyncpg.Connection
) -> None:
    statements = sorted((release.tree / "boostmon").rglob("*.sql"))
    assert len(statements) > 20
    for path in statements:
        await owner.prepare(path.read_text(encoding="utf-8"))


async def attempted_before(
    release: Release, database: Database, owner: asyncpg.Connection
) -> OwedEffect:
    """Have a give that a process of the release before has sent, and that was not answered."""
    await handler_over(database).handle(fresh_timer(), SetTime(NOW, HOUR, M), slash())
    await owner.execute(release.statement("attempt_effect"), 1, GIVE_ROLE, None)
    return await found(database)


async def found(database: Database) -> OwedEffect:
    effect = await OwedEffects(database).find(1, GIVE_ROLE)
    assert effect is not None
    return effect


async def stands(owner: asyncpg.Connection) -> Any:
    """Return the state of the effect, and whether it is in doubt."""
    row = await owner.fetchrow("SELECT state, look_again_at IS NOT NULL AS in_doubt FROM effects")
    return row["state"], row["in_doubt"]


async def test_what_it_had_sent_is_in_doubt_when_it_was_done_again(
    release: Release, database: Database, owner: asyncpg.Connection
) -> None:
    effect, owed = await attempted_before(release, database, owner), OwedEffects(database)

    await owed.attempting(effect)
    await owed.close(effect, "done", {})

    assert ("done", True) == await stands(owner)


async def test_what_it_had_sent_is_in_doubt_when_it_is_superseded(
    release: Release, database: Database, owner: asyncpg.Connection
) -> None:
    await attempted_before(release, database, owner)
    owed = OwedEffects(database)
    _, moot = await owed.all()

    await owed.supersede(moot)

    assert ("superseded", True) == await stands(owner)


@pytest.mark.parametrize(
    ("statement", "arguments", "state"),
    [
        ("close_effect", (1, GIVE_ROLE, "done", json.dumps({"confirmed": "read"})), "done"),
        ("supersede_effects", ([1], [GIVE_ROLE]), "superseded"),
        ("postpone_effect", (1, GIVE_ROLE, "owed", 9.0, "Discord answered 500", True), "owed"),
        ("postpone_effect", (1, GIVE_ROLE, "stuck", 9.0, "Move the role", False), "stuck"),
    ],
)
async def test_whatever_it_makes_of_what_this_one_has_sent_the_doubt_stays(
    release: Release,
    database: Database,
    owner: asyncpg.Connection,
    *,
    statement: str,
    arguments: tuple[Any, ...],
    state: str,
) -> None:
    await handler_over(database).handle(fresh_timer(), SetTime(NOW, HOUR, M), slash())
    await OwedEffects(database).attempting(await found(database))

    await owner.execute(release.statement("attempt_effect"), 1, GIVE_ROLE, None)
    await owner.execute(release.statement(statement), *arguments)

    assert (state, True) == await stands(owner)


async def test_a_notice_is_in_doubt_of_another_kind(
    database: Database, owner: asyncpg.Connection
) -> None:
    sweep = Origin(command_id="sweep", source="sweeper")
    timer = fresh_timer()
    await handler_over(database).handle(timer, SetTime(NOW, HOUR, M), slash())
    await handler_over(database).handle(timer, Sweep(NOW + HOUR), sweep)
    await owner.execute("UPDATE effects SET attempted_at = now()")
    owed = OwedEffects(database)

    _, moot = await owed.all()
    await owed.supersede(moot)

    doubtful = "SELECT kind FROM effects WHERE look_again_at IS NOT NULL ORDER BY position"
    assert ["give_role", "take_role"] == [row["kind"] for row in await owner.fetch(doubtful)]


# What it alone has sent, and closed.

IN_DOUBT = ("postpone_effect", 1, GIVE_ROLE, "owed", 9.0, "no answer", True)
REFUSED = ("postpone_effect", 1, GIVE_ROLE, "stuck", 9.0, "Move the role", False)
SENT = ("attempt_effect", 1, GIVE_ROLE, None)
DONE = ("close_effect", 1, GIVE_ROLE, "done", "{}")
MOOT = ("supersede_effects", [1], [GIVE_ROLE])


@pytest.mark.parametrize(
    ("said", "stood"),
    [
        ([SENT, IN_DOUBT, SENT, DONE], ("done", True)),
        ([SENT, IN_DOUBT, SENT, REFUSED, SENT, DONE], ("done", True)),
        ([SENT, IN_DOUBT, MOOT], ("superseded", True)),
        ([SENT, MOOT], ("superseded", True)),
        ([SENT], ("owed", True)),
        ([SENT, DONE], ("done", False)),
        ([SENT, REFUSED], ("stuck", False)),
        ([SENT, REFUSED, SENT, DONE], ("done", False)),
        ([SENT, REFUSED, MOOT], ("superseded", False)),
    ],
)
async def test_what_it_gave_up_stays_in_doubt_and_nothing_else_does(
    release: Release,
    database: Database,
    owner: asyncpg.Connection,
    *,
    said: list[tuple[Any, ...]],
    stood: tuple[str, bool],
) -> None:
    await handler_over(database).handle(fresh_timer(), SetTime(NOW, HOUR, M), slash())

    for statement, *arguments in said:
        await owner.execute(release.statement(statement), *arguments)

    assert stood == await stands(owner)


async def test_a_notice_that_it_sent_is_not_doubted(
    release: Release, database: Database, owner: asyncpg.Connection
) -> None:
    await handler_over(database).handle(fresh_timer(), SetTime(NOW, HOUR, M), slash())
    await owner.execute("UPDATE effects SET kind = 'notice'")

    await owner.execute(release.statement("attempt_effect"), 1, "notice", "VIP")

    assert ("owed", False) == await stands(owner)


async def test_its_doubt_is_due_for_a_look_as_that_of_this_release(
    release: Release, database: Database, owner: asyncpg.Connection
) -> None:
    await attempted_before(release, database, owner)

    due = "SELECT extract(epoch FROM look_again_at - attempted_at)::float8, looks FROM effects"
    assert (FIRST_LOOK, 0) == tuple(await owner.fetchrow(due))
