"""The audit log as evidence: what the gateway has told of it, and what Discord answers."""

from collections import OrderedDict, deque
from datetime import datetime

import structlog

from boostmon import machine
from boostmon.bot.discord.members import RoleEntry
from boostmon.bot.discord.refusals import passes
from boostmon.bot.discord.rest import DiscordApi, RefusedError
from boostmon.bot.members.evidence import given_by, taken_by
from boostmon.events.timer import TimerId

MOST_MEMBERS = 10_000  # whose entries are kept, the newest
MOST_ENTRIES = 20  # of one member
FORBIDDEN_FOR = 600.0  # seconds until a server that refused is asked again

Member = tuple[str, str]

log = structlog.get_logger()


class AuditLog:
    """Tells who gave and took roles; entries may be late or missing, so silence proves nothing."""

    def __init__(self, api: DiscordApi) -> None:
        self._api = api
        self._told: OrderedDict[Member, deque[RoleEntry]] = OrderedDict()
        self._forbidden_until: dict[str, float] = {}

    def note(self, guild_id: str, entry: RoleEntry) -> None:
        """Keep an *entry* that the gateway has told of."""
        member = (guild_id, entry.target_id)
        self._told.setdefault(member, deque(maxlen=MOST_ENTRIES)).append(entry)
        self._told.move_to_end(member)
        if len(self._told) > MOST_MEMBERS:
            self._told.popitem(last=False)

    def known_giver(self, timer: TimerId, *, since: datetime | None) -> str | None:
        """Return who gave the role of *timer* after *since*, by what the gateway has told."""
        told = self._told.get((timer.guild_id, timer.user_id), ())
        return given_by(told, user_id=timer.user_id, role_id=timer.role_id, since=since)

    async def taker(self, timer: TimerId, *, since: datetime | None) -> str | None:
        """Return who took the role of *timer* after *since*; None when no line tells.

        Without the right to read it no line tells. Raise as `DiscordApi` does for what may pass.
        """
        told = list(self._told.get((timer.guild_id, timer.user_id), ()))
        about = {"user_id": timer.user_id, "role_id": timer.role_id}
        known = taken_by(told, since=since, **about)
        if known is not None:
            return known
        asked = await self._asked(timer.guild_id, timer.user_id)
        return taken_by([*told, *asked], since=since, **about)

    async def _asked(self, guild_id: str, user_id: str) -> list[RoleEntry]:
        now = machine.monotonic()
        if now < self._forbidden_until.get(guild_id, 0.0):
            return []
        try:
            return await self._api.role_entries(guild_id, user_id)
        except RefusedError as error:
            if passes(error):
                raise
            # Without the right every further question would count as an invalid request.
            self._forbidden_until[guild_id] = now + FORBIDDEN_FOR
            log.info("audit log not read", server=guild_id, reason=str(error))
            return []
