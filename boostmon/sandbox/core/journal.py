"""The requests received, newest last, bounded."""

import time
from collections import deque
from itertools import count
from typing import Any

KEPT = 5000


class Journal:
    """What clients asked for and what they were answered."""

    def __init__(self, kept: int = KEPT) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=kept)
        self._numbers = count(1)
        self.total = 0

    def open(self, **entry: Any) -> dict[str, Any]:
        """Note a request as it arrives; the caller fills in its `status`."""
        self.total += 1
        noted = {"n": next(self._numbers), "at_ms": int(time.time() * 1000), **entry}
        self._entries.append(noted)
        return noted

    def after(self, number: int = 0) -> list[dict[str, Any]]:
        """Return the entries after *number*."""
        return [entry for entry in self._entries if entry["n"] > number]

    def unknown(self) -> list[dict[str, Any]]:
        """Return the requests for routes that are not offered."""
        return [entry for entry in self._entries if entry.get("unknown")]

    def crashes(self) -> list[dict[str, Any]]:
        """Return the requests at which the sandbox itself failed."""
        return [entry for entry in self._entries if "crash" in entry]
