"""A process ends and another goes on: the owner of an embedded PostgreSQL, the lease's holder."""

import asyncio
import signal
from asyncio.subprocess import Process
from typing import Any

import asyncpg
import pytest

from boostmon.bot.relay.loop import RENEW_EVERY
from boostmon.database.connections.pool import Database
from boostmon.projections.effects.lease import TERM
from tests.cli.test_cli import (
    READY_WITHIN,
    discord,
    ended,
    eventually,
    registered,
    running,
    stopped,
)
from tests.database.test_embedded import another_process, role_of
from tests.support.databases import world_folder
from tests.support.process import at_work, at_work_in
from tests.support.sandbox_client import Client, sandbox
from tests.whole.test_monitoring import until_ready

GIVE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_bot_goes_on_when_the_owner_of_its_database_ends(number: signal.Signals) -> None:
    with world_folder() as folder:
        async with another_process(folder / "data") as owner, sandbox() as client:
            assert await role_of(owner) == "owner"
            environ = discord(client.sandbox) | {"BOOSTMON_DATA_DIR": str(folder / "data")}
            async with running("run", **environ) as bot:
                await eventually(lambda: registered(client.sandbox))
                owner.send_signal(number)
                owner.wait(30)
                record = await settime(client)
                assert record["message"]["embeds"][0]["title"] == "Timed Role Activated"
                (outcome,) = [await stopped(bot, signal.SIGTERM)]
                assert outcome.code == 0


async def test_what_a_killed_process_owed_is_carried_out_by_another(
    owner_url: str, owner: asyncpg.Connection
) -> None:
    assert TERM + RENEW_EVERY <= 25  # seconds, as docs/operations.md says
    async with sandbox() as client:
        environ = discord(client.sandbox) | {"DATABASE_URL": owner_url}
        async with running("run", **environ) as first:
            await until_leading(owner)
            async with running("run", **environ) as second:
                await until_said(second, b"connected to Discord")
                await client.sim("fault", {"path": GIVE, "reset": True, "times": 1000})
                await ask(client)
                await eventually(lambda: tried(client))
                first.kill()
                await first.wait()
                await client.sim("fault", method="DELETE")
                assert [] == roles(client)

                await owner.execute(  # the clock of the database goes back
                    "UPDATE lease SET expires_at = expires_at + interval '1 hour'"
                )

                await eventually(lambda: roles(client) == ["VIP"], within=TERM + RENEW_EVERY + 5)
                assert 0 == (await stopped(second, signal.SIGTERM)).code
    assert ["done"] == [row["state"] for row in await owner.fetch("SELECT state FROM effects")]


async def test_a_rolling_deploy_loses_no_command_and_does_each_once(
    owner_url: str, database: Database
) -> None:
    async with at_work(database, owner_url) as old:
        client, town = old.town.client, old.town
        await town.say("olga", "settime", user="max", role="VIP", duration="1h")
        async with at_work_in(client, database, owner_url) as new:
            await until_ready(new)
            given = [await town.send("olga", "settime", user="vera", role="VIP", duration="1h")]
            old.process.send_signal(signal.SIGTERM)
            given.append(await town.send("olga", "settime", user="carl", role="VIP", duration="1h"))
            assert 0 == (await ended(old.process)).code
            given.append(await town.send("olga", "pausetime", user="max"))
            titles = [title(await town.reply(each)) for each in given]
            await eventually(lambda: all("VIP" in town.roles_of(who) for who in ("vera", "carl")))
            assert 0 == (await stopped(new.process, signal.SIGTERM)).code

        assert ["Timed Role Activated"] * 2 + ["Timed Role Paused"] == titles
        assert ["Paused", "TimerSet", "TimerSet", "TimerSet"] == sorted(await town.events())
        given_roles = [
            (request["method"], request["path"].rpartition("/members/")[2])
            for request in client.sandbox.state()["requests"]
            if request["method"] == "PUT" and "/members/" in request["path"]
        ]
        assert 3 == len(given_roles) == len(set(given_roles))


def title(record: dict[str, Any]) -> str:
    return str(record["message"]["embeds"][0]["title"])


async def until_leading(owner: asyncpg.Connection) -> None:
    """Wait until some process holds the lease."""
    async with asyncio.timeout(READY_WITHIN):
        while not await owner.fetchval("SELECT holder FROM lease"):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.05)


async def until_said(process: Process, words: bytes) -> None:
    """Read a process's log up to *words*."""
    assert process.stderr is not None
    async with asyncio.timeout(READY_WITHIN):
        while words not in (line := await process.stderr.readline()):
            assert line, "the process has ended"


def tried(client: Client) -> bool:
    """Tell whether the role change was tried, in vain."""
    (fault,) = client.sandbox.state()["faults"]
    return bool(fault["used"])


def roles(client: Client) -> list[str]:
    """Name the roles of the member who is to get one."""
    (guild,) = client.sandbox.state()["guilds"]
    return next(list(m["role_names"]) for m in guild["members"] if m["name"] == "max")


async def ask(client: Client) -> str:
    """Have a moderator set a timer; return the interaction's id."""
    options = [
        {"name": "user", "type": 6, "value": client.user("max")},
        {"name": "role", "type": 8, "value": client.role("VIP")},
        {"name": "duration", "type": 3, "value": "1h"},
    ]
    body = {"type": 2, "guild_id": client.ids["guild"], "user_id": client.user("mona")}
    made = await client.sim("interaction", body | {"name": "settime", "options": options})
    return str(made["id"])


async def settime(client: Client) -> dict[str, Any]:
    """Have a timer set, and wait for the result, however long the database takes."""
    interaction_id = await ask(client)
    found: list[dict[str, Any]] = []

    def has_embed() -> bool:
        shown = client.sandbox.state()["interactions"]
        found[:] = [
            i for i in shown if i["id"] == interaction_id and (i["message"] or {}).get("embeds")
        ]
        return bool(found)

    await eventually(has_embed)
    return found[0]
