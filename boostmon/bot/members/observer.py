"""Observer: turns what Discord does on its own into commands on timers and looks at members."""

from collections.abc import Iterable
from typing import Protocol

import disnake
import structlog

from boostmon.bot.discord.members import Membership, RoleEntry
from boostmon.bot.discord.rest import ATTEMPT_SECONDS, DiscordApi, RefusedError, UnansweredError
from boostmon.bot.members.audit_log import AuditLog
from boostmon.bot.members.evidence import Agrees, conclude
from boostmon.bot.servers.deleted_roles import deleted_of
from boostmon.commands.decider import Clear
from boostmon.commands.handler import CommandHandler, Origin
from boostmon.database.clocks.clock import Clock
from boostmon.errors import BoostmonError, RejectedError
from boostmon.projections.effects.observed import HeldTimer, Observed
from boostmon.projections.effects.standings import Standing, Standings

SETTLES_AFTER = 5.0  # seconds; other bots give roles to those who join, and people take back

log = structlog.get_logger()


class Speaker(Protocol):
    """The relay, as far as it must know that something changed."""

    @property
    def leads(self) -> bool:
        """Whether this process speaks to Discord."""

    def hasten(self, guild_id: str) -> None:
        """Try again now what is owed in a server."""

    def reload(self) -> None:
        """Look at everything that is owed anew."""

    def role_deleted(self, guild_id: str, role_id: str) -> None:
        """Ask Discord for nothing more about a role."""


class Reader(Protocol):
    """Reads members again."""

    def want(self, guild_id: str, user_id: str, *, after: float) -> None:
        """Read a member in *after* seconds."""


class Observer:
    """Turns what the gateway tells into commands and looks; every process sees the same.

    What the gateway tells of a member is a hint: it may be late, doubled, out of order or missing.
    So the member is read before anything follows from it.
    """

    def __init__(
        self,
        *,
        handler: CommandHandler,
        observed: Observed,
        standings: Standings,
        api: DiscordApi,
        audit_log: AuditLog,
        relay: Speaker,
        looks: Reader,
        clock: Clock,
    ) -> None:
        self._handler = handler
        self._observed = observed
        self._standings = standings
        self._api = api
        self._audit_log = audit_log
        self._relay = relay
        self._looks = looks
        self._clock = clock

    async def server_seen(self, guild: disnake.Guild) -> None:
        """Catch up on a server that has become visible: its roles may have been deleted."""
        if guild.unavailable or not guild.roles:
            return  # an outage shows a server without its roles
        guild_id = str(guild.id)
        timed = await self._observed.timed_roles(guild_id)
        # The roles as they are now, behind the answer: one may have been made and timed since.
        if set(timed) - {str(role.id) for role in guild.roles}:
            await self.roles_checked(guild_id)
        self._relay.hasten(guild_id)

    async def roles_checked(self, guild_id: str) -> None:
        """End the timers of the roles that Discord, asked now, does not have any more."""
        timed = await self._observed.timed_roles(guild_id)
        if not timed:
            return
        try:
            deleted = await deleted_of(self._api, guild_id, timed)
        except (RefusedError, UnansweredError, TimeoutError) as error:
            log.info("roles not read", server=guild_id, reason=str(error))
            return
        for role_id in deleted:
            await self.role_deleted(guild_id, role_id)

    async def bot_returned(self, guild: disnake.Guild) -> None:
        """Do at once what a server is owed that has invited the bot again."""
        now = self._clock.now() if self._clock.trusted else None
        await self._observed.bot_returned(str(guild.id), now=now)
        self._relay.reload()
        await self.server_seen(guild)

    def rights_changed(self, guild_id: str) -> None:
        """Try again now what is owed in a server."""
        self._relay.hasten(guild_id)

    async def role_deleted(self, guild_id: str, role_id: str) -> None:
        """End the timers of a role that is no more."""
        self._relay.role_deleted(guild_id, role_id)
        for timer in await self._observed.of_role(guild_id, role_id):
            await self._end(timer, role_id)

    async def member_returned(self, guild_id: str, user_id: str) -> None:
        """Read a member who has joined, after other bots' roles for joining."""
        if self._relay.leads:
            self._look(guild_id, user_id, await self._standings.of_member(guild_id, user_id))

    async def member_changed(self, guild_id: str, user_id: str, held: set[str]) -> None:
        """Read a member who is said to hold other roles than the log wants."""
        if not self._relay.leads:
            return
        told = Membership(frozenset(held), None)
        standings = await self._standings.of_member(guild_id, user_id)
        if any(_is_news(told, standing) for standing in standings):
            self._look(guild_id, user_id, standings)

    async def roles_logged(self, guild_id: str, entry: RoleEntry) -> None:
        """Keep a line of the audit log, and read the member if it contradicts the log."""
        self._audit_log.note(guild_id, entry)
        if not self._relay.leads:
            return
        standings = await self._standings.of_member(guild_id, entry.target_id)
        if any(_contradicts(entry, standing) for standing in standings):
            self._look(guild_id, entry.target_id, standings)

    def _look(self, guild_id: str, user_id: str, standings: Iterable[Standing]) -> None:
        """Read a member soon, but not before the answer to what is on its way."""
        is_waiting = any(_is_on_its_way(standing) for standing in standings)
        after = SETTLES_AFTER + (ATTEMPT_SECONDS if is_waiting else 0)
        self._looks.want(guild_id, user_id, after=after)

    async def _end(self, timer: HeldTimer, role_id: str) -> None:
        command_id = f"discord:role_deleted:{role_id}:{timer.number}:{timer.version}"
        origin = Origin(command_id=command_id, source="discord")
        command = Clear(self._clock.now(), "role_deleted")
        try:
            await self._handler.handle(timer.timer, command, origin)
        except RejectedError:
            return  # it has ended meanwhile
        except BoostmonError as error:
            log.error("timer not cleared", timer=timer.timer, why="role_deleted", reason=str(error))


def _is_news(told: Membership, standing: Standing) -> bool:
    """Tell whether what was *told* of a member may call for something.

    A role may be missing because it was lost behind a give that was not answered yet.
    """
    if not isinstance(conclude(standing, told), Agrees):
        return True
    is_held = standing.timer.role_id in told.roles
    if standing.held_back:
        return is_held  # given back by hand
    return standing.wanted and not is_held and _is_on_its_way(standing)


def _is_on_its_way(standing: Standing) -> bool:
    return standing.is_open and standing.in_doubt


def _contradicts(entry: RoleEntry, standing: Standing) -> bool:
    against = entry.taken if standing.wanted else entry.given
    if standing.held_back:
        against |= entry.given  # given back by hand
    return standing.timer.role_id in against
