"""The order in which Discord is given what it is owed: plain code in memory, without a clock."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, KeysView

from msgspec import Struct

from boostmon.bot.backlog.causes import CERTAIN, Cause, cause_of
from boostmon.bot.backlog.groups import Groups
from boostmon.bot.backlog.places import Member, Places, lane_of, member_of
from boostmon.bot.backlog.streams import Streams
from boostmon.bot.discord.pace import OPENING
from boostmon.projections.effects.kinds import NOTICE
from boostmon.projections.effects.queue import Owed

PROBE_AGAIN = 600.0  # seconds; a server that is seen again is hastened


class Flight(Struct, frozen=True):
    """An effect that is being carried out for *member*, in *lane*, since a moment."""

    member: Member
    lane: str
    since: float


class Backlog:
    """What is owed, by timer; times are of the monotonic clock, in seconds.

    Of a timer only the oldest effect is offered, of a member one at a time. What a person waits
    for goes ahead of the rest, what is new ahead of what failed; then the oldest first; the lanes
    take turns, so that one server with much to do does not hold up the others. Of what is stuck
    for one cause one effect at a time is tried, and what is owed in a server that is away waits
    until it is back.
    """

    def __init__(self) -> None:
        self._streams, self._places = Streams(), Places()
        self._flights: dict[int, Flight] = {}
        self._unopened = Groups[str]()
        self._hastened: dict[str, float] = {}
        self._joined: dict[int, Cause] = {}

    def __len__(self) -> int:
        """Count the effects that are owed."""
        return len(self._streams)

    @property
    def lanes(self) -> KeysView[str]:
        """The lanes in which something is ready but for their pace."""
        return self._places.lanes.names

    @property
    def away(self) -> list[str]:
        """The servers in which something waits until they are back."""
        return list(self._places.away.keys)

    @property
    def next_at(self) -> float | None:
        """When there may be something to take that there is not now."""
        return self._places.next_at

    @property
    def places(self) -> int:
        """How many places are remembered; a timer has one, in flight or held by a cause none."""
        return self._places.held

    @property
    def flying(self) -> frozenset[int]:
        """The timers of which an effect is being carried out."""
        return frozenset(self._flights)

    def is_in_flight(self, stream_id: int) -> bool:
        """Tell whether an effect of a timer is being carried out."""
        return stream_id in self._flights

    def of_role(self, guild_id: str, role_id: str) -> list[int]:
        """Return the timers of a server's role that are owed something."""
        return self._streams.of_role(guild_id, role_id)

    def replace(
        self, owed: Iterable[Owed], now: float, *, asked_at: float | None = None
    ) -> set[int]:
        """Take in all open effects of some timers, each timer's oldest first, as they are now.

        What was to be looked at earlier still is: the database's clock may have gone back. What
        was hastened since *asked_at* still is. Return the timers.
        """
        streams: dict[int, deque[Owed]] = {}
        for effect in owed:
            streams.setdefault(effect.stream_id, deque()).append(effect)
        for stream_id, effects in streams.items():
            haste = self._hastened.get(effects[0].guild_id, -1.0)
            hastened = asked_at is not None and haste >= asked_at
            if self._streams.take_in(stream_id, effects, now, hastened=hastened):
                self._place(stream_id, now)
        return set(streams)

    def keep(self, streams: Collection[int], now: float) -> None:
        """Forget all timers but *streams*: they are owed nothing any more."""
        for stream_id in [s for s in self._streams if s not in streams and s not in self._flights]:
            for effect in self._streams.effects(stream_id):
                self.drop(effect, now)

    def take(
        self,
        now: float,
        ready_at: Callable[[str], float],
        is_away: Callable[[str], bool] = lambda _: False,
    ) -> Owed | None:
        """Return the next effect to carry out, of a lane that is *ready_at* now; None: none is.

        It is in flight until it is settled or postponed. In a server that *is_away* none is taken.
        """
        for stream_id in self._places.due(now):
            self._place(stream_id, now)
        while (popped := self._places.lanes.pop(now, ready_at)) is not None:
            head, causes = self._streams.head(popped), self._places.causes
            if head is None:
                continue
            member = member_of(head)
            if is_away(head.guild_id) and causes.is_probe(popped):
                self._places.forget(popped)
                self._streams.put_off(head, now + PROBE_AGAIN)
                self._answer(popped, now + PROBE_AGAIN, now, is_stuck=True)
            elif is_away(head.guild_id):
                self._places.away.add(popped, head.guild_id)
            elif causes.holding(head) is not None and not causes.is_probe(popped):
                self._place(popped, now)  # by now it is known that it would be refused
            elif any(flight.member == member for flight in self._flights.values()):
                self._places.behind.add(popped, member)
            else:
                self._places.forget(popped)
                self._places.lanes.took(lane_of(head))
                self._flights[popped] = Flight(member, lane_of(head), now)
                return head
        return None

    def settle(self, owed: Owed, now: float, *, proof: bool = False) -> None:
        """Forget *owed*; the next effect of its timer has its turn.

        *proof*: Discord has done it, so whatever held others of its role is over.
        """
        flight = self._flights.pop(owed.stream_id, None)
        self.drop(owed, now)
        self._land(flight, now)
        if proof and owed.kind != NOTICE:
            self._free(owed.guild_id, owed.role_id, now)
        if proof and owed.kind == NOTICE and owed.channel_id is None:
            self._open(owed.user_id, now)

    def drop(self, owed: Owed, now: float) -> None:
        """Forget *owed*: it is settled, and not in flight."""
        self._streams.remove(owed)
        if owed.stream_id not in self._flights:
            self._places.lift(owed.stream_id, now)
            self._place(owed.stream_id, now)

    def postpone(
        self,
        owed: Owed,
        due_at: float,
        now: float,
        *,
        stuck_for: str | None = None,
        asked: bool = True,
    ) -> None:
        """Offer *owed* again at *due_at*; until then its timer waits.

        *stuck_for*: until one of those that are stuck for the same reason is done. Not *asked*:
        Discord does not know of it yet.
        """
        causes = self._places.causes
        tries = self.tries(owed, stuck_for) if stuck_for else 0
        counts = causes.is_probe(owed.stream_id) or tries == 0  # others were on their way already
        flight = self._flights.pop(owed.stream_id, None)
        if flight is not None and self._hastened.get(owed.guild_id, -1.0) >= flight.since:
            due_at = now  # the answer may be older than what has changed
        if self._streams.is_head(owed):
            self._streams.put_off(owed, due_at)
            if asked:
                self._streams.hold(owed)
                urgent = owed.urgent and stuck_for is None
                self._streams.change(owed.stream_id, tried=True, stuck_for=stuck_for, urgent=urgent)
        self._answer(owed.stream_id, due_at, now, is_stuck=stuck_for is not None)
        cause = causes.of(owed.stream_id)
        if cause is not None and stuck_for:
            causes.met(cause, tries + counts)
        self._land(flight, now)

    def tries(self, owed: Owed, reason: str) -> int:
        """Tell how often in a row Discord has refused for what now refuses *owed*.

        What was read as stuck is from before this process, and certain.
        """
        causes = self._places.causes
        known = causes.tries(causes.of(owed.stream_id) or cause_of(owed, reason))
        if known is None:
            return CERTAIN if owed.stuck_for is not None else 0
        return known

    def redirect(self, owed: Owed) -> None:
        """Offer the notice *owed* as a direct message from now on: its channel takes none."""
        if self._streams.is_head(owed):
            self._streams.change(owed.stream_id, channel_id=None)

    def hasten(self, guild_id: str, now: float) -> None:
        """Have everything owed in a server looked at again now, of each cause one effect."""
        self._hastened[guild_id] = now
        self._places.causes.hasten(guild_id, now)
        for stream_id in self._places.waiting_in(guild_id):
            if (head := self._streams.head(stream_id)) is not None:
                self._streams.put_off(head, now)
            self._place(stream_id, now)
        self.returned(guild_id, now)

    def returned(self, guild_id: str, now: float) -> None:
        """Offer what waits in a server that is back."""
        for stream_id in self._places.away.release(guild_id):
            self._places.forget(stream_id)
            self._place(stream_id, now)

    def owed_away(self, guild_id: str) -> list[Owed]:
        """Return what waits until a server is back, but for what is stuck anyway."""
        heads = map(self._streams.head, self._places.away.members(guild_id))
        return [head for head in heads if head is not None and head.stuck_for is None]

    def heads(self) -> list[Owed]:
        """Return the oldest effect of each timer that is not stuck anyway."""
        heads = map(self._streams.head, self._streams)
        return [head for head in heads if head is not None and head.stuck_for is None]

    @property
    def has_joined(self) -> bool:
        """Whether something was found to wait for a cause, or to wait on for it."""
        return bool(self._joined)

    def take_joined(self) -> dict[Cause, list[Owed]]:
        """Return, once, what was found to wait for a cause, or to wait on for it."""
        joined: dict[Cause, list[Owed]] = {}
        for stream_id, cause in self._joined.items():
            head = self._streams.head(stream_id)
            if head is not None and self._places.causes.of(stream_id) == cause:
                joined.setdefault(cause, []).append(head)
        self._joined.clear()
        return joined

    def _place(self, stream_id: int, now: float) -> None:
        """Have a timer wait where it belongs, if it is not in flight."""
        head = self._streams.head(stream_id)
        if head is None:
            self._unopened.drop(stream_id)
        if head is None or stream_id in self._flights:
            return
        cause = self._places.put(head, self._streams.due_at(head), now)
        if cause is not None and head.stuck_for is None:
            self._streams.change(stream_id, stuck_for=cause.reason)
            self._joined[stream_id] = cause
        if lane_of(head) == OPENING:
            self._unopened.add(stream_id, head.user_id)

    def _land(self, flight: Flight | None, now: float) -> None:
        """Offer what waited for *flight* to end."""
        if flight is None:
            return
        self._places.lanes.reopen(flight.lane)
        for stream_id in self._places.behind.release(flight.member):
            self._places.forget(stream_id)
            self._place(stream_id, now)

    def _answer(self, stream_id: int, due_at: float, now: float, *, is_stuck: bool) -> None:
        """Place a timer that was tried; if it was a probe, its answer holds for the others."""
        causes = self._places.causes
        old = causes.of(stream_id)
        causes.leave(stream_id, due_at)
        self._place(stream_id, now)
        new = causes.of(stream_id)
        if new is not None and due_at <= now:
            causes.put_off(new, now)
        if old is None or new is None or not is_stuck:
            return
        for other in causes.members(old):
            self._streams.change(other, stuck_for=new.reason)
            self._place(other, now)
            self._joined[other] = new

    def _free(self, guild_id: str, role_id: str, now: float) -> None:
        """Offer what was stuck for a role: a change of it was done."""
        for stream_id in self._places.causes.end(guild_id, role_id):
            self._streams.free(stream_id, now)
            self._place(stream_id, now)

    def _open(self, user_id: str, now: float) -> None:
        """Offer the notices to a user, whose channel was opened, at the pace of messages."""
        for stream_id in self._unopened.release(user_id):
            head = self._streams.head(stream_id)
            if head is not None and lane_of(head) == OPENING:
                self._streams.change(stream_id, opened=True)
                self._place(stream_id, now)
