"""A mass expiry: how fast the relay drains it, next to what Discord's limits allow.

`python -m tests.bench.drain [--servers 40] [--timers 2000] [--kills 0]` starts the real bot as a
process against the sandbox, lets all timers end in the same minute, and prints what came of it.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from boostmon.commands.handler import Origin, piece
from boostmon.database.clocks.clock import write_clock
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database, connect
from boostmon.database.embedded.postgres import EmbeddedPostgres
from boostmon.database.schema.migrate import migrate
from boostmon.events.append import Append
from boostmon.events.store import EventStore, History
from boostmon.events.timer import HOUR, TimerId, TimerSet
from boostmon.sandbox import Sandbox

ROLES_PER_SECOND = 1.0  # of one server: 10 per 10 s
REQUESTS_PER_SECOND = 50.0
NOW = 1_800_000_000_000


def world(servers: int, timers: int) -> dict[str, Any]:
    """Return servers in which *timers* members hold the role that ends."""
    users = [f"m{number}" for number in range(timers)]
    return {
        "bots": [{"name": "BoostMon", "owner": "olga"}],
        "users": [{"name": name} for name in ("olga", *users)],
        "guilds": [
            {
                "name": f"S{number}",
                "owner": "olga",
                "roles": [
                    {"name": "VIP"},
                    {"name": "BoostMon", "bot": "BoostMon", "permissions": PERMISSIONS},
                ],
                "members": [{"user": user, "roles": ["VIP"]} for user in users[number::servers]],
                "channels": [{"name": f"c{c}"} for c in range(CHANNELS)],
            }
            for number in range(servers)
        ],
    }


PERMISSIONS = ["MANAGE_ROLES", "VIEW_CHANNEL", "SEND_MESSAGES"]
CHANNELS = 3


async def fill(database: Database, state: dict[str, Any]) -> None:
    """Record the timers of all members, all ending within the same minute, as an import does."""
    store, appends = EventStore(database), list[Append]()
    generator = random.Random(5)  # noqa: S311 - the same world each time
    for guild in state["guilds"]:
        channels = list(guild["ids"]["channels"].values())
        for member in guild["members"]:
            if "VIP" not in member["role_names"]:
                continue
            timer = TimerId(guild["id"], member["user_id"], guild["ids"]["roles"]["VIP"])
            end = NOW + HOUR + generator.randrange(60_000)
            event = TimerSet(NOW, HOUR, end, (), generator.choice(channels))
            origin = Origin(command_id=f"bench:{len(appends)}", source="import")
            appends.append(piece(History(timer, None), [event], origin))
    for start in range(0, len(appends), 1000):
        await store.append(*appends[start : start + 1000])


@asynccontextmanager
async def bot(environ: dict[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the bot as a process of its own."""
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "boostmon", "run"],
            env=os.environ | environ,
            stdout=out,
            stderr=out,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def counts(owner: asyncpg.Connection) -> tuple[int, int]:
    """Return how many effects are settled, and how many there are."""
    row = await owner.fetchrow("SELECT count(done_at), count(*) FROM effects")
    return row[0], row[1]


async def ask(http: aiohttp.ClientSession, sandbox: Sandbox, guild: dict[str, Any]) -> float:
    """Have the owner set a timer in *guild*; return in how many seconds the reply was there."""
    owner = next(m for m in guild["members"] if m["name"] == "olga")
    options = [
        {"name": "user", "type": 6, "value": owner["user_id"]},
        {"name": "role", "type": 8, "value": guild["ids"]["roles"]["VIP"]},
        {"name": "duration", "type": 3, "value": "5d"},
    ]
    body = {"type": 2, "guild_id": guild["id"], "user_id": owner["user_id"]}
    started = time.monotonic()
    async with http.post(
        f"{sandbox.url}/_sim/interaction", json=body | {"name": "settime", "options": options}
    ) as made:
        number = (await made.json())["id"]
    url = f"{sandbox.url}/_sim/interaction/{number}"
    async with http.get(url, params={"wait": "settled", "timeout": 15}):
        return time.monotonic() - started


