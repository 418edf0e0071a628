"""The export, and its import elsewhere: nothing is lost, nothing is believed."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from boostmon.commands.decider import AddTime, Clear, Pause, RemoveTime, SetTime, Sweep
from boostmon.commands.imports.exported import is_export, judge_export, restore
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database
from boostmon.database.schema.migrate import migrate
from boostmon.errors import ExportRefusedError, ImportRefusedError
from boostmon.events.chain import Seal
from boostmon.events.export import Exported, ExportedEvent, export_log
from boostmon.events.names import is_pseudonym
from boostmon.events.nesting import DEEPEST
from boostmon.events.timer import HOUR, MINUTE, TimerId
from boostmon.projections.replay.run import check
from tests.cli.test_cli import NO_DEV_FULL, boostmon
from tests.support.databases import TestServer, schema
from tests.support.timers import CHANNEL, M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_123
FORGED = "0" * 64


@pytest.fixture
async def timers(database: Database) -> list[TimerId]:
    """Have four timers: running, paused, ended, and one that was warned."""
    handler, made = handler_over(database), [fresh_timer() for _ in range(4)]
    for timer in made:
        await handler.handle(timer, SetTime(NOW, 2 * HOUR, M, CHANNEL), slash())
    await handler.handle(made[0], AddTime(NOW + 7, HOUR, M), slash())
    await handler.handle(made[1], Pause(NOW + MINUTE), slash())
    await handler.handle(made[2], RemoveTime(NOW, 5 * HOUR, M), slash())
    await handler.handle(made[3], Sweep(NOW + 65 * MINUTE), slash())
    return made


@pytest.fixture
async def elsewhere(server: TestServer) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection as the owner of another, empty log."""
    async with schema(server) as other, session(other.owner_url) as connection:
        await migrate(connection)
        yield connection


async def exported(connection: asyncpg.Connection, after: int = 0) -> bytes:
    pieces: list[bytes] = []
    await export_log(connection, pieces.append, after=after)
    return b"".join(pieces)


@pytest.fixture
async def file(owner: asyncpg.Connection, timers: list[TimerId], tmp_path: Path) -> Path:
    """Lend the export of the timers."""
    assert timers
    path = tmp_path / "log.jsonl"
    path.write_bytes(await exported(owner))
    return path


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, entries: list[Any]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))


async def count(connection: asyncpg.Connection, table: str) -> int:
    found: int = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - of this file
    return found


async def shell(line: str, url: str) -> subprocess.CompletedProcess[bytes]:
    """Run *line* of boostmon in a shell, which says last how each process of it ended."""
    return await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", f"{sys.executable} -m boostmon {line}; echo ${{PIPESTATUS[@]}} >&2"],
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        check=False,
        timeout=60,
    )


# The export.


async def test_every_event_is_a_line_in_the_order_of_the_positions(
    file: Path, owner: asyncpg.Connection
) -> None:
    told = [
        (line["position"], line["guild_id"], line["user_id"], line["role_id"], line["version"])
        for line in lines(file)
    ]
    log = await owner.fetch(
        "SELECT position, guild_id, user_id, role_id, version FROM event_log ORDER BY position"
    )

    assert [tuple(row) for row in log] == told


async def test_an_event_keeps_the_exact_text_that_the_hash_covers(
    file: Path, owner: asyncpg.Connection
) -> None:
    entries = [
        msgspec.json.decode(line, type=ExportedEvent) for line in file.read_bytes().splitlines()
    ]
    rows = await owner.fetch("SELECT data::text AS data, hash FROM events ORDER BY position")

    assert [(row["data"], row["hash"].hex()) for row in rows] == [
        (entry.document, entry.hash) for entry in entries
    ]


async def test_a_text_with_a_line_break_still_is_one_line(
    owner: asyncpg.Connection, elsewhere: asyncpg.Connection, tmp_path: Path
) -> None:
    data = '{"type": "Expired",\r\n "at": 5}'
    await owner.execute(
        "SELECT append(ARRAY['11'], ARRAY['12'], ARRAY['13'], ARRAY[0], ARRAY['x'], ARRAY[NULL],"
        " ARRAY['cli'], ARRAY[NULL], ARRAY[1], ARRAY[$1], ARRAY[''])",
        data,
    )
    path = tmp_path / "log.jsonl"
    path.write_bytes(await exported(owner))

    await restore(elsewhere, judge_export(path))

    assert 1 == len(path.read_bytes().splitlines())
    assert data == await elsewhere.fetchval("SELECT data::text FROM events")


