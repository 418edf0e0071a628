"""The order in which Discord is given what it is owed: plain code in memory, without a clock."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from msgspec import structs

from boostmon.bot.pace import lane_of_channel, lane_of_roles
from boostmon.projections.effects import NOTICE
from boostmon.projections.owed import Owed

Key = tuple[int, str]
Member = tuple[str, str]


def key_of(owed: Owed) -> Key:
    """Name the effect *owed*."""
    return owed.position, owed.kind


def member_of(owed: Owed) -> Member:
    """Name whom *owed* is about, of whose effects one at a time is carried out.

    A role: the member of the server, since Discord loses one of two writes at once. A notice: the
    user, since notices of two servers may have the same text, and a doubt is settled by reading.
    """
    return (NOTICE if owed.kind == NOTICE else owed.guild_id), owed.user_id


def lane_of(owed: Owed) -> str:
    """Name the lane whose pace *owed* keeps."""
    if owed.kind == NOTICE:
        return lane_of_channel(owed.channel_id)
    return lane_of_roles(owed.guild_id)


class Backlog:
    """What is owed, by timer; times are of the monotonic clock, in seconds.

    Of a timer only the oldest effect is offered, of a member one at a time. A person's command
    goes ahead of a sweep; within a lane the oldest first; the lanes take turns, so that one server
    with much to do does not hold up the others.
    """

    def __init__(self) -> None:
        self._streams: dict[int, deque[Owed]] = {}
        self._due_at: dict[Key, float] = {}
        self._waiting: list[tuple[float, int]] = []
        self._lanes: OrderedDict[str, list[tuple[bool, int, int]]] = OrderedDict()
        self._in_flight: dict[int, Member] = {}
        self._parked: dict[Member, list[int]] = {}

    def __len__(self) -> int:
        """Count the effects that are owed."""
        return sum(map(len, self._streams.values()))

    @property
    def lanes(self) -> list[str]:
        """The lanes in which something is ready but for their pace."""
        return list(self._lanes)

    @property
    def next_due_at(self) -> float | None:
        """When the next effect becomes due that is to wait now."""
        return self._waiting[0][0] if self._waiting else None

    def is_in_flight(self, stream_id: int) -> bool:
        """Tell whether an effect of a timer is being carried out."""
        return stream_id in self._in_flight

    def replace(self, owed: Iterable[Owed], now: float) -> None:
        """Take in all open effects of some timers, each timer's oldest first, as they are now.

        What was to be looked at earlier still is: the database's clock may have gone back.
        """
        streams: dict[int, deque[Owed]] = {}
        for effect in owed:
            streams.setdefault(effect.stream_id, deque()).append(effect)
            key, due_at = key_of(effect), now + effect.due_in
            self._due_at[key] = min(due_at, self._due_at.get(key, due_at))
        self._streams |= streams
        for stream_id in streams:
            self._offer(stream_id, now)

    def take(self, now: float, may_start: Callable[[str], bool]) -> Owed | None:
        """Return the next effect to carry out, of a lane that *may_start*; None when none may.

        It is in flight until it is settled or postponed.
        """
        while self._waiting and self._waiting[0][0] <= now:
            self._offer(heappop(self._waiting)[1], now)
        for urgent in (True, False):
            for lane in self.lanes:
                if may_start(lane) and (owed := self._pop(lane, now, urgent=urgent)):
                    self._in_flight[owed.stream_id] = member_of(owed)
                    return owed
        return None

    def settle(self, owed: Owed, now: float) -> None:
        """Forget *owed*; the next effect of its timer has its turn."""
        self._due_at.pop(key_of(owed), None)
        rest = deque(o for o in self._streams.get(owed.stream_id, ()) if key_of(o) != key_of(owed))
        self._streams[owed.stream_id] = rest
        if not rest:
            del self._streams[owed.stream_id]
        self._land(owed, now)

    def postpone(self, owed: Owed, due_at: float, now: float) -> None:
        """Offer *owed* again at *due_at*; until then its timer waits."""
        self._due_at[key_of(owed)] = due_at
        self._land(owed, now)

    def redirect(self, owed: Owed) -> None:
        """Offer the notice *owed* as a direct message from now on: its channel takes none."""
        effects = self._streams.get(owed.stream_id)
        if effects and key_of(effects[0]) == key_of(owed):
            effects[0] = structs.replace(owed, channel_id=None)

    def hasten(self, guild_id: str, now: float) -> None:
        """Have everything owed in a server looked at again now."""
        for stream_id, effects in self._streams.items():
            if effects[0].guild_id == guild_id:
                self._due_at[key_of(effects[0])] = now
                self._offer(stream_id, now)

    def _offer(self, stream_id: int, now: float) -> None:
        effects = self._streams.get(stream_id)
        if not effects or stream_id in self._in_flight:
            return
        head = effects[0]
        due_at = self._due_at[key_of(head)]
        if due_at > now:
            heappush(self._waiting, (due_at, stream_id))
        else:
            lane = self._lanes.setdefault(lane_of(head), [])
            heappush(lane, (not head.urgent, head.position, stream_id))

    def _pop(self, lane: str, now: float, *, urgent: bool) -> Owed | None:
        heap = self._lanes[lane]
        while heap and (heap[0][0] is False or not urgent):
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
        """Return the head of a timer, unless it is not the one any more that was offered."""
        effects = self._streams.get(stream_id)
        if not effects or stream_id in self._in_flight:
            return None
        head = effects[0]
        same = head.position == position and lane_of(head) == lane
        return head if same and self._due_at[key_of(head)] <= now else None

    def _land(self, owed: Owed, now: float) -> None:
        self._in_flight.pop(owed.stream_id, None)
        self._offer(owed.stream_id, now)
        for stream_id in self._parked.pop(member_of(owed), ()):
            self._offer(stream_id, now)
