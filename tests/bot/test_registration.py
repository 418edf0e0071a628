"""The commands in Discord: registered in the end whatever Discord says first, and in one place."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from boostmon.bot.connection import registration
from boostmon.database.connections.pool import Database
from tests.support.town import Json, Town
from tests.support.town import town as a_town

EVERYWHERE = "/applications/{application_id}/commands"
LEFT_OVER = {"name": "old", "description": "Of another day"}

# disnake warns of what it could not register, which is what these tests bring about.
pytestmark = pytest.mark.filterwarnings("ignore::disnake.custom_warnings.SyncWarning")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the bot look at once, and again soon."""
    monkeypatch.setattr(registration, "FIRST_LOOK", 0.05)
    monkeypatch.setattr(registration, "PAUSE_BETWEEN_SERVERS", 0.0)


@pytest.fixture
async def town(database: Database, owner_url: str) -> AsyncIterator[Town]:
    """Lend a town whose bot registers its commands everywhere."""
    async with a_town(database, owner_url) as made:
        yield made


@asynccontextmanager
async def meanwhile(town: Town) -> AsyncIterator[None]:
    """Stop the bot for what is done inside, and start it again."""
    await town.stop()
    yield
    await town.start()


async def put(town: Town, commands: list[Json], *, guild_id: str = "") -> None:
    """Make *commands* the bot's, everywhere or in a server."""
    where = f"/guilds/{guild_id}" if guild_id else ""
    answer = await town.client.api("PUT", f"{town.client.app}{where}/commands", commands)
    assert answer.status == 200, answer.body


async def refuse(town: Town, *, times: int) -> None:
    """Have Discord refuse the next changes to the commands of all servers."""
    fault = {"method": "PUT", "path": EVERYWHERE, "status": 400, "times": times}
    await town.client.sim("fault", fault)


def commands(town: Town) -> dict[str, dict[str, str]]:
    """Tell what each command says, by where it is registered."""
    found = town.client.sandbox.state()["bots"][0]["commands"]
    return {where: {c["name"]: c["description"] for c in listed} for where, listed in found.items()}


async def until(town: Town, happened: Callable[[dict[str, dict[str, str]]], bool]) -> None:
    """Wait until the commands are as *happened* wants them."""
    for _ in range(500):
        if happened(commands(town)):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(commands(town))


async def test_commands_that_discord_refuses_are_tried_until_it_takes_them(town: Town) -> None:
    before = commands(town)
    async with meanwhile(town):
        await put(town, [])
        await refuse(town, times=3)
    assert before == commands(town)
    assert [3] == [fault["used"] for fault in town.client.sandbox.state()["faults"]]


async def test_a_command_of_an_older_release_is_registered_anew(town: Town) -> None:
    before = commands(town)
    older = [{"name": name, "description": "As it was"} for name in before["global"]]
    async with meanwhile(town):
        await put(town, older)
        await refuse(town, times=2)
    await until(town, lambda now: now == before)


async def test_commands_left_in_a_server_are_removed_once_they_are_everywhere(town: Town) -> None:
    guild_id = town.client.ids["guild"]
    before = commands(town)
    async with meanwhile(town):
        await put(town, [LEFT_OVER], guild_id=guild_id)
    await until(town, lambda now: not now.get(guild_id))
    assert before["global"] == commands(town)["global"]


async def test_commands_left_everywhere_are_removed_once_they_are_in_a_server(
    database: Database, owner_url: str
) -> None:
    async with a_town(database, owner_url, one_server=True) as town:
        guild_id = town.client.ids["guild"]
        before = commands(town)
        async with meanwhile(town):
            await put(town, [LEFT_OVER])
            await refuse(town, times=2)
        await until(town, lambda now: not now.get("global"))
        assert before[guild_id] == commands(town)[guild_id]
        assert "settime" in before[guild_id]