async def test_an_export_goes_on_after_a_position(file: Path, owner: asyncpg.Connection) -> None:
    whole = file.read_bytes().splitlines(keepends=True)

    assert b"".join(whole[3:]) == await exported(owner, after=3)
    assert b"" == await exported(owner, after=len(whole))


async def test_what_the_log_does_not_reach_cannot_be_continued(
    file: Path, owner: asyncpg.Connection
) -> None:
    with pytest.raises(ExportRefusedError, match="ends at position 9, so nothing comes after 10"):
        await exported(owner, after=len(lines(file)) + 1)


@pytest.mark.usefixtures("timers")
async def test_nothing_is_written_by_an_export(owner: asyncpg.Connection) -> None:
    await owner.execute("SET default_transaction_read_only = on")  # as on a standby

    assert 9 == len((await exported(owner)).splitlines())


@pytest.mark.usefixtures("timers")
async def test_progress_ends_at_the_whole_and_the_head_is_that_of_the_log(
    owner: asyncpg.Connection,
) -> None:
    told: list[tuple[int, int]] = []
    result = await export_log(
        owner, len, after=2, progress=lambda done, total: told.append((done, total))
    )

    assert (7, 7) == told[-1]
    assert Exported(7, (await check(owner)).head) == result


async def test_what_cannot_be_written_ends_the_export_and_the_connection(
    file: Path, owner: asyncpg.Connection
) -> None:
    assert file.exists()
    tried: list[bytes] = []

    def write(piece: bytes) -> None:
        tried.append(piece)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await export_log(owner, write)
    assert 1 == len(tried)
    assert owner.is_closed()


async def test_progress_is_told_while_a_long_file_is_judged_and_written(
    owner: asyncpg.Connection, elsewhere: asyncpg.Connection, tmp_path: Path
) -> None:
    await owner.execute(
        "SELECT append(ARRAY['11'], ARRAY['12'], ARRAY['13'], ARRAY[0], ARRAY['x'], ARRAY[NULL],"
        " ARRAY['cli'], ARRAY[NULL], ARRAY[2500],"
        """ array_fill('{"type":"Expired","at":5}'::text, ARRAY[2500]),"""
        " array_fill(''::text, ARRAY[2500]))"
    )
    path = tmp_path / "log.jsonl"
    path.write_bytes(await exported(owner))
    judged: list[int] = []
    written: list[int] = []

    await restore(elsewhere, judge_export(path, judged.append), written.append)

    assert [1000, 2000] == judged == written


BROKEN = [
    ("DELETE FROM events WHERE position = 4", 0, r"at position 4 \(position 5 follows 3\)"),
    ("UPDATE events SET source = 'cli' WHERE position = 4", 0, r"at position 4 \(the event is not"),
    ("UPDATE events SET source = 'cli' WHERE position = 4", 3, r"at position 4 \(the event is not"),
    (
        "UPDATE events SET hash = sha256('') WHERE position = 3",
        3,
        r"at position 4 \(the event is not",
    ),
    ("DELETE FROM events WHERE position = 4", 3, r"at position 4 \(position 5 follows 3\)"),
    ("DELETE FROM events WHERE position = 3", 3, r"at position 3 \(the event is missing\)"),
    (
        "DELETE FROM streams WHERE stream_id IN (SELECT stream_id FROM events WHERE position = 9)",
        8,
        r"at position 9 \(the event has no timer or no person\)",
    ),
]


async def tampered(superuser: asyncpg.Connection, change: str) -> None:
    await superuser.execute("SET session_replication_role = replica")  # no reference is looked at
    for table in ("events", "streams"):
        await superuser.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    await superuser.execute(change)