async def measure(servers: int, timers: int, kills: int) -> None:
    """Drain a mass expiry and print what was seen."""
    with tempfile.TemporaryDirectory(prefix="boostmon-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with (
            EmbeddedPostgres(folder / "database") as server,
            Sandbox(world=world(servers, timers)) as sandbox,
            aiohttp.ClientSession() as http,
        ):
            clock = folder / "clock.json"
            write_clock(clock, now=NOW, speed=1.0)
            async with session(server.owner_url) as owner:
                await migrate(owner, "boostmon_bot")
                async with await connect(server.url) as database:
                    await fill(database, sandbox.state())
                environ = {
                    "DATABASE_URL": server.url,
                    "BOOSTMON_OWNER_DATABASE_URL": server.owner_url,
                    "DISCORD_TOKEN": sandbox.token,
                    "BOOSTMON_DISCORD_API": sandbox.api,
                    "BOOSTMON_CLOCK": str(clock),
                    "BOOSTMON_LOG_LEVEL": "warning",
                }
                await drain(Run(environ, folder / "bot.log", clock, kills), owner, sandbox, http)


class Run:
    """How one run is done."""

    def __init__(self, environ: dict[str, str], log: Path, clock: Path, kills: int) -> None:
        self.environ, self.log, self.clock, self.kills = environ, log, clock, kills


async def drain(
    run: Run, owner: asyncpg.Connection, sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    """Let the time come, and watch."""
    waits: list[float] = []
    guilds = sandbox.state()["guilds"]
    generator = random.Random(7)  # noqa: S311 - the same choices each time
    kills_left, process_number = run.kills, 0
    started = None
    while True:
        process_number += 1
        async with bot(run.environ, run.log) as process:
            if started is None:
                await asyncio.sleep(6)
                write_clock(run.clock, now=NOW + 2 * HOUR, speed=1.0)
                started = time.monotonic()
            kill_at = time.monotonic() + 5 if kills_left else float("inf")
            while process.returncode is None:
                done, total = await counts(owner)
                if total and done >= total and not kills_left:
                    break
                if time.monotonic() > kill_at:
                    process.kill()
                    await process.wait()
                    kills_left -= 1
                    break
                if process_number == 1 and not run.kills:
                    waits.append(await ask(http, sandbox, generator.choice(guilds)))
                await asyncio.sleep(0.5)
            else:
                raise RuntimeError(run.log.read_text()[-2000:])
        done, total = await counts(owner)
        if not kills_left and total and done >= total:
            break
    report(time.monotonic() - started, total, sandbox, waits)


def report(seconds: float, effects: int, sandbox: Sandbox, waits: list[float]) -> None:
    """Print the figures beside the bound that Discord's limits set."""
    state = sandbox.state()
    held = sum("VIP" in m["role_names"] for g in state["guilds"] for m in g["members"])
    posted = sum(len(c["messages"]) for g in state["guilds"] for c in g["channels"])
    servers = len(state["guilds"])
    changes = effects / 2
    bound = max(effects / REQUESTS_PER_SECOND, changes / servers / ROLES_PER_SECOND)
    print(f"effects {effects}, in {seconds:.1f} s; the limits allow {bound:.1f} s")
    print(f"share of what the limits allow: {bound / seconds:.2f}")
    print(f"roles still held {held}, notices posted {posted}")
    print(f"429 answers: {state['rate_limited']}")
    if waits:
        ranked = sorted(waits)
        median, p99 = ranked[len(ranked) // 2], ranked[max(0, round(len(ranked) * 0.99) - 1)]
        print(f"commands meanwhile: {len(ranked)}, median {median:.2f} s, p99 {p99:.2f} s")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description="Drain a mass expiry.")
    parser.add_argument("--servers", type=int, default=40)
    parser.add_argument("--timers", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=0)
    given = parser.parse_args()
    asyncio.run(measure(given.servers, given.timers, given.kills))


if __name__ == "__main__":
    main()
