"""Reads the whole log as one stream, which a cursor of records would take twice as long for."""

from collections.abc import Callable, Iterator
from struct import Struct as Layout
from struct import error as TooShort  # noqa: N812 - what it means here

from asyncpg import Connection

from boostmon.events.chain import Head, LoggedEvent, Seal
from boostmon.events.sql import statement

# COPY (FORMAT binary) begins with a header. Then come rows: how many columns, and for each its
# length (-1: NULL) and its bytes; a text is its UTF-8, a number big-endian.
_HEADER = 19
_FIXED = Layout(">hiqiiiiihiqi")  # up to and with the length of `data`
_TEXTS_AT = _FIXED.size - 4
_LENGTH = Layout(">i")
_OTHER_TEXTS = ("actor", "source", "command_id")


async def read_head(connection: Connection) -> Head:
    """Return the newest event."""
    row = await connection.fetchrow(statement("head_of_log"))
    return Head(row["position"], row["hash"]) if row else Head()


async def read_seal(connection: Connection) -> Seal:
    """Return the seal of the log; without its row, one that fits no log."""
    row = await connection.fetchrow(statement("seal"))
    return Seal(row["position"], row["digest"]) if row else Seal(digest=b"")


async def read_log(
    connection: Connection, *, until: int, take: Callable[[Iterator[LoggedEvent]], None]
) -> None:
    """Give *take* the events up to position *until*, oldest first, in pieces of some dozens.

    What *take* raises is raised when all has been read.
    """
    parser = LogParser()
    failure: Exception | None = None

    async def feed(chunk: bytes) -> None:
        nonlocal failure
        if failure is None:
            try:
                take(parser.feed(chunk))
            except Exception as error:  # noqa: BLE001 - asyncpg waits for ever if it is raised here
                failure = error

    await connection.copy_from_query(statement("read_log"), until, output=feed, format="binary")
    if failure is not None:
        raise failure


class LogParser:
    """Takes apart what COPY (FORMAT binary) of `read_log.sql` sends, in whatever pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self._header_left = _HEADER

    def feed(self, chunk: bytes) -> Iterator[LoggedEvent]:
        """Yield the events that *chunk* completes; to be taken to the end."""
        skipped = min(self._header_left, len(chunk))
        self._header_left -= skipped
        buffer, at = self._rest + chunk[skipped:], 0
        whole, fixed_at, length_at = len(buffer), _FIXED.unpack_from, _LENGTH.unpack_from
        try:
            while True:
                _, _, position, _, stream, _, version, _, ordinal, _, recorded, size = fixed_at(
                    buffer, at
                )
                data = at + _FIXED.size
                texts_end = data + size
                for _ in _OTHER_TEXTS:
                    (length,) = length_at(buffer, texts_end)
                    texts_end += 4 if length < 0 else 4 + length
                (length,) = length_at(buffer, texts_end)
                hash_end = texts_end + 4 + length
                (length,) = length_at(buffer, hash_end)
                end = hash_end + 4 + max(length, 0)
                if end > whole:
                    break
                yield LoggedEvent(
                    position,
                    stream,
                    version,
                    ordinal,
                    recorded,
                    buffer[data : data + size],
                    buffer[at + _TEXTS_AT : texts_end],
                    buffer[texts_end + 4 : hash_end],
                    None if length < 0 else buffer[hash_end + 4 : end],
                )
                at = end
        except TooShort:
            pass
        self._rest = buffer[at:]
