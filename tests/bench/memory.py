"""What the bot remembers of people: its memory over very many interactions.

`python -m tests.bench.memory [--interactions 100000]` has people of 40 servers use all commands of
the real bot's process, and prints its memory after a warm-up and at the end.
"""

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from boostmon.database.embedded.postgres import EmbeddedPostgres
from boostmon.sandbox import Sandbox
from boostmon.sandbox.core.interactions import AUTOCOMPLETE, COMMAND, Interaction
from boostmon.sandbox.people.usage import Use, use
from tests.bench.drain import bot, world

SERVERS, MEMBERS = 40, 400
AT_ONCE = 24
WARM_UP = 0.2  # of all interactions: pools, caches and code are there after it
PATIENCE = 30.0  # seconds
LOADING = 1 << 7  # resources/message, "Message Flags"
# What people do, and how often among a hundred: most only look; few change a role.
ACTS = {
    "timeleft": 50,
    "removetime": 25,
    "pausetime": 10,
    "resumetime": 7,
    "settime": 3,
    "typed": 5,
}
AMOUNTS = {"settime": "5d", "removetime": "1m", "typed": "1h30"}


class Member(Struct, frozen=True):
    """A member with a timed role, and the owner of their server."""

    guild_id: str
    role_id: str
    user_id: str
    owner_id: str


def members(state: dict[str, Any]) -> list[Member]:
    """List all who may have a timer."""
    return [
        Member(guild["id"], guild["ids"]["roles"]["VIP"], it["user_id"], guild["owner_id"])
        for guild in state["guilds"]
        for it in guild["members"]
        if "VIP" in it["role_names"]
    ]


def asked(member: Member, act: str) -> Use:
    """Say what the owner of a server asks of the bot about *member*."""
    options = [{"name": "user", "type": 6, "value": member.user_id}]
    if act in ("settime", "pausetime", "resumetime"):
        options.append({"name": "role", "type": 8, "value": member.role_id})
    if act in AMOUNTS:
        amount = {"name": "duration", "type": 3, "value": AMOUNTS[act]}
        options.insert(2, amount | ({"focused": True} if act == "typed" else {}))
    return Use(
        type=AUTOCOMPLETE if act == "typed" else COMMAND,
        user_id=member.owner_id,
        guild_id=member.guild_id,
        name="addtime" if act == "typed" else act,
        options=options,
    )


async def answered(it: Interaction) -> None:
    """Wait until the bot has answered for good."""
    async with asyncio.timeout(PATIENCE):
        while it.acknowledged_ms is None or it.flags & LOADING:
            await it.changed.wait()


async def interact(sandbox: Sandbox, people: list[Member], number: int, seed: int) -> None:
    """Let people use commands *number* times, some at once."""
    left, choice = iter(range(number)), random.Random(seed)  # noqa: S311 - the same people each time
    acts, weights = list(ACTS), list(ACTS.values())

    async def person() -> None:
        for _ in left:
            (act,) = choice.choices(acts, weights)
            await answered(use(sandbox.discord, asked(choice.choice(people), act)))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(person())


def resident_kib(pid: int) -> int:
    """Return how much memory a process has to itself, in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


async def measure(interactions: int) -> None:
    """Run the bot, let people at it, and print what it holds."""
    with tempfile.TemporaryDirectory(prefix="boostmon-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with (
            EmbeddedPostgres(folder / "database") as server,
            Sandbox(world=world(SERVERS, MEMBERS)) as sandbox,
        ):
            environ = {
                "DATABASE_URL": server.url,
                "BOOSTMON_OWNER_DATABASE_URL": server.owner_url,
                "DISCORD_TOKEN": sandbox.token,
                "BOOSTMON_DISCORD_API": sandbox.api,
                "BOOSTMON_LOG_LEVEL": "error",
            }
            async with bot(environ, folder / "bot.log") as process:
                await offered(sandbox)
                people = members(sandbox.state())
                warm_up = round(interactions * WARM_UP)
                await interact(sandbox, people, warm_up, seed=1)
                before, started = resident_kib(process.pid), time.monotonic()
                print(f"after {warm_up:,} interactions: {before:,} KiB", flush=True)
                for part in range(1, 5):
                    await interact(sandbox, people, interactions // 4, seed=1 + part)
                    now, done = resident_kib(process.pid), interactions // 4 * part
                    print(f"{done:,} later: {now:,} KiB, {now / before - 1:+.1%}", flush=True)
                print(f"{interactions / (time.monotonic() - started):,.0f} interactions/s")
            print((folder / "bot.log").read_text(encoding="utf-8")[-2000:])


async def offered(sandbox: Sandbox) -> None:
    """Wait until the bot's commands are there, and its servers."""
    (own,) = sandbox.discord.world.bots.values()
    while not any(own.commands.values()):  # noqa: ASYNC110 - the sandbox tells nobody
        await asyncio.sleep(0.1)
    await asyncio.sleep(5)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description="Measure the bot's memory over interactions.")
    parser.add_argument("--interactions", type=int, default=100_000)
    asyncio.run(measure(parser.parse_args().interactions))


if __name__ == "__main__":
    main()
