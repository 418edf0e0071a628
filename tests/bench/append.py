"""Appends a second, with version check, command id, chain, row and effects: 1, 8, 64 callers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import chain
from typing import TypeVar

import asyncpg

from boostmon.commands.decider import decide
from boostmon.commands.handler import piece
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.events.append import Append, Appended
from boostmon.events.store import EventStore, History, RecordedEvent
from tests.bench import floor, pgbench
from tests.bench.generator import LIFE, Lives
from tests.bench.runner import Place, Row, Tables

Work = TypeVar("Work")

ROUNDS = 6
LIVES = {1: 120, 8: 100, 64: 25}  # of each caller in a round, by the number of callers
GOALS = {1: (1, 0.6), 8: (8, 0.5), 64: (8, 0.55)}  # clients of pgbench, and the part to reach
FLOORS = {
    "an INSERT by asyncpg": floor.insert_documents,
    "lock, newest event and event alone": floor.append_events_alone,
}
# Stands for the relay, which carries out what is owed while nobody measures.
SETTLE = "UPDATE effects SET state = 'done', done_at = clock_timestamp() WHERE state = 'owed'"


class Rate:
    """How often something was done in how much time, over all rounds."""

    def __init__(self) -> None:
        self.times, self.seconds = 0.0, 0.0

    def add(self, times: float, seconds: float) -> None:
        """Count another round."""
        self.times += times
        self.seconds += seconds

    @property
    def per_second(self) -> float:
        """The mean."""
        return self.times / self.seconds


def pieces(lives: Lives) -> Iterator[Append]:
    """Yield what a timer's life has the store record."""
    history: History | None = None
    for given in lives.life():
        history = history or History(given.timer, None)
        events = decide(history.state, given.command)
        yield piece(history, events, given.origin)
        first = history.version + 1
        recorded = (
            RecordedEvent(event, version, 0, given.origin.command_id)
            for version, event in enumerate(events, start=first)
        )
        history = History(given.timer, given.timer.guild_id, (*history.recorded, *recorded))


async def measure(place: Place) -> list[Row]:
    """Append beside pgbench, in turns, so that whatever disturbs disturbs both."""
    ours, limits = {n: Rate() for n in LIVES}, {n: Rate() for n in (1, 8)}
    floors = {name: Rate() for name in FLOORS}
    prepared, lives = Rate(), Lives()
    async with place.tables() as tables, session(tables.owner_url) as owner:
        await owner.execute(pgbench.TABLE)
        await floor.prepare(owner)
        async with (
            await connect(tables.bot_url) as database,
            await connect(tables.owner_url) as as_owner,
        ):
            store = EventStore(database)
            await store.append(*chain(*(pieces(lives) for _ in range(50))))
            for _ in range(ROUNDS):
                for callers, rate in ours.items():
                    clients = min(callers, 8)
                    await _limit(limits[clients], place, tables, clients)
                    await _round(rate, store, lives, callers, owner)
                tps = await pgbench.inserts_per_second(place, tables, clients=8, mode="prepared")
                prepared.add(tps, 1)
                for name, rate in floors.items():
                    work = list(chain(*(pieces(lives) for _ in range(LIVES[1]))))
                    seconds = await elapsed(partial(FLOORS[name], as_owner), [work])
                    rate.add(len(work), seconds)
    rows = [_row(callers, rate.per_second, limits) for callers, rate in ours.items()]
    rows += [_floor(name, rate.per_second, limits) for name, rate in floors.items()]
    return [*rows, _prepared(prepared.per_second, limits)]


async def _limit(rate: Rate, place: Place, tables: Tables, clients: int) -> None:
    rate.add(await pgbench.inserts_per_second(place, tables, clients=clients), 1)


async def _round(
    rate: Rate, store: EventStore, lives: Lives, callers: int, owner: asyncpg.Connection
) -> None:
    work = [list(chain(*(pieces(lives) for _ in range(LIVES[callers])))) for _ in range(callers)]
    seconds = await elapsed(lambda own: _append_all(store, own), work)
    rate.add(LIFE * LIVES[callers] * callers, seconds)
    await owner.execute(SETTLE)


async def _append_all(store: EventStore, work: list[Append]) -> None:
    for append in work:
        (outcome,) = await store.append(append)
        assert isinstance(outcome, Appended), outcome


async def elapsed(caller: Callable[[list[Work]], Awaitable[None]], work: list[list[Work]]) -> float:
    """Return in how many seconds a *caller* for each element of *work*, all at once, were done."""
    started = time.perf_counter()
    await asyncio.gather(*(caller(own) for own in work))
    return time.perf_counter() - started


def _row(callers: int, figure: float, limits: dict[int, Rate]) -> Row:
    clients, goal = GOALS[callers]
    return Row(
        name=f"append, callers: {callers}",
        figure=figure,
        unit="appends/s",
        limit=limits[clients].per_second,
        beside=f"pgbench INSERT, clients: {clients}",
        at_least=goal,
    )


def _floor(name: str, figure: float, limits: dict[int, Rate]) -> Row:
    return Row(
        name=f"for comparison: {name}, callers: 1",
        figure=figure,
        unit="commits/s",
        limit=limits[1].per_second,
        beside="pgbench INSERT, clients: 1",
    )


def _prepared(figure: float, limits: dict[int, Rate]) -> Row:
    return Row(
        name="for comparison: pgbench --protocol=prepared, clients: 8",
        figure=figure,
        unit="INSERTs/s",
        limit=limits[8].per_second,
        beside="pgbench INSERT, clients: 8",
    )
