"""An event loop in virtual time: it never waits, and somebody else says when it has its turn."""

# ruff: noqa: SLF001 - what an event loop is made of is private

import asyncio
from asyncio import BaseEventLoop, events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heappop, heappush
from itertools import count
from typing import Any

from tests.simulation.clocks import Clocks

SHORTEST = 1e-6  # seconds; a loop that is told to wait for less would see time stand still
MOST_STEPS = 1_000_000

_serials = count()


class OrderedTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._serial = next(_serials)
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        """Return the number of the task."""
        return self._serial


class Call:
    """Something to be called, unless it is cancelled: as much as asyncio needs of a handle."""

    __slots__ = ("args", "callback", "context")

    def __init__(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context
    ) -> None:
        self.callback: Callable[..., Any] | None = callback
        self.args = args
        self.context = context

    def cancel(self) -> None:
        """Have it not called."""
        self.callback = None


class VirtualLoop(BaseEventLoop):
    """The loop of one simulated process."""

    _ready: deque[Any]
    _scheduled: list[Any]  # when, a number, and the handle: compared without a look at the last

    def __init__(self, clocks: Clocks) -> None:
        super().__init__()
        self._clocks = clocks
        self.time = clocks.monotonic  # type: ignore[method-assign] # it is called all the time
        self.left: set[asyncio.Task[Any]] = set()
        self.set_task_factory(_new_task)  # type: ignore[arg-type] # of its own class
        self.get_debug = bool  # type: ignore[method-assign] # asked for each future: never
        self.ready = self._ready

    def call_at(  # type: ignore[override] # asyncio ties the arguments to the callback
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Call:
        """Have *callback* called, never in this very moment."""
        soonest = self.time() + SHORTEST
        call = Call(callback, args, context or copy_context())
        heappush(self._scheduled, (max(when, soonest), next(_serials), call))
        return call

    def call_later(  # type: ignore[override] # the same
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Call:
        """Have *callback* called in *delay* seconds, or a little later."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_soon(  # type: ignore[override] # the same
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Call:
        """Have *callback* called in the next turn."""
        call = Call(callback, args, context or copy_context())
        self.ready.append(call)
        return call

    def next_at(self) -> float:
        """Tell when the next timer is due, in the time of the `Timeline`."""
        scheduled = self._scheduled
        while scheduled and scheduled[0][2].callback is None:
            heappop(scheduled)
        return scheduled[0][0] + self._clocks.suspended if scheduled else float("inf")

    def ring(self, now: float) -> None:
        """Make ready what was to be done by *now*."""
        suspended, scheduled = self._clocks.suspended, self._scheduled
        while scheduled and scheduled[0][0] + suspended <= now:  # the sum that `next_at` is
            self.ready.append(heappop(scheduled)[2])

    def step(self) -> None:
        """Do all that is ready, and what becomes ready by that."""
        events._set_running_loop(self)
        ready, steps = self.ready, 0
        try:
            while ready:
                call = ready.popleft()
                if call.callback is not None:
                    try:
                        call.context.run(call.callback, *call.args)
                    except Exception as error:  # noqa: BLE001 - asyncio's own way
                        self.call_exception_handler({"message": repr(error), "exception": error})
                steps += 1
                if steps > MOST_STEPS:
                    raise RuntimeError("a process never comes to rest")
        finally:
            events._set_running_loop(None)

    def abandon(self) -> None:
        """Keep what is left of a killed process: what is collected would clean up behind itself."""
        self.left = asyncio.all_tasks(self)

    def _write_to_self(self) -> None:
        """Wake nobody: there is no other thread."""


def _new_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any],
    context: Context | None = None,
) -> asyncio.Task[Any]:
    return OrderedTask(coroutine, loop=loop, context=context)
