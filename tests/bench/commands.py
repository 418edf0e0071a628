"""Commands a second, from reading the timer to the commit: 1, 8, 64 callers."""

from itertools import chain

import asyncpg

from boostmon.commands.handler import CommandHandler
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.events.store import EventStore
from tests.bench import competitor, pgbench
from tests.bench.append import SETTLE, Rate, elapsed
from tests.bench.generator import LIFE, Given, Lives
from tests.bench.runner import Place, Row, Tables

ROUNDS = 5
LIVES = {1: 60, 8: 60, 64: 15}  # of each caller in a round, by the number of callers
OTHERS = {1: 1, 8: 8, 64: 8}  # threads of the competitor, clients of pgbench
PGBENCH_GOAL = {8: 0.35}
COMPETITOR_GOAL = {8: 3.0}
DIFFERENCE = (
    "its save has one event with a version check in one commit, with the aggregate at hand in "
    "memory; it keeps no read model, effects, command id or chain, and the time to load is left out"
)


async def measure(place: Place) -> list[Row]:
    """Carry out commands beside pgbench and beside the library `eventsourcing`, in turns."""
    ours = {callers: Rate() for callers in LIVES}
    inserts, saves, loads = ({n: Rate() for n in (1, 8)} for _ in range(3))
    lives, there = Lives(), competitor.is_installed()
    async with place.tables() as tables, session(tables.owner_url) as owner:
        await owner.execute(pgbench.TABLE)
        async with await connect(tables.bot_url) as database:
            handler = CommandHandler(EventStore(database))
            for _ in range(ROUNDS):
                for callers, rate in ours.items():
                    await _round(rate, handler, lives, callers, owner)
                for clients, rate in inserts.items():
                    tps = await pgbench.inserts_per_second(place, tables, clients=clients)
                    rate.add(tps, 1)
                    if there:
                        await _compete(place, tables, clients, saves[clients], loads[clients])
    rows = [_beside_pgbench(callers, rate, inserts) for callers, rate in ours.items()]
    if not there:
        return [*rows, _absent(ours[8])]
    return [*rows, *(_beside_competitor(n, ours[n], saves[n], loads[n]) for n in saves)]


async def _round(
    rate: Rate, handler: CommandHandler, lives: Lives, callers: int, owner: asyncpg.Connection
) -> None:
    work = [list(chain(*(lives.life() for _ in range(LIVES[callers])))) for _ in range(callers)]
    seconds = await elapsed(lambda own: _handle_all(handler, own), work)
    rate.add(LIFE * LIVES[callers] * callers, seconds)
    await owner.execute(SETTLE)


async def _handle_all(handler: CommandHandler, work: list[Given]) -> None:
    for given in work:
        await handler.handle(given.timer, given.command, given.origin)


async def _compete(place: Place, tables: Tables, threads: int, saves: Rate, loads: Rate) -> None:
    done = await competitor.run(place, tables, threads=threads)
    saves.add(done["saves"], 1)
    loads.add(done["loads_and_saves"], 1)


def _beside_pgbench(callers: int, rate: Rate, inserts: dict[int, Rate]) -> Row:
    return Row(
        name=f"command, callers: {callers}",
        figure=rate.per_second,
        unit="commands/s",
        limit=inserts[OTHERS[callers]].per_second,
        beside=f"pgbench INSERT, clients: {OTHERS[callers]}",
        at_least=PGBENCH_GOAL.get(callers),
    )


def _beside_competitor(callers: int, rate: Rate, saves: Rate, loads: Rate) -> Row:
    return Row(
        name=f"command, callers: {callers}",
        figure=rate.per_second,
        unit="commands/s",
        limit=saves.per_second,
        beside=f"eventsourcing save, threads: {callers}",
        at_least=COMPETITOR_GOAL.get(callers),
        note=f"{DIFFERENCE}; loading and saving, as a command does: {loads.per_second:,.0f}/s",
    )


def _absent(rate: Rate) -> Row:
    return Row(
        name="command, callers: 8",
        figure=rate.per_second,
        unit="commands/s",
        beside="eventsourcing is not installed",
        note="`make bench` installs the library `eventsourcing` into .venv-bench",
    )
