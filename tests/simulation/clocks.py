"""The clocks of a simulated machine, and how the code under test gets to read them."""

from collections.abc import Iterator
from contextlib import contextmanager

from boostmon import machine
from tests.simulation.timeline import EPOCH, Timeline


class Clocks:
    """One machine's clocks; *ahead* is by how much its time of day is wrong."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.suspended = 0.0  # seconds, in all
        self.ahead = 0.0

    def boot(self) -> float:
        """Tell machine time, which counts a suspend (CLOCK_BOOTTIME)."""
        return self._timeline.now

    def monotonic(self) -> float:
        """Tell the time of the loop, which stands still in a suspend (CLOCK_MONOTONIC)."""
        return self._timeline.now - self.suspended

    def wall(self) -> float:
        """Tell the time of day as this machine has it, in seconds since 1970."""
        return EPOCH + self._timeline.now + self.ahead


class Machines:
    """Lets `boostmon.machine` tell the time of the machine whose process is having its turn."""

    def __init__(self, timeline: Timeline) -> None:
        self.turn = Clocks(timeline)
        self._timeline = timeline

    @contextmanager
    def tell_the_time(self) -> Iterator[None]:
        """Have every module of the bot read these clocks."""
        monotonic, wall = machine.monotonic, machine.wall
        timeline = self._timeline
        machine.monotonic = lambda: timeline.now  # what `boot` is of every machine
        machine.wall = lambda: self.turn.wall()  # noqa: PLW0108 - whose turn it is, it is then
        try:
            yield
        finally:
            machine.monotonic, machine.wall = monotonic, wall
