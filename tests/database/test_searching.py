"""Sessions of ours search our schema alone, whatever others make in the database."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from boostmon.config import PoolConfig
from boostmon.database.checkup import look_at_login
from boostmon.database.connections.connection import Connector, session
from boostmon.database.connections.pool import connect
from boostmon.database.schema.migrate import migrate
from boostmon.errors import DatabaseError
from tests.database.test_database_roles import in_turn
from tests.support.databases import TestServer, in_database

ONE = PoolConfig(boostmon_pool_min=1, boostmon_pool_max=1)
SEARCHED = "SELECT current_schemas(true)::text[]"
HELD = "SELECT 'effects'::regclass::oid = '{}.effects'::regclass::oid"


class House:
    """A database of its own, in which a stranger may CREATE: two roles of ours, and theirs."""

    def __init__(self, superuser: str, name: str) -> None:
        self.name = name
        self.superuser = superuser

    def url(self, role: str) -> str:
        """Say where *role* connects, with nothing said of its search_path."""
        parts = urlsplit(self.superuser)
        place = f"{self.name}_{role}:{self.name}@{parts.netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=place))

    async def strangely(self, statements: str) -> None:
        """Have the stranger do something."""
        connection = await asyncpg.connect(self.url("stranger"))
        await connection.execute(statements)
        await connection.close()

    async def trap(self, role: str) -> None:
        """Have the stranger make a schema called like *role*, with tables like ours."""
        schema = f"{self.name}_{role}"
        await self.strangely(
            f"CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO PUBLIC;"
            f"SET search_path = {schema};"
            "CREATE TABLE schema_migrations (version int, name text, sha256 text, applied_at date);"
            "CREATE TABLE effects (position int); CREATE TABLE log_lock (); CREATE TABLE events ();"
            "GRANT ALL ON ALL TABLES IN SCHEMA " + schema + " TO PUBLIC"
        )


@pytest.fixture
async def house(server: TestServer) -> AsyncIterator[House]:
    """Lend one whose tables are in `public`, as they are when nobody has said where."""
    if server.superuser_url is None:
        pytest.skip("the role of BOOSTMON_TEST_DATABASE_URL is no superuser")
    async with in_house(server.superuser_url) as made:
        yield made


@asynccontextmanager
async def in_house(superuser: str) -> AsyncIterator[House]:
    name, connection = f"test_{secrets.token_hex(5)}", await asyncpg.connect(superuser)
    roles = [f"{name}_{role}" for role in ("owner", "bot", "stranger")]
    try:
        for role in roles:
            await in_turn(connection, f"CREATE ROLE {role} LOGIN PASSWORD '{name}'")
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        await in_turn(connection, f"GRANT CONNECT ON DATABASE {name} TO PUBLIC")
        await in_turn(connection, f"GRANT CREATE ON DATABASE {name} TO {roles[2]}")
        at = await asyncpg.connect(in_database(superuser, name))
        await at.execute(f"GRANT CREATE ON SCHEMA public TO {roles[0]}")
        await at.close()
        yield House(in_database(superuser, name), name)
    finally:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        for role in roles:
            await in_turn(connection, f"DROP ROLE IF EXISTS {role}")
        await connection.close()


async def made(house: House) -> None:
    async with session(house.url("owner")) as owner:
        await migrate(owner, f"{house.name}_bot")


@pytest.mark.parametrize("role", ["owner", "bot"])
async def test_a_schema_that_a_stranger_calls_like_our_role_captures_nothing(
    house: House, role: str
) -> None:
    await made(house)
    await house.trap(role)
    plain = await asyncpg.connect(house.url(role))
    assert not await plain.fetchval(HELD.format("public"))  # what PostgreSQL does by itself
    await plain.close()

    async with session(house.url(role)) as alone:
        assert await alone.fetchval(HELD.format("public"))
    async with await connect(house.url(role), pool=ONE) as database:
        rows = await database.fetch(HELD.format("public"))
        assert rows[0][0]
        (searched,) = (await database.fetch(SEARCHED))[0]
        assert ["pg_catalog", "public"] == searched


async def test_a_database_in_which_it_is_there_before_is_migrated_beside_it(house: House) -> None:
    await house.trap("owner")
    await house.trap("bot")

    await made(house)

    async with session(house.url("owner")) as owner:
        assert "public" == await owner.fetchval("SELECT current_schema()")
        assert 13 <= await owner.fetchval("SELECT count(*) FROM schema_migrations")
    async with await connect(house.url("bot"), pool=ONE) as database:
        assert [] == await database.fetch("SELECT position FROM effects")


async def test_pg_catalog_comes_first_and_what_is_temporary_last(house: House) -> None:
    await made(house)
    async with in_turn_as_superuser(house) as superuser:
        await in_turn(
            superuser,
            f"ALTER ROLE {house.name}_owner SET search_path = pg_temp, public, pg_catalog, x",
        )
    async with session(house.url("owner")) as owner:
        await owner.execute("CREATE TEMPORARY TABLE effects (position int)")
        assert ["pg_catalog", "public"] == (await owner.fetchval(SEARCHED))[:2]
        assert await owner.fetchval(HELD.format("public"))


async def test_a_schema_that_is_the_roles_own_is_its_place(house: House) -> None:
    async with in_turn_as_superuser(house) as superuser:
        await superuser.execute(f"CREATE SCHEMA AUTHORIZATION {house.name}_owner")
    await made(house)

    async with session(house.url("owner")) as owner:
        assert f"{house.name}_owner" == await owner.fetchval("SELECT current_schema()")


async def test_the_bot_finds_the_tables_though_a_schema_of_its_own_comes_before(
    house: House,
) -> None:
    await made(house)
    async with in_turn_as_superuser(house) as superuser:
        await superuser.execute(f"CREATE SCHEMA AUTHORIZATION {house.name}_bot")

    async with await connect(house.url("bot"), pool=ONE) as database:
        assert [] == await database.fetch("SELECT position FROM effects")


async def test_what_keeps_no_setting_is_refused_while_a_strangers_schema_comes_first(
    house: House,
) -> None:
    await made(house)
    await look_at_login(house.url("bot"), "DATABASE_URL")
    await house.trap("bot")

    with pytest.raises(DatabaseError, match="which somebody else made, is searched before"):
        await Connector(
            house.url("bot"), may_be_pooler=True, is_bots=True, statement_cache_size=0
        ).open()


@asynccontextmanager
async def in_turn_as_superuser(house: House) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(house.superuser)
    try:
        yield connection
    finally:
        await connection.close()
