"""A promise that was broken."""

from msgspec import Struct


class Violation(Struct, frozen=True):
    """A broken promise: something *lost*, something done *twice*, or else *wrong*."""

    kind: str
    text: str
