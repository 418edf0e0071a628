"""Backup and restore, by the very commands of docs/operations.md, while a real bot runs."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

from boostmon.config import PoolConfig
from boostmon.database.binaries import find
from boostmon.database.connection import role_of, session
from boostmon.database.migrate import migrate
from boostmon.database.pool import connect
from boostmon.database.provision import BOT, NAME
from tests.cluster import Node, single
from tests.process import Running, at_work_in
from tests.sandbox_client import Client, sandbox
from tests.test_cli import eventually, stopped

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
NAMES = ("carl", "max", "vera")
POSTED = {"path": "/channels/{channel_id}/messages", "method": "POST"}
TAKEN = {"path": "/guilds/{guild_id}/members/{user_id}/roles/{role_id}", "method": "DELETE"}
TRIED = "SELECT count(*) = {} FROM effects WHERE state = 'owed' AND attempts > 0"
SETTLED = "SELECT count(*) = 10 AND bool_and(state = 'done') FROM effects"
LAPSE = "UPDATE lease SET expires_at = now()"  # so much time has passed since the dump


async def carry_out(heading: str, node: Node, folder: Path) -> str:
    """Run what the page shows below *heading*, with both variables leading to *node*."""
    (section,) = re.findall(
        rf"^### {heading}\n(.*?)^##", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    process = await asyncio.create_subprocess_exec(
        *["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=os.environ
        | {
            "PATH": f"{find(None).bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DATABASE_URL": node.url(BOT),
            "BOOSTMON_OWNER_DATABASE_URL": node.url(NAME),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


def notices(client: Client) -> list[str]:
    """Name whom the channel was told of the end of a timer, one name a message."""
    (guild,) = client.sandbox.state()["guilds"]
    said = [message["content"] for channel in guild["channels"] for message in channel["messages"]]
    return sorted(name for name in NAMES for text in said if told(client, name) in text)


def told(client: Client, name: str) -> str:
    return f"<@{client.user(name)}> notice: "


def taken(client: Client) -> list[str]:
    """Name whose role Discord took when it was asked to, one name a request."""
    requests = client.sandbox.state()["requests"]
    paths = [r["path"] for r in requests if r["method"] == "DELETE" and r["status"] == 204]
    return sorted(name for name in NAMES for path in paths if client.held(name, "VIP") in path)


async def let_end(bot: Running, name: str) -> None:
    """Give somebody a role, and bring its time to an end."""
    await bot.town.say("olga", "settime", user=name, role="VIP", duration="1h", channel="general")
    await bot.town.expire(name, "VIP")


async def test_a_bot_goes_on_from_a_backup_and_does_once_what_was_owed(tmp_path: Path) -> None:
    async with single() as here, single() as elsewhere, sandbox() as client:
        async with session(here.url(NAME)) as owner:
            await migrate(owner, role_of(here.url(BOT)))
        async with (
            await connect(here.url(BOT), pool=PoolConfig()) as database,
            at_work_in(client, database, here.url(BOT), **owned_by(here)) as bot,
        ):
            await let_end(bot, "max")
            await eventually(lambda: (notices(client), taken(client)) == (["max"], ["max"]))
            await bot.town.say("olga", "settime", user="max", role="VIP", duration="1h")
            for tried, (name, refused) in enumerate((("vera", POSTED), ("carl", TAKEN)), start=1):
                await client.sim("fault", refused | {"status": 500, "times": 1000})
                await let_end(bot, name)
                await here.until(TRIED.format(tried))
            before = notices(client), taken(client)
            await carry_out("Backup", here, tmp_path)  # while it runs
            assert (await stopped(bot.process, signal.SIGTERM)).code == 0
        await client.sim("fault", method="DELETE")

        checked = await carry_out("Restore", elsewhere, tmp_path)
        await elsewhere.ask(LAPSE)
        async with (
            await connect(elsewhere.url(BOT), pool=PoolConfig()) as database,
            at_work_in(client, database, elsewhere.url(BOT), **owned_by(elsewhere)) as bot,
        ):
            await elsewhere.until(SETTLED)
            assert (await stopped(bot.process, signal.SIGTERM)).code == 0

        assert "replay --check: 0 of 1 rows differ\n10 events, head 10:" in checked
        assert (["max"], ["max", "vera"]) == before
        assert (["carl", "max", "vera"],) * 2 == (notices(client), taken(client))


def owned_by(node: Node) -> dict[str, str]:
    return {"BOOSTMON_OWNER_DATABASE_URL": node.url(NAME)}
