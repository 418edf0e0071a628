"""Lets a command wait for news of its own effects."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

MOST_PUT_OFF = 1_000  # the newest of them; a reply waits for seconds only


class EffectSignal:
    """Wakes those who wait for the effects of an event; a hint, so they read for themselves."""

    def __init__(self, delay: Callable[[str], float]) -> None:
        """Take *delay*, which tells what the limits ask of role changes in a server."""
        self.delay = delay
        self._waiting: dict[int, set[asyncio.Event]] = {}
        self._put_off: deque[str] = deque(maxlen=MOST_PUT_OFF)

    def is_put_off(self, position: int) -> bool:
        """Tell whether the process that speaks to Discord said that the limits ask for patience."""
        return str(position) in self._put_off

    async def changed(self, position: int, timeout: float) -> None:  # noqa: ASYNC109 - news or not, it returns
        """Return when an effect of the event at *position* has changed, or after *timeout* s."""
        event = asyncio.Event()
        self._waiting.setdefault(position, set()).add(event)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await event.wait()
        finally:
            self._waiting[position].discard(event)
            if not self._waiting[position]:
                del self._waiting[position]

    def tell(self, position: str) -> None:
        """Wake those who wait for the event at *position*; "": everybody, news may be missed.

        "POSITION later": the limits put its effects off.
        """
        position, _, later = position.partition(" ")
        if later:
            self._put_off.append(position)
        for waited_for, events in self._waiting.items():
            if position in ("", str(waited_for)):
                for event in events:
                    event.set()
