"""Agreement: how long the bot takes to read every member, and to mend what differs.

`python -m tests.bench.agreement [--servers 1] [--timers 10000] [--differ 100]` starts the real bot
as a process against the sandbox at Discord's limits. First the members of imported timers are read;
then, while the bot is away, members leave and come back unseen, and the bot is started again.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import asyncpg

from boostmon.database.clocks.clock import write_clock
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.database.embedded.postgres import EmbeddedPostgres
from boostmon.database.schema.migrate import migrate
from boostmon.sandbox import Sandbox
from boostmon.sandbox.world.model import Guild, Member
from tests.bench.drain import NOW, ask, bot, fill, world

READ = "SELECT count(*) FROM effects WHERE kind = 'give_role' AND state = 'done'"
OPEN = "SELECT count(*) FROM effects WHERE state IN ('owed', 'stuck')"


def holders(sandbox: Sandbox) -> Iterator[tuple[Guild, Member, str]]:
    """Yield the members who are to hold the role, with their server and the role."""
    for guild in sandbox.discord.world.guilds.values():
        role_id = next(role.id for role in guild.roles.values() if role.name == "VIP")
        for member in guild.members.values():
            user = sandbox.discord.world.users[member.user_id]
            if not user.bot and user.key != "olga":
                yield guild, member, role_id


def leave_and_return_unseen(sandbox: Sandbox, count: int) -> list[tuple[Member, str]]:
    """Let *count* members, evenly spread, lose their roles by leaving, while nobody is told."""
    everybody = list(holders(sandbox))
    chosen = everybody[:: max(1, len(everybody) // count)][:count]
    for _, member, role_id in chosen:
        member.roles.remove(role_id)
        member.joined_at = sandbox.discord.world.now()
    return [(member, role_id) for _, member, role_id in chosen]


async def until_read(owner: asyncpg.Connection, timers: int) -> float:
    """Return after how many seconds each of *timers* was found to be held."""
    began = time.monotonic()
    while await owner.fetchval(READ) < timers:  # noqa: ASYNC110 - the bot is another process
        await asyncio.sleep(0.5)
    return time.monotonic() - began


async def until_mended(owner: asyncpg.Connection, lost: list[tuple[Member, str]]) -> float:
    """Return after how many seconds each of *lost* has the role again, and nothing is owed."""
    began = time.monotonic()
    while any(role not in member.roles for member, role in lost) or await owner.fetchval(OPEN):  # noqa: ASYNC110 - and this one
        await asyncio.sleep(0.5)
    return time.monotonic() - began


async def ask_on(http: aiohttp.ClientSession, sandbox: Sandbox, waits: list[float]) -> None:
    """Have a command given every two seconds; note how long each took to be answered."""
    guild = sandbox.state()["guilds"][0]
    while await ask(http, sandbox, guild) > 10:
        pass
    while True:
        waits.append(await ask(http, sandbox, guild))
        await asyncio.sleep(2)


async def measure(servers: int, timers: int, differ: int) -> None:
    """Read and mend, and print what was seen."""
    with tempfile.TemporaryDirectory(prefix="boostmon-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with (
            EmbeddedPostgres(folder / "database") as server,
            Sandbox(world=world(servers, timers)) as sandbox,
            aiohttp.ClientSession() as http,
            session(server.owner_url) as owner,
        ):
            write_clock(folder / "clock.json", now=NOW, speed=1.0)
            await migrate(owner, "boostmon_bot")
            async with await connect(server.url) as database:
                await fill(database, sandbox.state())
            environ = {
                "DATABASE_URL": server.url,
                "BOOSTMON_OWNER_DATABASE_URL": server.owner_url,
                "DISCORD_TOKEN": sandbox.token,
                "BOOSTMON_DISCORD_API": sandbox.api,
                "BOOSTMON_CLOCK": str(folder / "clock.json"),
                "BOOSTMON_LOG_LEVEL": "warning",
            }
            await _measure(
                environ,
                folder / "bot.log",
                owner=owner,
                sandbox=sandbox,
                http=http,
                timers=timers,
                differ=differ,
            )


async def _measure(
    environ: dict[str, str],
    log: Path,
    *,
    owner: asyncpg.Connection,
    sandbox: Sandbox,
    http: aiohttp.ClientSession,
    timers: int,
    differ: int,
) -> None:
    waits: list[float] = []
    async with bot(environ, log):
        read = await until_read(owner, timers)
    print(f"{timers} members read {read:.0f} s after the start")
    lost = leave_and_return_unseen(sandbox, differ)
    async with bot(environ, log):
        asking = asyncio.create_task(ask_on(http, sandbox, waits))
        mended = await until_mended(owner, lost)
        asking.cancel()
    refused = sum(r["status"] == 429 for r in sandbox.state()["requests"])
    print(f"{len(lost)} who had left and returned unseen mended {mended:.0f} s after the start")
    print(f"{refused} answers 429; {len(waits)} commands meanwhile, slowest {max(waits):.2f} s")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--timers", type=int, default=10_000)
    parser.add_argument("--differ", type=int, default=100)
    given = parser.parse_args()
    asyncio.run(measure(given.servers, given.timers, given.differ))


if __name__ == "__main__":
    main()
