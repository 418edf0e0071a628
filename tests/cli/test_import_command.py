"""`boostmon import` as a person meets it who comes from the JavaScript bot."""

import asyncio
import errno
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from boostmon.cli.terminal.spooling import spooled
from boostmon.commands.decider import SetTime
from boostmon.commands.imports.importer import BATCH
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database
from boostmon.errors import ImportRefusedError
from boostmon.events.timer import HOUR, MINUTE, TimerId
from boostmon.sandbox import Sandbox
from tests.cli.test_cli import boostmon, discord, start
from tests.support.databases import Schema, TestServer, schema, six_hours_behind
from tests.support.javascript_bot import put, their_database
from tests.support.timers import GUILD, ROLE, M, handler_over, slash

USER = "1200000000000000001"
OTHER = "1200000000000000002"
THIRD = "1200000000000000003"
UNCHECKED = (
    "warning: DISCORD_TOKEN is not set, so nobody asked Discord whether the server is right and "
    "has these roles."
)
ALONE = ("--guild", GUILD, "--unverified")


def now() -> int:
    return round(time.time() * 1000)


@pytest.fixture
def end() -> int:
    """Give an end that is ahead, on a full minute."""
    return (now() // HOUR + 40) * HOUR


def data_json(folder: Path, document: Any) -> str:
    path = folder / "data.json"
    path.write_text(json.dumps(document))
    return str(path)


def members(fields: dict[str, Any], *users: str, role: str = ROLE) -> dict[str, Any]:
    return {user: {"roles": {role: fields}} for user in users}


# The result, as a person reads it.


async def test_a_dry_run_shows_each_timer_as_it_would_be(
    tmp_path: Path, end: int, database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    held = {"paused": True, "pausedAt": 0, "pausedRemainingMs": 90 * MINUTE}
    file = data_json(
        tmp_path,
        members({"expiresAt": end}, USER, THIRD) | members(held, OTHER) | {"9": {"expiresAt": 0}},
    )
    timer = TimerId(GUILD, THIRD, ROLE)
    await handler_over(database).handle(timer, SetTime(end - HOUR, 2 * HOUR, M), slash())
    arguments = ("import", file, *ALONE, "--role", ROLE, "--dry-run")

    outcome = await boostmon(*arguments, DATABASE_URL=owner_url)

    assert 0 == outcome.code
    day = time.strftime("%Y-%m-%d", time.gmtime(end / 1000))
    at = [time.strftime("%H:%M", time.gmtime((end + more * HOUR) / 1000)) for more in (0, 1)]
    role = f"role {ROLE}"
    assert [
        f"would be imported: member {USER}, {role}: ends {day} {at[0]} UTC",
        (
            f"would be kept as it is here: member {THIRD}, {role}: ends {day} {at[0]} UTC; "
            f"here ends {day} {at[1]} UTC; it is newer here"
        ),
        f"would be imported: member {OTHER}, {role}: paused with 1 hour 30 minutes left",
        (
            f"would be imported: member 9, {role}: ends 1970-01-01 00:00 UTC; "
            "it has ended, so the next sweep takes the role"
        ),
        "3 would be imported",
        "1 would be kept as it is here",
    ] == on_one_day(outcome.out, day).splitlines()
    assert 1 == await owner.fetchval("SELECT count(*) FROM events")


def on_one_day(text: str, day: str) -> str:
    """Put *day* for the day after it, to which an hour more may lead."""
    return re.sub(r"here ends \d{4}-\d\d-\d\d", f"here ends {day}", text)


async def test_a_run_names_what_was_not_imported(tmp_path: Path, end: int, owner_url: str) -> None:
    file = data_json(tmp_path, members({"expiresAt": end}, USER) | members({"expiresAt": 0}, OTHER))
    arguments = ("import", file, *ALONE, "--skip-past")

    outcome = await boostmon(*arguments, DATABASE_URL=owner_url)

    assert 0 == outcome.code
    assert [
        f"skipped: member {OTHER}, role {ROLE}: ends 1970-01-01 00:00 UTC; it has ended",
        "1 imported",
        "1 skipped",
    ] == outcome.out.splitlines()
    assert UNCHECKED in outcome.err.splitlines()


async def test_a_database_whose_clock_is_off_imports_nothing(
    tmp_path: Path, end: int, server: TestServer
) -> None:
    file = data_json(tmp_path, members({"expiresAt": end}, USER))
    async with six_hours_behind(server) as url:
        outcome = await boostmon("import", file, *ALONE, "--skip-past", DATABASE_URL=url)

        assert outcome.code == 1
        assert "The database's clock is 21,600 s apart from this machine's" in outcome.err
        async with session(url) as owner:
            assert 0 == await owner.fetchval("SELECT count(*) FROM events")


async def test_json_tells_how_each_timer_stands(tmp_path: Path, end: int, owner_url: str) -> None:
    held = {"paused": True, "pausedAt": 0, "pausedRemainingMs": 5}
    file = data_json(tmp_path, members({"expiresAt": end}, USER) | members(held, OTHER))

    outcome = await boostmon("import", file, *ALONE, "--json", DATABASE_URL=owner_url)

    rest = {"outcome": "imported", "reason": "", "here": None}
    timer = {"guild_id": GUILD, "role_id": ROLE}
    assert [
        rest
        | {
            "timer": timer | {"user_id": USER},
            "there": {"expires_at": end, "remaining_ms": None},
        },
        rest
        | {"timer": timer | {"user_id": OTHER}, "there": {"expires_at": None, "remaining_ms": 5}},
    ] == json.loads(outcome.out)


# Interrupted.


async def test_an_import_killed_in_the_middle_is_finished_by_running_it_again(
    tmp_path: Path, end: int, owner: asyncpg.Connection, owner_url: str
) -> None:
    total = 8 * BATCH
    users = [str(1_200_000_000_000_000_000 + n) for n in range(total)]
    held = {"paused": True, "pausedAt": 0, "pausedRemainingMs": 5}
    document = members({"expiresAt": end}, *users) | members(held, *users[::7])
    arguments = ("import", data_json(tmp_path, document), *ALONE)

    process = await start(*arguments, DATABASE_URL=owner_url)
    async with asyncio.timeout(60):
        while not await owner.fetchval("SELECT EXISTS (SELECT FROM events)"):  # noqa: ASYNC110 - another process writes them
            await asyncio.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    part = await owner.fetchval("SELECT count(*) FROM role_timers")
    again = await boostmon(*arguments, DATABASE_URL=owner_url)

    assert 0 < part < total
    counts = [f"{total - part} imported", f"{part} imported before, unchanged"]
    assert (0, counts) == (again.code, again.out.splitlines())
    assert total == await owner.fetchval("SELECT count(*) FROM role_timers")
    assert total + len(users[::7]) == await owner.fetchval("SELECT count(*) FROM events")


# The roles of the server.


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Lend a simulated Discord."""
    async with Sandbox() as opened:
        yield opened


async def test_a_role_that_the_server_lacks_refuses_the_file_before_anything_is_written(
    sandbox: Sandbox, tmp_path: Path, end: int, empty_schema: Schema
) -> None:
    ids = sandbox.state()["ids"]
    document = members({"expiresAt": end}, USER, role=ids["roles"]["VIP"])
    document |= members({"expiresAt": end}, OTHER, role="4040404")
    arguments = ("import", data_json(tmp_path, document), "--guild", ids["guild"])

    outcome = await boostmon(*arguments, DATABASE_URL=empty_schema.owner_url, **discord(sandbox))

    assert outcome.sentence.endswith(
        f'data.json: "{OTHER}".roles."4040404" is of a role that the server {ids["guild"]} does '
        "not have (4040404); nothing was written."
    )
    async with session(empty_schema.owner_url) as connection:
        assert await connection.fetchval("SELECT to_regclass('events')") is None


async def test_roles_that_the_server_has_pass_without_a_word(
    sandbox: Sandbox, tmp_path: Path, end: int, owner_url: str
) -> None:
    ids = sandbox.state()["ids"]
    file = data_json(tmp_path, members({"expiresAt": end}, USER, role=ids["roles"]["VIP"]))

    outcome = await boostmon(
        "import", file, "--guild", ids["guild"], DATABASE_URL=owner_url, **discord(sandbox)
    )

    assert (0, "1 imported\n") == (outcome.code, outcome.out)
    assert "warning" not in outcome.err
    assert sandbox.state()["unknown"] == []


@pytest.mark.parametrize("more", [(), ("--unverified",), ("--dry-run",)], ids=" ".join)
async def test_a_server_that_the_bot_is_not_in_is_refused(
    sandbox: Sandbox, tmp_path: Path, end: int, empty_schema: Schema, more: tuple[str, ...]
) -> None:
    file = data_json(tmp_path, members({"expiresAt": end}, USER))

    outcome = await boostmon(
        *["import", file, "--guild", GUILD, *more],
        DATABASE_URL=empty_schema.owner_url,
        **discord(sandbox),
    )

    assert (
        f"The bot is not in the server {GUILD}; correct the id, or invite the bot there first. "
        "Nothing was written."
    ) == outcome.sentence
    async with session(empty_schema.owner_url) as connection:
        assert await connection.fetchval("SELECT to_regclass('events')") is None


async def test_a_server_that_the_bot_has_left_is_refused(
    sandbox: Sandbox, tmp_path: Path, end: int, owner: asyncpg.Connection, owner_url: str
) -> None:
    (guild,) = sandbox.discord.world.guilds.values()
    del guild.members[sandbox.state()["ids"]["bot"]]
    file = data_json(tmp_path, members({"expiresAt": end}, USER))

    outcome = await boostmon(
        "import", file, "--guild", guild.id, DATABASE_URL=owner_url, **discord(sandbox)
    )

    assert f"The bot is not in the server {guild.id}; " in outcome.sentence
    assert 0 == await owner.fetchval("SELECT count(*) FROM events")


@pytest.mark.parametrize("from_table", [False, True])
async def test_without_a_token_an_import_says_that_the_server_is_surely_right(
    tmp_path: Path, end: int, server: TestServer, empty_schema: Schema, *, from_table: bool
) -> None:
    file = data_json(tmp_path, members({"expiresAt": end}, USER))
    async with their_database(server) as theirs, session(theirs.owner_url) as table:
        await put(table, USER, ROLE, expires_at=end)
        what = ["--from-database", theirs.owner_url] if from_table else [file]
        url = empty_schema.owner_url

        outcome = await boostmon("import", *what, "--guild", GUILD, DATABASE_URL=url)
        tried = await boostmon("import", *what, "--guild", GUILD, "--dry-run", DATABASE_URL=url)
        sure = await boostmon("import", *what, *ALONE, DATABASE_URL=url)

    assert (
        (
            "DISCORD_TOKEN is not set, so nobody asked Discord whether the server is right and has "
            "these roles; set it, or add --unverified if they surely are. Nothing was written."
        )
        == outcome.sentence
        == tried.sentence
    )
    assert (0, "1 imported\n") == (sure.code, sure.out)


async def test_a_discord_that_does_not_answer_verifies_nothing(
    sandbox: Sandbox, tmp_path: Path, end: int, owner: asyncpg.Connection, owner_url: str
) -> None:
    file, where = data_json(tmp_path, members({"expiresAt": end}, USER)), discord(sandbox)
    await sandbox.stop()

    refused = await boostmon("import", file, "--guild", GUILD, DATABASE_URL=owner_url, **where)
    events = await owner.fetchval("SELECT count(*) FROM events")
    outcome = await boostmon("import", file, *ALONE, DATABASE_URL=owner_url, **where)

    assert "; try again, or add --unverified if they surely are." in refused.sentence
    assert 0 == events
    assert (0, "1 imported\n") == (outcome.code, outcome.out)
    assert "warning: Discord at http://127.0.0.1:" in outcome.err
    assert (
        "So nobody asked Discord whether the server is right and has these roles.\n" in outcome.err
    )


@pytest.mark.parametrize(
    ("role", "manager"), [("Server Booster", "the server's boosts"), ("BoostMon", "the bot <@{}>")]
)
async def test_a_timer_of_a_role_that_something_manages_is_named_and_skipped(
    sandbox: Sandbox,
    tmp_path: Path,
    end: int,
    owner: asyncpg.Connection,
    owner_url: str,
    *,
    role: str,
    manager: str,
) -> None:
    ids = sandbox.state()["ids"]
    document = members({"expiresAt": end}, USER, role=ids["roles"]["VIP"])
    document |= members({"expiresAt": end}, OTHER, role=ids["roles"][role])
    arguments = ("import", data_json(tmp_path, document), "--guild", ids["guild"])

    tried = await boostmon(*arguments, "--dry-run", DATABASE_URL=owner_url, **discord(sandbox))
    outcome = await boostmon(*arguments, DATABASE_URL=owner_url, **discord(sandbox))

    skipped, *counts = outcome.out.splitlines()
    assert (0, ["1 imported", "1 skipped"]) == (outcome.code, counts)
    assert skipped.startswith(f"skipped: member {OTHER}, role {ids['roles'][role]}: ends ")
    assert skipped.endswith(f"; {manager.format(ids['bot'])} alone can take the role")
    assert f"would be {skipped}" in tried.out
    assert [USER] == [
        row["user_id"] for row in await owner.fetch("SELECT user_id FROM role_timers")
    ]


async def test_a_timer_that_was_there_before_is_told_as_ever_though_something_manages_its_role(
    sandbox: Sandbox, tmp_path: Path, end: int, owner_url: str
) -> None:
    ids = sandbox.state()["ids"]
    document = members({"expiresAt": end}, USER, role=ids["roles"]["Server Booster"])
    arguments = ("import", data_json(tmp_path, document), "--guild", ids["guild"])
    await boostmon(*arguments, "--unverified", DATABASE_URL=owner_url)

    outcome = await boostmon(*arguments, DATABASE_URL=owner_url, **discord(sandbox))

    assert "0 imported\n1 imported before, unchanged\n" == outcome.out


async def test_a_token_that_discord_refuses_is_an_error_and_nothing_is_written(
    sandbox: Sandbox, tmp_path: Path, end: int, owner: asyncpg.Connection, owner_url: str
) -> None:
    file = data_json(tmp_path, members({"expiresAt": end}, USER))
    wrong = discord(sandbox) | {"DISCORD_TOKEN": "MTEwMA.of.nobody"}

    outcome = await boostmon("import", file, "--guild", GUILD, DATABASE_URL=owner_url, **wrong)

    assert outcome.sentence.startswith("Discord refuses DISCORD_TOKEN; ")
    assert 0 == await owner.fetchval("SELECT count(*) FROM events")


# From their database.


async def test_the_whole_way_from_their_database_into_one_of_our_own(
    server: TestServer, end: int
) -> None:
    async with (
        their_database(server) as theirs,
        schema(server) as ours,
        session(theirs.owner_url) as table,
    ):
        await put(table, USER, ROLE, expires_at=end)
        refused = await boostmon("migrate", DATABASE_URL=theirs.owner_url)
        arguments = ("import", "--from-database", theirs.owner_url, *ALONE)
        inside = await boostmon(*arguments, DATABASE_URL=theirs.owner_url)
        first = await boostmon(*arguments, DATABASE_URL=ours.owner_url)
        second = await boostmon(*arguments, DATABASE_URL=ours.owner_url)

        for outcome in (refused, inside):
            assert 1 == outcome.code
            assert "stays untouched; point DATABASE_URL at an empty database" in outcome.err
            assert "`boostmon import --from-database URL`." in outcome.err
        assert (0, "1 imported\n") == (first.code, first.out)
        assert (0, "0 imported\n1 imported before, unchanged\n") == (second.code, second.out)
        assert 1 == await table.fetchval("SELECT count(*) FROM role_timers")


async def test_their_database_must_name_the_server_somehow(server: TestServer, end: int) -> None:
    async with their_database(server) as theirs, session(theirs.owner_url) as table:
        await put(table, USER, ROLE, expires_at=end)

        outcome = await boostmon("import", "--from-database", theirs.owner_url)

    assert outcome.sentence.endswith(
        "names no server; name it with --guild ID; nothing was written."
    )


async def test_the_password_of_their_database_is_never_told() -> None:
    url = "postgresql://them:kept-to-ourselves@127.0.0.1:9/theirs"

    sentence = (await boostmon("import", "--from-database", url)).sentence

    assert "postgresql://them:***@127.0.0.1:9/theirs does not answer" in sentence
    assert "--from-database is right" in sentence


# Wrong usage.

WRONG = {
    "neither": ((), "Name a FILE, or a database with --from-database."),
    "both": (("a.json", "--from-database", "postgresql://"), "Name a FILE, or a database with"),
    "no server": (("a.json",), "A data.json does not name its server; add --guild ID."),
    "a server's name": (("a.json", "--guild", "home"), "'home' is no id of Discord"),
    "a role's name": (("a.json", "--guild", "77", "--role", "VIP"), "'VIP' is no id of Discord"),
    "a role for a table": (("--from-database", "x", "--role", "7"), "--role is for a FILE"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
async def test_wrong_usage_exits_2_with_the_way_to_write_it(
    arguments: tuple[str, ...], words: str
) -> None:
    outcome = await boostmon("import", *arguments)

    assert (2, "") == (outcome.code, outcome.out)
    assert words in outcome.err


# On a terminal, and in a pipe.


async def test_progress_is_shown_on_a_terminal_only(
    tmp_path: Path, end: int, owner_url: str
) -> None:
    file = data_json(tmp_path, members({"expiresAt": end}, USER))
    leader, follower = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "boostmon", "import", file, *ALONE],
        env=os.environ | {"DATABASE_URL": owner_url, "TERM": "xterm", "COLUMNS": "100"},
        stdout=asyncio.subprocess.PIPE,
        stderr=follower,
    )
    os.close(follower)
    out, _ = await process.communicate()
    seen = os.read(leader, 65536).decode()
    os.close(leader)
    in_a_pipe = await boostmon("import", file, *ALONE, DATABASE_URL=owner_url)

    assert b"1 imported\n" == out
    assert "importing" in seen
    assert "importing" not in in_a_pipe.err


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000], ids=["list", "object"])
async def test_what_is_nested_too_deeply_is_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(content)

    outcome = await boostmon("import", str(path), "--guild", "1100000000000000001")

    assert f"{path} is nested too deeply for a data.json; nothing was written." == outcome.sentence


async def test_a_data_json_comes_through_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writing = asyncio.create_task(asyncio.to_thread(path.write_text, "[]"))

    outcome = await boostmon("import", str(path), "--guild", "1100000000000000001")

    await writing
    assert f"{path}: the file is no object (a list); nothing was written." == outcome.sentence


async def test_without_room_for_what_comes_through_a_pipe_it_asks_for_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def no_room(**_: str) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", no_room)

    advice = r"name a file\. Nothing was written"
    with pytest.raises(ImportRefusedError, match=advice), spooled(path):
        pass
