"""Group commit: what is asked for while a call is in flight goes together into the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Piece = TypeVar("Piece")
Answer = TypeVar("Answer")


class Asked(Generic[Piece, Answer]):
    """The pieces that one caller waits for."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self.answer: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()


class Batching(Generic[Piece, Answer]):
    """Sends the pieces of many callers in one call, one call at a time.

    *send* answers every piece, in their order; what it raises, all callers of that call get. The
    pieces of one caller stay together. A call holds up to *most* pieces; a caller with more has a
    call of its own, and takes turns with the others, so that nobody waits for two of those.
    """

    def __init__(
        self, send: Callable[[list[Piece]], Awaitable[list[Answer]]], *, most: int
    ) -> None:
        self._send = send
        self._most = most
        self._small: deque[Asked[Piece, Answer]] = deque()
        self._large: deque[Asked[Piece, Answer]] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def ask(self, pieces: Sequence[Piece]) -> list[Answer]:
        """Return the answers to *pieces*, in their order.

        A caller who is cancelled harms no other; what was sent for it takes its course.
        """
        asked: Asked[Piece, Answer] = Asked(pieces)
        (self._small if len(pieces) <= self._most else self._large).append(asked)
        if self._sender is None:
            # Whose context it is should not depend on who came first.
            self._sender = asyncio.create_task(self._send_all(), context=Context())
        return await asked.answer

    async def _send_all(self) -> None:
        try:
            while self._small or self._large:
                await self._send_together(self._next_small())
                await self._send_together(self._next_large())
        finally:
            self._sender = None
            for asked in (*self._small, *self._large):  # only who is cancelled leaves any
                asked.answer.cancel()

    def _next_small(self) -> list[Asked[Piece, Answer]]:
        batch, room = [], self._most
        while self._small and len(self._small[0].pieces) <= room:
            asked = self._small.popleft()
            if not asked.answer.done():
                batch.append(asked)
                room -= len(asked.pieces)
        return batch

    def _next_large(self) -> list[Asked[Piece, Answer]]:
        while self._large:
            asked = self._large.popleft()
            if not asked.answer.done():
                return [asked]
        return []

    async def _send_together(self, batch: list[Asked[Piece, Answer]]) -> None:
        if not batch:
            return
        try:
            answers = iter(await self._send([piece for asked in batch for piece in asked.pieces]))
        except Exception as error:  # noqa: BLE001 - it is the callers'
            for asked in batch:
                if not asked.answer.done():
                    asked.answer.set_exception(error)
        except BaseException:
            for asked in batch:
                asked.answer.cancel()
            raise
        else:
            for asked in batch:
                own = [next(answers) for _ in asked.pieces]
                if not asked.answer.done():
                    asked.answer.set_result(own)
        await asyncio.sleep(0)  # those who were answered may have more to ask
