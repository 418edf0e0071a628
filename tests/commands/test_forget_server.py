"""`boostmon forget-server`, and servers that the bot is not in any more."""

import asyncio
import os
import pty
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest

from boostmon.bot.servers import attendance
from boostmon.bot.servers.attendance import Attendance
from boostmon.commands.decider import Clear, RemoveTime, SetTime
from boostmon.commands.handler import Origin
from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.effects.departures import Departures
from boostmon.projections.effects.kinds import Effects
from boostmon.projections.effects.open_effects import open_effects
from boostmon.projections.effects.owner import adopt
from boostmon.projections.effects.queue import OwedEffects
from boostmon.projections.effects.standings import Standings
from boostmon.projections.reports.checkup import look_at_effects
from tests.cli.test_cli import boostmon, discord, eventually
from tests.support.sandbox_client import Client, sandbox
from tests.support.timers import GUILD, M, fresh_timer, handler_over, slash
from tests.support.town import town as a_town

ELSEWHERE = "1100000000000000088"
OPEN = "SELECT kind FROM effects WHERE state IN ('owed', 'stuck') ORDER BY position, kind"
NOW = 1_700_000_000_000


async def owing(database: Database, guild_id: str = GUILD) -> list[TimerId]:
    """Make two timers of a server, and one that has ended and owes the loss of its role."""
    timers = [fresh_timer(guild_id=guild_id) for _ in range(3)]
    handler = handler_over(database)
    for timer in timers:
        await handler.handle(timer, SetTime(NOW, HOUR, M), slash())
    sweep = Origin(command_id=f"sweep:{timers[2].user_id}", source="sweeper")
    await handler.handle(timers[2], RemoveTime(NOW, HOUR, M), sweep)
    return timers


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Lend a Discord with a server that the bot is in."""
    async with sandbox() as made:
        yield made


async def owned(client: Client, owner: asyncpg.Connection) -> dict[str, str]:
    """Have the database be the bot's; return its settings."""
    await adopt(owner, client.ids["bot"])
    return discord(client.sandbox)


