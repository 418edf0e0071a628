"""Timer time: the database's clock, or in development what a file says."""

import asyncio
import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec
import structlog
from asyncpg import Connection
from msgspec import Struct

from boostmon import machine
from boostmon.database.connections.pool import Database
from boostmon.errors import ConfigurationError, DatabaseError

SAMPLES = 3
HANDOVER = 10  # milliseconds that it may take to write the file
LOOK = 0.25  # seconds; whoever writes the file tells nobody
ASK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8"

log = structlog.get_logger()


async def skew(connection: Connection) -> float:
    """Tell by how many seconds the clock of the database is ahead of this machine's."""
    samples = []
    for _ in range(SAMPLES):
        began, host = machine.monotonic(), machine.wall()
        told = await connection.fetchval(ASK)
        took = machine.monotonic() - began
        samples.append((took, told / 1000 - host - took / 2))
    _, ahead = min(samples)
    return float(ahead)


async def timer_time(connection: Connection, file: Path | None) -> int:
    """Tell timer time once, in epoch milliseconds, as `open_clock` would."""
    if file is not None:
        return FileClock(file).now()
    told: float = await connection.fetchval(ASK)
    return round(told)


class Clock(Protocol):
    """Tells timer time, and waits for it."""

    @property
    def trusted(self) -> bool:
        """Whether anything may be ended by it, or an end computed: no other clock gainsays it."""

    def now(self) -> int:
        """Tell the time, in epoch milliseconds; while it is not trusted, the best guess."""

    def discord_now(self) -> int:
        """Tell the time by Discord's clock, as far as it is known, in epoch milliseconds."""

    async def wait_until(self, due: int | None, *, at_most: float, wake: asyncio.Event) -> None:
        """Wait until *due*, until *wake* is set, or for *at_most* seconds of machine time.

        The caller clears *wake*, before it looks at what there is to do.
        """


class DatabaseClock:
    """The clock of the database, carried on by the monotonic clock of this machine."""

    trusted = True

    def __init__(self, monotonic: Callable[[], float] | None = None) -> None:
        self._monotonic = monotonic or (lambda: machine.monotonic())  # noqa: PLW0108 - a test may set it
        self._offset: float | None = None

    @property
    def offset(self) -> float:
        """By how many milliseconds it is ahead of the monotonic clock."""
        if self._offset is None:
            raise DatabaseError("The database's clock was not measured yet.")
        return self._offset

    def now(self) -> int:
        """Tell the time, in epoch milliseconds."""
        return round(self._monotonic() * 1000 + self.offset)

    def discord_now(self) -> int:
        """Tell the time, which nobody compares with Discord's."""
        return self.now()

    async def measure(self, database: Database, *, deadline: float | None = None) -> None:
        """Ask *database* for its time; the quickest of a few answers is the truest.

        Raise `DatabaseUnavailableError` when there is none within *deadline* seconds.
        """
        _, offset = await database.run(self._sample, deadline=deadline)
        if self._offset is not None and abs(offset - self._offset) > 1000:  # noqa: PLR2004 - a second
            log.warning("the database's clock jumped", milliseconds=round(offset - self._offset))
        self._offset = offset

    async def wait_until(self, due: int | None, *, at_most: float, wake: asyncio.Event) -> None:
        """Wait until *due*, until *wake* is set, or for *at_most* seconds of machine time."""
        await wait_by(self, due, at_most=at_most, wake=wake)

    async def _sample(self, connection: Connection) -> tuple[float, float]:
        answers = []
        for _ in range(SAMPLES):
            started = self._monotonic()
            told: float = await connection.fetchval(ASK)
            ended = self._monotonic()
            answers.append((ended - started, told - (started + ended) / 2 * 1000))
        return min(answers)


