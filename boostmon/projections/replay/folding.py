"""The fold of the whole log: the version and the timer of every stream."""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.errors import UnknownEventError, UnreadableEventError
from boostmon.events.chain import Chain, Faults, Head, LoggedEvent
from boostmon.events.document import decode, is_end
from boostmon.events.log import read_log, read_seal
from boostmon.events.timer import INITIAL, Timer, evolve
from boostmon.projections.sql import statement

Follow = Callable[[LoggedEvent], bool]
Progress = Callable[[str, int, int], None]  # what is being done, how many are done, of how many


class Stream(Struct):
    """What the log has made of a timer so far; *version* 0: it has no events."""

    version: int = 0
    timer: Timer = INITIAL


class Unreadable(Struct, frozen=True):
    """Why nobody knows how a timer stands: its last event that cannot be read, and the *cause*.

    *altered*: it is not the event that was recorded there.
    """

    position: int
    cause: UnknownEventError
    altered: bool

    @property
    def why(self) -> str:
        """Say it, and what to do, of an event that is as it was recorded."""
        if isinstance(self.cause, UnreadableEventError):
            return (
                f"makes no sense ({self.cause.__cause__}), though it is as it was recorded; "
                "`/cleartime` ends the timer, and `/settime` sets it anew"
            )
        return "is of a kind that only a newer version of BoostMon knows; update this one"


NO_STREAM = Stream()
STEP = 5_000  # events from one word on the progress to the next


class Fold:
    """Adds up events, oldest first; notes in *faults* when the versions of a stream have a gap."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.streams: dict[int, Stream] = {}
        self.unreadable: dict[int, Unreadable] = {}
        self.events = 0

    def take(self, events: Iterable[LoggedEvent], follow: Follow = lambda _: True) -> None:
        """Take in the next *events*; *follow* tells of each whether it is the one recorded.

        What cannot be read spoils its own stream alone, until that ends.
        """
        streams = self.streams
        for event in events:
            is_recorded = follow(event)
            stream = streams.get(event.stream)
            if stream is None:
                stream = streams[event.stream] = Stream()
            if event.version != stream.version + 1:
                self._note_gap(event, stream)
            stream.version = event.version
            try:
                happened = decode(event.data)
            except UnknownEventError as error:
                spoilt = Unreadable(event.position, error, altered=not is_recorded)
                self.unreadable[event.stream] = spoilt
            else:
                stream.timer = evolve(stream.timer, happened)
                if self.unreadable and is_end(happened):
                    self.unreadable.pop(event.stream, None)
            self.events += 1

    def _note_gap(self, event: LoggedEvent, stream: Stream) -> None:
        self._faults.note(
            f"position {event.position}: version {event.version} of stream {event.stream} "
            f"follows {stream.version}"
        )


class Folded(Struct, frozen=True, kw_only=True):
    """The log, added up; *broken* says what is wrong with it, *is_misread* as `Chain` has it.

    Of *unreadable* streams is said why; how their timers stand nobody knows.
    """

    streams: dict[int, Stream]
    unreadable: dict[int, Unreadable]
    events: int
    head: Head
    broken: list[str]
    is_misread: bool = False


async def fold_log(
    connection: Connection, *, until: int, noted: Head | None = None, progress: Progress
) -> Folded:
    """Verify and fold the log up to position *until*; *noted* is a head that it must contain."""
    faults, told = Faults(), 0
    chain, fold = Chain(faults, await read_seal(connection), noted), Fold(faults)

    def take(events: Iterator[LoggedEvent]) -> None:
        nonlocal told
        fold.take(events, chain.follow)
        if fold.events >= told + STEP:
            told = fold.events
            progress("folding events", told, until)

    with uncollected():
        await read_log(connection, until=until, take=take)
    progress("folding events", fold.events, until)
    chain.end()
    return Folded(
        streams=fold.streams,
        unreadable=fold.unreadable,
        events=fold.events,
        head=chain.head,
        broken=faults.told(),
        is_misread=chain.is_misread,
    )


async def told(connection: Connection, folded: Folded) -> list[str]:
    """Name the timers that cannot be read, and what to do, as far as the chain bears them out."""
    spoilt = {number: one for number, one in folded.unreadable.items() if not one.altered}
    rows = await connection.fetch(statement("names_of_streams"), list(spoilt))
    return [_told(row, spoilt[row["stream_id"]]) for row in rows]


def _told(names: Record, spoilt: Unreadable) -> str:
    return (
        f"position {spoilt.position}: an event of the member {names['user_id']} (role "
        f"{names['role_id']}, server {names['guild_id']}) {spoilt.why}"
    )


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: among so many states that takes long, and there is none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