async def test_a_server_that_the_bot_has_left_is_given_up(
    client: Client, database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    environ = await owned(client, owner) | {"DATABASE_URL": owner_url}
    await client.sim("guild", {"action": "remove_bot"})
    guild_id = str(client.ids["guild"])
    await owing(database, guild_id)
    await owing(database, ELSEWHERE)
    await owner.execute("UPDATE effects SET look_again_at = now() WHERE kind = 'take_role'")
    await Departures(database).left([guild_id])

    outcome = await boostmon("forget-server", guild_id, **environ)
    again = await boostmon("forget-server", guild_id, **environ)

    assert (0, "2 timers ended, 5 changes owed no longer\n") == (outcome.code, outcome.out)
    assert (0, "0 timers ended, 0 changes owed no longer\n") == (again.code, again.out)
    cleared = await owner.fetch(
        "SELECT guild_id, data ->> 'because' AS reason, metadata ->> 'source' AS source"
        " FROM event_log WHERE type = 'Cleared'"
    )
    assert [(guild_id, "server_given_up", "cli")] * 2 == [tuple(row) for row in cleared]
    closed = "SELECT DISTINCT state, receipt ->> 'reason', look_again_at FROM effects JOIN streams"
    of_server = await owner.fetch(f"{closed} USING (stream_id) WHERE guild_id = $1", guild_id)
    assert [("done", "the server was given up", None)] == [tuple(row) for row in of_server]
    assert 5 == len(await owner.fetch(OPEN))  # of the other server
    assert 2 == await owner.fetchval("SELECT count(*) FROM role_timers")
    assert 0 == await owner.fetchval("SELECT count(*) FROM departures")


async def test_a_server_that_is_gone_is_given_up(
    client: Client, database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    environ = await owned(client, owner) | {"DATABASE_URL": owner_url}
    timers = await owing(database)

    outcome = await boostmon("forget-server", GUILD, **environ)
    told = await boostmon("history", timers[0].user_id, DATABASE_URL=owner_url)

    assert 0 == outcome.code
    assert [] == await owner.fetch(OPEN)
    assert "cleared: the server was given up" in told.out


async def untouched(owner: asyncpg.Connection) -> bool:
    """Tell whether nothing was given up."""
    timers = await owner.fetchval("SELECT count(*) FROM role_timers")
    return bool(timers == 2 and len(await owner.fetch(OPEN)) == 5)


async def test_a_server_that_the_bot_is_in_is_not_given_up(
    client: Client, database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    environ = await owned(client, owner) | {"DATABASE_URL": owner_url}
    guild_id = str(client.ids["guild"])
    await owing(database, guild_id)

    outcome = await boostmon("forget-server", guild_id, **environ)

    assert outcome.sentence.startswith(f"The bot is in the server {guild_id}; remove it there")
    assert await untouched(owner)


@pytest.mark.parametrize(
    "fault", [{"status": 500, "times": 9}, {"status": 429, "times": 9}, {"code": 50013, "times": 9}]
)
async def test_where_discord_does_not_tell_nothing_is_given_up(
    client: Client,
    database: Database,
    owner: asyncpg.Connection,
    owner_url: str,
    fault: dict[str, int],
) -> None:
    environ = await owned(client, owner) | {"DATABASE_URL": owner_url}
    await owing(database)
    await client.sim("fault", {"path": f"/guilds/{GUILD}"} | fault)

    outcome = await boostmon("forget-server", GUILD, **environ)

    assert outcome.sentence.startswith(
        f"Discord does not tell whether the bot is in the server {GUILD} ("
    )
    assert await untouched(owner)


@pytest.mark.parametrize("of", ["77", None])
async def test_a_token_of_another_application_gives_nothing_up(
    client: Client, database: Database, owner: asyncpg.Connection, owner_url: str, of: str | None
) -> None:
    if of is not None:
        await adopt(owner, of)
    await owing(database)

    outcome = await boostmon(
        "forget-server", GUILD, DATABASE_URL=owner_url, **discord(client.sandbox)
    )

    said = "is that of the application 77" if of else "This database is no application's yet; start"
    assert said in outcome.sentence
    assert await untouched(owner)


async def test_without_a_token_and_without_anybody_to_ask_nothing_is_given_up(
    database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    await owing(database)

    outcome = await boostmon("forget-server", GUILD, DATABASE_URL=owner_url)

    assert "nobody can tell whether the bot is in the server" in outcome.sentence
    assert await untouched(owner)


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"y\n", 0)])
async def test_without_a_token_it_asks_on_a_terminal(
    database: Database, owner: asyncpg.Connection, owner_url: str, *, answer: bytes, code: int
) -> None:
    await owing(database)
    leading, following = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "boostmon", "forget-server", GUILD],
        env=os.environ | {"DATABASE_URL": owner_url},
        stdin=following,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(following)
    os.write(leading, answer)
    _, err = await process.communicate()
    os.close(leading)

    assert b"so nobody asks Discord whether the bot is in the server" in err
    assert code == process.returncode
    assert bool(code) == await untouched(owner)


# What is owed to a server that the bot has left rests after 30 days.


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendance, "PAUSE", 0.0)


class Speaker:
    """A relay that speaks to Discord."""

    leads = True


class World:
    """Where a bot is, as its client knows it."""

    def __init__(self, database: Database) -> None:
        self.here: list[str] | None = []  # as the gateway tells
        self.there: dict[str, bool | None] = {}  # as Discord tells when it is asked
        self.returned: list[str] = []
        self.relay = Speaker()
        self.attendance = Attendance(
            Departures(database),
            self.relay,
            servers=lambda: self.here,
            ask=self._ask,
            returned=self._returned,
        )

    async def _ask(self, guild_id: str) -> bool | None:
        return self.there.get(guild_id, False)

    async def _returned(self, guild_id: str) -> None:
        self.returned.append(guild_id)