@pytest.mark.usefixtures("timers")
@pytest.mark.parametrize(("change", "after", "why"), BROKEN)
async def test_a_broken_log_is_not_exported(
    owner: asyncpg.Connection, superuser: asyncpg.Connection, change: str, after: int, why: str
) -> None:
    await tampered(superuser, change)

    with pytest.raises(ExportRefusedError, match=f"The log is broken {why}.*`boostmon replay"):
        await exported(owner, after=after)


@pytest.mark.usefixtures("timers")
async def test_what_is_behind_a_fault_is_exported_as_it_is(
    owner: asyncpg.Connection, superuser: asyncpg.Connection
) -> None:
    await tampered(superuser, "DELETE FROM events WHERE position = 4")

    assert 4 == len((await exported(owner, after=5)).splitlines())


@pytest.mark.usefixtures("timers")
async def test_a_broken_log_leaves_no_file_and_is_a_sentence(
    superuser: asyncpg.Connection, owner_url: str, tmp_path: Path
) -> None:
    await tampered(superuser, "DELETE FROM events WHERE position = 4")

    outcome = await boostmon("export", str(tmp_path / "log.jsonl"), DATABASE_URL=owner_url)
    piped = await boostmon("export", DATABASE_URL=owner_url)

    assert outcome.sentence.startswith("The log is broken at position 4 (position 5 follows 3)")
    assert [] == list(tmp_path.iterdir())
    assert 1 == piped.code
    assert "The log is broken at position 4" in piped.err


@pytest.mark.usefixtures("timers")
async def test_stdout_by_its_path_gets_the_lines_and_nothing_else(
    owner_url: str, tmp_path: Path
) -> None:
    to_pipe = await shell("export /dev/stdout | cat", owner_url)
    to_error = await shell("export /dev/stderr 2>&1 >/dev/null | grep position", owner_url)
    path = tmp_path / "log.jsonl"
    await shell(f"export /dev/stdout > {path}", owner_url)

    assert 9 == len(to_pipe.stdout.splitlines()), to_pipe.stderr
    assert to_pipe.stdout == to_error.stdout == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


# The import of an export.


async def test_a_restored_log_is_the_same_log(
    file: Path, owner: asyncpg.Connection, elsewhere: asyncpg.Connection
) -> None:
    judged = judge_export(file)
    await restore(elsewhere, judged)

    here, there = await check(owner), await check(elsewhere)
    assert there.clean
    assert (here.head, here.events, here.timers) == (there.head, there.events, there.timers)
    assert (there.head, there.timers) == (judged.head, judged.timers)
    assert file.read_bytes() == await exported(elsewhere)
    for table in ("events", "people", "streams", "role_timers"):
        ask = f"SELECT * FROM {table} ORDER BY 1"  # noqa: S608 - of this file
        assert await owner.fetch(ask) == await elsewhere.fetch(ask)


async def test_a_restored_log_owes_discord_nothing(
    file: Path, owner: asyncpg.Connection, elsewhere: asyncpg.Connection
) -> None:
    await restore(elsewhere, judge_export(file))

    assert await count(owner, "effects") > 0
    assert 0 == await count(elsewhere, "effects")


async def test_a_restored_log_goes_on(
    file: Path, elsewhere: asyncpg.Connection, timers: list[TimerId], server: TestServer
) -> None:
    await restore(elsewhere, judge_export(file))
    highest = await elsewhere.fetchrow(
        "SELECT max(stream_id) AS stream, max(person_id) AS person FROM streams"
    )

    added = await elsewhere.fetchrow(
        "INSERT INTO people (user_id) VALUES ('17') RETURNING person_id"
    )
    stream = await elsewhere.fetchrow(
        "INSERT INTO streams (guild_id, person_id, role_id) VALUES ('1', $1, '2')"
        " RETURNING stream_id",
        added["person_id"],
    )

    assert timers
    assert server
    assert added["person_id"] > highest["person"]
    assert stream["stream_id"] == highest["stream"] + 1


async def test_a_first_export_and_its_continuation_are_one_file(
    file: Path, owner: asyncpg.Connection, elsewhere: asyncpg.Connection
) -> None:
    first = b"".join(file.read_bytes().splitlines(keepends=True)[:4])
    file.write_bytes(first + await exported(owner, after=4))

    await restore(elsewhere, judge_export(file))

    assert (await check(elsewhere)).clean


