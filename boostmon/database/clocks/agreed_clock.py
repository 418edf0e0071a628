"""Timer time as two of three clocks agree on it: the database's, this host's and Discord's."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import asyncpg
import structlog

from boostmon import machine
from boostmon.database.clocks.clock import Clock, DatabaseClock, FileClock, wait_by
from boostmon.database.clocks.witnesses import (
    AGREES,
    JUMP,
    Heard,
    Judgement,
    Name,
    judge,
    stepped_together,
)
from boostmon.database.connections.pool import Database
from boostmon.database.connections.url import hosts_of, is_service
from boostmon.errors import DatabaseError

MEASURED_EVERY = 60.0  # seconds
DOUBTED_EVERY = 10.0  # seconds, while no two clocks agree; Discord is asked as well then
HOLDS = 600.0  # seconds for which what Discord has said is enough
TICK = 1.0  # seconds; how soon a jump of this host's clock is seen
PATIENCE = 5.0  # seconds that the database is waited for

Ask = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class AgreedClock:
    """Compares the three clocks, and carries the time of two that agree on by the monotonic one.

    *one_witness*: the database is on this machine, so its clock is taken to be this host's.
    """

    def __init__(self, *, one_witness: bool) -> None:
        self._database_clock = DatabaseClock()
        self._one_witness = one_witness
        self._heard = Heard()
        self._heard_at = -math.inf
        self._ask: Ask | None = None
        self._alarmed = False
        self._judgement: Judgement | None = None

    @property
    def trusted(self) -> bool:
        """Whether anything may be ended by it, or an end computed: no other clock gainsays it."""
        return self._judgement is not None and self._judgement.followed is not None

    @property
    def judgement(self) -> Judgement | None:
        """What was made of the clocks; None before they were measured."""
        return self._judgement

    def now(self) -> int:
        """Tell the time, in epoch milliseconds; while it is not trusted, the best guess."""
        if self._judgement is None:
            return self._database_clock.now()  # which says that it was not measured
        return round(machine.monotonic() * 1000 + self._judgement.offset)

    def discord_now(self) -> int:
        """Tell the time by Discord's clock, in epoch milliseconds; the agreed one, if unheard."""
        offset = self._heard.offset
        return self.now() if offset is None else round(machine.monotonic() * 1000 + offset)

    async def wait_until(self, due: int | None, *, at_most: float, wake: asyncio.Event) -> None:
        """Wait until *due*, until *wake* is set, or for *at_most* seconds of machine time."""
        await wait_by(self, due, at_most=at_most, wake=wake)

    def ask_through(self, ask: Ask) -> None:
        """Take *ask*, which has Discord say something for `hear`, or gives up soon."""
        self._ask = ask

    def hear(self, second: int, *, sent: float, received: float) -> None:
        """Take in that an answer of Discord says it was *second*, in seconds since 1970."""
        self._take_in(self._heard.answer(second, sent=sent, received=received))
        self._heard_at = machine.monotonic()

    def hear_id(self, moment: int) -> None:
        """Take in that Discord has made an id at *moment*, in epoch milliseconds."""
        self._take_in(self._heard.id_made(moment, received=machine.monotonic()))

    async def measure(self, database: Database) -> None:
        """Look at the clocks, and decide whose time to follow.

        That of a database that does not answer is taken to go on as before.
        """
        alarmed, self._alarmed = self._alarmed, False
        try:
            await self._database_clock.measure(database, deadline=PATIENCE)
        except (DatabaseError, asyncpg.PostgresError) as error:
            if self._judgement is None:
                raise
            log.warning("the database's clock was not measured", error=str(error))
        if self._ask is not None and self._is_discord_wanted(alarmed=alarmed):
            await self._ask()
        self._judge()

    async def keep(self, database: Database) -> None:
        """Measure every minute, when a clock jumps, and often while in doubt; until cancelled."""
        while True:
            await self._until_wanted()
            try:
                await self.measure(database)
            except Exception:  # of a clock that is not looked at nobody would know
                log.exception("the clocks were not compared")

    async def _until_wanted(self) -> None:
        measured = machine.monotonic()
        while (passed := machine.monotonic() - measured) < MEASURED_EVERY:
            if self._alarmed or self._has_jumped("host", _host_offset()):
                return
            if passed >= DOUBTED_EVERY and not self._is_calm:
                return
            await asyncio.sleep(TICK)

    @property
    def _is_calm(self) -> bool:
        return self._judgement is not None and self._judgement.doubted_since is None

    def _is_discord_wanted(self, *, alarmed: bool) -> bool:
        age = machine.monotonic() - self._heard_at
        if alarmed or age > HOLDS:
            return True
        moved = any(self._has_jumped(name, offset) for name, offset in self._clocks().items())
        return age >= DOUBTED_EVERY and (moved or not self._is_calm)

    def _has_jumped(self, name: Name, offset: float, *, by: float = JUMP) -> bool:
        before = None if self._judgement is None else self._judgement.clocks.get(name)
        return before is not None and abs(offset - before) > by

    def _take_in(self, heard: Heard) -> None:
        before, self._heard = self._heard, heard
        jumped = heard.offset is not None and self._has_jumped("discord", heard.offset, by=AGREES)
        doubtful = before.is_consistent and not heard.is_consistent
        self._alarmed = self._alarmed or jumped or doubtful

    def _clocks(self) -> dict[Name, float]:
        clocks: dict[Name, float] = {
            "database": self._database_clock.offset,
            "host": _host_offset(),
        }
        if self._heard.offset is not None:
            clocks["discord"] = self._heard.offset
        return clocks

    def _judge(self) -> None:
        before, clocks = self._judgement, self._clocks()
        if before is not None and stepped_together(before.clocks, clocks):
            self._one_witness = True
        self._judgement = judge(
            clocks, one_witness=self._one_witness, now=machine.monotonic(), before=before
        )
        if before is None or before.followed != self._judgement.followed:
            _tell(self._judgement)


def _host_offset() -> float:
    return (machine.wall() - machine.monotonic()) * 1000


def _tell(judgement: Judgement) -> None:
    ahead = {f"{name}_ahead": round(judgement.ahead(name), 1) for name in judgement.clocks}
    if judgement.followed is None:
        log.error("the clocks disagree; nothing ends until two agree", **ahead)
    elif judgement.doubted_since is not None:
        log.error("the clocks disagree; one is followed", clock=judgement.followed, **ahead)
    else:
        log.info("timer time follows", clock=judgement.followed, **ahead)


def is_here(url: str) -> bool:
    """Tell whether a database at *url* may be on this machine: on a socket, or on loopback."""
    hosts = hosts_of(url)
    if not hosts and is_service(url):
        return False  # a file says where it is
    return not hosts or any(_is_here(host.name) for host in hosts)


def _is_here(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.startswith(("/", "@")) or name == "localhost"


@asynccontextmanager
async def open_agreed_clock(
    database: Database, file: Path | None, *, one_witness: bool
) -> AsyncIterator[Clock]:
    """Lend the clock that *file* sets, else one that is kept by comparing three."""
    if file is not None:
        yield FileClock(file)
        return
    clock = AgreedClock(one_witness=one_witness)
    await clock.measure(database)
    keeper = asyncio.create_task(clock.keep(database))
    try:
        yield clock
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])
