"""Chooses the PostgreSQL that the tests run against, and gives each test a schema of its own."""

import asyncio
import secrets
import shutil
import tempfile
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import pytest
from msgspec import Struct

from boostmon.config import masked
from boostmon.database.connections.connection import session
from boostmon.database.connections.url import hosts_of
from boostmon.database.embedded.postgres import EmbeddedPostgres
from boostmon.errors import DatabaseError
from tests.support import containers
from tests.support.containers import NoContainerError

WAITING = "SELECT count(*) FROM pg_locks WHERE relation = 'log_lock'::regclass AND NOT granted"


OWNER = "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
BEHIND = """
SET allow_system_table_mods = on;
ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO right_clock_timestamp;
CREATE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.right_clock_timestamp() - interval '6 hours' $$
"""


class TestServer(Struct, frozen=True):
    """A server for tests, and as whom it can be used."""

    __test__ = False  # pytest takes the name for a test

    description: str
    owner_url: str
    bot_url: str | None = None
    superuser_url: str | None = None


class Schema(Struct, frozen=True):
    """The URLs of one test, each with its schema as search_path."""

    name: str
    owner_url: str
    bot_url: str | None
    superuser_url: str | None


@contextmanager
def chosen(given: str | None) -> Iterator[TestServer]:
    """Give the server at the URL *given*, else one in a container, else an embedded one."""
    if given:
        with _given(given) as server:
            yield server
        return
    with ExitStack() as stack:
        try:
            server = stack.enter_context(_container())
        except (NoContainerError, DatabaseError) as error:
            server = stack.enter_context(_embedded(str(error)))
        yield server


@asynccontextmanager
async def schema(server: TestServer) -> AsyncIterator[Schema]:
    """Lend a schema of its own on *server*."""
    name = f"test_{secrets.token_hex(6)}"
    owner = await asyncpg.connect(server.owner_url)
    try:
        await owner.execute(f"CREATE SCHEMA {name}")
        yield Schema(
            name,
            with_schema(server.owner_url, name),
            with_schema(server.bot_url, name) if server.bot_url else None,
            with_schema(server.superuser_url, name) if server.superuser_url else None,
        )
    finally:
        await owner.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        await owner.close()


def with_schema(url: str, name: str) -> str:
    """Return *url* with the search_path *name*, in a way that libpq understands, too."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, f"options=-csearch_path%3D{name}"]))
    return urlunsplit(parts._replace(netloc=parts.netloc or "", query=query))


@asynccontextmanager
async def six_hours_behind(server: TestServer) -> AsyncIterator[str]:
    """Lend the owner's URL of a database of its own, whose clock is six hours behind."""
    superuser = _as_role(server.superuser_url, "is no superuser")
    name = f"test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(superuser)
    try:
        owner = await connection.fetchval(OWNER)
        await connection.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE template0")
        at = await asyncpg.connect(in_database(superuser, name))
        await at.execute(BEHIND)
        await at.close()
        yield in_database(server.owner_url, name)
    finally:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.close()


