"""Keeps what the demonstration's pages show: the newest of each thing, and the end of the log."""

import asyncio
from collections import deque
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from boostmon.events.following import LogEntry

KEPT = 200  # entries of the log


class Note(Struct, frozen=True):
    """One thing as it stands; *frame* is the server-sent event that tells it."""

    number: int
    frame: bytes
    is_gone: bool


class Board:
    """Holds what every page must know, once for all of them.

    Each change has a number. A page that says up to which number it knows gets what is newer, and
    never more than one frame a thing: a slow page misses the steps between, and costs nothing.
    """

    def __init__(self) -> None:
        self.entries: deque[LogEntry] = deque(maxlen=KEPT)
        self.number = 0
        self.is_closed = False
        self.was_read = False  # whether a page ever asked: then somebody may play along
        self._notes: dict[tuple[str, ...], Note] = {}  # the newest change last
        self._changed = asyncio.Event()

    @property
    def head(self) -> int:
        """The position of the newest event."""
        return self.entries[-1].position if self.entries else 0

    def post(self, name: str, *key: str, body: object, is_gone: bool = False) -> None:
        """Note that *body* is now what stands under *name* and *key*; nothing if it did before."""
        shown = frame(name, body)
        before = self._notes.pop((name, *key), None)
        if before is not None and before.frame == shown:
            shown_since = before.number
        else:
            shown_since = self._next()
        self._notes[name, *key] = Note(shown_since, shown, is_gone)

    def extend(self, entries: Iterable[LogEntry]) -> None:
        """Take in the newest events."""
        self.entries.extend(entries)
        self._next()

    def since(self, number: int) -> list[bytes]:
        """Return the frames of what has changed after *number*; to a new page, what is there."""
        notes = [note for note in self._notes.values() if note.number > number]
        notes.sort(key=lambda note: note.number)
        return [note.frame for note in notes if number or not note.is_gone]

    async def changed(self, number: int) -> None:
        """Wait until something is newer than *number*, or all is over."""
        while self.number <= number and not self.is_closed:
            await self._changed.wait()

    def close(self) -> None:
        """Tell the pages that there is no more to come."""
        self.is_closed = True
        self._changed.set()

    def _next(self) -> int:
        self.number += 1
        self._changed.set()
        self._changed = asyncio.Event()
        return self.number


def frame(name: str, body: object, *, position: int | None = None) -> bytes:
    """Return a server-sent event; *position* is its id."""
    number = b"" if position is None else b"id: %d\n" % position
    return b"%sevent: %s\ndata: %s\n\n" % (number, name.encode(), msgspec.json.encode(body))
