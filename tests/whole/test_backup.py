"""Backup and restore, by the very commands of docs/operations.md, while a real bot runs."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

from boostmon.config import PoolConfig
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.database.connections.url import role_of
from boostmon.database.embedded.binaries import find
from boostmon.database.embedded.provision import BOT, NAME
from boostmon.database.schema.migrate import migrate
from tests.bench.logs import fill
from tests.cli.test_cli import eventually, stopped
from tests.support.cluster import Node, single
from tests.support.places import ROOT
from tests.support.process import Running, at_work_in
from tests.support.sandbox_client import Client, sandbox

PAGE = ROOT / "docs" / "operations.md"
NAMES = ("carl", "max", "vera")
POSTED = {"path": "/channels/{channel_id}/messages", "method": "POST"}
TAKEN = {"path": "/guilds/{guild_id}/members/{user_id}/roles/{role_id}", "method": "DELETE"}
FAILED = "SELECT count(*) = {} FROM effects WHERE state = 'owed' AND last_error <> ''"
SETTLED = "SELECT count(*) = 10 AND bool_and(state = 'done') FROM effects"
LET_GO = "UPDATE lease SET holder = NULL, expires_at = now()"  # spares the test a term of 20 s


def shown(heading: str, language: str) -> list[str]:
    """Give the blocks that the page has below *heading*."""
    (section,) = re.findall(
        rf"^### {heading}\n(.*?)^##", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


async def carry_out(commands: str, node: Node, folder: Path) -> str:
    """Run what the page shows, with both variables leading to *node*; return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=os.environ
        | {
            "PATH": f"{find(None).bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DATABASE_URL": node.url(BOT),
            "BOOSTMON_OWNER_DATABASE_URL": node.url(NAME),
            "PGHOST": str(node.socket),
            "PGUSER": "postgres",
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
            for failed, (name, refused) in enumerate((("vera", POSTED), ("carl", TAKEN)), start=1):
                await client.sim("fault", refused | {"status": 500, "times": 1000})
                await let_end(bot, name)
                await here.until(FAILED.format(failed))
            before = notices(client), taken(client)
            [dump] = shown("Backup", "sh")
            await carry_out(dump, here, tmp_path)  # while it runs
            assert (await stopped(bot.process, signal.SIGTERM)).code == 0
        await client.sim("fault", method="DELETE")

        [restore] = shown("Restore", "sh")
        checked = await carry_out(restore, elsewhere, tmp_path)
        await elsewhere.ask(LET_GO)
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


async def test_a_log_goes_back_to_a_moment_before_a_mishap() -> None:
    async with single() as node:
        folder = node.socket.parents[1]
        archive, base = folder / "archive", folder / "base"
        archive.mkdir()
        node.own(archive)
        keep, recover = (
            text.replace("/archive", str(archive))
            for text in shown("Point-in-time recovery", "ini")
        )
        [backup] = shown("Point-in-time recovery", "sh")
        await node.stop()
        node.configure(keep)
        await node.start()
        async with session(node.url(NAME)) as owner:
            await migrate(owner, role_of(node.url(BOT)))
            await carry_out(backup.replace("/backup/monday", str(base)), node, folder)
            await fill(owner, events=80, timers=20)
        head = await carry_out("boostmon replay --check", node, folder)
        moment = await node.ask("SELECT clock_timestamp()::text")
        await node.ask("DROP TABLE events CASCADE")
        last = await node.ask("SELECT pg_walfile_name(pg_switch_wal())")
        await eventually((archive / last).exists)
        await node.stop()

        node.go_back(base, re.sub(r"(?<=recovery_target_time = ').*(?=')", moment, recover))
        await node.start()
        await node.until("SELECT NOT pg_is_in_recovery()")

        assert "80 events, head 80:" in head
        assert head == await carry_out("boostmon replay --check", node, folder)
