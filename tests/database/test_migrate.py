"""Migrations: in order, once, all or nothing; and what the bot's role may do afterwards."""

import asyncio
import shutil
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from boostmon.database.connections.connection import session
from boostmon.database.connections.url import role_of
from boostmon.database.schema import migrate as runner
from boostmon.database.schema.migrate import DIRECTORY, migrate, pending, read
from boostmon.errors import DatabaseError
from tests.support.databases import Schema, TestServer, as_bot, with_schema
from tests.support.places import TESTS

NOTES = "CREATE TABLE notes (id int PRIMARY KEY, words text);"
SECOND = "INSERT INTO notes VALUES (1, 'semicolons; $$ and more');"


@pytest.fixture
def bare_bot(empty_schema: Schema) -> str:
    """Say where the bot connects that has no rights yet."""
    return as_bot(empty_schema)


def folder(path: Path, *files: str) -> Path:
    """Make *path* hold the migrations *files*, in order."""
    path.mkdir(exist_ok=True)
    for number, sql in enumerate(files, start=1):
        (path / f"{number:04}_step.sql").write_text(sql, encoding="utf-8")
    return path


async def run(schema: Schema, directory: Path, bot_role: str | None = None) -> list[str]:
    async with session(schema.owner_url) as connection:
        return await migrate(connection, bot_role, directory=directory)


async def refusal(schema: Schema, directory: Path, bot_role: str | None = None) -> str:
    with pytest.raises(DatabaseError) as refused:
        await run(schema, directory, bot_role)
    return str(refused.value)


async def test_each_file_is_applied_once_and_in_order(empty_schema: Schema, tmp_path: Path) -> None:
    directory = folder(tmp_path, NOTES, SECOND)

    assert await run(empty_schema, directory) == ["0001_step", "0002_step"]
    assert await run(empty_schema, directory) == []

    folder(tmp_path, NOTES, SECOND, "INSERT INTO notes VALUES (2)")
    assert await run(empty_schema, directory) == ["0003_step"]
    async with session(empty_schema.owner_url) as connection:
        assert await connection.fetchval("SELECT count(*) FROM notes") == 2
        names = await connection.fetch("SELECT name FROM schema_migrations ORDER BY version")
    assert [row["name"] for row in names] == ["0001_step", "0002_step", "0003_step"]


async def test_of_a_file_that_fails_nothing_is_kept(empty_schema: Schema, tmp_path: Path) -> None:
    directory = folder(tmp_path, NOTES, "INSERT INTO notes VALUES (1); SELECT 1 / 0;")

    message = await refusal(empty_schema, directory)

    assert message == (
        "The migration 0002_step failed, and nothing of it was kept: division by zero."
    )
    async with session(empty_schema.owner_url) as connection:
        assert await connection.fetchval("SELECT count(*) FROM notes") == 0
        assert await pending(connection, directory=directory) == ["0002_step"]


async def test_five_at_once_apply_each_file_once(empty_schema: Schema, tmp_path: Path) -> None:
    directory = folder(tmp_path, NOTES, SECOND)

    applied = await asyncio.gather(*(run(empty_schema, directory) for _ in range(5)))

    assert sorted(map(len, applied)) == [0, 0, 0, 0, 2]


