"""A database is that of one application: the bot of another one never leads on it."""

import asyncio
import os
import pty
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
import asyncpg
import pytest

from boostmon.bot import app
from boostmon.bot.app import Surroundings
from boostmon.bot.servers import identity
from boostmon.bot.servers.identity import Identity
from boostmon.commands.decider import Clear, SetTime
from boostmon.config import DiscordConfig, SweepConfig
from boostmon.database.clocks.clock import DatabaseClock
from boostmon.database.connections.pool import Database
from boostmon.errors import AnotherApplicationError
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.effects.lease import Lease
from boostmon.projections.effects.owner import Owner, adopt, owner_of
from boostmon.sandbox import Limits, Sandbox
from tests.cli.test_cli import QUIET, boostmon, discord, start
from tests.support.sandbox_client import Client
from tests.support.timers import M, fresh_timer, handler_over, slash

RIGHTS = ["MANAGE_ROLES", "VIEW_AUDIT_LOG", "VIEW_CHANNEL", "SEND_MESSAGES"]
WORLD = {
    "users": [{"name": "olga"}, {"name": "max"}],
    "bots": [{"name": "First"}, {"name": "Second"}],
    "guilds": [
        {
            "name": "Home",
            "owner": "olga",
            "roles": [
                {"name": "VIP"},
                {"name": "First", "bot": "First", "permissions": RIGHTS},
                {"name": "Second", "bot": "Second", "permissions": RIGHTS},
            ],
            "members": [{"user": "max"}],
            "channels": [{"name": "general"}],
        }
    ],
}


class TwoBots:
    """A Discord with two applications, and one database for both."""

    def __init__(self, client: Client, database: Database, owner_url: str) -> None:
        self.client, self.database, self.owner_url = client, database, owner_url
        self.bots: dict[str, Any] = {b["name"]: b for b in client.sandbox.state()["bots"]}

    async def timer(self) -> TimerId:
        """Set a timer in the server, as a bot has done that noted no application."""
        timer = TimerId(self.client.ids["guild"], self.client.user("max"), self.client.role("VIP"))
        now = DatabaseClock()
        await now.measure(self.database)
        await handler_over(self.database).handle(timer, SetTime(now.now(), HOUR, M), slash())
        return timer

    async def leave(self, name: str) -> None:
        """Have a bot leave the server."""
        await self.client.sim("guild", {"action": "remove_bot", "bot": name})

    async def run(self, name: str, stop: asyncio.Event) -> None:
        """Run the bot of an application."""
        clock = DatabaseClock()
        await clock.measure(self.database)
        surroundings = Surroundings(
            database=self.database,
            owner_url=self.owner_url,
            clock=clock,
            discord=DiscordConfig(
                discord_token=self.bots[name]["token"],
                boostmon_discord_api=self.client.sandbox.api,
            ),
            sweep=SweepConfig(),
            quiet_seconds=0.1,
        )
        await app.run(surroundings, stop)

    def commands(self, name: str) -> dict[str, Any]:
        """Return what commands an application has registered."""
        bots = self.client.sandbox.state()["bots"]
        return next(dict(b["commands"]) for b in bots if b["name"] == name)


@pytest.fixture
async def two(database: Database, owner_url: str) -> AsyncIterator[TwoBots]:
    """Lend a Discord with two applications."""
    quick = Limits(identify=(1000, 1.0))
    async with Sandbox(limits=quick, world=WORLD) as sandbox, aiohttp.ClientSession() as http:
        yield TwoBots(Client(sandbox, http), database, owner_url)


async def leader(owner: asyncpg.Connection) -> str:
    """Wait until some process holds the lease; say which."""
    for _ in range(500):
        if holder := await owner.fetchval("SELECT holder FROM lease"):
            return str(holder)
        await asyncio.sleep(0.02)
    raise TimeoutError("nobody leads")


async def until_registered(two: TwoBots, name: str) -> None:
    """Wait until an application has its commands."""
    for _ in range(500):
        if any(two.commands(name).values()):
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"{name} registers nothing")


async def test_the_first_bot_on_a_new_database_has_it_and_another_never_leads(
    two: TwoBots, owner: asyncpg.Connection
) -> None:
    stop = asyncio.Event()
    first = asyncio.create_task(two.run("First", stop))
    holder = await leader(owner)
    await until_registered(two, "First")

    with pytest.raises(AnotherApplicationError, match="with `boostmon adopt-database`") as refused:
        await asyncio.wait_for(two.run("Second", asyncio.Event()), 20)

    first_id, second_id = (two.bots[name]["id"] for name in ("First", "Second"))
    assert f"is that of the application {first_id}, and DISCORD_TOKEN is" in str(refused.value)
    assert second_id in str(refused.value)
    assert first_id == await owner_of(owner)
    assert holder == await owner.fetchval("SELECT holder FROM lease")
    assert not any(two.commands("Second").values())
    stop.set()
    await first