SINCE = "SELECT since FROM departures WHERE guild_id = $1"


async def test_since_when_the_bot_is_gone_is_noted_once_and_until_it_is_back(
    database: Database, owner: asyncpg.Connection
) -> None:
    await owing(database)
    world = World(database)

    assert await world.attendance.compare()
    first = await owner.fetchval(SINCE, GUILD)
    await world.attendance.compare()
    assert first is not None
    assert first == await owner.fetchval(SINCE, GUILD)

    world.here = [GUILD]
    await world.attendance.compare()
    await world.attendance.compare()
    assert await owner.fetchval(SINCE, GUILD) is None
    assert [GUILD] == world.returned

    world.here = [ELSEWHERE]
    await world.attendance.compare()
    assert first < await owner.fetchval(SINCE, GUILD)
    assert await owner.fetchval(SINCE, ELSEWHERE) is None


@pytest.mark.parametrize("told", [True, None])
async def test_what_the_gateway_does_not_tell_of_is_no_departure_unless_discord_says_so(
    database: Database, owner: asyncpg.Connection, *, told: bool | None
) -> None:
    await owing(database)
    world = World(database)
    world.there = {GUILD: told}

    await world.attendance.compare()

    assert await owner.fetchval(SINCE, GUILD) is None
    assert [] == world.returned


async def test_a_server_that_discord_alone_tells_of_is_one_that_the_bot_is_back_in(
    database: Database, owner: asyncpg.Connection
) -> None:
    await owing(database)
    await gone_for(owner, 31)
    world = World(database)
    world.there = {GUILD: True}

    await world.attendance.compare()

    assert await owner.fetchval(SINCE, GUILD) is None
    assert [GUILD] == world.returned


async def test_nothing_is_noted_before_the_servers_are_known_or_by_who_stands_by(
    database: Database, owner: asyncpg.Connection
) -> None:
    await owing(database)
    world = World(database)
    world.here = None
    assert not await world.attendance.compare()
    world.here, world.relay.leads = [], False
    assert not await world.attendance.compare()

    assert 0 == await owner.fetchval("SELECT count(*) FROM departures")


async def gone_for(owner: asyncpg.Connection, days: int) -> None:
    """Let the bot be gone from the server for so long."""
    await owner.execute(
        "INSERT INTO departures VALUES ($1, now() - $2::integer * interval '1 day')", GUILD, days
    )


async def seen_of(database: Database, owner: asyncpg.Connection) -> tuple[int, ...]:
    """Count what is tried and shown: by the relay, by doctor and stats, in metrics, in doubt."""
    owed = OwedEffects(database)
    _, everything = await owed.all()
    _, since = await owed.since(0)
    streams = [row["stream_id"] for row in await owner.fetch("SELECT stream_id FROM streams")]
    of_streams = await owed.of_streams(streams)
    positions = await owner.fetch("SELECT position, kind FROM effects")
    found = [await owed.find(row["position"], row["kind"]) for row in positions]
    shown = sum(effects.count for effects in await open_effects(owner))
    red = [finding for finding in await look_at_effects(owner) if finding.colour != "green"]
    in_doubt = await Standings(database).in_doubt(100)
    counts = (everything, since, of_streams, [f for f in found if f], red, in_doubt)
    counted = sum(effects.number for effects in await Effects(database).open_now())
    return (shown, counted, *(len(each) for each in counts))


@pytest.mark.parametrize("days", [29, 31])
async def test_after_thirty_days_nothing_is_tried_or_shown_and_a_return_brings_it_back(
    database: Database, owner: asyncpg.Connection, days: int
) -> None:
    await owing(database)
    await owner.execute(
        "UPDATE effects SET state = 'stuck', last_error = 'Invite.', look_again_at = now()"
    )
    before = await seen_of(database, owner)
    await gone_for(owner, days)

    after = await seen_of(database, owner)

    assert 0 not in before
    assert after == (before if days < 30 else (0,) * len(before))
    await Departures(database).present([GUILD])
    assert before == await seen_of(database, owner)


