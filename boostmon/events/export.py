"""The export: the log as lines of JSON, with all that another log needs to be the same."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import msgspec
from asyncpg import Connection
from msgspec import Meta, Struct

from boostmon.errors import ExportRefusedError
from boostmon.events.append import Source
from boostmon.events.chain import (
    MISREAD_START,
    Seal,
    Sealing,
    event_hash,
    hashed_texts,
    microseconds,
    stream_name,
)
from boostmon.events.log import read_seal
from boostmon.events.nesting import refuse_deep
from boostmon.events.sql import statement

Write = Callable[[bytes], object]
Progress = Callable[[int, int], None]
Number = Annotated[int, Meta(ge=1, lt=1 << 31)]

# No character of JSON stands for quoting here, so COPY leaves every line as it is.
AS_IT_IS = {"format": "csv", "quote": "\x01", "delimiter": "\x02"}


class ExportedEvent(Struct, frozen=True, kw_only=True):
    """One line of an export; *person*, *actor* and *stream* are the numbers that the hash covers.

    *data* is the exact text of the event, *hash* is in hexadecimal.
    """

    position: Annotated[int, Meta(ge=1)]
    hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    recorded_at: Annotated[datetime, Meta(tz=True)]
    stream: Number
    version: Number
    guild_id: str
    person: Number
    user_id: str
    role_id: str
    source: Source
    actor: Number | None
    actor_id: str | None
    command_id: str
    ordinal: Annotated[int, Meta(ge=0, lt=1 << 15)]
    data: msgspec.Raw

    @property
    def document(self) -> str:
        """The text of the event as it stands in the log."""
        text = bytes(self.data)
        return msgspec.json.decode(text, type=str) if text.startswith(b'"') else text.decode()

    @property
    def name(self) -> bytes:
        """Whose timer it is, as the hash of a stream's first event covers it."""
        return stream_name(self.person, self.role_id)

    def hash_behind(self, previous: bytes, seal: Seal | None) -> bytes:
        """Return the hash that this event must have behind the hash *previous* in a log of *seal*.

        Without one it has that of an event before any seal.
        """
        recorded = microseconds(self.recorded_at)
        numbers = (self.position, self.stream, self.version, self.ordinal, recorded)
        actor = None if self.actor is None else str(self.actor)
        texts = hashed_texts((self.document, actor, self.source, self.command_id))
        is_named = seal is not None and seal.covers(self.version, self.position)
        named = seal.digest + self.name if seal and is_named else b""
        return event_hash(previous, numbers, texts, named)


def read_line(line: bytes) -> ExportedEvent:
    """Read one line of an export; raise what msgspec raises, and `RecursionError` if it is deep."""
    refuse_deep(line.decode("latin-1"))
    event = _decoder.decode(line)
    refuse_deep(event.document)
    return event


_decoder = msgspec.json.Decoder(ExportedEvent)


class Exported(Struct, frozen=True):
    """How many *events* were written, and the *head* of the log: `position:hash`."""

    events: int
    head: str


async def export_log(
    connection: Connection, write: Write, *, after: int = 0, progress: Progress | None = None
) -> Exported:
    """Give *write* every event later than the position *after*, in pieces, as lines of JSON.

    The log is read in one snapshot and never held in memory. *progress* is told how many events
    were written, and of how many. Raise `ExportRefusedError` when the log is shorter than *after*,
    or an event is not the one that was recorded or missing, and what *write* raises; *connection*
    is given up then.
    """
    writer: _Writer | None = None
    exported: Exported | None = None
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            chain = await _chain_behind(connection, after)
            writer = _Writer(connection, write, chain)
            exported = await _copy(connection, writer, after=after, progress=progress)
    except Exception:
        if exported is not None:  # it is whole; lost was no more than the end of the reading
            return exported
        if writer is None or writer.error is None:
            raise
        raise writer.error from writer.error.__cause__
    return exported


async def _copy(
    connection: Connection, writer: "_Writer", *, after: int, progress: Progress | None
) -> Exported:
    head = await connection.fetchrow(statement("head_of_log"))
    position, last = (0, b"") if head is None else (head["position"], head["hash"])
    if after > position:
        raise ExportRefusedError(
            f"The log ends at position {position}, so nothing comes after {after}; is this "
            "the database of the earlier export?"
        )

    async def take(piece: bytes) -> None:
        writer.take(piece)
        if progress:
            progress(writer.lines, position - after)

    await connection.copy_from_query(statement("export_log"), after, output=take, **AS_IT_IS)
    if writer.error is not None:
        raise writer.error
    writer.chain.end(position, last)
    return Exported(writer.lines, f"{position}:{last.hex()}")


async def _chain_behind(connection: Connection, after: int) -> "_Chain":
    seal = await read_seal(connection)
    if after == 0:
        return _Chain(0, b"", seal)
    previous = await connection.fetchval(statement("hash_at"), after)
    head = await connection.fetchrow(statement("head_of_log"))
    if previous is None and head is not None and after < head["position"]:
        raise _broken(after, "the event is missing")
    return _Chain(after, previous or b"", seal)


def _broken(position: int, why: str) -> ExportRefusedError:
    return ExportRefusedError(
        f"The log is broken at position {position} ({why}), so it was not exported whole; "
        "`boostmon replay --check` says more."
    )


class _Chain:
    """Follows the lines from *position* on, and refuses the first that does not fit."""

    def __init__(self, position: int, previous: bytes, seal: Seal) -> None:
        self._position = position
        self._hash = previous
        self._seal = seal
        self._sealing = Sealing() if position == 0 else None  # of all streams, or none
        self._rest = b""

    def follow(self, piece: bytes) -> None:
        """Take in the lines that *piece* completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._follow(line)

    def _follow(self, line: bytes) -> None:
        position = self._position + 1
        try:
            event = read_line(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _broken(position, "the event cannot be read") from error
        if event.position != position:
            raise _broken(position, f"position {event.position} follows {self._position}")
        self._position, self._hash = position, event.hash_behind(self._hash, self._seal)
        if position == 1 and self._hash.hex() != event.hash:
            self._hash = event.hash_behind(MISREAD_START, self._seal)
        if self._hash.hex() != event.hash:
            raise _broken(position, "the event is not the one that was recorded")
        if self._sealing and event.version == 1 and position <= self._seal.position:
            self._sealing.take(event.stream, event.name)

    def end(self, position: int, digest: bytes) -> None:
        """Refuse a log whose newest event, at *position* with the hash *digest*, did not come."""
        if (self._position, self._hash) != (position, digest):
            raise _broken(self._position + 1, "the event has no timer or no person")
        if self._sealing and self._sealing.digest != self._seal.digest:
            raise _broken(self._seal.position, "the timers until then are not those sealed")


class _Writer:
    """Counts lines, and hangs up when they cannot be written or do not follow each other.

    asyncpg waits for ever when its sink raises at the last piece, so the error is kept instead.
    """

    def __init__(self, connection: Connection, write: Write, chain: "_Chain") -> None:
        self.lines = 0
        self.error: Exception | None = None
        self._connection = connection
        self._write = write
        self.chain = chain

    def take(self, piece: bytes) -> None:
        if self.error is not None:
            return
        try:
            self.chain.follow(piece)
            self._write(piece)
        except Exception as error:  # noqa: BLE001 - it is raised again
            self.error = error
            self._connection.terminate()
        self.lines += piece.count(b"\n")