async def test_who_was_erased_between_two_exports_is_restored_by_the_pseudonym(
    file: Path, elsewhere: asyncpg.Connection
) -> None:
    entries, pseudonym = lines(file), "erased-0123456789ab"
    erased = entries[-1]["user_id"]
    entries[-1]["user_id"] = pseudonym
    write(file, entries)

    await restore(elsewhere, judge_export(file))

    people = {row["user_id"] for row in await elsewhere.fetch("SELECT user_id FROM people")}
    assert pseudonym in people
    assert erased not in people
    assert (await check(elsewhere)).clean


async def test_who_came_back_after_being_erased_is_another_person(
    database: Database, owner: asyncpg.Connection, elsewhere: asyncpg.Connection, tmp_path: Path
) -> None:
    timer, handler = fresh_timer(), handler_over(database)
    await handler.handle(timer, SetTime(NOW, HOUR, M), slash())
    await handler.handle(timer, Clear(NOW, "erased"), slash())
    first = await exported(owner)
    await owner.execute(
        "UPDATE people SET user_id = 'erased-0123456789ab' WHERE user_id = $1", timer.user_id
    )
    await handler.handle(timer, SetTime(NOW, HOUR, M), slash())
    path = tmp_path / "log.jsonl"
    path.write_bytes(first + await exported(owner, after=2))

    await restore(elsewhere, judge_export(path))

    rows = await elsewhere.fetch("SELECT user_id FROM event_log ORDER BY position")
    names = [row["user_id"] for row in rows]
    assert is_pseudonym(names[0])
    assert [names[0], names[0], timer.user_id] == names
    assert (await check(elsewhere)).clean


async def test_an_export_is_refused_by_a_log_that_is_not_empty(
    file: Path, owner: asyncpg.Connection
) -> None:
    before = await exported(owner)
    with pytest.raises(ImportRefusedError, match="into an empty log only"):
        await restore(owner, judge_export(file))
    assert before == await exported(owner)


async def test_a_file_that_changed_after_it_was_judged_writes_nothing(
    file: Path, elsewhere: asyncpg.Connection
) -> None:
    judged = judge_export(file)
    write(file, lines(file)[:-1])

    with pytest.raises(ImportRefusedError, match="was changed meanwhile; nothing was written"):
        await restore(elsewhere, judged)
    assert 0 == await count(elsewhere, "people")


def edited(number: int, **fields: object) -> Callable[[list[Any]], list[Any]]:
    def edit(entries: list[Any]) -> list[Any]:
        entries[number - 1] |= fields
        return entries

    return edit


def _data(number: int, **fields: object) -> Callable[[list[Any]], list[Any]]:
    def edit(entries: list[Any]) -> list[Any]:
        entries[number - 1]["data"] |= fields
        return entries

    return edit


def _without(number: int, name: str) -> Callable[[list[Any]], list[Any]]:
    def edit(entries: list[Any]) -> list[Any]:
        del entries[number - 1][name]
        return entries

    return edit


EDITED = "the event is not the one that was recorded"
BAD = [
    ("the beginning is missing", lambda e: e[1:], 1, "begins at position 2; put the export"),
    ("a line is missing", lambda e: e[:2] + e[3:], 3, "position 4 follows 2"),
    ("a line is there twice", lambda e: e[:2] + e[1:], 3, "position 2 follows 2"),
    ("data", _data(3, expires_at=1), 3, EDITED),
    ("time", edited(3, recorded_at="2026-01-01T00:00:00.000000Z"), 3, EDITED),
    ("stream", edited(3, stream=77), 3, EDITED),
    ("version", edited(3, version=2), 3, EDITED),
    ("ordinal", edited(3, ordinal=1), 3, EDITED),
    ("actor", edited(3, actor=None, actor_id=None), 3, EDITED),
    ("source", edited(3, source="cli"), 3, EDITED),
    ("command", edited(3, command_id="x"), 3, EDITED),
    ("hash", edited(3, hash=FORGED), 3, EDITED),
    ("a hash that is none", edited(3, hash="x"), 3, "no line of an export .*hash"),
    ("a missing field", _without(3, "hash"), 3, "no line of an export .*`hash`"),
    ("an unknown source", edited(3, source="me"), 3, "no line of an export"),
    ("an actor without id", edited(3, actor_id=None), 3, "not both"),
    ("an actor of another name", edited(3, actor_id="7"), 3, "person 2 is 7 here"),
    ("a user that is none", edited(3, user_id="you"), 3, '"you" is no id of Discord'),
    ("a server that is none", edited(3, guild_id="0"), 3, "no id of Discord"),
    ("a role that is none", edited(1, role_id="x"), 1, EDITED),
    ("another role from the first event on", edited(3, role_id="8"), 3, EDITED),
    ("another person from the first event on", edited(3, person=77, user_id="8"), 3, EDITED),
    ("another server", edited(5, guild_id="8"), 5, "another's timer before"),
    ("another role", edited(5, role_id="8"), 5, "another's timer before"),
    ("another person", edited(5, person=77, user_id="8"), 5, "another's timer before"),
    ("a person of two names", edited(5, user_id="8"), 5, "person 1 is 8 here"),
    ("a newer event", _data(3, type="Doubled"), 3, "newer version of BoostMon"),
]


