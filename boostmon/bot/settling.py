"""From a command to what it did, however long the database takes to tell."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import structlog

from boostmon.bot import replies
from boostmon.bot.answers import Answer
from boostmon.commands.decider import TimerCommand
from boostmon.commands.handler import CommandHandler, Handled, Origin
from boostmon.errors import DatabaseUnavailableError
from boostmon.events.timer import TimerId

PATIENCE = 4.0  # seconds until the caller is told that the database does not answer
FIRST_PAUSE = 1.0  # seconds
SLOWEST = 30.0  # seconds between two attempts, at most
FAREWELL = 2.0  # seconds for the last words when the bot stops

Result = TypeVar("Result")

log = structlog.get_logger()


class Settling:
    """Carries commands out, and keeps at those whose outcome is open until it is known."""

    def __init__(self, handler: CommandHandler) -> None:
        self._handler = handler
        self._attempts: set[asyncio.Task[Handled]] = set()
        self._open: set[Answer] = set()

    async def settled(
        self, answer: Answer, timer: TimerId, *, command: TimerCommand, origin: Origin
    ) -> Handled:
        """Return what *command* did, or raise `RejectedError`; tell *answer* when that takes long.

        Every attempt has the same *origin*, so the command takes effect once.
        """
        attempt = self._attempt(timer, command, origin)
        await asyncio.wait({attempt}, timeout=PATIENCE)
        if attempt.done() and not isinstance(attempt.exception(), DatabaseUnavailableError):
            return attempt.result()
        self._open.add(answer)
        try:
            await answer.show(replies.OPEN)
            return await self._kept_at(attempt, timer, command, origin)
        finally:
            self._open.discard(answer)

    async def close(self) -> None:
        """Stop, and tell those whose outcome is open to look for themselves."""
        answers = list(self._open)
        self.stop()
        farewells = [asyncio.create_task(answer.show(replies.STOPPED)) for answer in answers]
        if farewells:
            _, late = await asyncio.wait(farewells, timeout=FAREWELL)
            for farewell in late:
                farewell.cancel()

    def stop(self) -> None:
        """Drop every attempt under way."""
        for attempt in list(self._attempts):
            attempt.cancel()

    async def _kept_at(
        self,
        attempt: asyncio.Task[Handled],
        timer: TimerId,
        command: TimerCommand,
        origin: Origin,
    ) -> Handled:
        pause = FIRST_PAUSE
        while True:
            try:
                return await attempt
            except DatabaseUnavailableError:
                log.info("outcome open", command_id=origin.command_id, retry_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, SLOWEST)
            attempt = self._attempt(timer, command, origin)

    def _attempt(
        self, timer: TimerId, command: TimerCommand, origin: Origin
    ) -> asyncio.Task[Handled]:
        attempt = asyncio.create_task(self._handler.handle(timer, command, origin))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        return attempt


async def soon(question: Awaitable[Result]) -> Result:
    """Return the answer to *question*, which changes nothing, so that nobody need wait for it.

    Raise `DatabaseUnavailableError` when it takes too long.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            return await question
    except TimeoutError as error:
        raise DatabaseUnavailableError from error
