"""The hash chain: what makes an edited, reordered or missing event show."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct as Layout

from asyncpg import Record

_HEAD = Layout(">qiihq")
_LENGTH = Layout(">i")
_NOTHING = _LENGTH.pack(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # what timestamptz_send counts from
_MICROSECOND = timedelta(microseconds=1)


def event_hash(previous: bytes, row: Record) -> bytes:
    """Return the hash that *row* of `events` must have behind *previous*.

    The same bytes as the SQL function `event_hash` covers.
    """
    recorded = (row["recorded_at"] - _EPOCH) // _MICROSECOND
    numbers = (row["position"], row["stream_id"], row["version"], row["ordinal"], recorded)
    actor = None if row["actor"] is None else str(row["actor"])
    texts = (row["data"], actor, row["source"], row["command_id"])
    return sha256(b"".join((previous, _HEAD.pack(*numbers), *map(_part, texts)))).digest()


def _part(text: str | None) -> bytes:
    if text is None:
        return _NOTHING
    encoded = text.encode()
    return _LENGTH.pack(len(encoded)) + encoded


class Chain:
    """Follows the log in the order of its positions and names what does not fit."""

    def __init__(self) -> None:
        self.position = 0
        self.hash = b""
        self._versions: dict[int, int] = {}

    @property
    def head(self) -> str:
        """The newest event as `position:hash`; worth noting outside of the database."""
        return f"{self.position}:{self.hash.hex()}"

    def follow(self, row: Record) -> Iterator[str]:
        """Take in the next *row* of `events` and yield a sentence for each thing wrong with it."""
        position, stream, version = row["position"], row["stream_id"], row["version"]
        if position != self.position + 1:
            yield f"position {position} follows {self.position}: events are missing"
        if version != self._versions.get(stream, 0) + 1:
            yield f"position {position}: version {version} of stream {stream} is out of order"
        if row["hash"] != event_hash(self.hash, row):
            yield f"position {position}: the event is not the one that was recorded"
        self.position, self.hash = position, row["hash"]
        self._versions[stream] = version
