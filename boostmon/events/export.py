"""The export: the log as lines of JSON, with all that another log needs to be the same."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import msgspec
from asyncpg import Connection
from msgspec import Meta, Struct

from boostmon.errors import ExportRefusedError
from boostmon.events.chain import event_hash, hashed_texts, microseconds
from boostmon.events.sql import statement
from boostmon.events.store import Source

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

    def hash_behind(self, previous: bytes) -> bytes:
        """Return the hash that this event must have behind the hash *previous*."""
        recorded = microseconds(self.recorded_at)
        numbers = (self.position, self.stream, self.version, self.ordinal, recorded)
        actor = None if self.actor is None else str(self.actor)
        texts = hashed_texts((self.document, actor, self.source, self.command_id))
        return event_hash(previous, numbers, texts)


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
    and what *write* raises; *connection* is given up then.
    """
    writer = _Writer(connection, write)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _copy(connection, writer, after=after, progress=progress)
    except Exception:
        if writer.error is None:
            raise
        raise writer.error from writer.error.__cause__


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
    return Exported(writer.lines, f"{position}:{last.hex()}")


class _Writer:
    """Counts lines, and hangs up when they cannot be written.

    asyncpg waits for ever when its sink raises at the last piece, so the error is kept instead.
    """

    def __init__(self, connection: Connection, write: Write) -> None:
        self.lines = 0
        self.error: Exception | None = None
        self._connection = connection
        self._write = write

    def take(self, piece: bytes) -> None:
        if self.error is not None:
            return
        try:
            self._write(piece)
        except Exception as error:  # noqa: BLE001 - it is raised again
            self.error = error
            self._connection.terminate()
        self.lines += piece.count(b"\n")
