"""Aside: what Discord is not asked for now, since it is known what would come of it."""

import structlog

from boostmon.bot.backlog.order import Backlog
from boostmon.bot.discord.refusals import DELETED, Passing, Stuck
from boostmon.bot.discord.stops import Stop
from boostmon.bot.relay.delivery import Delivery
from boostmon.bot.relay.receipts import STUCK_RETRY
from boostmon.projections.effects.kinds import NOTICE
from boostmon.projections.effects.queue import Owed, OwedEffects

LOOK_EVERY = 5.0  # seconds

log = structlog.get_logger()


class Aside:
    """Puts down, for many effects at once, why they wait, and lets them go on when that is over."""

    def __init__(self, owed: OwedEffects, delivery: Delivery, backlog: Backlog) -> None:
        self._owed = owed
        self._delivery = delivery
        self._backlog = backlog
        self._looked = float("-inf")
        self._told: dict[int, float] = {}
        self._stopped_since = 0.0
        self._stopped: set[int] = set()

    def is_away(self, guild_id: str) -> bool:
        """Tell whether nothing can be done in a server now."""
        return self._delivery.absence(guild_id) is not None

    def next_at(self) -> float | None:
        """When there is something to look at again; None: nothing waits here."""
        waits = self._backlog.away or self._backlog.has_joined
        return self._looked + LOOK_EVERY if waits else None

    async def of_deleted(self, owed: list[Owed]) -> list[Owed]:
        """Settle the changes of roles that are no more; return them."""
        gone = [
            o
            for o in owed
            if o.kind != NOTICE
            and self._delivery.is_deleted(o.guild_id, o.role_id)
            and not self._backlog.is_in_flight(o.stream_id)
        ]
        if gone:
            await self._owed.close_all(gone, DELETED)
        return gone

    async def look(self, now: float) -> None:
        """Let go on what can, and put down why the rest waits; not more often than need be."""
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        for guild_id in self._backlog.away:
            if not self.is_away(guild_id):
                self._backlog.returned(guild_id, now)
        for cause, held in self._backlog.take_joined().items():
            log.info("effects held", server=cause.guild_id, number=len(held), why=cause.reason)
            await self._owed.hold(held, cause.reason, seconds=STUCK_RETRY)
        for absence, held in self._untold(now).items():
            log.info("effects held", number=len(held), why=_why(absence))
            seconds = STUCK_RETRY if isinstance(absence, Stuck) else None
            await self._owed.hold(held, _why(absence), seconds=seconds)
            self._told |= {owed.stream_id: now for owed in held}

    async def tell_of_stop(self, stop: Stop) -> None:
        """Put down of what is owed, once, that Discord stops all requests."""
        if stop.since != self._stopped_since:
            self._stopped_since, self._stopped = stop.since, set[int]()
        held = [head for head in self._backlog.heads() if head.position not in self._stopped]
        if held:
            await self._owed.hold(held, str(stop), seconds=None)
            self._stopped.update(head.position for head in held)

    def _untold(self, now: float) -> dict[Stuck | Passing, list[Owed]]:
        """Return what waits for a server, and was not put down of late, by what it waits for."""
        self._told = {number: at for number, at in self._told.items() if now - at < STUCK_RETRY}
        untold: dict[Stuck | Passing, list[Owed]] = {}
        for guild_id in self._backlog.away:
            absence = self._delivery.absence(guild_id)
            if absence is not None:
                away = self._backlog.owed_away(guild_id)
                untold.setdefault(absence, []).extend(
                    owed for owed in away if owed.stream_id not in self._told
                )
        return {absence: held for absence, held in untold.items() if held}


def _why(absence: Stuck | Passing) -> str:
    match absence:
        case Stuck(remedy=why) | Passing(why=why):
            return why
