"""Work that goes on beside other work."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do *work* meanwhile and cancel it at the end; if it fails, so does what is done meanwhile."""
    doing = asyncio.current_task()
    task = asyncio.create_task(work)

    def end(_: "asyncio.Task[None]") -> None:
        if doing is not None and not task.cancelled() and task.exception():
            doing.cancel()

    task.add_done_callback(end)
    try:
        yield
    finally:
        task.remove_done_callback(end)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
