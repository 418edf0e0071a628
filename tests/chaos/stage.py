"""Everything that is on during a run: Discord, the database, its clock, and the bots."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from boostmon.database.clocks.clock import FileClock, write_clock
from boostmon.sandbox import Sandbox
from tests.chaos import evidence
from tests.chaos.cluster import Alone, Database, Pair
from tests.chaos.processes import Bot, Program, this_release
from tests.chaos.steps import SteppedClock
from tests.chaos.trouble import Troublemaker
from tests.chaos.world import World, specification
from tests.support.release_before import release_before

BOTS = 2
WARNINGS = "10,3,1"
PLANTED = "tests.chaos.planted"
OLD_STAYS_AWAY = 25.0  # seconds: it would take the lease again before any other may
READY = 30.0  # seconds for the first start
LOOK = 0.25


class Stage:
    """Everything that is on during a run."""

    def __init__(
        self,
        world: World,
        bots: list[Bot],
        database: Database,
        clock: SteppedClock,
        clock_file: Path | None,
    ) -> None:
        self.world, self.bots, self.database, self.clock = world, bots, database, clock
        self._clock_file = clock_file
        self.trouble = Troublemaker(world, bots, database, clock)

    def stop_time(self) -> None:
        """Let no timer time pass any more, where it is ours to stop."""
        if self._clock_file:
            write_clock(self._clock_file, now=self.now(), speed=0)

    def now(self) -> int:
        """Return the timer time, in milliseconds."""
        return FileClock(self._clock_file).now() if self._clock_file else round(time.time() * 1000)

    async def tend_until(self, moment: float) -> None:
        """Start bots again that have ended by themselves, until a moment of `time.monotonic`."""
        while True:
            for bot in self.bots:
                await bot.tend()
            left = moment - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(left, LOOK))

    async def gather(self) -> evidence.Evidence:
        """Read the database and look at Discord."""
        return await evidence.gather(self.database.superuser_url, self.world, self.clock)


@asynccontextmanager
async def on_stage(
    folder: Path,
    *,
    speed: float | None,
    standby: bool = False,
    plant: str | None = None,
    old: bool = False,
    together: bool = True,
) -> AsyncIterator[Stage]:
    """Start it all, with its files in *folder*; timer time goes *speed* times as fast.

    *old*: one of the bots is of the release before. It has made the database, and is at work when
    another bot migrates it. Not *together*: only the first bot is started.
    """
    clock_file, clock = folder / "clock.json" if speed else None, SteppedClock(folder)
    database = (Pair if standby else Alone)(folder / "database")
    if clock_file and speed:
        write_clock(clock_file, now=round(time.time() * 1000), speed=speed)
    with clock.installed():
        async with Sandbox(world=specification()) as sandbox, database:
            world, environ = World(sandbox), _environ(sandbox, database)
            environ |= {"BOOSTMON_CLOCK": str(clock_file)} if clock_file else {}
            ours = this_release(PLANTED, CHAOS_PLANT=plant) if plant else this_release()
            programs = [_release_before(folder) if old else ours, *([ours] * (BOTS - 1))]
            bots = [
                Bot(number, program, environ, folder / f"bot{number}.log")
                for number, program in enumerate(programs)
            ]
            try:
                for number, bot in enumerate(bots[: BOTS if together else 1], start=1):
                    await bot.start()
                    if old or number == BOTS:
                        await _ready(world, folder, number)
                yield Stage(world, bots, database, clock, clock_file)
            finally:
                for bot in bots:
                    if bot.is_started:
                        bot.signal(signal.SIGCONT)
                        await bot.kill()


def _environ(sandbox: Sandbox, database: Database) -> dict[str, str]:
    return {
        "DATABASE_URL": database.url,
        "BOOSTMON_OWNER_DATABASE_URL": database.owner_url,
        "DISCORD_TOKEN": sandbox.token,
        "BOOSTMON_DISCORD_API": sandbox.api,
        "BOOSTMON_WARNING_MINUTES": WARNINGS,
    }


def _release_before(folder: Path) -> Program:
    release = release_before(folder / "before")
    return Program(
        command=release.command,
        command_again=release.command_as_before,
        folder=release.tree,
        environ=release.environ,
        away=OLD_STAYS_AWAY,
    )


async def _ready(world: World, folder: Path, bots: int) -> None:
    """Wait until so many *bots* are connected and their commands are offered."""
    end = time.monotonic() + READY
    while not world.offers_commands or world.listens < bots:
        if time.monotonic() > end:
            raise RuntimeError(f"the bots do not get ready; see their logs in {folder}")
        await asyncio.sleep(LOOK)
