"""Import from the JavaScript bot's own table in another PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from boostmon.commands.imports import js_table
from boostmon.commands.imports.import_shapes import Judged
from boostmon.commands.imports.importer import Importer
from boostmon.commands.imports.js_table import read_table
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database
from boostmon.database.embedded.provision import NAME
from boostmon.database.schema.migrate import migrate
from boostmon.errors import DatabaseError, ImportRefusedError
from boostmon.events.nesting import DEEPEST
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, MINUTE
from tests.cli.test_cli import boostmon
from tests.support.cluster import single
from tests.support.databases import Schema, TestServer, as_bot, schema
from tests.support.javascript_bot import TABLE, put, their_database
from tests.support.timers import CHANNEL, GUILD, ROLE, M

NOW = 1_700_000_000_000
END = NOW + 3 * HOUR
USER = "1200000000000000001"
OTHER = "1200000000000000002"
THIRD = "1200000000000000003"


@pytest.fixture
async def theirs(server: TestServer) -> AsyncIterator[Schema]:
    """Lend their database, with an empty table."""
    async with their_database(server) as made:
        yield made


@pytest.fixture
async def table(theirs: Schema) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection to their database."""
    async with session(theirs.owner_url) as connection:
        yield connection


def importer(database: Database) -> Importer:
    return Importer(EventStore(database), now=NOW, warning_minutes=M)


async def refusal(url: str, guild_id: str | None = GUILD) -> str:
    with pytest.raises(ImportRefusedError) as caught:
        await read_table(url, guild_id)
    sentence = str(caught.value)
    assert sentence.startswith("role_timers at postgres")
    return sentence.partition(": ")[2].removesuffix("; nothing was written.")


async def test_every_kind_of_row_comes_over_as_it_was_left(
    theirs: Schema, table: asyncpg.Connection, database: Database, owner: asyncpg.Connection
) -> None:
    await put(table, USER, ROLE, expires_at=END, warn_channel_id=CHANNEL, warnings_sent="{}")
    paused = {"paused": True, "paused_at": NOW - HOUR, "paused_remaining_ms": 20 * MINUTE}
    await put(table, OTHER, ROLE, expires_at=NOW, warnings_sent='{"60": true}', **paused)
    await put(table, THIRD, ROLE, expires_at=END, paused=None, paused_at=NOW)

    results = await importer(database).run(await read_table(theirs.owner_url, GUILD))

    assert ["imported"] * 3 == [result.outcome for result in results]
    columns = "user_id, expires_at, warn_channel_id, paused, paused_at, warnings_sent::text"
    rows = await owner.fetch(f"SELECT {columns} FROM role_timers ORDER BY user_id")  # noqa: S608
    assert [
        (USER, END, CHANNEL, False, None, "{}"),
        (OTHER, NOW - HOUR + 20 * MINUTE, None, True, NOW - HOUR, '{"60": true}'),
        (THIRD, END, None, False, None, "{}"),
    ] == [tuple(row) for row in rows]
    assert "import" == await owner.fetchval("SELECT DISTINCT source FROM events")
    assert 0 == await owner.fetchval("SELECT count(*) FROM effects")


async def test_the_table_is_left_as_it_was(theirs: Schema, table: asyncpg.Connection) -> None:
    await put(table, USER, ROLE, expires_at=END)
    before = await table.fetch("SELECT *, xmin, xmax FROM role_timers")

    await read_table(theirs.owner_url, GUILD)

    assert before == await table.fetch("SELECT *, xmin, xmax FROM role_timers")


async def test_rows_that_are_hidden_from_the_reader_are_no_empty_table(
    theirs: Schema, table: asyncpg.Connection
) -> None:
    await put(table, USER, ROLE, expires_at=END)
    await table.execute("ALTER TABLE role_timers ENABLE ROW LEVEL SECURITY")
    await table.execute("ALTER TABLE role_timers FORCE ROW LEVEL SECURITY")

    with pytest.raises(ImportRefusedError, match="affected by row-level security"):
        await read_table(theirs.owner_url, GUILD)