class Reading(Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says: at *real*, by the machine's clock, it was *now*; *speed* since then."""

    real: int
    now: int
    speed: float


class FileClock:
    """A clock that a file sets, for demonstrations and tests."""

    trusted = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._reading = Reading(0, 0, 1.0)
        self._look()

    def now(self) -> int:
        """Tell the time, in epoch milliseconds."""
        self._look()
        return self._at(machine.wall() * 1000)

    def discord_now(self) -> int:
        """Tell the time of this host: Discord does not follow the file."""
        return round(machine.wall() * 1000)

    def _at(self, real: float) -> int:
        return round(self._reading.now + (real - self._reading.real) * self._reading.speed)

    async def wait_until(self, due: int | None, *, at_most: float, wake: asyncio.Event) -> None:
        """Wait until *due*, until *wake* is set, or for *at_most* seconds of machine time."""
        await wait_by(self, due, at_most=at_most, wake=wake, pause=self._pause)

    def _pause(self, ahead: float) -> float:
        speed = self._reading.speed
        return min(LOOK, ahead / speed) if speed > 0 else LOOK

    def _look(self) -> None:
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if seen != self._seen:
                self._reading = msgspec.json.decode(self._path.read_bytes(), type=Reading)
                self._seen = seen
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigurationError(
                f"BOOSTMON_CLOCK names {self._path}, which cannot be read as a clock ({error}); "
                'write {"real": MS, "now": MS, "speed": 1.0} to it, or unset it.'
            ) from error


class DrivenClock(FileClock):
    """The clock of a file that this process alone sets; it never goes backwards."""

    def __init__(self, path: Path) -> None:
        """Begin with the time of this machine, at its speed."""
        write_clock(path, now=round(machine.wall() * 1000), speed=1.0)
        super().__init__(path)

    @property
    def reading(self) -> Reading:
        """What the file says."""
        return self._reading

    def drive(self, speed: float) -> None:
        """Let time pass *speed* times as fast from here on; 0 stops it."""
        # Until the file is there others go on at the old speed, which must not lead them further.
        margin = HANDOVER if speed < self._reading.speed else 0
        real = round(machine.wall() * 1000) + margin
        self._write(Reading(real=real, now=self._at(real), speed=speed))

    def skip_to(self, moment: int) -> None:
        """Let it be *moment*, unless that is over, and go on at the same speed."""
        now = round(machine.wall() * 1000)
        reached = max(moment, self._at(now))
        self._write(Reading(real=now, now=reached, speed=self._reading.speed))

    def _write(self, reading: Reading) -> None:
        _replace(self._path, reading)
        self._look()


def write_clock(path: Path, *, now: int, speed: float) -> None:
    """Set the clock in the file *path* to *now*, passing *speed* times as fast from here on."""
    _replace(path, Reading(real=round(machine.wall() * 1000), now=now, speed=speed))


def _replace(path: Path, reading: Reading) -> None:
    written = path.with_name(f"{path.name}.{os.getpid()}")
    written.write_bytes(msgspec.json.encode(reading))
    written.replace(path)


@asynccontextmanager
async def open_clock(database: Database, file: Path | None) -> AsyncIterator[Clock]:
    """Lend the clock that *file* sets, else the one of *database*, measured once."""
    if file is not None:
        yield FileClock(file)
        return
    clock = DatabaseClock()
    await clock.measure(database)
    yield clock


async def wait_by(
    clock: Clock,
    due: int | None,
    *,
    at_most: float,
    wake: asyncio.Event,
    pause: Callable[[float], float] = lambda ahead: ahead,
) -> None:
    """Wait as `Clock.wait_until` does, and look at *clock* again after each *pause*."""
    end = machine.monotonic() + at_most
    while not wake.is_set() and (left := end - machine.monotonic()) > 0:
        ahead = math.inf if due is None else (due - clock.now()) / 1000
        if ahead <= 0:
            return
        with suppress(TimeoutError):  # that is how a wait ends
            async with asyncio.timeout(min(left, pause(ahead))):
                await wake.wait()