def in_database(url: str, name: str) -> str:
    """Return *url* with the database *name*."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def as_bot(schema: Schema) -> str:
    """Say where the bot connects as a role that owns nothing, or skip the test."""
    return _as_role(schema.bot_url, "may not create roles")


def as_superuser(schema: Schema) -> str:
    """Say where the superuser connects, or skip the test."""
    return _as_role(schema.superuser_url, "is no superuser")


def _as_role(url: str | None, lack: str) -> str:
    # Every server that the tests start gives all rights. Only one that somebody else runs and
    # BOOSTMON_TEST_DATABASE_URL names may give fewer, and what needs them cannot be tried there.
    if url is None:
        pytest.skip(f"the role of BOOSTMON_TEST_DATABASE_URL {lack}")
    return url


class Gate:
    """A way on loopback to the server behind a URL, which can be closed or fall silent."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0
        self.visits = 0

    @property
    def url(self) -> str:
        """The URL that leads through the gate."""
        parts = urlsplit(self._url)
        login = parts.netloc.rpartition("@")[0]
        query = [p for p in parts.query.split("&") if not p.startswith(("host=", "port="))]
        place = f"{login}@127.0.0.1:{self.port}"
        return urlunsplit(parts._replace(netloc=place, query="&".join(query)))

    def freeze(self) -> None:
        """Let nothing through any more, but hang up on nobody."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let everything through again."""
        self._flowing.set()

    async def open(self) -> None:
        """Take visitors, always on the same port."""
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Hang up on everybody, and refuse new visitors."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _visit(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.visits += 1
        current = asyncio.current_task()
        assert current is not None
        self._tasks.add(current)
        writers = [writer]
        try:
            inner_reader, inner_writer = await _reach(self._url)
            writers.append(inner_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(reader, inner_writer))
                both.create_task(self._carry(inner_reader, writer))
        except* (OSError, asyncio.CancelledError):
            pass  # either side hung up, or the gate closed
        finally:
            for each in writers:
                each.transport.abort()
            self._tasks.discard(current)

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        while part := await reader.read(65536):
            await self._flowing.wait()
            writer.write(part)
            await writer.drain()
        writer.close()


async def _reach(url: str) -> tuple[StreamReader, StreamWriter]:
    [host] = hosts_of(url)
    if host.name.startswith("/"):
        return await asyncio.open_unix_connection(f"{host.name}/.s.PGSQL.{host.port}")
    return await asyncio.open_connection(host.name, host.port)


@contextmanager
def world_folder() -> Iterator[Path]:
    """Lend a folder that every account may enter: pytest's own are closed when it runs as root."""
    folder = Path(tempfile.mkdtemp(prefix="boostmon-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _embedded(why: str) -> Iterator[TestServer]:
    with world_folder() as folder, asyncio.Runner() as runner:
        server = EmbeddedPostgres(folder / "database", durable=False)
        runner.run(server.__aenter__())
        try:
            yield TestServer(
                description=f"embedded ({why}): {server.description}",
                owner_url=server.owner_url,
                bot_url=server.url,
                superuser_url=server.superuser_url,
            )
        finally:
            runner.run(server.__aexit__())


@contextmanager
def _given(url: str) -> Iterator[TestServer]:
    with asyncio.Runner() as runner:
        server, bot = runner.run(_look_at(url))
        try:
            yield server
        finally:
            if bot:
                runner.run(_execute(url, f"DROP OWNED BY {bot}; DROP ROLE {bot}"))


async def _look_at(url: str) -> tuple[TestServer, str | None]:
    bot, bot_url = f"boostmon_test_{secrets.token_hex(6)}", None
    async with session(url, variable="BOOSTMON_TEST_DATABASE_URL") as connection:
        row = await connection.fetchrow(
            "SELECT rolsuper, rolsuper OR rolcreaterole AS may_create_roles,"
            " current_database() AS database FROM pg_roles WHERE rolname = current_user"
        )
        version = await connection.fetchval("SHOW server_version")
        if row["may_create_roles"]:
            password = secrets.token_hex(16)
            await connection.execute(f"CREATE ROLE {bot} LOGIN PASSWORD '{password}'")
            await connection.execute(f'GRANT CONNECT ON DATABASE "{row["database"]}" TO {bot}')
            parts = urlsplit(url)
            hosts = parts.netloc.rpartition("@")[2]
            bot_url = urlunsplit(parts._replace(netloc=f"{bot}:{password}@{hosts}"))
    server = TestServer(
        description=f"PostgreSQL {version} at {masked(url)}",
        owner_url=url,
        bot_url=bot_url,
        superuser_url=url if row["rolsuper"] else None,
    )
    return server, bot if bot_url else None


async def _execute(url: str, statement: str) -> None:
    async with session(url) as connection:
        await connection.execute(statement)


@contextmanager
def _container() -> Iterator[TestServer]:
    with containers.postgres() as url, asyncio.Runner() as runner:
        server, _ = runner.run(_look_at(url))  # its role goes with the container
        yield msgspec.structs.replace(server, description=f"container, {server.description}")
