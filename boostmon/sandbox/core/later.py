"""Does things some seconds from now; a new world forgets them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class Later:
    """What waits for its time."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._handles: set[asyncio.TimerHandle] = set()

    def start(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Let *work* go on by itself, whoever waits for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Act in some *seconds*; at once when they are none."""
        if seconds <= 0:
            act()
            return

        def due() -> None:
            self._handles.discard(handle)
            act()

        handle = asyncio.get_running_loop().call_later(seconds, due)
        self._handles.add(handle)

    def __len__(self) -> int:
        return len(self._tasks) + len(self._handles)

    def forget(self) -> None:
        """Let nothing of it happen any more."""
        for task in self._tasks:
            task.cancel()
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
