"""The release before: its database is migrated as it is, and its processes may run beside."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from boostmon.commands.decider import AddTime, Clear, Pause, SetTime, Sweep
from boostmon.commands.handler import Origin
from boostmon.config import PoolConfig
from boostmon.database import migrate as runner
from boostmon.database.connection import session
from boostmon.database.migrate import migrate, pending
from boostmon.database.pool import Database, connect
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.effects import GIVE_ROLE
from boostmon.projections.owed import OwedEffect, OwedEffects
from boostmon.projections.replay import check
from boostmon.projections.standings import FIRST_LOOK, Standings
from tests.databases import Schema
from tests.timers import CHANNEL, GUILD, M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_000
LAST = 8  # the newest migration of the release before
# What its relay said to PostgreSQL.
ATTEMPT = """
UPDATE effects
SET attempts = attempts + 1, attempted_at = clock_timestamp(),
    receipt = jsonb_build_object('role_name', $3::text)
WHERE position = $1 AND kind = $2 AND state IN ('owed', 'stuck')
"""
CLOSE = """
UPDATE effects
SET state = $3, receipt = $4::jsonb, done_at = clock_timestamp(), last_error = NULL,
    attempted_at = NULL
WHERE position = $1 AND kind = $2 AND state IN ('owed', 'stuck')
"""
POSTPONE = """
UPDATE effects
SET state = $3, due_at = clock_timestamp() + $4::float8 * interval '1 second',
    last_error = $5, attempted_at = CASE WHEN $6::boolean THEN attempted_at END
WHERE position = $1 AND kind = $2 AND state IN ('owed', 'stuck')
"""
SUPERSEDE = """
UPDATE effects
SET state = 'superseded', done_at = clock_timestamp(), last_error = NULL, attempted_at = NULL
FROM unnest($1::bigint[], $2::text[]) AS moot (position, kind)
WHERE effects.position = moot.position AND effects.kind = moot.kind
    AND effects.state IN ('owed', 'stuck')