@pytest.mark.parametrize(
    ("edit", "line", "why"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
async def test_a_file_that_is_not_whole_is_refused_with_the_line(
    file: Path, edit: Callable[[list[Any]], list[Any]], line: int, why: str
) -> None:
    write(file, edit(lines(file)))

    with pytest.raises(ImportRefusedError, match=f"log.jsonl, line {line}: .*{why}") as refusal:
        judge_export(file)
    assert str(refusal.value).endswith("; nothing was written.")


async def test_two_streams_of_one_members_role_are_refused(file: Path) -> None:
    first, second, *_ = lines(file)
    second |= {"person": first["person"], "user_id": first["user_id"]}
    file.write_bytes(rechained([first, second]))

    with pytest.raises(ImportRefusedError, match="line 2: stream 2 is that of stream 1, too"):
        judge_export(file)


async def test_a_role_that_is_no_id_is_refused(file: Path) -> None:
    file.write_bytes(rechained([lines(file)[0] | {"role_id": "x"}]))

    with pytest.raises(ImportRefusedError, match="line 1: the server or the role is no id"):
        judge_export(file)


def rechained(entries: list[Any]) -> bytes:
    """Return the lines of *entries* with hashes that are right again."""
    previous, made = b"", []
    for entry in entries:
        line = msgspec.json.decode(msgspec.json.encode(entry), type=ExportedEvent)
        previous = line.hash_behind(previous, Seal())
        made.append(msgspec.json.encode(entry | {"hash": previous.hex()}) + b"\n")
    return b"".join(made)


@pytest.mark.parametrize("name", ["person", "stream", "actor"])
async def test_a_number_that_leaves_no_room_for_others_is_refused(file: Path, name: str) -> None:
    entry = lines(file)[0]
    file.write_bytes(rechained([entry | {name: 2_000_000_000}]))
    judge_export(file)

    file.write_bytes(rechained([entry | {name: 2_000_000_001}]))
    with pytest.raises(ImportRefusedError, match=r"line 1: \w+ 2000000001 is beyond 2000000000"):
        judge_export(file)


async def test_a_person_with_the_id_of_another_whose_timer_runs_is_refused(file: Path) -> None:
    first, second, *_ = lines(file)
    file.write_bytes(rechained([first, second | {"user_id": first["user_id"]}]))

    refusal = f"line 2: person {second['person']} has the id of person {first['person']}, whose"
    with pytest.raises(ImportRefusedError, match=refusal):
        judge_export(file)


@pytest.mark.parametrize(("number", "deep"), [(1, 5000), (3, 5000), (3, DEEPEST - 1)])
async def test_a_line_that_is_nested_too_deeply_is_refused(
    file: Path, number: int, deep: int
) -> None:
    whole = file.read_bytes().splitlines(keepends=True)
    inside = b'"data":{"x":' + b"[" * deep + b"]" * deep + b","
    whole[number - 1] = whole[number - 1].replace(b'"data":{', inside)
    file.write_bytes(b"".join(whole))

    outcome = await boostmon("import", str(file))

    assert outcome.sentence.startswith(f"{file}, line {number}: it is nested too deeply")


async def test_a_text_of_an_event_that_is_nested_too_deeply_is_refused(file: Path) -> None:
    first, *_ = lines(file)
    text = json.dumps({"x": None} | first["data"]).replace("null", "[" * 300 + "]" * 300, 1)
    file.write_bytes(rechained([first | {"data": text}]))

    with pytest.raises(ImportRefusedError, match="line 1: it is nested too deeply"):
        judge_export(file)


async def test_a_file_that_ends_in_the_middle_of_a_line_is_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])

    with pytest.raises(ImportRefusedError, match=r"line 9: .*it ends in the middle; copy it again"):
        judge_export(file)


