"""The document that the log keeps of an event."""

import msgspec

from boostmon.errors import UnknownEventError
from boostmon.events.timer import TimerEvent

_decoder: msgspec.json.Decoder[TimerEvent] = msgspec.json.Decoder(TimerEvent)
_encoder = msgspec.json.Encoder()


def encode(event: TimerEvent) -> str:
    """Return the document that the log keeps of *event*."""
    return _encoder.encode(event).decode()


def decode(document: str | bytes) -> TimerEvent:
    """Return the event in *document*, or raise `UnknownEventError`."""
    try:
        return _decoder.decode(document)
    except msgspec.ValidationError as error:
        raise UnknownEventError from error
