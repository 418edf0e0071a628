"""From a command to what it did, however long the database takes to tell."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from boostmon.bot.records.outcomes import StoppedError
from boostmon.bot.slash.answers import Answer
from boostmon.bot.wording import replies
from boostmon.commands.decider import TimerCommand
from boostmon.commands.handler import Again, CommandHandler, Handled, Origin
from boostmon.errors import DatabaseUnavailableError
from boostmon.events.timer import TimerId

PATIENCE = 4.0  # seconds until the caller is told that the database does not answer
FIRST_PAUSE = 1.0  # seconds
SLOWEST = 30.0  # seconds between two attempts, at most

Result = TypeVar("Result")

log = structlog.get_logger()


class Settling:
    """Carries commands out, and keeps at those whose outcome is open until it is known."""

    def __init__(self, handler: CommandHandler) -> None:
        self._handler = handler
        self._attempts: set[asyncio.Task[Handled]] = set()
        self._stopped = asyncio.Event()

    async def settled(
        self,
        answer: Answer,
        timer: TimerId,
        *,
        command: TimerCommand,
        origin: Origin,
        again: Again | None = None,
    ) -> Handled:
        """Return what *command* did, or raise `RejectedError`; tell *answer* when that takes long.

        Every attempt has the same *origin*, so the command takes effect once; *again* judges it
        before it does, as the handler has it. Raise `StoppedError`
        when the bot stops first: then the outcome stays open.
        """

        def handle() -> asyncio.Task[Handled]:
            return self._attempt(self._handler.handle(timer, command, origin, again=again))

        attempt = handle()
        await asyncio.wait({attempt}, timeout=PATIENCE)
        if _is_open(attempt):
            await answer.show(replies.OPEN, last=False)
        return await self._kept_at(attempt, handle, origin.command_id)

    async def recorded(self, command_id: str) -> Handled | None:
        """Return what a command did, whoever recorded it; None: nobody has, as far as is known."""
        try:
            return await soon(self._handler.recorded(command_id))
        except DatabaseUnavailableError:
            return None

    def stop(self) -> None:
        """Drop every attempt under way."""
        self._stopped.set()
        for attempt in self._attempts:
            attempt.cancel()

    async def _kept_at(
        self,
        attempt: asyncio.Task[Handled],
        handle: Callable[[], asyncio.Task[Handled]],
        command_id: str,
    ) -> Handled:
        pause = FIRST_PAUSE
        while True:
            await asyncio.wait({attempt})
            if attempt.cancelled():
                raise StoppedError
            if not _is_open(attempt):
                return attempt.result()
            log.info("outcome open", command_id=command_id, retry_in_seconds=pause)
            await self._pause(pause)
            pause = min(2 * pause, SLOWEST)
            attempt = handle()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
                raise StoppedError

    def _attempt(self, handling: Coroutine[Any, Any, Handled]) -> asyncio.Task[Handled]:
        attempt = asyncio.create_task(handling)
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        return attempt


def _is_open(attempt: asyncio.Task[Handled]) -> bool:
    if not attempt.done():
        return True
    return not attempt.cancelled() and isinstance(attempt.exception(), DatabaseUnavailableError)


async def soon(question: Awaitable[Result]) -> Result:
    """Return the answer to *question*, which changes nothing, so that nobody need wait for it.

    Raise `DatabaseUnavailableError` when it takes too long.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            return await question
    except TimeoutError as error:
        raise DatabaseUnavailableError from error
