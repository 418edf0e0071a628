"""Stops a command that goes on and on: politely, and within five seconds."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

# Seconds after the signal at which whatever is still waited for is given up; each ends one wait.
CUTS = (2.8, 3.0, 3.2, 3.4)
LAST = 3.8  # seconds after the signal

log = structlog.get_logger()


def run_until_stopped(work: Coroutine[Any, Any, None], *, more: float = 0.0) -> None:
    """Do *work*, and cancel it at the first SIGTERM, SIGINT or SIGHUP, so that it tidies up.

    *more*: for how many seconds more it may, when it has processes of its own to wait for.
    Further signals change nothing: a farewell that is cut off leaves processes behind. What has
    not tidied up after `LAST` seconds ends with the process: all that was recorded is safe.
    """
    asyncio.run(until_stopped(work, more=more, at_stop=lambda: _end_after(LAST + more)))
    for number in _heard():
        signal.signal(number, signal.SIG_IGN)


async def until_stopped(
    work: Coroutine[Any, Any, None], *, more: float, at_stop: Callable[[], None]
) -> None:
    """Do *work* until it ends, or a signal has cancelled it; *at_stop* is called at the first."""
    task, loop, stopped = asyncio.ensure_future(work), asyncio.get_running_loop(), False

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            at_stop()
            task.cancel()
            for seconds in CUTS:
                loop.call_later(seconds + more, task.cancel)

    for number in _heard():
        loop.add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        await task


def _heard() -> list[signal.Signals]:
    """Name the signals that ask for a stop; not SIGHUP where it is ignored, as nohup has it."""
    is_deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT] + ([] if is_deaf else [signal.SIGHUP])


def _end_after(seconds: float) -> None:
    last = threading.Timer(seconds, _end)
    last.daemon = True
    last.start()


def _end() -> None:
    log.warning("stopped in a hurry: something did not let go")
    os._exit(0)
