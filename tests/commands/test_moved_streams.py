"""A role has one server: where Discord shows that it is another one, a timer that ended moves."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from boostmon.commands.decider import AddTime, Clear, Pause, SetTime, Sweep, TimerCommand
from boostmon.commands.handler import Decision, Origin
from boostmon.commands.imports.import_shapes import ImportedTimer, Judged
from boostmon.commands.imports.importer import Importer
from boostmon.database.connections.pool import Database
from boostmon.errors import TimerElsewhereError, TimerNotFoundError
from boostmon.events.append import Append, Appended, Conflict, Elsewhere, Repeated, Source
from boostmon.events.store import EventStore, History, RecordedEvent
from boostmon.events.timer import HOUR, Cleared, TimerId
from boostmon.projections.replay.run import check
from tests.cli.test_cli import boostmon
from tests.support.databases import Schema, TestServer, schema
from tests.support.timers import GUILD, M, fresh_timer, handler_over, slash
from tests.support.town import Town
from tests.support.town import town as a_town
from tests.whole.test_commands_e2e import embed, public, taken_back

WRONG = "1100000000000000099"
SERVER = "SELECT guild_id FROM streams"


@pytest.fixture
async def town(database: Database, owner_url: str) -> AsyncIterator[Town]:
    """Lend a town in which the bot is at work."""
    async with a_town(database, owner_url) as made:
        yield made


def imported(command_id: str = "import:1") -> Origin:
    """Stand for an import into the wrong server."""
    return Origin(command_id=command_id, source="import")


async def bound_wrongly(database: Database, timer: TimerId, *, ended: bool) -> TimerId:
    """Have an import bind the role of *timer* to the wrong server."""
    wrong = TimerId(WRONG, timer.user_id, timer.role_id)
    handler, now = handler_over(database), round(time.time() * 1000)
    await handler.handle(wrong, SetTime(now, HOUR, M), imported())
    if ended:
        origin = Origin(command_id="forget:1", source="cli")
        await handler.handle(wrong, Clear(now, "erased"), origin)
    return wrong


@pytest.mark.parametrize("command", ["settime", "addtime"])
async def test_a_role_that_was_bound_to_the_wrong_server_is_timed_in_the_right_one(
    town: Town, owner: asyncpg.Connection, command: str
) -> None:
    ids = town.client.ids
    timer = TimerId(ids["guild"], town.id_of("user", "max"), town.id_of("role", "VIP"))
    await bound_wrongly(town.database, timer, ended=True)

    told = await public(town, "mona", command, user="max", role="VIP", duration="1h")

    assert "Timed Role Activated" == embed(told)["title"]
    assert ["VIP"] == town.roles_of("max")
    assert ids["guild"] == await owner.fetchval(SERVER)
    assert ids["guild"] == await owner.fetchval("SELECT guild_id FROM role_timers")
    assert (await check(owner)).clean


async def test_a_timer_that_has_not_ended_stays_where_it_is_and_the_way_out_is_told(
    town: Town, owner: asyncpg.Connection
) -> None:
    timer = TimerId(town.client.ids["guild"], town.id_of("user", "max"), town.id_of("role", "VIP"))
    await bound_wrongly(town.database, timer, ended=False)

    told = await town.say("mona", "settime", user="max", role="VIP", duration="1h")

    assert f"has a timer of this member in another server ({WRONG})" in taken_back(told)
    assert "`boostmon forget-server`" in taken_back(told)
    assert WRONG == await owner.fetchval(SERVER)
    assert ["TimerSet"] == await town.events()


@pytest.mark.parametrize("command", [SetTime(0, HOUR, M), AddTime(0, HOUR, M), Clear(0), Pause(0)])
@pytest.mark.parametrize("paused", [False, True])
async def test_no_command_moves_a_timer_that_has_not_ended(
    database: Database, owner: asyncpg.Connection, command: TimerCommand, *, paused: bool
) -> None:
    timer = fresh_timer()
    wrong = await bound_wrongly(database, timer, ended=False)
    if paused:
        now = round(time.time() * 1000)
        await handler_over(database).handle(wrong, Pause(now), imported("import:2"))

    with pytest.raises(TimerElsewhereError):
        await handler_over(database).handle(timer, command, slash())

    assert WRONG == await owner.fetchval(SERVER)
    assert 1 + paused == await owner.fetchval("SELECT count(*) FROM events")


OTHERS: list[tuple[Source, TimerCommand]] = [
    ("discord", SetTime(0, HOUR, M)),
    ("cli", AddTime(0, HOUR, M, starts=True)),
    ("sweeper", Sweep(0)),
]


@pytest.mark.parametrize(("source", "command"), OTHERS)
async def test_nobody_but_a_person_in_that_server_moves_it(
    database: Database, owner: asyncpg.Connection, source: Source, command: TimerCommand
) -> None:
    timer = fresh_timer()
    await bound_wrongly(database, timer, ended=True)

    with pytest.raises(TimerElsewhereError):
        await handler_over(database).handle(timer, command, Origin(command_id="x", source=source))

    assert WRONG == await owner.fetchval(SERVER)


async def test_a_command_that_starts_nothing_moves_nothing(
    database: Database, owner: asyncpg.Connection
) -> None:
    timer = fresh_timer()
    await bound_wrongly(database, timer, ended=True)

    with pytest.raises(TimerNotFoundError):
        await handler_over(database).handle(timer, Pause(0), slash())

    assert WRONG == await owner.fetchval(SERVER)


async def test_an_import_moves_nothing(database: Database, owner: asyncpg.Connection) -> None:
    timer = fresh_timer()
    await bound_wrongly(database, timer, ended=True)
    again = ImportedTimer(timer=timer, shape="role", digest="d", expires_at=HOUR)
    importer = Importer(EventStore(database), now=0, warning_minutes=M)

    (result,) = await importer.run(Judged("x", (again,)))

    assert "failed" == result.outcome
    assert result.reason.startswith(f"the role belongs to server {WRONG}; if that is wrong, end")
    assert WRONG == await owner.fetchval(SERVER)


def a_piece(timer: TimerId, version: int) -> Append:
    """Return a piece of history that starts a timer at *version*."""
    before = (RecordedEvent(Cleared(0, 0), version, version, "x"),)
    return Decision(History(timer, WRONG, before), lambda: SetTime(0, HOUR, M), slash())()


@pytest.mark.parametrize(("version", "outcome"), [(2, Appended), (1, Conflict), (3, Conflict)])
async def test_what_is_not_recorded_moves_nothing(
    database: Database, owner: asyncpg.Connection, version: int, outcome: type
) -> None:
    timer = fresh_timer()
    await bound_wrongly(database, timer, ended=True)

    came = await EventStore(database).append_moving(lambda: a_piece(timer, version))

    expected = GUILD if outcome is Appended else WRONG
    assert expected == await owner.fetchval(SERVER)
    assert isinstance(came, outcome | Elsewhere)
    assert isinstance(came, Appended) == (outcome is Appended)


async def test_a_command_that_was_given_for_another_timer_moves_nothing(
    database: Database, owner: asyncpg.Connection
) -> None:
    other, timer = fresh_timer(), fresh_timer()
    await bound_wrongly(database, timer, ended=True)
    piece = a_piece(timer, 2)
    given = Origin(command_id=piece.command_id, source="slash")
    await handler_over(database).handle(other, SetTime(0, HOUR, M), given)

    came = await EventStore(database).append_moving(lambda: piece)

    assert Repeated(other) == came
    ask = "SELECT guild_id FROM streams JOIN people USING (person_id) WHERE user_id = $1"
    assert WRONG == await owner.fetchval(ask, timer.user_id)


async def test_a_repeated_command_moves_nothing_and_is_answered_once(
    database: Database, owner: asyncpg.Connection
) -> None:
    timer, origin = fresh_timer(), slash()
    await bound_wrongly(database, timer, ended=True)

    first = await handler_over(database).handle(timer, SetTime(0, HOUR, M), origin)
    second = await handler_over(database).handle(timer, SetTime(0, HOUR, M), origin)

    assert first == second
    assert 3 == await owner.fetchval("SELECT count(*) FROM events")


@pytest.mark.parametrize("ended", [False, True])
async def test_the_bots_role_cannot_move_a_timer_that_has_not_ended(
    database: Database, owner: asyncpg.Connection, *, ended: bool
) -> None:
    timer = fresh_timer()
    await bound_wrongly(database, timer, ended=ended)
    place = (GUILD, timer.user_id, timer.role_id)

    moved = []
    for version in (0, 1, 2, 3):
        rows = await database.fetch("SELECT move_stream($1, $2, $3, $4) AS moved", *place, version)
        moved.append(rows[0]["moved"])

    assert [False, False, ended, False] == moved
    assert (GUILD if ended else WRONG) == await owner.fetchval(SERVER)


async def test_an_export_and_what_came_after_a_move_are_one_log(
    database: Database, owner_url: str, server: TestServer, tmp_path: Path
) -> None:
    timer = fresh_timer()
    await bound_wrongly(database, timer, ended=True)
    first, second, whole = (tmp_path / name for name in ("1.jsonl", "2.jsonl", "whole.jsonl"))
    assert 0 == (await boostmon("export", str(first), DATABASE_URL=owner_url)).code
    await handler_over(database).handle(timer, SetTime(0, HOUR, M), slash())
    after = ("--after", "2")
    assert 0 == (await boostmon("export", str(second), *after, DATABASE_URL=owner_url)).code
    whole.write_bytes(first.read_bytes() + second.read_bytes())
    guilds = [json.loads(line)["guild_id"] for line in whole.read_text().splitlines()]
    assert [WRONG, WRONG, GUILD] == guilds

    async with schema(server) as other:
        outcome = await boostmon("import", str(whole), DATABASE_URL=other.owner_url)
        servers = await _servers(other)

    assert (0, [GUILD]) == (outcome.code, servers)


async def _servers(other: Schema) -> list[str]:
    connection = await asyncpg.connect(other.owner_url)
    try:
        return [row["guild_id"] for row in await connection.fetch(SERVER)]
    finally:
        await connection.close()


CHANGES = [
    "UPDATE streams SET guild_id = '1'",
    "UPDATE streams SET role_id = '1'",
    "UPDATE streams SET person_id = 2",
    "UPDATE streams SET stream_id = 7",
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("ended", [False, True])
async def test_nothing_else_of_a_stream_is_ever_changed(
    database: Database, owner: asyncpg.Connection, change: str, *, ended: bool
) -> None:
    await bound_wrongly(database, fresh_timer(), ended=ended)
    await owner.execute("INSERT INTO people (user_id) VALUES ('2')")
    if ended and "guild_id" in change:
        await owner.execute(change)
        return

    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="needs every row"):
        await owner.execute(change)
