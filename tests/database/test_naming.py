"""A schema of another name: its functions are told so, and write nowhere else meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import asyncpg
import pytest

from boostmon.commands.decider import SetTime
from boostmon.config import PoolConfig
from boostmon.database.checkup import look_at_migrations
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.database.schema.migrate import migrate
from boostmon.database.schema.naming import another_name
from boostmon.events.timer import HOUR
from boostmon.projections.replay.run import check
from tests.support.databases import Schema, TestServer, with_schema
from tests.support.timers import M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_123
MANY = "SELECT count(*) FROM events"
KEYS = """
SELECT bool_and(strpos(prosrc, key::text) > 0)
FROM pg_proc, (SELECT (7263110::bigint << 32) | 'events'::regclass::oid::bigint AS key) AS ours
WHERE pronamespace = current_schema()::regnamespace
    AND proname IN ('lock_log', 'await_earlier_lock')
"""


@asynccontextmanager
async def renamed(owner_url: str, name: str, to: str) -> AsyncIterator[None]:
    """Have the schema *name* called *to* meanwhile."""
    connection = await asyncpg.connect(owner_url)
    rename = "SELECT format('ALTER SCHEMA %I RENAME TO %I', $1::text, $2::text)"
    try:
        await connection.execute(await connection.fetchval(rename, name, to))
        yield
    finally:
        await connection.execute(await connection.fetchval(rename, to, name))
        await connection.close()


def at(server: TestServer, name: str) -> str:
    """Say where the owner connects to the schema *name*."""
    quoted = '"' + name.replace('"', '""') + '"'
    return with_schema(server.owner_url, quote(quoted))


async def record(url: str) -> None:
    """Have one more timer."""
    async with await connect(url, pool=PoolConfig(boostmon_pool_min=1)) as database:
        await handler_over(database).handle(fresh_timer(), SetTime(NOW, HOUR, M), slash())


async def colours(url: str) -> list[str]:
    """Return what doctor says of the migrations."""
    async with session(url) as owner:
        return [finding.colour for finding in await look_at_migrations(owner)]


async def test_a_schema_that_was_renamed_is_red_until_it_was_migrated(
    server: TestServer, migrated: Schema
) -> None:
    await record(migrated.owner_url)
    # The second is an alias in the functions, and one of their variables is called like the third.
    for number, name in enumerate((f"{migrated.name}\"é'", "e", "item"), start=1):
        async with renamed(migrated.owner_url, migrated.name, name):
            url = at(server, name)
            assert ["red"] == await colours(url)
            with pytest.raises(asyncpg.PostgresError):
                await record(url)

            async with session(url) as owner:
                assert [] == await migrate(owner)

                assert ["green"] == await colours(url)
                await record(url)
                assert number + 1 == await owner.fetchval(MANY)
                assert (await check(owner)).clean
        async with session(migrated.owner_url) as owner:
            assert name.replace('"', '""') in (await another_name(owner) or "")
            await migrate(owner)


async def test_a_schema_beside_which_there_is_one_of_its_former_name_writes_nothing_there(
    server: TestServer, migrated: Schema
) -> None:
    later = f"{migrated.name}_later"
    async with renamed(migrated.owner_url, migrated.name, later):
        first, second = at(server, later), migrated.owner_url
        async with session(first) as owner:
            await owner.execute(f"CREATE SCHEMA {migrated.name}")
            async with session(second) as beside:
                await migrate(beside)
            try:
                assert [["red"], ["green"]] == [await colours(first), await colours(second)]
                await migrate(owner)
                await record(first)

                assert 1 == await owner.fetchval(MANY)
                assert await owner.fetchval(KEYS)
                assert [["green"], ["green"]] == [await colours(first), await colours(second)]
                async with session(second) as beside:
                    assert 0 == await beside.fetchval(MANY)
                    assert await beside.fetchval(KEYS)
            finally:
                await owner.execute(f"DROP SCHEMA {migrated.name} CASCADE")


async def test_a_schema_that_has_its_name_is_left_alone(migrated: Schema) -> None:
    functions = "FROM pg_proc WHERE pronamespace = $1::regnamespace"
    ask = f"SELECT array_agg(xmin::text ORDER BY oid) {functions}"
    async with session(migrated.owner_url) as owner:
        before = await owner.fetchval(ask, migrated.name)
        await migrate(owner)

        assert before == await owner.fetchval(ask, migrated.name)
