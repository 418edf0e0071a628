"""The document that the log keeps of an event."""

from typing import get_args

import msgspec

from boostmon.errors import UnknownEventError
from boostmon.events.timer import TimerEvent

TYPES = frozenset(kind.__name__ for kind in get_args(TimerEvent))


class _Typed(msgspec.Struct):
    type: str


_typed_decoder = msgspec.json.Decoder(_Typed)
_decoder: msgspec.json.Decoder[TimerEvent] = msgspec.json.Decoder(TimerEvent)
_encoder = msgspec.json.Encoder()


def encode(event: TimerEvent) -> str:
    """Return the document that the log keeps of *event*."""
    return _encoder.encode(event).decode()


def is_of_known_type(document: str | bytes) -> bool:
    """Tell whether *document* says that it is an event of a type that there is."""
    try:
        return _typed_decoder.decode(document).type in TYPES
    except (msgspec.ValidationError, msgspec.DecodeError):
        return False


def decode(document: str | bytes) -> TimerEvent:
    """Return the event in *document*, or raise `UnknownEventError`."""
    try:
        return _decoder.decode(document)
    except msgspec.ValidationError as error:
        raise UnknownEventError from error