async def test_a_bot_that_is_removed_and_comes_back_goes_on(
    database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    async with a_town(database, owner_url) as town:
        await town.say("mona", "settime", user="max", role="VIP", duration="1h")
        guild_id = str(town.client.ids["guild"])
        await town.client.sim("guild", {"action": "remove_bot"})
        for _ in range(500):
            if await owner.fetchval(SINCE, guild_id):
                break
            await asyncio.sleep(0.02)
        assert await owner.fetchval(SINCE, guild_id) is not None
        await owner.execute("UPDATE departures SET since = since - interval '40 days'")
        await town.expire("max", "VIP")
        assert ["VIP"] == town.roles_of("max")

        await town.client.sim("guild", {"action": "add_bot"})
        await town.client.sim("role", {"role": "BoostMon", "action": "move", "position": 5})

        await eventually(lambda: town.roles_of("max") == [])
        assert await owner.fetchval(SINCE, guild_id) is None


async def test_an_outage_is_no_departure(
    database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    async with a_town(database, owner_url) as town:
        await town.say("mona", "settime", user="max", role="VIP", duration="1h")
        await town.client.sim("guild", {"action": "outage"})
        await town.client.sim("guild", {"action": "back"})
        await asyncio.sleep(0)

    assert 0 == await owner.fetchval("SELECT count(*) FROM departures WHERE since IS NOT NULL")


# Erasing where the bot is absent.


async def test_a_person_is_erased_though_they_are_owed_something_where_the_bot_is_absent(
    client: Client, database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    environ = await owned(client, owner) | {"DATABASE_URL": owner_url}
    (timer, *_) = await owing(database)

    outcome = await boostmon("erase", timer.user_id, "--yes", "--wait", "1", **environ)

    assert outcome.out.startswith("erased, 1 timer ended; ")
    assert f"The bot is not in the server {GUILD}, so the roles there stay" in outcome.err
    closed = await owner.fetch(
        "SELECT DISTINCT receipt ->> 'reason' AS reason FROM effects WHERE state = 'done'"
    )
    assert ["the bot is not in the server any more"] == [row["reason"] for row in closed]


@pytest.mark.parametrize("noted", [True, False])
async def test_without_a_token_what_the_bot_has_noted_counts(
    database: Database, owner_url: str, *, noted: bool
) -> None:
    (timer, *_) = await owing(database)
    if noted:
        await Departures(database).left([GUILD])

    outcome = await boostmon(
        *["erase", timer.user_id, "--yes", "--wait", "0"], DATABASE_URL=owner_url
    )

    assert noted == (outcome.code == 0)
    assert noted == ("erased" in outcome.out)


async def test_what_is_owed_where_the_bot_is_at_work_is_waited_for(
    client: Client, database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    environ = await owned(client, owner) | {"DATABASE_URL": owner_url}
    guild_id = str(client.ids["guild"])
    (timer, *_) = await owing(database, guild_id)
    await Departures(database).left([guild_id])  # it is back, and nobody has noted that yet

    outcome = await boostmon("erase", timer.user_id, "--yes", "--wait", "0", **environ)

    assert "Discord is still owed" in outcome.sentence


async def test_the_loss_of_a_role_is_still_owed_for_every_other_reason(
    database: Database, owner: asyncpg.Connection
) -> None:
    timer = fresh_timer()
    await handler_over(database).handle(timer, SetTime(NOW, HOUR, M), slash())

    await handler_over(database).handle(timer, Clear(NOW, "erased"), slash())

    assert "take_role" in [row["kind"] for row in await owner.fetch(OPEN)]