async def test_a_role_that_may_only_read_suffices(
    theirs: Schema, table: asyncpg.Connection
) -> None:
    reader_url = as_bot(theirs)
    await put(table, USER, ROLE, expires_at=END)
    async with session(reader_url) as connection:
        role = await connection.fetchval("SELECT current_user")
    await table.execute(f'GRANT USAGE ON SCHEMA {theirs.name} TO "{role}"')

    with pytest.raises(ImportRefusedError, match="may not be read"):
        await read_table(reader_url, GUILD)

    await table.execute(f'GRANT SELECT ON role_timers TO "{role}"')
    assert 1 == len((await read_table(reader_url, GUILD)).timers)


async def test_a_second_run_changes_nothing_even_when_the_bot_touched_its_rows(
    theirs: Schema, table: asyncpg.Connection, database: Database, owner: asyncpg.Connection
) -> None:
    await put(table, USER, ROLE, expires_at=END)
    await importer(database).run(await read_table(theirs.owner_url, GUILD))
    await table.execute("UPDATE role_timers SET id = 77, updated_at = now(), warnings_sent = NULL")

    (again,) = await importer(database).run(await read_table(theirs.owner_url, GUILD))

    assert "unchanged" == again.outcome
    assert 1 == await owner.fetchval("SELECT count(*) FROM events")


async def test_a_row_that_changed_since_is_kept_as_it_is_here_and_reported(
    theirs: Schema, table: asyncpg.Connection, database: Database
) -> None:
    await put(table, USER, ROLE, expires_at=END)
    await importer(database).run(await read_table(theirs.owner_url, GUILD))
    await table.execute("UPDATE role_timers SET expires_at = $1", END + HOUR)

    (again,) = await importer(database).run(await read_table(theirs.owner_url, GUILD))

    assert ("kept", "it was imported before, and is not the same now") == (
        again.outcome,
        again.reason,
    )


