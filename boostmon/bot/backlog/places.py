"""Places: where a timer that is owed something waits, which is one place at a time."""

from collections.abc import Iterator

from boostmon.bot.backlog.causes import Cause, Causes
from boostmon.bot.backlog.groups import Groups
from boostmon.bot.backlog.lanes import NEW, TRIED, URGENT, Lanes, Rank
from boostmon.bot.backlog.line import Line
from boostmon.bot.discord.pace import OPENING, lane_of_channel, lane_of_roles
from boostmon.projections.effects.kinds import NOTICE
from boostmon.projections.effects.queue import Owed

Member = tuple[str, str]
Place = tuple[object, ...]


def member_of(owed: Owed) -> Member:
    """Name whom *owed* is about, of whose effects one at a time is carried out.

    A role: the member of the server, since Discord loses one of two writes at once. A notice: the
    user, since notices of two servers may have the same text, and a doubt is settled by reading.
    """
    return (NOTICE if owed.kind == NOTICE else owed.guild_id), owed.user_id


def lane_of(owed: Owed) -> str:
    """Name the lane whose pace *owed* keeps."""
    if owed.kind != NOTICE:
        return lane_of_roles(owed.guild_id)
    if owed.channel_id is None and not owed.opened:
        return OPENING
    return lane_of_channel(owed.channel_id)


def rank_of(owed: Owed) -> Rank:
    """Say how early *owed* comes: what a person waits for, then what is new, then what failed."""
    if owed.urgent:
        return URGENT
    return TRIED if owed.tried else NEW


class Places:
    """Timers by what they wait for: their time, a cause, a turn, a member, or a server.

    Times are of the monotonic clock, in seconds.
    """

    def __init__(self) -> None:
        self.lanes, self.causes = Lanes(), Causes()
        self.behind, self.away = Groups[Member](), Groups[str]()
        self._waiting, self._waiting_in = Line[float, int](), Groups[str]()
        self._places: dict[int, Place] = {}

    @property
    def next_at(self) -> float | None:
        """When the next one has waited long enough."""
        first = self._waiting.first
        moments = (first[0] if first else None, self.causes.due_at, self.lanes.opens_at)
        return min((moment for moment in moments if moment is not None), default=None)

    @property
    def held(self) -> int:
        """How many places are remembered."""
        return self.lanes.held + self._waiting.held + len(self.behind) + len(self.away)

    def put(self, head: Owed, due_at: float, now: float) -> Cause | None:
        """Have a timer wait for what its oldest effect, *head*, waits for.

        Return the cause that holds it.
        """
        stream_id, lane, rank = head.stream_id, lane_of(head), rank_of(head)
        is_probe = self.causes.is_probe(stream_id)
        holder = None if is_probe else self.causes.holding(head)
        place: Place = ("turn", lane, rank, head.position)
        if holder is not None:
            place = ("cause", holder)
        elif due_at > now and not is_probe:
            place = ("time", due_at)
        known = self._places.get(stream_id)
        if known == place:
            return holder
        if known is not None:
            self.lift(stream_id, now, keep_cause=is_probe)
        self._places[stream_id] = place
        if holder is not None:
            self.causes.join(stream_id, holder, due_at)
        elif place[0] == "time":
            self._waiting.put(stream_id, due_at)
            self._waiting_in.add(stream_id, head.guild_id)
        else:
            self.lanes.put(stream_id, lane, rank, head.position)
        return holder

    def forget(self, stream_id: int) -> None:
        """Forget the place of a timer that was taken out of it."""
        self._places.pop(stream_id, None)

    def lift(self, stream_id: int, now: float, *, keep_cause: bool = False) -> None:
        """Have a timer wait for nothing."""
        self._places.pop(stream_id, None)
        self._waiting.drop(stream_id)
        self._waiting_in.drop(stream_id)
        self.lanes.drop(stream_id)
        self.behind.drop(stream_id)
        self.away.drop(stream_id)
        if not keep_cause:
            self.causes.leave(stream_id, now)

    def due(self, now: float) -> Iterator[int]:
        """Take out the timers whose time has come, probes of causes among them."""
        while (stream_id := self._waiting.pop_until(now)) is not None:
            self._waiting_in.drop(stream_id)
            yield stream_id
        while (probe := self.causes.pop_due(now)) is not None:
            self._places.pop(probe, None)
            yield probe

    def waiting_in(self, guild_id: str) -> list[int]:
        """Return the timers of a server that wait for their time."""
        return self._waiting_in.members(guild_id)