async def test_only_the_last_line_break_may_be_missing(
    file: Path, elsewhere: asyncpg.Connection
) -> None:
    file.write_bytes(file.read_bytes().rstrip(b"\n"))

    await restore(elsewhere, judge_export(file))

    assert 9 == await count(elsewhere, "events")


async def test_what_postgresql_refuses_is_a_sentence_and_writes_nothing(
    file: Path, elsewhere: asyncpg.Connection
) -> None:
    judged = judge_export(file)
    judged.streams[1].person = 77  # as no file that was judged has it

    with pytest.raises(ImportRefusedError, match=r"PostgreSQL refuses it .*; nothing was written"):
        await restore(elsewhere, judged)
    assert 0 == await count(elsewhere, "people")


async def test_a_missing_file_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ImportRefusedError, match="No such file or directory; nothing was written"):
        judge_export(tmp_path / "none")


async def test_an_export_is_told_from_other_files(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for content in (b"", b"{", b"[]\n", b'{"1100000000000000001": {}}\n', b"\xff\n"):
        other.write_bytes(content)
        assert not is_export(other)
    assert not is_export(tmp_path)
    assert is_export(file)


# The command line.


@pytest.mark.usefixtures("timers")
async def test_the_round_trip_on_the_command_line(
    owner_url: str, server: TestServer, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    async with schema(server) as other:
        out = await boostmon("export", str(first), DATABASE_URL=owner_url)
        judged = await boostmon("import", str(first), "--dry-run", DATABASE_URL=other.owner_url)
        done = await boostmon("import", str(first), "--json", DATABASE_URL=other.owner_url)
        again = await boostmon("import", str(first), DATABASE_URL=other.owner_url)
        tried = await boostmon("import", str(first), "--dry-run", DATABASE_URL=other.owner_url)
        checked = await boostmon("replay", "--check", DATABASE_URL=other.owner_url)
        await boostmon("export", str(second), DATABASE_URL=other.owner_url)

    head = out.out.split()[-1]
    assert f"9 events exported to {first}, head {head}\n" == out.out
    assert f"9 events would be imported, 3 timers have not ended\nhead {head}\n" == judged.out
    assert {"events": 9, "timers": 3, "head": head} == json.loads(done.out)
    assert "into an empty log only" in again.sentence
    assert again.sentence == tried.sentence
    assert (0, True) == (checked.code, head in checked.out)
    assert first.read_bytes() == second.read_bytes()
    assert 0o600 == stat.S_IMODE(first.stat().st_mode)
    assert [first, second] == sorted(tmp_path.iterdir())


@pytest.mark.usefixtures("timers")
@pytest.mark.parametrize("to", [[], ["-"]])
async def test_without_a_file_the_lines_go_to_stdout_and_nothing_else(
    owner_url: str, to: list[str]
) -> None:
    outcome = await boostmon("export", *to, "--after", "7", DATABASE_URL=owner_url)

    assert 0 == outcome.code
    assert [8, 9] == [json.loads(line)["position"] for line in outcome.out.splitlines()]
    assert not outcome.err.replace("database: ", "", 1).count("\n") > 1


async def test_a_closed_pipe_ends_an_export_quietly(
    owner: asyncpg.Connection, owner_url: str
) -> None:
    await owner.execute(
        "SELECT append(ARRAY['11'], ARRAY['12'], ARRAY['13'], ARRAY[0], ARRAY['x'], ARRAY[NULL],"
        " ARRAY['cli'], ARRAY[NULL], ARRAY[10000],"
        """ array_fill('{"type":"Expired","at":5}'::text, ARRAY[10000]),"""
        " array_fill(''::text, ARRAY[10000]))"
    )
    outcome = await shell("export | head -1", owner_url)

    assert 1 == outcome.stdout.count(b"\n")
    assert outcome.stdout.startswith(b'{"position":1,')
    assert b"0 0\n" == outcome.stderr.splitlines(keepends=True)[-1]
    assert 2 == outcome.stderr.count(b"\n")


@pytest.mark.usefixtures("timers")
async def test_an_existing_file_is_replaced_whole_but_not_by_a_continuation(
    owner_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("an older export\n")

    refused = await boostmon("export", str(path), "--after", "3", DATABASE_URL=owner_url)
    assert "would be replaced by its own continuation" in refused.sentence
    assert "an older export\n" == path.read_text()

    assert 0 == (await boostmon("export", str(path), DATABASE_URL=owner_url)).code
    assert 9 == len(lines(path))


@pytest.mark.usefixtures("timers")
@NO_DEV_FULL
async def test_a_full_disk_is_a_sentence(owner_url: str) -> None:
    outcome = await boostmon("export", "/dev/full", DATABASE_URL=owner_url)

    assert outcome.sentence.startswith("/dev/full cannot be written (No space left on device)")

    piped = await shell("export > /dev/full", owner_url)
    assert b"The output cannot be written (No space left on device)" in piped.stderr
    assert b"1\n" == piped.stderr.splitlines(keepends=True)[-1]


@pytest.mark.usefixtures("timers")
async def test_a_failed_export_leaves_the_file_as_it_was(
    owner: asyncpg.Connection, owner_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("an older export\n")
    await owner.execute("ALTER TABLE events RENAME COLUMN data TO told")

    assert 1 == (await boostmon("export", str(path), DATABASE_URL=owner_url)).code
    assert [path] == list(tmp_path.iterdir())
    assert "an older export\n" == path.read_text()


@pytest.mark.parametrize(
    "option", [["--guild", "11"], ["--role", "11"], ["--skip-past"], ["--unverified"]]
)
async def test_an_export_takes_no_option_of_other_files(file: Path, option: list[str]) -> None:
    outcome = await boostmon("import", str(file), *option)

    assert 2 == outcome.code
    assert "An export names its servers and roles" in outcome.err


async def test_a_broken_export_is_refused_on_the_command_line_before_any_database(
    file: Path,
) -> None:
    write(file, _data(3, expires_at=1)(lines(file)))

    outcome = await boostmon("import", str(file), DATABASE_URL="postgresql://127.0.0.1:1/none")

    assert f"{file}, line 3: {EDITED}" in outcome.sentence


async def test_a_trial_writes_not_even_tables(
    file: Path, server: TestServer, owner_url: str
) -> None:
    async with schema(server) as other, session(other.owner_url) as connection:
        outcome = await boostmon("import", str(file), "--dry-run", DATABASE_URL=other.owner_url)
        tables = await connection.fetchval("SELECT to_regclass('events')")

    assert owner_url
    assert (0, None) == (outcome.code, tables)
    assert outcome.out.startswith("9 events would be imported")


async def test_an_export_comes_through_a_pipe(
    file: Path, server: TestServer, elsewhere: asyncpg.Connection
) -> None:
    async with schema(server) as other:
        done = await shell(f"import /dev/stdin < <(cat {file})", other.owner_url)
        again = await shell(f"import <(cat {file})", other.owner_url)
    file.write_bytes(file.read_bytes()[:-20])
    cut = await shell(f"import /dev/stdin < <(cat {file})", "postgresql://127.0.0.1:1/none")

    assert elsewhere
    assert done.stdout.startswith(b"9 events imported"), done.stderr
    assert b"into an empty log only" in again.stderr
    assert b"/dev/stdin, line 9: " in cut.stderr


async def test_an_export_without_a_line_is_said_to_have_no_events(tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl"
    path.touch()
    piped = await shell("import /dev/stdin < <(true)", "postgresql://127.0.0.1:1/none")

    assert f"{path} is empty, it has no events; nothing was written." == (
        (await boostmon("import", str(path))).sentence
    )
    assert b"/dev/stdin is empty, it has no events; nothing was written." in piped.stderr