async def test_a_table_of_many_pages_is_read_whole(
    theirs: Schema, table: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(js_table, "PAGE", 3)
    users = [str(1_200_000_000_000_000_100 + n) for n in range(10)]
    for user in users:
        await put(table, user, ROLE, expires_at=END)

    read = await read_table(theirs.owner_url, GUILD)

    assert users == [imported.timer.user_id for imported in read.timers]


async def test_the_rows_are_those_of_one_moment(
    theirs: Schema, table: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(js_table, "PAGE", 1)
    for user in (USER, OTHER, THIRD):
        await put(table, user, ROLE, expires_at=END)
    inner = js_table._Rows.check  # noqa: SLF001 - the moment between the snapshot and the rows

    async def late(self: js_table._Rows, connection: asyncpg.Connection) -> None:
        await inner(self, connection)
        await table.execute("UPDATE role_timers SET expires_at = 0")

    monkeypatch.setattr(js_table._Rows, "check", late)  # noqa: SLF001
    read = await read_table(theirs.owner_url, GUILD)

    assert [END] * 3 == [imported.expires_at for imported in read.timers]


async def test_rows_name_their_servers_where_they_have_the_column(
    theirs: Schema, table: asyncpg.Connection
) -> None:
    await table.execute("ALTER TABLE role_timers ADD guild_id VARCHAR(255)")
    await put(table, USER, ROLE, expires_at=END, guild_id="77")
    await put(table, OTHER, ROLE, expires_at=END)

    def servers(judged: Judged) -> list[str]:
        return [imported.timer.guild_id for imported in judged.timers]

    assert ["77", GUILD] == servers(await read_table(theirs.owner_url, GUILD))
    assert (
        f"the row of user {OTHER} and role {ROLE} names no server; name it with --guild ID"
        == await refusal(theirs.owner_url, None)
    )


async def test_an_early_table_without_the_newer_columns_is_read(
    theirs: Schema, table: asyncpg.Connection
) -> None:
    for column in ("paused", "paused_at", "paused_remaining_ms", "warnings_sent", "id"):
        await table.execute(f"ALTER TABLE role_timers DROP COLUMN {column}")
    await put(table, USER, ROLE, expires_at=END)

    (imported,) = (await read_table(theirs.owner_url, GUILD)).timers

    assert (END, None) == (imported.expires_at, imported.remaining_ms)


async def test_a_database_without_the_table_is_refused(empty_schema: Schema) -> None:
    assert "the table is not there" == await refusal(empty_schema.owner_url)


async def test_a_password_is_never_told(empty_schema: Schema) -> None:
    with pytest.raises(ImportRefusedError) as caught:
        await read_table(empty_schema.owner_url + "&password=kept", GUILD)

    assert "password=***" in str(caught.value)


async def test_another_table_of_that_name_is_refused(empty_schema: Schema) -> None:
    async with session(empty_schema.owner_url) as connection:
        await connection.execute("CREATE TABLE role_timers (user_id text)")

    assert "the table has no column role_id, expires_at" == await refusal(empty_schema.owner_url)


async def test_our_own_table_is_refused(owner_url: str) -> None:
    assert "the table is BoostMon's own; move that with an export" == await refusal(owner_url)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"user_id": "mona"}, 'a user_id is no id of Discord ("mona")'),
        ({"role_id": "VIP"}, f'the role_id of user {USER} is no id of Discord ("VIP")'),
        ({"role_id": GUILD}, f"the row of user {USER} and role {GUILD} is the role @everyone"),
        ({"expires_at": -1}, "expires_at is no time in milliseconds (-1)"),
        ({"expires_at": 1700000000}, "expires_at is no time in milliseconds (170"),
        ({"warnings_sent": "[60]"}, "warnings_sent is no object (a list)"),
        ({"paused": True, "paused_remaining_ms": -1}, "paused_remaining_ms is no amount"),
    ],
)
async def test_a_bad_row_is_refused_with_its_place(
    columns: dict[str, Any], words: str, theirs: Schema, table: asyncpg.Connection
) -> None:
    row: dict[str, Any] = {"user_id": USER, "role_id": ROLE, "expires_at": END}
    await put(table, **(row | columns))

    assert words in await refusal(theirs.owner_url)


@pytest.mark.parametrize("deep", [3000, DEEPEST])
async def test_a_deeply_nested_row_is_refused(
    deep: int, theirs: Schema, table: asyncpg.Connection
) -> None:
    text = '{"60":' * deep + "1" + "}" * deep
    await put(table, USER, ROLE, expires_at=END, warnings_sent=text)

    assert "a row is nested too deeply" == await refusal(theirs.owner_url)


async def test_an_absurd_end_of_a_row_is_refused_before_anything_is_written(
    theirs: Schema, table: asyncpg.Connection, database: Database, owner: asyncpg.Connection
) -> None:
    await put(table, USER, ROLE, expires_at=END)
    await put(table, OTHER, ROLE, expires_at=1 << 52)
    read = await read_table(theirs.owner_url, GUILD)

    words = f"the row of user {OTHER} and role {ROLE}.expires_at is more than 5 years ahead"
    with pytest.raises(ImportRefusedError, match=words):
        await importer(database).run(read)
    assert 0 == await owner.fetchval("SELECT count(*) FROM events")


async def test_a_row_that_is_there_twice_is_refused(
    theirs: Schema, table: asyncpg.Connection
) -> None:
    await table.execute("ALTER TABLE role_timers DROP CONSTRAINT role_timers_user_id_role_id_key")
    for _ in range(2):
        await put(table, USER, ROLE, expires_at=END)

    assert f"the row of user {USER} and role {ROLE} is there twice" == await refusal(
        theirs.owner_url
    )


