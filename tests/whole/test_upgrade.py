"""An upgrade while people give commands: both releases at work, as real processes."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import asyncpg
import pytest
from asyncpg import Record

from boostmon.config import PoolConfig
from boostmon.database.clocks.clock import DatabaseClock
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.database.embedded.provision import BOT, NAME
from boostmon.database.schema.migrate import pending
from tests.chaos import oracle, people
from tests.chaos.driver import replayed
from tests.chaos.evidence import acknowledged, said
from tests.chaos.oracle_roles import held_roles, made_at
from tests.chaos.settling import unsettled
from tests.chaos.stage import Stage, on_stage
from tests.cli.test_cli import discord, eventually, registered
from tests.support.cluster import Node, single
from tests.support.databases import world_folder
from tests.support.process import as_seen_from_outside
from tests.support.release_before import Release
from tests.support.sandbox_client import sandbox
from tests.support.town import Town
from tests.whole.test_backup import carry_out, shown

CHAIN = "SELECT position, version, data::text, recorded_at, hash FROM events ORDER BY position"
PER_SECOND = 2.0
SECONDS = 90.0  # at most: the test ends it
LOOK = 0.1
WITHIN = 40.0
ROWS = "SELECT * FROM role_timers ORDER BY id"
ON_ITS_WAY = 10.0  # seconds in which a reply is finished, on a machine that has much to do
LET_GO = "UPDATE lease SET holder = NULL, expires_at = now()"  # spares the test a term of 20 s


async def give_commands(stage: Stage) -> None:
    """Let people give commands until cancelled."""
    began = asyncio.get_running_loop().time()
    for order in people.orders(Random(5), SECONDS, PER_SECOND):  # noqa: S311 - a plan, no secret
        left = began + order.at - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, left))
        assert people.give(stage.world, order)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not happened():  # noqa: ASYNC110 - in another process
            await asyncio.sleep(LOOK)


async def carried_out(stage: Stage, commands: int) -> None:
    """Wait until so many *commands* more were carried out before the eyes of who gave them."""

    def seen() -> int:
        return sum(map(acknowledged, stage.world.state()["interactions"]))

    wanted = seen() + commands
    await until(lambda: seen() >= wanted)


def unanswered(stage: Stage) -> list[str]:
    """List the interactions whose caller was told nothing."""
    interactions = stage.world.state()["interactions"]
    return [one["id"] for one in interactions if not (acknowledged(one) or said(one))]


async def answered(stage: Stage, since: float) -> None:
    """Wait until everybody was told something whose command came after a moment."""
    await until(lambda: not [each for each in unanswered(stage) if made_at(each) > since])


async def quiet(stage: Stage) -> None:
    """Stop timer time, and wait until nothing is owed and Discord shows what the log says."""
    stage.stop_time()
    async with asyncio.timeout(WITHIN):
        while await unsettled(stage) or list(held_roles(await stage.gather())):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(LOOK)


async def written(stage: Stage) -> list[Record]:
    """Return every event with its hash."""
    connection = await asyncpg.connect(stage.database.superuser_url)
    try:
        return list(await connection.fetch(CHAIN))
    finally:
        await connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_an_upgrade_under_load_loses_nothing_and_does_nothing_twice(
    number: signal.Signals,
) -> None:
    with world_folder() as folder:
        async with on_stage(folder, speed=60, old=True, together=False) as stage:
            old, new = stage.bots
            load = asyncio.create_task(give_commands(stage))
            await carried_out(stage, 4)
            before = await written(stage)
            await new.start()
            await until(lambda: stage.world.listens == 2)
            await carried_out(stage, 3)
            old.signal(number)
            code = await asyncio.wait_for(old.process.wait(), WITHIN)
            ended = time.time()
            async with session(stage.database.owner_url) as owner:
                if number == signal.SIGKILL:
                    await owner.execute(LET_GO)
                assert [] == await pending(owner)
            await carried_out(stage, 2)
            load.cancel()
            await answered(stage, since=ended)
            await quiet(stage)
            found, after = await stage.gather(), await written(stage)
            await new.stop()
            broken = [*oracle.judge(found), *await replayed(stage.database)]

    assert ([], [], 0 if number == signal.SIGTERM else -number) == (broken, new.faults, code)
    assert before == after[: len(before)]
    assert {"Expired", "WarningSent", "TimerSet"} <= {event.type for event in found.events}
    assert [] == unanswered(stage) or number == signal.SIGKILL
    assert all(0 <= ended - made_at(each) < ON_ITS_WAY for each in unanswered(stage))


async def test_a_dump_of_the_release_before_reads_as_before(
    release: Release, tmp_path: Path
) -> None:
    async with single() as here, single() as elsewhere, sandbox() as client:
        where = {"DATABASE_URL": here.url(BOT), "BOOSTMON_OWNER_DATABASE_URL": here.url(NAME)}
        async with release.running("run", **where, **discord(client.sandbox)) as process:
            await eventually(lambda: registered(client.sandbox))
            async with await connect(here.url(BOT), pool=PoolConfig()) as database:
                seen = as_seen_from_outside(client, database, here.url(BOT), DatabaseClock())
                await live_in(Town(client, seen))
            process.terminate()
            assert await asyncio.wait_for(process.wait(), WITHIN) == 0
        code, told = await release.carry_out("-m", "boostmon", "replay", "--check", **where)
        assert code == 0, told
        [dump], [restore] = shown("Backup", "sh"), shown("Restore", "sh")
        await carry_out(dump, here, tmp_path)

        said_there = await carry_out(restore, elsewhere, tmp_path)

        assert told.splitlines()[-1] == said_there.splitlines()[-1]
        for ask in (CHAIN, ROWS):
            assert await asked(here, ask) == await asked(elsewhere, ask)


async def live_in(town: Town) -> None:
    """Let everything happen to some timers."""
    for name in ("max", "vera", "carl"):
        await town.say("olga", "settime", user=name, role="VIP", duration="1h", channel="general")
    await town.say("olga", "addtime", user="max", duration="1d")
    await town.say("olga", "pausetime", user="vera")
    await town.say("olga", "removetime", user="carl", duration="1h")
    await town.say("olga", "settime", user="carl", role="VIP", duration="2h")
    await town.say("olga", "cleartime", user="carl")


async def asked(node: Node, question: str) -> list[Record]:
    async with session(node.url(NAME)) as owner:
        return list(await owner.fetch(question))