"""
CHAIN = "SELECT position, version, data, hash FROM events ORDER BY position"


@pytest.fixture
async def before(empty_schema: Schema, tmp_path: Path) -> AsyncIterator[Database]:
    """Lend a database that the release before has migrated."""
    for path in runner.CHECKOUT.glob("*.sql"):
        if int(path.name[:4]) <= LAST:
            shutil.copy(path, tmp_path)
    async with session(empty_schema.owner_url) as owner:
        assert LAST == len(await migrate(owner, None, directory=tmp_path))
    async with await connect(empty_schema.owner_url, pool=PoolConfig(boostmon_pool_min=1)) as made:
        yield made


async def lived_in(database: Database) -> list[TimerId]:
    """Have timers to which everything happened."""
    handler, timers = handler_over(database), [fresh_timer() for _ in range(4)]
    sweep = Origin(command_id="sweep", source="sweeper")
    for timer in timers:
        await handler.handle(timer, SetTime(NOW, 2 * HOUR, M, CHANNEL), slash())
    await handler.handle(timers[0], AddTime(NOW, HOUR, M), slash())
    await handler.handle(timers[1], Pause(NOW + HOUR), slash())
    await handler.handle(timers[2], Clear(NOW + HOUR), slash())
    await handler.handle(timers[3], Sweep(NOW + 2 * HOUR), sweep)
    return timers


async def test_a_database_is_migrated_with_its_log_as_it_is(
    before: Database, empty_schema: Schema
) -> None:
    await lived_in(before)
    async with session(empty_schema.owner_url) as owner:
        chain = await owner.fetch(CHAIN)
        rows = await owner.fetch("SELECT * FROM role_timers ORDER BY id")

        await migrate(owner, None)

        assert [] == await pending(owner)
        assert chain == await owner.fetch(CHAIN)
        assert rows == await owner.fetch("SELECT * FROM role_timers ORDER BY id")
        assert (await check(owner)).clean


async def test_what_was_being_attempted_is_in_doubt_after_it_and_nothing_else_is(
    before: Database, empty_schema: Schema
) -> None:
    await lived_in(before)
    async with session(empty_schema.owner_url) as owner:
        await owner.execute(ATTEMPT, 1, GIVE_ROLE, None)
        await owner.execute("UPDATE effects SET attempted_at = now() WHERE kind = 'notice'")
        await owner.execute(ATTEMPT, 2, GIVE_ROLE, None)
        await owner.execute(CLOSE, 2, GIVE_ROLE, "done", "{}")

        await migrate(owner, None)

        ask = "SELECT position FROM effects WHERE look_again_at IS NOT NULL"
        assert [1] == [row["position"] for row in await owner.fetch(ask)]
        left = await owner.fetchval(
            "SELECT extract(epoch FROM look_again_at - clock_timestamp())::float8 FROM effects"
            " WHERE look_again_at IS NOT NULL"
        )
        assert 0 < left <= FIRST_LOOK


async def test_an_upgraded_database_goes_on(before: Database, empty_schema: Schema) -> None:
    timers = await lived_in(before)
    async with session(empty_schema.owner_url) as owner:
        await migrate(owner, None)
        await handler_over(before).handle(timers[0], Clear(NOW + HOUR), slash())

        assert (await check(owner)).clean
        standings = await Standings(before).of_member(GUILD, timers[0].user_id)
        assert [(False, True)] == [(each.wanted, each.is_open) for each in standings]


# Beside a process of this release.


async def attempted_before(database: Database, owner: asyncpg.Connection) -> OwedEffect:
    """Have a give that a process of the release before has sent, and that was not answered."""
    await handler_over(database).handle(fresh_timer(), SetTime(NOW, HOUR, M), slash())
    await owner.execute(ATTEMPT, 1, GIVE_ROLE, None)
    return await found(database)


async def found(database: Database) -> OwedEffect:
    effect = await OwedEffects(database).find(1, GIVE_ROLE)
    assert effect is not None
    return effect


async def stands(owner: asyncpg.Connection) -> Any:
    """Return the state of the effect, and whether it is in doubt."""
    row = await owner.fetchrow("SELECT state, look_again_at IS NOT NULL AS in_doubt FROM effects")
    return row["state"], row["in_doubt"]


async def test_what_it_had_sent_is_in_doubt_when_it_was_done_again(
    database: Database, owner: asyncpg.Connection
) -> None:
    effect, owed = await attempted_before(database, owner), OwedEffects(database)

    await owed.attempting(effect)
    await owed.close(effect, "done", {})

    assert ("done", True) == await stands(owner)


async def test_what_it_had_sent_is_in_doubt_when_it_is_superseded(
    database: Database, owner: asyncpg.Connection
) -> None:
    await attempted_before(database, owner)
    owed = OwedEffects(database)
    _, moot = await owed.all()

    await owed.supersede(moot)

    assert ("superseded", True) == await stands(owner)


@pytest.mark.parametrize(
    ("statement", "arguments", "state"),
    [
        (CLOSE, (1, GIVE_ROLE, "done", json.dumps({"confirmed": "read"})), "done"),
        (SUPERSEDE, ([1], [GIVE_ROLE]), "superseded"),
        (POSTPONE, (1, GIVE_ROLE, "owed", 9.0, "Discord answered 500", True), "owed"),
        (POSTPONE, (1, GIVE_ROLE, "stuck", 9.0, "Move the role", False), "stuck"),
    ],
)
async def test_whatever_it_makes_of_what_this_one_has_sent_the_doubt_stays(
    database: Database,
    owner: asyncpg.Connection,
    *,
    statement: str,
    arguments: tuple[Any, ...],
    state: str,
) -> None:
    await handler_over(database).handle(fresh_timer(), SetTime(NOW, HOUR, M), slash())
    await OwedEffects(database).attempting(await found(database))

    await owner.execute(ATTEMPT, 1, GIVE_ROLE, None)
    await owner.execute(statement, *arguments)

    assert (state, True) == await stands(owner)


async def test_a_notice_is_in_doubt_of_another_kind(
    database: Database, owner: asyncpg.Connection
) -> None:
    sweep = Origin(command_id="sweep", source="sweeper")
    timer = fresh_timer()
    await handler_over(database).handle(timer, SetTime(NOW, HOUR, M), slash())
    await handler_over(database).handle(timer, Sweep(NOW + HOUR), sweep)
    await owner.execute("UPDATE effects SET attempted_at = now()")
    owed = OwedEffects(database)

    _, moot = await owed.all()
    await owed.supersede(moot)

    doubtful = "SELECT kind FROM effects WHERE look_again_at IS NOT NULL ORDER BY position"
    assert ["give_role", "take_role"] == [row["kind"] for row in await owner.fetch(doubtful)]
