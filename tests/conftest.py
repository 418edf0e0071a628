"""Fixtures over one PostgreSQL for the whole run, and a schema for each test."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import msgspec
import pytest
import structlog
from structlog.typing import Processor

from boostmon.config import PoolConfig
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database, connect
from boostmon.database.connections.url import role_of
from boostmon.database.schema.migrate import migrate
from boostmon.errors import DatabaseError
from tests.support.databases import Schema, TestServer, as_bot, as_superuser, chosen, schema
from tests.support.release_before import Release, release_before

PLAIN: list[Processor] = [  # tracebacks with local variables take minutes
    structlog.processors.add_log_level,
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
]
GIVEN = os.environ.get("BOOSTMON_TEST_DATABASE_URL")
SERVER = pytest.StashKey[TestServer]()
ENDS = (signal.SIGTERM, signal.SIGHUP)
RUNNING = pytest.StashKey[ExitStack]()


def pytest_collection_finish() -> None:
    """Go where the developer has no .env; not earlier, since files may be named from here."""
    os.chdir(Path(__file__).parent)


def pytest_configure(config: pytest.Config) -> None:
    """Take the developer's own settings away, and start the server: one for all workers."""
    for name in list(os.environ):
        if name.startswith(("BOOSTMON_", "DISCORD_")) or name in ("DATABASE_URL", "PORT"):
            del os.environ[name]
    structlog.configure(processors=PLAIN)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # by nohup; what is started is to hear it
        signal.signal(signal.SIGHUP, lambda *_: None)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # by a shell, of what it starts behind
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):
        server = msgspec.convert(config.workerinput["server"], TestServer)
        config.stash[SERVER] = server
    elif not config.option.collectonly:
        for number in ENDS:
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, _stop)
        config.stash[RUNNING] = ExitStack()
        try:
            config.stash[SERVER] = config.stash[RUNNING].enter_context(chosen(GIVEN))
        except DatabaseError as error:
            raise pytest.UsageError(str(error)) from error


def _stop(number: int, _: object) -> NoReturn:
    """End the run as Ctrl-C does, which stops the server; once."""
    _stop_no_more()
    raise KeyboardInterrupt(signal.Signals(number).name)


def _stop_no_more() -> None:
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the server is."""
    node.workerinput["server"] = msgspec.to_builtins(node.config.stash[SERVER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server."""
    if RUNNING in config.stash:
        _stop_no_more()
        config.stash[RUNNING].close()


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which PostgreSQL it is."""
    return f"database: {config.stash[SERVER].description}" if SERVER in config.stash else None


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> TestServer:
    """Give the server of this run."""
    return pytestconfig.stash[SERVER]


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Give the release before, out of the history of this repository."""
    try:
        return release_before(tmp_path_factory.mktemp("before"))
    except LookupError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
async def empty_schema(server: TestServer) -> AsyncIterator[Schema]:
    """Lend a schema with nothing in it."""
    async with schema(server) as made:
        yield made


@pytest.fixture
async def migrated(empty_schema: Schema) -> Schema:
    """Lend a schema with all migrations applied, and with the bot's rights given."""
    bot_role = role_of(empty_schema.bot_url) if empty_schema.bot_url else None
    async with session(empty_schema.owner_url) as connection:
        await migrate(connection, bot_role)
    return empty_schema


@pytest.fixture
def owner_url(migrated: Schema) -> str:
    """Say where the owner of the tables connects."""
    return migrated.owner_url


@pytest.fixture
def bot_url(migrated: Schema) -> str:
    """Say where the bot connects; as the owner, where the server lets nobody make roles."""
    return migrated.bot_url or migrated.owner_url


@pytest.fixture
def separate_bot(migrated: Schema) -> str:
    """Say where the bot connects as a role that owns nothing."""
    return as_bot(migrated)


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection as the owner of the tables."""
    async with session(owner_url) as connection:
        yield connection


@pytest.fixture
async def superuser(migrated: Schema) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection as the superuser."""
    async with session(as_superuser(migrated)) as connection:
        yield connection


@pytest.fixture
async def database(bot_url: str) -> AsyncIterator[Database]:
    """Lend a pool as the bot."""
    async with await connect(bot_url, pool=PoolConfig(boostmon_pool_min=1)) as opened:
        yield opened
