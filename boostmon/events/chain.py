"""The hash chain: what makes an edited, reordered or missing event show."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct as Layout

from msgspec import Struct

_NUMBERS = Layout(">qiihq")
_LENGTH = Layout(">i")
_NULL = _LENGTH.pack(-1)
MOST_FAULTS = 1_000
# What 0.1.0 took for nothing before the first event where standard_conforming_strings was off.
MISREAD_START = b"x"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # what timestamptz_send counts from
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = Layout(">i")
_HEAD = re.compile(r"(?P<position>0|[1-9][0-9]{0,17}):(?P<hash>[0-9a-f]*)", re.ASCII)


class LoggedEvent(Struct, frozen=True):
    """An event as the log holds it; *recorded_at* is in microseconds since 2000.

    *texts* are data, actor, source and command id, each behind its length, as the hash covers them.
    *name* is the `stream_name` of a stream's first event; None for others, and without a stream.
    """

    position: int
    stream: int
    version: int
    ordinal: int
    recorded_at: int
    data: bytes
    texts: bytes
    hash: bytes
    name: bytes | None = None


class Seal(Struct, frozen=True):
    """After *position* the hash of a stream's first event covers whose timer it is, and *digest*.

    That is of all streams that had begun by then, so they cannot be changed unnoticed either.
    """

    position: int = 0
    digest: bytes = sha256().digest()

    def covers(self, version: int, position: int) -> bool:
        """Tell whether the hash of that event covers a name."""
        return version == 1 and position > self.position


class Sealing:
    """Adds up the streams that are sealed, in the order of their first events."""

    def __init__(self) -> None:
        self._digest = sha256()

    @property
    def digest(self) -> bytes:
        """The digest of a seal behind those taken so far."""
        return self._digest.digest()

    def take(self, stream: int, name: bytes) -> None:
        """Take in the next one."""
        self._digest.update(_NUMBER.pack(stream) + name)


class Head(Struct, frozen=True):
    """The newest event of a log at some time: it stands for the whole log up to there."""

    position: int = 0
    hash: bytes = b""

    def __str__(self) -> str:
        """Write it as `parse_head` reads it."""
        return f"{self.position}:{self.hash.hex()}"


def parse_head(text: str) -> Head:
    """Read `POSITION:HASH`, or raise ValueError."""
    found = _HEAD.fullmatch(text.strip().lower())
    if found is None or len(found["hash"]) != (64 if found["position"] != "0" else 0):
        raise ValueError(text)
    return Head(int(found["position"]), bytes.fromhex(found["hash"]))


def stream_name(person: int, role_id: str) -> bytes:
    """Return whose timer a stream is, as the hash covers it."""
    return _NUMBER.pack(person) + _part(role_id)


def event_hash(
    previous: bytes, numbers: tuple[int, ...], texts: bytes, named: bytes = b""
) -> bytes:
    """Return the hash that an event must have behind *previous*, as the SQL function does.

    *numbers* are position, stream, version, ordinal and `microseconds` of its recording; *texts*
    is what `hashed_texts` makes of its data, actor, source and command id. *named* is the digest of
    the seal and the `stream_name`, for a stream's first event behind the seal.
    """
    return sha256(previous + _NUMBERS.pack(*numbers) + texts + named).digest()


def hashed_texts(texts: Iterable[str | None]) -> bytes:
    """Return *texts* as the hash covers them, which is also how COPY (FORMAT binary) sends them."""
    return b"".join(map(_part, texts))


def microseconds(recorded: datetime) -> int:
    """Return a moment as the hash covers it."""
    return (recorded - _EPOCH) // _MICROSECOND


def _part(text: str | None) -> bytes:
    if text is None:
        return _NULL
    encoded = text.encode()
    return _LENGTH.pack(len(encoded)) + encoded


class Faults:
    """What is wrong with a log, in sentences; of very many the first."""

    def __init__(self) -> None:
        self._sentences: list[str] = []
        self._count = 0

    def note(self, sentence: str) -> None:
        """Add one."""
        self._count += 1
        if self._count <= MOST_FAULTS:
            self._sentences.append(sentence)

    def told(self) -> list[str]:
        """Return them; the last one counts those that were left out."""
        more = self._count - len(self._sentences)
        return [*self._sentences, *([f"and {more} more"] if more else [])]


class Chain:
    """Follows the log in the order of its positions and notes in *faults* what does not fit.

    *noted* is a head from earlier, which the log must still contain. *seal* is the log's. It
    *is_misread* when its first event was hashed behind `MISREAD_START`.
    """

    def __init__(self, faults: Faults, seal: Seal, noted: Head | None = None) -> None:
        self._faults = faults
        self._seal = seal
        self._sealing = Sealing()
        self._noted = noted or Head()
        self._position = 0
        self._hash = b""
        self.is_misread = False

    @property
    def head(self) -> Head:
        """The newest event so far."""
        return Head(self._position, self._hash)

    def follow(self, event: LoggedEvent) -> bool:
        """Take in the next event; tell whether it is the one that was recorded there."""
        position, before, previous = event.position, self._position, self._hash
        self._position, self._hash = position, event.hash
        if position != before + 1:
            self._faults.note(f"position {position} follows {before}: events are missing")
            return False
        numbers = (position, event.stream, event.version, event.ordinal, event.recorded_at)
        named = self._named(event) if event.version == 1 else b""
        if event.hash == event_hash(MISREAD_START, numbers, event.texts, named) and not before:
            self.is_misread = True
        elif event.hash != event_hash(previous, numbers, event.texts, named):
            self._faults.note(f"position {position}: the event is not the one that was recorded")
            return False
        if position == self._noted.position and event.hash != self._noted.hash:
            self._faults.note(f"position {position}: the event is not the one of the head noted")
            return False
        return True

    def _named(self, first: LoggedEvent) -> bytes:
        if self._seal.covers(first.version, first.position):
            return self._seal.digest + (first.name or b"")
        self._sealing.take(first.stream, first.name or b"")
        return b""

    def end(self) -> None:
        """Judge where the log ends, and the streams that are sealed."""
        sealed = self._seal.position
        if self._position >= sealed and self._sealing.digest != self._seal.digest:
            self._faults.note(
                f"the timers that had begun by position {sealed} are not those that were sealed: "
                "the role or the person of one was changed, or the seal was"
            )
        if self._position < self._noted.position:
            self._faults.note(
                f"the log ends at position {self._position} and once reached "
                f"{self._noted.position}: its newest events are missing"
            )