async def test_a_table_of_too_many_rows_is_refused(
    theirs: Schema, table: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in (USER, OTHER):
        await put(table, user, ROLE, expires_at=END)
    monkeypatch.setattr(js_table, "MOST_ROWS", 2)
    assert 2 == len((await read_table(theirs.owner_url, GUILD)).timers)

    monkeypatch.setattr(js_table, "MOST_ROWS", 1)
    assert "the table has more than 1 rows" == await refusal(theirs.owner_url)


@pytest.mark.parametrize("url", ["mysql://u:kept@host/db", "postgresql://u:kept@[host/db"])
async def test_a_url_that_cannot_be_read_is_named_by_its_option(url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        await read_table(url, GUILD)

    assert str(caught.value).startswith("--from-database cannot be understood; write postgresql://")
    assert "kept" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("14.11", "does not answer"),  # it is let in, and then hangs up
        ("9.6.24", "is PostgreSQL 9, and BoostMon needs 10 or newer"),
    ],
)
async def test_their_server_may_be_older_than_ours(version: str, words: str) -> None:
    gone = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        told = f"server_version\0{version}\0".encode()
        length = (len(told) + 4).to_bytes(4)
        writer.write(b"R\0\0\0\x08\0\0\0\0S" + length + told + b"Z\0\0\0\x05I")
        await reader.read(1000)
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DatabaseError, match=words):
            await read_table(f"postgresql://me:kept@127.0.0.1:{port}/db?sslmode=disable", GUILD)
        await gone.wait()


async def test_migrate_leaves_their_table_alone_and_names_the_command_that_brings_it_over(
    theirs: Schema, table: asyncpg.Connection, server: TestServer
) -> None:
    await put(table, USER, ROLE, expires_at=END)

    with pytest.raises(DatabaseError, match="import --from-database URL") as caught:
        await migrate(table)
    assert "stays untouched" in str(caught.value)
    assert 1 == await table.fetchval("SELECT count(*) FROM role_timers")
    names = (
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'r'"
    )
    assert ["role_timers"] == [row[0] for row in await table.fetch(names, theirs.name)]
    async with schema(server) as ours, session(ours.owner_url) as connection:
        await migrate(connection)


@pytest.mark.parametrize("kind", ["bigint", "numeric", "text"])
async def test_ids_may_be_numbers(
    kind: str, theirs: Schema, table: asyncpg.Connection, database: Database
) -> None:
    await put(table, USER, ROLE, expires_at=END, warn_channel_id=CHANNEL)
    for column in ("user_id", "role_id", "warn_channel_id"):
        await table.execute(
            f"ALTER TABLE role_timers ALTER COLUMN {column} TYPE {kind} USING {column}::{kind}"
        )

    judged = await read_table(theirs.owner_url, GUILD)

    (timer,) = judged.timers
    assert (USER, ROLE, CHANNEL) == (
        timer.timer.user_id,
        timer.timer.role_id,
        timer.warn_channel_id,
    )
    assert ["imported"] == [each.outcome for each in await importer(database).run(judged)]


async def test_bytes_that_are_no_text_are_told_as_such(tmp_path: Path) -> None:
    async with single() as node:
        kind = f"OWNER {NAME} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
        await node.ask(f"CREATE DATABASE stray {kind}", database="postgres")
        url = node.url(NAME, "stray")
        async with session(url) as owner:
            await owner.execute(TABLE)
            stray = "convert_from('\\xe9'::bytea, 'SQL_ASCII')"  # é, as Latin-1 has it
            await put(owner, USER, ROLE, expires_at=END)
            await owner.execute(f"UPDATE role_timers SET warn_channel_id = {stray}")  # noqa: S608
        with pytest.raises(
            ImportRefusedError, match=r"has text that is not UTF-8 .* there\. Nothing"
        ):
            await read_table(url, GUILD)
        outcome = await boostmon(
            "import", "--from-database", url, "--guild", GUILD, BOOSTMON_DATA_DIR=str(tmp_path)
        )
        with pytest.raises(DatabaseError, match=r"has text that is not UTF-8 .* correct it there"):
            async with session(url) as owner:  # of any other command
                await owner.fetch("SELECT warn_channel_id FROM role_timers")

    assert "has text that is not UTF-8" in outcome.sentence
