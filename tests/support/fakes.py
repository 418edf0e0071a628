"""Fakes that tests of looks and of the reconciler share, and how their loops have a turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from boostmon import machine


class Relay:
    """What the relay tells of itself."""

    def __init__(self) -> None:
        self.leads, self.is_idle, self.terms = True, True, 1

    def lose(self) -> None:
        """Speak to Discord no longer."""
        self.leads = False

    def win(self) -> None:
        """Speak to Discord again."""
        self.leads = True
        self.terms += 1


class Machine:
    """This machine's clock, moved by the test."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(machine, "monotonic", lambda: self.now)


@asynccontextmanager
async def at_work(loop: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have *loop* run meanwhile."""
    task = asyncio.create_task(loop)
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def turns(until: Callable[[], object], most: int = 5000) -> None:
    """Let everybody have their turn until something is so."""
    for _ in range(most):
        if until():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be")
