"""What people asked for, and what they were told of it."""

from collections import Counter
from typing import Any

from msgspec import Struct, field

from boostmon.commands.handler import Handled


class Word(Struct):
    """What became of one command: its caller was told that it counted, or that it was refused."""

    order: Any
    handled: list[Handled] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # what Discord has shown the caller
    served_at: list[float] = field(default_factory=list)


class Book:
    """Keeps the word that was given for each command, and everything that broke on the way."""

    def __init__(self) -> None:
        self.words: dict[str, Word] = {}
        self.crashes: list[str] = []
        self.counts: Counter[str] = Counter()

    @property
    def acknowledged(self) -> int:
        """How many commands their callers know to have counted."""
        return sum(bool(word.handled) for word in self.words.values())
