"""Virtual time, and what is to happen in it."""

from collections.abc import Callable
from heapq import heappop, heappush

START = 10_000.0  # seconds since the machines were started
EPOCH = 1_790_000_000.0 - START  # what the time of day is ahead of that, in seconds

Act = Callable[[], None]


class Timeline:
    """Tells the true time, in seconds, and keeps what is to happen: the earliest first."""

    def __init__(self) -> None:
        self.now = START
        self._acts: list[tuple[float, int, Act]] = []
        self._asked = 0

    def after(self, seconds: float, act: Act) -> None:
        """Have *act* done *seconds* from now."""
        self._asked += 1
        heappush(self._acts, (self.now + seconds, self._asked, act))

    @property
    def next_at(self) -> float:
        """When the next act is due."""
        return self._acts[0][0] if self._acts else float("inf")

    def act(self) -> None:
        """Do what is due by now."""
        acts, now = self._acts, self.now
        while acts and acts[0][0] <= now:
            heappop(acts)[2]()
