"""SQL that others bring along: what was written for the JavaScript bot's table runs unchanged."""

import json
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from msgspec import structs

from boostmon.commands.decider import Pause, SetTime
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database
from boostmon.database.embedded import binaries
from boostmon.database.embedded.binaries import Binaries
from boostmon.database.schema.migrate import migrate
from boostmon.events.timer import HOUR, MINUTE, TimerId
from tests.database.test_sql import ROLE_TIMERS
from tests.house.test_docs import NEEDS_STATISTICS, PAGES, blocks
from tests.support.cluster import Node
from tests.support.databases import world_folder
from tests.support.timers import CHANNEL, GUILD, ROLE, M, handler_over, slash

USER, OTHER = "1100000000000000205", "1100000000000000206"
SECOND_ROLE = "1100000000000000302"
BEGIN = 1_700_000_000_000  # in 2023, so that what ends within the hour is over
FAR = 4_000_000_000_000  # in 2096
TYPES = {
    "integer": "SERIAL",
    "character varying": "VARCHAR(255)",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "jsonb": "JSONB",
    "timestamp without time zone": "TIMESTAMP",
}


def shown() -> list[str]:
    """Return the statements over `role_timers` that the page shows."""
    (text,) = [b.text for b in blocks("sql") if "COUNT(*)" in b.text and "role_timers" in b.text]
    return [part.strip() for part in text.split(";\n")]


@pytest.fixture
async def table(database: Database, owner: asyncpg.Connection) -> asyncpg.Connection:
    """Lend a connection to a table with an ended, a running and a paused timer."""
    handler = handler_over(database)
    for user, role, at, length in (
        (USER, ROLE, BEGIN, HOUR),
        (USER, SECOND_ROLE, FAR, HOUR),
        (OTHER, ROLE, FAR, 2 * HOUR),
    ):
        command = SetTime(at, length, M, CHANNEL)
        await handler.handle(TimerId(GUILD, user, role), command, slash())
    paused = Pause(FAR + 50 * MINUTE)
    await handler.handle(TimerId(GUILD, USER, SECOND_ROLE), paused, slash())
    return owner


async def fetched(table: asyncpg.Connection, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await table.fetch(query)]


async def test_the_five_usual_queries_answer_as_they_did(table: asyncpg.Connection) -> None:
    of_user, soonest, paused, over, counted = [await fetched(table, query) for query in shown()]

    assert {ROLE, SECOND_ROLE} == {row["role_id"] for row in of_user}
    assert [(USER, BEGIN + HOUR), (OTHER, FAR + 2 * HOUR)] == [
        (row["user_id"], row["expires_at"]) for row in soonest
    ]
    assert [{"user_id": USER, "role_id": SECOND_ROLE, "paused_remaining_ms": 10 * MINUTE}] == paused
    assert [(USER, ROLE)] == [(row["user_id"], row["role_id"]) for row in over]
    assert [(ROLE, 2), (SECOND_ROLE, 1)] == [tuple(row.values()) for row in counted]


async def test_a_row_has_the_values_that_the_javascript_bot_wrote(
    table: asyncpg.Connection,
) -> None:
    row = await table.fetchrow("SELECT * FROM role_timers WHERE paused = TRUE")

    assert row is not None
    assert (FAR + HOUR, FAR + 50 * MINUTE, 10 * MINUTE) == (
        row["expires_at"],
        row["paused_at"],
        row["paused_remaining_ms"],
    )
    assert (CHANNEL, {}) == (row["warn_channel_id"], json.loads(row["warnings_sent"]))


async def test_the_owner_may_write_as_others_did_and_take_it_back(
    table: asyncpg.Connection,
) -> None:
    before = await fetched(table, "SELECT * FROM role_timers ORDER BY id")
    attempt = table.transaction()
    await attempt.start()
    await table.execute(
        "INSERT INTO role_timers (user_id, role_id, expires_at, guild_id, version)"
        " VALUES ($1, $2, $3, $4, 1)"
        " ON CONFLICT (user_id, role_id) DO UPDATE SET expires_at = EXCLUDED.expires_at",
        *("1100000000000000207", ROLE, FAR, GUILD),
    )
    await table.execute(
        "UPDATE role_timers SET warnings_sent = warnings_sent || $2 WHERE user_id = $1",
        *(OTHER, '{"60": true}'),
    )
    sent = "SELECT user_id FROM role_timers WHERE warnings_sent ->> '60' = 'true'"
    assert [{"user_id": OTHER}] == await fetched(table, sent)
    assert "DELETE 2" == await table.execute("DELETE FROM role_timers WHERE user_id = $1", USER)
    assert {"count": 2} == (await fetched(table, "SELECT count(*) FROM role_timers"))[0]
    await attempt.rollback()

    assert before == await fetched(table, "SELECT * FROM role_timers ORDER BY id")


def test_the_page_has_the_columns_and_types_of_the_table() -> None:
    section = PAGES["events.md"].partition("## The table role_timers")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \| ([A-Z0-9()]+) \|", section, re.MULTILINE)

    assert [(name, TYPES[kind]) for name, kind, *_ in ROLE_TIMERS] == told


def with_statistics(folder: Path) -> Binaries | None:
    """Find a PostgreSQL of this machine that has pg_stat_statements."""
    for found in binaries._installed(binaries.account_for(folder)):  # noqa: SLF001 - of all, any
        if found.major >= binaries.OLDEST and any(found.bin.parent.rglob("pg_stat_statements.so")):
            return found
    return None


async def test_the_slow_query_statement_tells_what_took_long() -> None:
    (block,) = [b for b in blocks("sql") if b.text.startswith(NEEDS_STATISTICS)]
    with world_folder() as folder:
        found = with_statistics(folder)
        if found is None:  # the embedded server has none of the extensions of contrib
            pytest.skip("no PostgreSQL of this machine has the extension pg_stat_statements")
        node = Node(folder / "node")
        node._server = structs.replace(node._server, binaries=found)  # noqa: SLF001 - ours has none
        await node.initialize()
        node.configure("shared_preload_libraries = 'pg_stat_statements'\n")
        try:
            await node.start()
            async with session(node.url("postgres", "postgres")) as superuser:
                await superuser.execute("CREATE EXTENSION pg_stat_statements")
                await migrate(superuser)
                await superuser.execute("SELECT pg_stat_statements_reset()")
                await superuser.fetch("SELECT * FROM role_timers")
                told = await superuser.fetch(block.text)
            await node.stop()
        finally:
            node.end()

    assert "SELECT * FROM role_timers" in [row["query"] for row in told]
    assert all(row["calls"] >= 1 and row["mean_exec_time"] >= 0 for row in told)
