"""This machine's own clocks: machine time, which is never timer time."""

import time

# Goes on while the machine is suspended (clock_gettime(2)); elsewhere the plain one has to do.
_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def monotonic() -> float:
    """Return seconds that never go back, and count a suspend where the system can tell of it."""
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)


def wall() -> float:
    """Return the time of day as this machine has it, in seconds since 1970."""
    return time.time()
