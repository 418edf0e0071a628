"""The owner of an embedded PostgreSQL ends under a running bot."""

import signal
from typing import Any

import pytest

from tests.databases import world_folder
from tests.sandbox_client import Client, sandbox
from tests.test_cli import discord, eventually, registered, running, stopped
from tests.test_embedded import another_process, role_of


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


async def settime(client: Client) -> dict[str, Any]:
    """Have a moderator set a timer, and wait for the result, however long the database takes."""
    options = [
        {"name": "user", "type": 6, "value": client.user("max")},
        {"name": "role", "type": 8, "value": client.role("VIP")},
        {"name": "duration", "type": 3, "value": "1h"},
    ]
    body = {"type": 2, "guild_id": client.ids["guild"], "user_id": client.user("mona")}
    made = await client.sim("interaction", body | {"name": "settime", "options": options})
    found: list[dict[str, Any]] = []

    def has_embed() -> bool:
        shown = client.sandbox.state()["interactions"]
        found[:] = [
            i for i in shown if i["id"] == made["id"] and (i["message"] or {}).get("embeds")
        ]
        return bool(found)

    await eventually(has_embed)
    return found[0]