async def test_an_application_without_the_server_does_not_take_a_database_with_timers(
    two: TwoBots, owner: asyncpg.Connection
) -> None:
    await two.timer()
    await two.leave("Second")

    with pytest.raises(AnotherApplicationError, match="is in none of their servers; give"):
        await asyncio.wait_for(two.run("Second", asyncio.Event()), 20)

    assert (None, None) == (await owner_of(owner), await owner.fetchval("SELECT holder FROM lease"))
    stop = asyncio.Event()
    first = asyncio.create_task(two.run("First", stop))
    await leader(owner)
    assert two.bots["First"]["id"] == await owner_of(owner)
    stop.set()
    await first


async def test_nor_does_it_take_one_where_only_a_role_is_owed(
    two: TwoBots, owner: asyncpg.Connection
) -> None:
    timer = await two.timer()
    await handler_over(two.database).handle(timer, Clear(0), slash())
    await two.leave("Second")

    with pytest.raises(AnotherApplicationError, match="is in none of their servers"):
        await asyncio.wait_for(two.run("Second", asyncio.Event()), 20)

    assert await owner_of(owner) is None


async def test_of_two_that_start_at_once_one_leads(two: TwoBots, owner: asyncpg.Connection) -> None:
    await two.timer()
    stop = asyncio.Event()
    runs = {name: asyncio.create_task(two.run(name, stop)) for name in ("First", "Second")}

    await leader(owner)
    done, (other,) = await asyncio.wait(
        runs.values(), timeout=20, return_when=asyncio.FIRST_COMPLETED
    )

    with pytest.raises(AnotherApplicationError):
        done.pop().result()
    (name,) = [name for name, run in runs.items() if run is other]
    assert two.bots[name]["id"] == await owner_of(owner)
    stop.set()
    await other


async def test_a_bot_whose_database_is_handed_over_does_not_go_on(
    two: TwoBots, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "LOOK_EVERY", 0.05)
    first = asyncio.create_task(two.run("First", asyncio.Event()))
    await leader(owner)

    await adopt(owner, two.bots["Second"]["id"])

    with pytest.raises(AnotherApplicationError):
        await asyncio.wait_for(first, 10)
    stop = asyncio.Event()
    second = asyncio.create_task(two.run("Second", stop))
    await until_registered(two, "Second")
    stop.set()
    await second


async def test_the_lease_is_for_the_application_that_has_the_database(
    database: Database, owner: asyncpg.Connection
) -> None:
    now = 0.0

    def lease(holder: str, application_id: str | None) -> Lease:
        return Lease(
            database,
            name="relay",
            holder=holder,
            application_id=application_id,
            monotonic=lambda: now,
        )

    ours, theirs, anybodys = lease("ours", "1"), lease("theirs", "2"), lease("anybody's", None)
    assert await ours.claim()  # it is nobody's yet
    await adopt(owner, "2")

    assert not await ours.claim()  # neither by renewing
    assert not await theirs.claim()
    now = 21.0
    assert not await ours.claim()  # nor as one that nobody renews
    assert await theirs.claim()
    assert "theirs" == await owner.fetchval("SELECT holder FROM lease")
    await theirs.release(0)
    await anybodys.claim()
    now = 42.0
    assert await anybodys.claim()


