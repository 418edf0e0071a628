"""The document that the log keeps of an event."""

from typing import get_args

import msgspec

from boostmon.errors import UnknownEventError, UnreadableEventError
from boostmon.events.timer import INITIAL, Cleared, Expired, Timer, TimerEvent, evolve

TYPES = frozenset(kind.__name__ for kind in get_args(TimerEvent))


class _Typed(msgspec.Struct):
    type: str


_typed_decoder = msgspec.json.Decoder(_Typed)
_decoder: msgspec.json.Decoder[TimerEvent] = msgspec.json.Decoder(TimerEvent)
_encoder = msgspec.json.Encoder()


def encode(event: TimerEvent) -> str:
    """Return the document that the log keeps of *event*."""
    return _encoder.encode(event).decode()


def _is_newer(document: str | bytes) -> bool:
    """Tell whether *document* says that it is an event of a type that there is not."""
    try:
        return _typed_decoder.decode(document).type not in TYPES
    except msgspec.DecodeError:
        return False


def decode(document: str | bytes) -> TimerEvent:
    """Return the event in *document*, or raise `UnknownEventError` for one of a newer version.

    Raise `UnreadableEventError`, which is one of these, for what makes no sense.
    """
    try:
        return _decoder.decode(document)
    except msgspec.DecodeError as error:
        raise (UnknownEventError if _is_newer(document) else UnreadableEventError) from error


class Reading:
    """Adds up the documents of one stream, oldest first, past those that cannot be read.

    After one of these nobody knows how the *timer* stands, and *error* says why, until it ends.
    """

    def __init__(self) -> None:
        self.timer: Timer = INITIAL
        self.error: UnknownEventError | None = None

    def take(self, document: str | bytes) -> TimerEvent | UnknownEventError:
        """Take in the next one; return it, or why it cannot be read."""
        try:
            event = decode(document)
        except UnknownEventError as error:
            self.error = error
            return error
        self.timer = evolve(self.timer, event)
        if is_end(event):
            self.error = None
        return event


def is_end(event: TimerEvent) -> bool:
    """Tell whether *event* leaves no timer, whatever there was before."""
    return isinstance(event, Cleared | Expired)
