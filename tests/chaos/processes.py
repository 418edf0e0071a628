"""The processes that are hurt: bots as they are really run, and the server of the database."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from boostmon.database.embedded.server import read_pidfile

OURS = ("BOOSTMON_", "DISCORD_", "DATABASE_URL", "PORT")
EFFECT = "] effect "
STARTING = 45.0  # seconds in which a bot may give up, as it does when the database is away
MAY_STOP_A_START = ("boostmon: The database ", "boostmon: Discord ")
STOPPING = 15.0  # seconds that a bot may take to end
ROOT = Path(__file__).parents[2]


class Program(Struct, frozen=True, kw_only=True):
    """What a bot runs: a command, from a folder, and the *command_again* of each later start.

    *away*: for how many seconds more than another one it stays away, each other time.
    """

    command: list[str]
    command_again: list[str]
    folder: Path = ROOT
    environ: dict[str, str] = {}
    away: float = 0.0


def this_release(module: str = "boostmon", **environ: str) -> Program:
    """Run the code of this checkout."""
    command = [sys.executable, "-m", module]
    return Program(command=command, command_again=command, environ=environ)


class Bot:
    """One process of the bot, which is started again whenever it has ended."""

    def __init__(
        self, number: int, program: Program, environ: Mapping[str, str], log: Path
    ) -> None:
        self.number = number
        self.busy = False
        self.faults: list[str] = []
        self._log = log
        self._program = program
        self._environ = {**_clean(), **program.environ, **environ}
        self._process: asyncio.subprocess.Process | None = None
        self._started = 0.0
        self._starts = 0

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The process that runs now, or ran last."""
        if self._process is None:
            raise LookupError("the bot was not started")
        return self._process

    @property
    def away(self) -> float:
        """For how many seconds more than others it stays away this time."""
        return self._program.away if self._starts % 2 else 0.0

    @property
    def is_started(self) -> bool:
        """Whether it was ever started."""
        return self._process is not None

    @property
    def carried_out(self) -> int:
        """How many effects its log tells of."""
        with self._log.open(encoding="utf-8", errors="replace") as lines:
            return sum(EFFECT in line and "outcome=superseded" not in line for line in lines)

    async def start(self) -> None:
        """Start the process."""
        program = self._program
        with self._log.open("ab") as log:
            log.write(b"--- started ---\n")
            self._started = time.monotonic()
            self._starts += 1
            self._process = await asyncio.create_subprocess_exec(
                *[*(program.command_again if self._process else program.command), "run"],
                env=self._environ,
                cwd=program.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def kill(self) -> None:
        """End it without a warning."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """Ask it to end, and note when it does not end well."""
        if self.process.returncode is not None:
            return
        young = time.monotonic() - self._started < STARTING
        self.process.terminate()
        try:
            code = await asyncio.wait_for(self.process.wait(), STOPPING)
        except TimeoutError:
            self.faults.append(f"bot {self.number} did not end within {STOPPING} s of SIGTERM")
            await self.kill()
            return
        if code and not (young and code == -signal.SIGTERM):
            self.faults.append(f"bot {self.number} ended with {code} at SIGTERM")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def tend(self) -> None:
        """Start it again when it has ended by itself, which only a start may do."""
        if self.busy or self.process.returncode is None:
            return
        words = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-1]
        excused = any(start in words for start in MAY_STOP_A_START)
        if time.monotonic() - self._started > STARTING or not excused:
            code = self.process.returncode
            self.faults.append(f"bot {self.number} ended by itself with {code}: {words}")
        await self.start()


class DatabaseServer:
    """The postmaster over a data folder and its children, to be frozen or ended."""

    def __init__(self, data: Path) -> None:
        self._data = data

    @property
    def pid(self) -> int | None:
        """The postmaster's process, if it runs."""
        return read_pidfile(self._data)[0]

    def signal(self, number: int) -> None:
        """Send the postmaster a signal."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def signal_all(self, number: int) -> None:
        """Send the postmaster and all that it has started a signal."""
        pid = self.pid
        if pid is None:
            return
        before = _children(pid)  # those of a server that is killed are nobody's afterwards
        self.signal(number)
        for child in {*before, *_children(pid)}:
            with suppress(ProcessLookupError):
                os.kill(child, number)


def _children(parent: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = place.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append(int(place.parent.name))
    return found


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
