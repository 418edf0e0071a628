"""`boostmon resolve-removals`: what was held back is decided for a whole server at once."""

from collections.abc import Sequence

import asyncpg
import pytest

from boostmon.commands.decider import Pause, SetTime
from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.effects.standings import Standings
from tests.cli.test_cli import boostmon, discord
from tests.support.sandbox_client import Client, sandbox
from tests.support.timers import GUILD, M, fresh_timer, handler_over, slash


async def held_back(owner: asyncpg.Connection, database: Database, count: int) -> list[TimerId]:
    """Make timers whose roles were given, and are held back."""
    timers = [fresh_timer() for _ in range(count)]
    await hold_back(owner, database, timers)
    return timers


async def hold_back(
    owner: asyncpg.Connection, database: Database, timers: Sequence[TimerId]
) -> None:
    """Have the roles of *timers* given, and held back."""
    for timer in timers:
        await handler_over(database).handle(timer, SetTime(0, HOUR, M), slash())
    await owner.execute("UPDATE effects SET state = 'done', receipt = '{}', done_at = now()")
    standings = Standings(database)
    for timer in timers:
        for standing in await standings.of_member(timer.guild_id, timer.user_id):
            await standings.note(standing, "too_many_taken")


@pytest.mark.parametrize(
    ("what", "owed", "said"),
    [
        ("--end", ["take_role"] * 2, "2 timers ended"),
        ("--restore", ["give_role"] * 2, "2 roles will be given back"),
    ],
)
async def test_what_was_held_back_is_ended_or_restored(
    owner: asyncpg.Connection,
    database: Database,
    owner_url: str,
    *,
    what: str,
    owed: list[str],
    said: str,
) -> None:
    await held_back(owner, database, 2)

    outcome = await boostmon("resolve-removals", GUILD, what, DATABASE_URL=owner_url)

    assert (0, said) == (outcome.code, outcome.out.strip())
    ended = await owner.fetchval("SELECT count(*) FROM event_log WHERE type = 'Cleared'")
    assert owed.count("take_role") == ended
    open_ones = await owner.fetch("SELECT kind FROM effects WHERE state = 'owed'")
    assert owed == [row["kind"] for row in open_ones]
    assert [] == await Standings(database).undecided()


UNASKED = "warning: DISCORD_TOKEN is not set, so nobody asked Discord whether a role is back."


async def gone_in_sandbox(
    client: Client, owner: asyncpg.Connection, database: Database, *users: str
) -> dict[str, TimerId]:
    """Make timers of members of the sandbox, whose roles are missing and held back."""
    guild_id, role_id = client.ids["guild"], client.role("VIP")
    timers = {user: TimerId(guild_id, client.user(user), role_id) for user in users}
    await hold_back(owner, database, list(timers.values()))
    return timers


async def test_a_role_that_is_back_meanwhile_ends_nothing(
    owner: asyncpg.Connection, database: Database, owner_url: str
) -> None:
    async with sandbox() as client:
        timers = await gone_in_sandbox(client, owner, database, "max", "vera", "carl")
        await client.sim("member", {"user": "max", "action": "give", "role": "VIP", "by": "olga"})
        await client.sim("member", {"user": "carl", "action": "leave"})

        outcome = await boostmon(
            *["resolve-removals", str(client.ids["guild"]), "--end"],
            DATABASE_URL=owner_url,
            **discord(client.sandbox),
        )

    said = ["2 timers ended", "1 role found to be back: the timer goes on"]
    assert (0, said) == (outcome.code, outcome.out.splitlines())
    assert "warning" not in outcome.err
    living = await owner.fetch("SELECT user_id FROM role_timers")
    assert [timers["max"].user_id] == [row["user_id"] for row in living]
    assert [] == await Standings(database).undecided()


async def test_the_bot_of_another_application_ends_nothing(
    owner: asyncpg.Connection, database: Database, owner_url: str
) -> None:
    await owner.execute("INSERT INTO application (application_id) VALUES ('1100000000000000099')")
    async with sandbox() as client:
        await gone_in_sandbox(client, owner, database, "max", "vera")
        place = {"DATABASE_URL": owner_url, **discord(client.sandbox)}
        guild = str(client.ids["guild"])
        outcome = await boostmon("resolve-removals", guild, "--end", **place)
        assert 1 == outcome.code
        assert "This database is that of the application 1100000000000000099" in outcome.err
        assert 2 == len(await Standings(database).undecided())

        await owner.execute(
            "UPDATE application SET application_id = $1", client.app.rpartition("/")[2]
        )
        outcome = await boostmon("resolve-removals", guild, "--end", **place)
        assert (0, "2 timers ended") == (outcome.code, outcome.out.strip())


async def test_where_discord_does_not_tell_a_timer_stays_held_back(
    owner: asyncpg.Connection, database: Database, owner_url: str
) -> None:
    async with sandbox() as client:
        timers = await gone_in_sandbox(client, owner, database, "max", "vera")
        path = f"{client.guild}/members/{client.user('max')}"
        await client.sim("fault", {"path": path, "status": 500})

        outcome = await boostmon(
            *["resolve-removals", str(client.ids["guild"]), "--end"],
            DATABASE_URL=owner_url,
            **discord(client.sandbox),
        )

    assert (0, "1 timer ended\n") == (outcome.code, outcome.out)
    assert "warning: 1 timer held back still, since Discord did not tell" in outcome.err
    assert [timers["max"]] == [each.timer for each in await Standings(database).undecided()]


async def test_a_limit_of_discord_is_waited_for(
    owner: asyncpg.Connection, database: Database, owner_url: str
) -> None:
    async with sandbox() as client:
        await gone_in_sandbox(client, owner, database, "max", "vera", "carl")
        await client.sim("limits", {"other": [1, 0.5]})

        outcome = await boostmon(
            *["resolve-removals", str(client.ids["guild"]), "--end"],
            DATABASE_URL=owner_url,
            **discord(client.sandbox),
        )

    assert (0, "3 timers ended\n") == (outcome.code, outcome.out)


@pytest.mark.usefixtures("database")
async def test_without_a_token_nobody_asks_and_that_is_said(owner_url: str) -> None:
    outcome = await boostmon("resolve-removals", GUILD, "--end", DATABASE_URL=owner_url)

    assert 0 == outcome.code
    assert "Nothing is held back in this server" in outcome.out
    assert UNASKED in outcome.err.splitlines()


async def test_a_command_on_a_timer_lifts_its_hold(
    owner: asyncpg.Connection, database: Database
) -> None:
    first, second = await held_back(owner, database, 2)

    await handler_over(database).handle(first, Pause(5), slash())

    assert [second] == [each.timer for each in await Standings(database).undecided()]
    (standing,) = await Standings(database).of_member(GUILD, first.user_id)
    assert not standing.held_back


async def test_a_warning_of_the_sweeper_lifts_no_hold(
    owner: asyncpg.Connection, database: Database
) -> None:
    (timer,) = await held_back(owner, database, 1)
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await handler_over(database).handle(timer, Pause(5), slash())
    await owner.execute("UPDATE events SET source = 'sweeper' WHERE version = 2")

    assert [timer] == [each.timer for each in await Standings(database).undecided()]


@pytest.mark.parametrize("what", [(), ("--end", "--restore"), ("--restore", "--end")])
async def test_without_saying_one_of_the_two_nothing_is_decided(what: tuple[str, ...]) -> None:
    outcome = await boostmon("resolve-removals", GUILD, *what)

    assert 2 == outcome.code
    assert "--end or --restore" in outcome.err
