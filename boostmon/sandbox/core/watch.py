"""Those who look on: each change is told to them once, and who falls behind begins anew."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

MOST_WAITING = 2000


class Looker:
    """One who looks on; what they have not taken yet waits here, up to a bound."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._waiting: list[bytes] = []
        self._needs_all = True
        self._news = asyncio.Event()
        self._news.set()

    def tell(self, change: bytes) -> None:
        """Let a change wait; too many of them give way to the whole picture."""
        if self._needs_all:
            return
        if len(self._waiting) >= self._most:
            self.begin_anew()
            return
        self._waiting.append(change)
        self._news.set()

    def begin_anew(self) -> None:
        """Show the whole picture next, instead of what waits."""
        self._waiting.clear()
        self._needs_all = True
        self._news.set()

    async def next(self, picture: Callable[[], Any]) -> bytes:
        """Wait for news; return a JSON list of changes, or of the whole picture alone."""
        await self._news.wait()
        self._news.clear()
        if self._needs_all:
            self._needs_all = False
            changes = [_encoded("PICTURE", picture())]
        else:
            changes, self._waiting = self._waiting, []
        return b"[" + b",".join(changes) + b"]"


class Watch:
    """Everybody who looks on."""

    def __init__(self) -> None:
        self._lookers: set[Looker] = set()

    def add(self, looker: Looker) -> None:
        """Let somebody look on."""
        self._lookers.add(looker)

    def remove(self, looker: Looker) -> None:
        """Let them go."""
        self._lookers.discard(looker)

    def tell(self, event: str, data: Callable[[], Any]) -> None:
        """Tell of a change; *data* is made only when somebody looks on."""
        if self._lookers:
            change = _encoded(event, data())
            for looker in self._lookers:
                looker.tell(change)

    def begin_anew(self) -> None:
        """Show everybody the whole picture: what changed is too much to tell."""
        for looker in self._lookers:
            looker.begin_anew()


def _encoded(event: str, data: Any) -> bytes:
    return msgspec.json.encode({"t": event, "d": data})
