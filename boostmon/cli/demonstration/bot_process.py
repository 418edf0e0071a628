"""The demonstration's bot: a process of its own, which a person may stop and start again."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from boostmon.cli.demonstration.board import Board
from boostmon.cli.demonstration.town import DemoError

FAREWELL = 2.5  # seconds
READY_WITHIN = 30.0  # seconds
LOOK = 0.1
TAIL = 500  # characters of its log

State = Literal["starting", "running", "stopped"]


class BotProcess:
    """Runs the bot while it is wanted, and tells the board how it is."""

    def __init__(self, log: Path, board: Board) -> None:
        self._log = log
        self._board = board
        self._asked = asyncio.Event()
        self._changed = asyncio.Event()
        self.state: State = "stopped"
        self.is_wanted = True
        self.has_died = False
        self._tell("starting")

    def start(self) -> None:
        """Have it run."""
        self.is_wanted, self.has_died = True, False
        self._asked.set()

    def stop(self) -> None:
        """Have it end."""
        self.is_wanted = False
        self._asked.set()

    @property
    def is_there(self) -> bool:
        """Whether it runs, and is not about to end."""
        return self.is_wanted and self.state == "running"

    async def until_there(self) -> None:
        """Wait until it is there; raise `DemoError` when that takes too long, or it has died."""
        while not self.is_there:
            if self.has_died:
                raise DemoError(f"The bot has ended by itself: {self.tail()}")
            try:
                async with asyncio.timeout(READY_WITHIN if self.is_wanted else None):
                    await self._changed.wait()
            except TimeoutError as error:
                raise DemoError(f"The bot does not get ready: {self.tail()}") from error

    async def keep(self, environ: Mapping[str, str], is_there: Callable[[], bool]) -> None:
        """Run it whenever it is wanted, until cancelled; *is_there*: Discord sees it."""
        while True:
            self._asked.clear()
            if self.is_wanted:
                await self._live(environ, is_there)
            else:
                self._tell("stopped")
                await self._asked.wait()

    def tail(self) -> str:
        """Return what it has logged last."""
        return f"…{self._log.read_text()[-TAIL:].strip()}" if self._log.exists() else "no log"

    async def _live(self, environ: Mapping[str, str], is_there: Callable[[], bool]) -> None:
        self._tell("starting")
        process = await self._spawn(environ)
        ended = asyncio.create_task(process.wait())
        try:
            while self.is_wanted and not ended.done():
                if self.state == "starting" and is_there():
                    self._tell("running")
                await self._news(ended)
        finally:
            if not ended.done():
                await _end(process)
            else:
                self.is_wanted, self.has_died = False, self.is_wanted
            ended.cancel()
            self._tell("stopped")

    async def _news(self, ended: "asyncio.Task[int]") -> None:
        """Wait until it has ended or something was asked; while it starts, for a moment only."""
        asked = asyncio.create_task(self._asked.wait())
        patience = LOOK if self.state == "starting" else None
        try:
            await asyncio.wait(
                [ended, asked], timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            asked.cancel()

    async def _spawn(self, environ: Mapping[str, str]) -> Process:
        with self._log.open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *[sys.executable, "-m", "boostmon", "run"],
                env=os.environ | environ,
                cwd=self._log.parent,  # where there is no .env
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _tell(self, state: State) -> None:
        self.state = state
        self._board.post("bot", body={"state": state})
        self._changed.set()
        self._changed = asyncio.Event()


async def _end(process: Process) -> None:
    """End *process* politely, or else by force."""
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(FAREWELL):
            await process.wait()
    except TimeoutError:
        pass  # below
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
