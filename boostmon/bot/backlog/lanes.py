"""The lanes: timers that are ready but for a pace, which the lanes of Discord's limits keep."""

from collections.abc import Callable, KeysView
from itertools import count

from boostmon.bot.backlog.line import Line

Rank = int
URGENT, NEW, TRIED = range(3)


class Lanes:
    """Lanes take turns, those with something urgent first; a closed one waits for its time.

    Within a lane the lowest rank comes first, then the oldest. Times are of the monotonic clock.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, Line[tuple[Rank, int], int]] = {}
        self._lane_of: dict[int, str] = {}
        self._turns: dict[str, int] = {}
        self._next_turn = count()
        self._urgent, self._calm = Line[int, str](), Line[int, str]()
        self._closed = Line[float, str]()

    @property
    def names(self) -> KeysView[str]:
        """The lanes in which something is ready but for their pace."""
        return self._lanes.keys()

    @property
    def opens_at(self) -> float | None:
        """When the next closed lane may go on."""
        return self._closed.first[0] if self._closed.first else None

    @property
    def held(self) -> int:
        """How many places are remembered."""
        turns = self._urgent.held + self._calm.held + self._closed.held
        return turns + sum(line.held for line in self._lanes.values())

    def put(self, stream_id: int, lane: str, rank: Rank, position: int) -> None:
        """Have a timer wait in *lane*."""
        if lane not in self._lanes:
            self._lanes[lane] = Line()
            self._turns[lane] = next(self._next_turn)
        self._lane_of[stream_id] = lane
        self._lanes[lane].put(stream_id, (rank, position))
        self._show(lane)

    def drop(self, stream_id: int) -> None:
        """Have a timer wait no more, if it does."""
        lane = self._lane_of.pop(stream_id, None)
        if lane is not None:
            self._lanes[lane].drop(stream_id)
            self._show(lane)

    def took(self, lane: str) -> None:
        """Let the other lanes have their turns before *lane* has one again."""
        if lane in self._lanes:
            self._turns[lane] = next(self._next_turn)
            self._show(lane)

    def reopen(self, lane: str) -> None:
        """Have the pace of *lane* asked again: something in it has ended."""
        if lane in self._closed:
            self._closed.drop(lane)
            self._show(lane)

    def pop(self, now: float, ready_at: Callable[[str], float]) -> int | None:
        """Take out the timer whose turn it is, of a lane that is ready; None: none is."""
        while (lane := self._closed.pop_until(now)) is not None:
            self._show(lane)
        for line in (self._urgent, self._calm):
            while (first := line.first) is not None:
                lane = first[1]
                until = ready_at(lane)
                if until <= now:
                    stream_id = self._lanes[lane].pop()
                    del self._lane_of[stream_id]
                    self._show(lane)
                    return stream_id
                line.drop(lane)
                self._closed.put(lane, until)
        return None

    def _show(self, lane: str) -> None:
        """Put *lane* where it belongs: it has changed."""
        first = self._lanes[lane].first
        if first is None:
            del self._lanes[lane], self._turns[lane]
            for line in (self._urgent, self._calm, self._closed):
                line.drop(lane)
            return
        if lane in self._closed:
            return
        is_urgent = first[0][0] == URGENT
        into, out_of = (self._urgent, self._calm) if is_urgent else (self._calm, self._urgent)
        out_of.drop(lane)
        into.put(lane, self._turns[lane])
