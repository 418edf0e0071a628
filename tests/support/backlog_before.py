"""A model of the order of effects: the backlog as it was, which looks at all of it each time.

What is new before what failed is the one rule that it has beside what it had; a timer has one
entry.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from msgspec import structs

from boostmon.bot.backlog.places import lane_of, member_of, rank_of
from boostmon.bot.backlog.streams import key_of
from boostmon.projections.effects.queue import Owed


class BacklogBefore:
    """What is owed, by timer."""

    def __init__(self) -> None:
        self._streams: dict[int, deque[Owed]] = {}
        self._due_at: dict[tuple[int, str], float] = {}
        self._waiting: list[tuple[float, int]] = []
        self._lanes: OrderedDict[str, list[tuple[int, int, int]]] = OrderedDict()
        self._in_flight: dict[int, tuple[str, str]] = {}
        self._parked: dict[tuple[str, str], list[int]] = {}

    def replace(self, owed: Iterable[Owed], now: float) -> None:
        """Take in all open effects of some timers."""
        streams: dict[int, deque[Owed]] = {}
        for effect in owed:
            streams.setdefault(effect.stream_id, deque()).append(effect)
            key, due_at = key_of(effect), now + effect.due_in
            self._due_at[key] = min(due_at, self._due_at.get(key, due_at))
        self._streams |= streams
        for stream_id in streams:
            self._offer(stream_id, now)

    def take(self, now: float, may_start: Callable[[str], bool]) -> Owed | None:
        """Return the next effect to carry out."""
        while self._waiting and self._waiting[0][0] <= now:
            self._offer(heappop(self._waiting)[1], now)
        for urgent in (True, False):
            for lane in list(self._lanes):
                if may_start(lane) and (owed := self._pop(lane, now, urgent=urgent)):
                    self._in_flight[owed.stream_id] = member_of(owed)
                    return owed
        return None

    def has_urgent(self, now: float, may_start: Callable[[str], bool]) -> bool:
        """Tell whether somebody waits for an effect that may be carried out."""
        while self._waiting and self._waiting[0][0] <= now:
            self._offer(heappop(self._waiting)[1], now)
        flying = set(self._in_flight.values())
        return any(
            head is not None and rank_of(head) == 0 and member_of(head) not in flying
            for lane, heap in self._lanes.items()
            if may_start(lane)
            for _, position, stream_id in heap
            for head in [self._head(stream_id, position, lane, now)]
        )

    def settle(self, owed: Owed, now: float) -> None:
        """Forget *owed*."""
        self._due_at.pop(key_of(owed), None)
        rest = deque(o for o in self._streams.get(owed.stream_id, ()) if key_of(o) != key_of(owed))
        self._streams[owed.stream_id] = rest
        if not rest:
            del self._streams[owed.stream_id]
        self._land(owed, now)

    def postpone(self, owed: Owed, due_at: float, now: float) -> None:
        """Offer *owed* again at *due_at*."""
        self._due_at[key_of(owed)] = due_at
        effects = self._streams[owed.stream_id]
        effects[0] = structs.replace(effects[0], tried=True)
        self._land(owed, now)

    def hasten(self, guild_id: str, now: float) -> None:
        """Have everything owed in a server looked at again now."""
        for stream_id, effects in self._streams.items():
            if effects[0].guild_id == guild_id:
                self._due_at[key_of(effects[0])] = min(now, self._due_at[key_of(effects[0])])
                self._waiting = [entry for entry in self._waiting if entry[1] != stream_id]
                self._offer(stream_id, now)

    def _offer(self, stream_id: int, now: float) -> None:
        effects = self._streams.get(stream_id)
        if not effects or stream_id in self._in_flight:
            return
        if any(stream_id in parked for parked in self._parked.values()):
            return
        head = effects[0]
        due_at = self._due_at[key_of(head)]
        if due_at > now:
            heappush(self._waiting, (due_at, stream_id))
            return
        entry = (rank_of(head), head.position, stream_id)
        lane = self._lanes.setdefault(lane_of(head), [])
        if entry not in lane:
            heappush(lane, entry)

    def _pop(self, lane: str, now: float, *, urgent: bool) -> Owed | None:
        heap = self._lanes[lane]
        while heap and (heap[0][0] == 0 or not urgent):
            _, position, stream_id = heappop(heap)
            head = self._head(stream_id, position, lane, now)
            if head is None:
                continue
            if member_of(head) in self._in_flight.values():
                self._parked.setdefault(member_of(head), []).append(stream_id)
                continue
            self._lanes.move_to_end(lane)
            if not heap:
                del self._lanes[lane]
            return head
        if not heap:
            del self._lanes[lane]
        return None

    def _head(self, stream_id: int, position: int, lane: str, now: float) -> Owed | None:
        effects = self._streams.get(stream_id)
        if not effects or stream_id in self._in_flight:
            return None
        head = effects[0]
        same = head.position == position and lane_of(head) == lane
        return head if same and self._due_at[key_of(head)] <= now else None

    def _land(self, owed: Owed, now: float) -> None:
        self._in_flight.pop(owed.stream_id, None)
        parked = self._parked.pop(member_of(owed), ())
        self._offer(owed.stream_id, now)
        for stream_id in parked:
            self._offer(stream_id, now)