class Pages:
    """Answers with servers, so many at a time as Discord does."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids, self.asked = sorted(ids, key=int), 0

    async def get_guilds(self, limit: int, *, after: Any = None) -> list[dict[str, str]]:
        self.asked += 1
        later = [i for i in self.ids if after is None or int(i) > after.id]
        return [{"id": i} for i in later[:limit]]


async def test_a_server_is_found_among_hundreds(database: Database) -> None:
    timer = fresh_timer(guild_id="999999")
    await handler_over(database).handle(timer, SetTime(0, HOUR, M), slash())
    pages = Pages([str(1000 + n) for n in range(400)] + ["999999"])

    await Identity(Owner(database), pages, "7").prove()

    assert ("7", 3) == (await Owner(database).application_id(), pages.asked)


@pytest.mark.parametrize("servers", [0, 200])
async def test_where_none_of_its_servers_has_timers_the_database_stays_nobodys(
    database: Database, servers: int
) -> None:
    await handler_over(database).handle(fresh_timer(), SetTime(0, HOUR, M), slash())

    with pytest.raises(AnotherApplicationError):
        await Identity(Owner(database), Pages([str(n + 1) for n in range(servers)]), "7").prove()

    assert await Owner(database).application_id() is None


# On the command line.


async def test_run_is_refused_with_a_sentence_and_adopting_hands_the_database_over(
    two: TwoBots, owner: asyncpg.Connection
) -> None:
    await adopt(owner, two.bots["First"]["id"])
    await owner.execute("INSERT INTO people (user_id) VALUES ('5')")
    await owner.execute("INSERT INTO direct_channels SELECT person_id, '6' FROM people")
    second = two.bots["Second"]
    environ = discord(two.client.sandbox) | {
        "DATABASE_URL": two.owner_url,
        "DISCORD_TOKEN": second["token"],
    }

    refused = await boostmon("run", **environ | QUIET)
    told = await boostmon("doctor", **environ)
    unasked = await boostmon("adopt-database", **environ)
    adopted = await boostmon("adopt-database", "--yes", **environ)
    again = await boostmon("adopt-database", "--yes", **environ)
    healed = await boostmon("doctor", **environ)

    whose = f"application {two.bots['First']['id']}, and DISCORD_TOKEN is that of the application "
    assert f"This database is that of the {whose}{second['id']}; give the token" in refused.sentence
    assert "hand the database over with `boostmon adopt-database`." in refused.sentence
    assert await owner.fetchval("SELECT holder FROM lease") is None
    red = f"DISCORD_TOKEN is that of Second ({second['id']}), and the database is that of the appl"
    assert (1, True) == (told.code, red in told.out)
    assert f"The database is that of the application {two.bots['First']['id']}." in told.out
    assert (2, True) == (unasked.code, "Nobody is here to be asked; add --yes." in unasked.err)
    now = f"this database is that of Second ({second['id']})"
    assert (0, f"{now} now\n") == (adopted.code, adopted.out)
    assert (0, f"{now} already\n") == (again.code, again.out)
    assert second["id"] == await owner_of(owner)
    assert 0 == await owner.fetchval("SELECT count(*) FROM direct_channels")
    assert red not in healed.out


@pytest.mark.parametrize(("answer", "adopted"), [(b"n\n", False), (b"y\n", True)])
async def test_adopting_asks_first_on_a_terminal(
    two: TwoBots, owner: asyncpg.Connection, *, answer: bytes, adopted: bool
) -> None:
    await adopt(owner, "77")
    leading, following = pty.openpty()
    environ = discord(two.client.sandbox) | {"DATABASE_URL": two.owner_url}
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "boostmon", "adopt-database"],
        env=os.environ | environ,
        stdin=following,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(following)
    os.write(leading, answer)
    _, err = await process.communicate()
    os.close(leading)

    assert b"Until now it is that of the application 77: a bot of another application" in err
    assert adopted == (await owner_of(owner) != "77")


async def test_adopting_needs_a_token_that_discord_knows(two: TwoBots) -> None:
    sandbox = two.client.sandbox
    wrong = discord(sandbox) | {"DISCORD_TOKEN": "MTEwMA.of.nobody"}
    without = {name: value for name, value in discord(sandbox).items() if name != "DISCORD_TOKEN"}

    unknown = await boostmon("adopt-database", "--yes", DATABASE_URL=two.owner_url, **wrong)
    missing = await boostmon("adopt-database", "--yes", DATABASE_URL=two.owner_url, **without)
    await sandbox.stop()
    silent = await boostmon(
        *["adopt-database", "--yes"], DATABASE_URL=two.owner_url, **discord(sandbox)
    )

    assert unknown.sentence.startswith("Discord refuses DISCORD_TOKEN; ")
    assert missing.sentence.startswith("DISCORD_TOKEN is not set; ")
    assert silent.sentence.endswith("nobody knows whose DISCORD_TOKEN is. Try again.")


async def test_a_process_whose_database_is_handed_over_ends_with_the_sentence(
    two: TwoBots, owner: asyncpg.Connection
) -> None:
    environ = discord(two.client.sandbox) | {"DATABASE_URL": two.owner_url}
    process = await start("run", **environ)
    await leader(owner)

    await adopt(owner, "77")

    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert 1 == process.returncode
    assert b"boostmon: This database is that of the application 77, and DISCORD_TOKEN is" in err