async def test_who_waits_for_another_in_vain_says_so(
    empty_schema: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PATIENCE", 0.0)
    async with session(empty_schema.owner_url) as other:
        assert await other.fetchval(runner.LOCK)

        assert "Another `boostmon migrate`" in await refusal(empty_schema, folder(tmp_path, NOTES))


async def test_schemas_do_not_wait_for_each_other(
    empty_schema: Schema, server: TestServer, tmp_path: Path
) -> None:
    async with session(server.owner_url) as other:
        assert await other.fetchval(runner.LOCK)

        assert await run(empty_schema, folder(tmp_path, NOTES)) == ["0001_step"]


async def test_an_index_can_be_made_without_a_transaction(
    empty_schema: Schema, tmp_path: Path
) -> None:
    index = "-- no-transaction\nCREATE INDEX CONCURRENTLY notes_words ON notes (words)"

    assert len(await run(empty_schema, folder(tmp_path, NOTES, index))) == 2


async def test_a_file_changed_after_it_was_applied_is_refused(
    empty_schema: Schema, tmp_path: Path
) -> None:
    await run(empty_schema, folder(tmp_path, NOTES))

    message = await refusal(empty_schema, folder(tmp_path, NOTES + "-- better", SECOND))

    assert message.startswith("0001_step was changed after it was applied (20")


async def test_a_schema_from_a_newer_release_is_refused(
    empty_schema: Schema, tmp_path: Path
) -> None:
    await run(empty_schema, folder(tmp_path / "new", NOTES, SECOND))

    message = await refusal(empty_schema, folder(tmp_path / "old", NOTES))

    assert message == "The database was migrated by a newer BoostMon (0002_step); update this one."


@pytest.mark.parametrize("name", ["0003_gap.sql", "0001_twice.sql", "1_short.sql", "readme.sql"])
async def test_numbers_that_do_not_go_up_one_by_one_are_refused(
    empty_schema: Schema, tmp_path: Path, name: str
) -> None:
    directory = folder(tmp_path, NOTES)
    (directory / name).touch()

    await refusal(empty_schema, directory)

    async with session(empty_schema.owner_url) as connection:
        assert await connection.fetchval("SELECT to_regclass('notes')") is None


async def test_the_database_of_the_javascript_bot_is_not_touched(
    empty_schema: Schema, tmp_path: Path
) -> None:
    async with session(empty_schema.owner_url) as connection:
        await connection.execute("CREATE TABLE role_timers (id serial)")

        assert "boostmon import --from-database URL" in await refusal(
            empty_schema, folder(tmp_path, NOTES)
        )

        assert await connection.fetchval("SELECT to_regclass('schema_migrations')") is None


async def test_a_search_path_without_schema_is_refused(server: TestServer, tmp_path: Path) -> None:
    async with session(with_schema(server.owner_url, "nowhere")) as connection:
        with pytest.raises(DatabaseError, match="names no schema"):
            await migrate(connection, directory=folder(tmp_path, NOTES))


async def test_who_may_not_create_tables_is_told_so(
    empty_schema: Schema, bare_bot: str, tmp_path: Path
) -> None:
    async with session(empty_schema.owner_url) as connection:
        await connection.execute(
            f"GRANT USAGE ON SCHEMA {empty_schema.name} TO {role_of(bare_bot)}"
        )
    async with session(bare_bot) as connection:
        with pytest.raises(DatabaseError, match="BOOSTMON_OWNER_DATABASE_URL"):
            await migrate(connection, directory=folder(tmp_path, NOTES))


async def test_what_is_pending_is_named_to_the_owner_and_to_the_bot(
    empty_schema: Schema, bare_bot: str, tmp_path: Path
) -> None:
    directory = folder(tmp_path, NOTES)
    async with (
        session(empty_schema.owner_url) as owner,
        session(bare_bot) as bot,
    ):
        assert await pending(owner, directory=directory) == ["0001_step"]
        assert await pending(bot, directory=directory) == ["0001_step"]

        await run(empty_schema, directory, role_of(bare_bot))
        folder(tmp_path, NOTES, SECOND)

        assert await pending(owner, directory=directory) == ["0002_step"]
        assert await pending(bot, directory=directory) == ["0002_step"]


async def test_the_bots_role_may_read_settle_effects_and_append(
    empty_schema: Schema, bare_bot: str, tmp_path: Path
) -> None:
    await run(empty_schema, folder(tmp_path, RIGHTS), role_of(bare_bot))

    async with session(bare_bot) as bot:
        for name in ("notes", "effects", "lease", "view_of_notes"):
            await bot.fetch(f"SELECT * FROM {name}")  # noqa: S608 - our own words
        await bot.execute("UPDATE effects SET id = 2")
        await bot.execute("UPDATE lease SET id = 2")
        assert await bot.fetchval("SELECT append(1)") == 1
        assert await bot.fetchval("SELECT append_two('x')") == "x"


@pytest.mark.parametrize(
    "forbidden",
    [
        "INSERT INTO notes VALUES (1)",
        "UPDATE notes SET id = 1",
        "DELETE FROM notes",
        "TRUNCATE notes",
        "ALTER TABLE notes DISABLE TRIGGER ALL",
        "INSERT INTO effects VALUES (1)",
        "DELETE FROM lease",
        "UPDATE view_of_notes SET id = 1",
        "SELECT nextval('counted')",
        "SELECT other()",
        "CREATE TABLE mine (id int)",
        "INSERT INTO schema_migrations VALUES (9, '', '')",
    ],
)
async def test_the_bots_role_may_do_nothing_else(
    empty_schema: Schema, bare_bot: str, tmp_path: Path, forbidden: str
) -> None:
    role = role_of(bare_bot)
    async with session(empty_schema.owner_url) as owner:  # it once had been given too much
        await owner.execute(f"GRANT ALL ON SCHEMA {empty_schema.name} TO {role}")
        await owner.execute(RIGHTS)
        await owner.execute(
            f"GRANT ALL ON ALL TABLES IN SCHEMA {empty_schema.name} TO {role};"
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {empty_schema.name} TO {role};"
            f"GRANT ALL ON ALL ROUTINES IN SCHEMA {empty_schema.name} TO {role}"
        )
    await run(empty_schema, folder(tmp_path, "SELECT 1"), role)

    async with session(bare_bot) as bot:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await bot.execute(forbidden)


async def test_names_with_quotes_in_them_are_no_trouble(
    server: TestServer, superuser: asyncpg.Connection, tmp_path: Path
) -> None:
    role, schema = 'test "Bot"; --', 'Test "Schema"; --'
    quoted_role, quoted_schema = ('"' + name.replace('"', '""') + '"' for name in (role, schema))
    owner_url = with_schema(server.owner_url, quote(quoted_schema.replace(" ", "\\ "), safe=""))
    async with session(server.owner_url) as owner:
        await superuser.execute(f"CREATE ROLE {quoted_role}")
        try:
            await owner.execute(f"CREATE SCHEMA {quoted_schema}")
            async with session(owner_url) as connection:
                await migrate(connection, role, directory=folder(tmp_path, RIGHTS))
                allowed = await connection.fetchval(
                    "SELECT has_column_privilege($1, 'effects', 'id', 'UPDATE')", role
                )
        finally:
            await owner.execute(f"DROP SCHEMA IF EXISTS {quoted_schema} CASCADE")
            await superuser.execute(f"DROP ROLE {quoted_role}")
    assert allowed


async def test_a_role_that_does_not_exist_is_named(empty_schema: Schema, tmp_path: Path) -> None:
    message = await refusal(empty_schema, folder(tmp_path, NOTES), "ghost")

    assert message.startswith('There is no role "ghost", which DATABASE_URL logs in as')


async def test_the_owner_keeps_its_rights_when_it_is_the_bot(
    empty_schema: Schema, tmp_path: Path
) -> None:
    async with session(empty_schema.owner_url) as connection:
        own = await connection.fetchval("SELECT current_user")
        await migrate(connection, own, directory=folder(tmp_path, NOTES))

        await connection.execute("INSERT INTO notes VALUES (1)")


async def test_our_own_migrations_are_found_and_applied(migrated: Schema) -> None:
    async with session(migrated.owner_url) as connection:
        assert await pending(connection) == []
        applied = await connection.fetchval("SELECT count(*) FROM schema_migrations")

    assert applied == len(list(runner.CHECKOUT.glob("*.sql"))) > 0


RIGHTS = """
CREATE TABLE notes (id int);
CREATE TABLE effects (id int);
CREATE TABLE lease (id int);
CREATE SEQUENCE counted;
CREATE VIEW view_of_notes AS SELECT * FROM notes;
CREATE FUNCTION append(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION append_two(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""


# What everybody may call, where the bot is the owner and nothing is granted.

OPEN = """
SELECT DISTINCT proname FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
WHERE pronamespace = current_schema()::regnamespace AND grantee = 0
    AND prorettype <> 'trigger'::regtype
    AND proname <> 'is_recordable' -- it judges what it is given, as whoever calls it
    AND (prosecdef OR prokind = 'p' OR strpos(prosrc, quote_ident(current_schema()) || '.') > 0)
"""


async def test_nobody_else_may_call_what_touches_the_tables(empty_schema: Schema) -> None:
    async with session(empty_schema.owner_url) as owner:
        await migrate(owner, None)

        assert [] == await owner.fetch(OPEN)


# What others have applied.

HELD = TESTS / "data" / "migrations.sha256"


def changed(directory: Path, manifest: str) -> list[str]:
    """Return which migrations are not as *manifest* has them; the newest may be missing in it.

    That one may be in no release yet. The others have been applied somewhere.
    """
    held = {name: digest for digest, name in map(str.split, manifest.splitlines())}
    *released, newest = read(directory)
    known = {f"{each.name}.sql": each.sha256 for each in [*released, newest]}
    missing = {f"{each.name}.sql" for each in released} - held.keys()
    return sorted(missing | {name for name in held if known.get(name) != held[name]})


def test_a_migration_that_was_committed_is_as_it_was() -> None:
    assert [] == changed(DIRECTORY, HELD.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["0001_role_timers", "0004_append", "0012_openings"])
def test_a_migration_that_was_edited_or_renamed_or_taken_away_shows(
    tmp_path: Path, name: str
) -> None:
    manifest = HELD.read_text(encoding="utf-8")
    shutil.copytree(DIRECTORY, tmp_path, dirs_exist_ok=True)
    file = tmp_path / f"{name}.sql"
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert [file.name] == changed(tmp_path, manifest)

    file.rename(tmp_path / f"{name}_anew.sql")
    assert file.name in changed(tmp_path, manifest)


def test_a_migration_behind_which_there_is_another_one_must_be_noted(tmp_path: Path) -> None:
    *held, last = HELD.read_text(encoding="utf-8").splitlines()
    shutil.copytree(DIRECTORY, tmp_path, dirs_exist_ok=True)
    (tmp_path / "0014_later.sql").write_text("SELECT 1", encoding="utf-8")

    assert last.split()[1] in changed(tmp_path, "\n".join(held))
