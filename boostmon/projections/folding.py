"""The fold of the whole log: the version and the timer of every stream."""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import msgspec
from asyncpg import Connection
from msgspec import Struct

from boostmon.errors import UnknownEventError
from boostmon.events.chain import Chain, Faults, Head, LoggedEvent
from boostmon.events.document import decode, is_of_known_type
from boostmon.events.log import read_log, read_seal
from boostmon.events.timer import INITIAL, Timer, evolve

Follow = Callable[[LoggedEvent], bool]
Progress = Callable[[str, int, int], None]  # what is being done, how many are done, of how many


class Stream(Struct):
    """What the log has made of a timer so far; *version* 0: it has no events."""

    version: int = 0
    timer: Timer = INITIAL


NO_STREAM = Stream()
STEP = 5_000  # events from one word on the progress to the next


class Fold:
    """Adds up events, oldest first; notes in *faults* when the versions of a stream have a gap."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.streams: dict[int, Stream] = {}
        self.unreadable: set[int] = set()
        self.events = 0

    def take(self, events: Iterable[LoggedEvent], follow: Follow = lambda _: True) -> None:
        """Take in the next *events*; *follow* tells of each whether it is the one recorded.

        Raise `UnknownEventError` for one of a type that is not known. Of one that is not whole, or
        not the one that was recorded, the stream is left out instead.
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
                stream.timer = evolve(stream.timer, decode(event.data))
            except (UnknownEventError, msgspec.DecodeError) as error:
                if is_recorded and not is_of_known_type(event.data):
                    raise _unknown(event) from error
                if is_recorded:  # the bot's role may have written it past BoostMon
                    self._faults.note(f"position {event.position}: the event cannot be read")
                self.unreadable.add(event.stream)
            self.events += 1

    def _note_gap(self, event: LoggedEvent, stream: Stream) -> None:
        self._faults.note(
            f"position {event.position}: version {event.version} of stream {event.stream} "
            f"follows {stream.version}"
        )


def _unknown(event: LoggedEvent) -> UnknownEventError:
    return UnknownEventError(
        f"The event at position {event.position} is of a kind that only a newer version of "
        "BoostMon knows; update this one."
    )


class Folded(Struct, frozen=True, kw_only=True):
    """The log, added up; *broken* says what is wrong with it, *is_misread* as `Chain` has it.

    Of *unreadable* streams nothing can be said: an event was replaced by one that makes no sense.
    """

    streams: dict[int, Stream]
    unreadable: set[int]
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
