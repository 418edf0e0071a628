"""What Discord does on its own, and what follows from it for the timers."""

import asyncio
from typing import Literal, Protocol

import disnake
import structlog

from boostmon.bot.discord_api import DiscordApi, RefusedError, UnansweredError
from boostmon.commands.decider import Clear
from boostmon.commands.handler import CommandHandler, Origin
from boostmon.database.clock import Clock
from boostmon.errors import BoostmonError, RejectedError
from boostmon.projections.observed import HeldTimer, Observed

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


class Observer:
    """Turns what the gateway tells into commands and effects; every process sees the same.

    So the command ids are made of Discord's ids and the stream's, and count once.
    """

    def __init__(
        self,
        *,
        handler: CommandHandler,
        observed: Observed,
        api: DiscordApi,
        relay: Speaker,
        clock: Clock,
        role_taken: Literal["end", "restore"],
    ) -> None:
        self._handler = handler
        self._observed = observed
        self._api = api
        self._relay = relay
        self._clock = clock
        self._role_taken = role_taken

    async def server_seen(self, guild: disnake.Guild) -> None:
        """Catch up on a server that has become visible: its roles may have been deleted."""
        if guild.unavailable or not guild.roles:
            return  # an outage shows a server without its roles
        known = {str(role.id) for role in guild.roles}
        guild_id = str(guild.id)
        for role_id in await self._observed.timed_roles(guild_id):
            if role_id not in known:
                await self.role_deleted(guild_id, role_id)
        self._relay.hasten(guild_id)

    async def bot_returned(self, guild: disnake.Guild) -> None:
        """Do at once what a server is owed that has invited the bot again."""
        await self._observed.bot_returned(str(guild.id))
        self._relay.reload()
        await self.server_seen(guild)

    def rights_changed(self, guild_id: str) -> None:
        """Try again now what is owed in a server."""
        self._relay.hasten(guild_id)

    async def role_deleted(self, guild_id: str, role_id: str) -> None:
        """End the timers of a role that is no more."""
        for timer in await self._observed.of_role(guild_id, role_id):
            command_id = f"discord:role_deleted:{role_id}:{timer.number}:{timer.version}"
            await self._clear(timer, "role_deleted", command_id)

    async def member_returned(self, guild_id: str, user_id: str) -> None:
        """Give or take again what a member should have, after other bots' roles for joining."""
        await asyncio.sleep(SETTLES_AFTER)
        if await self._observed.owe_roles(guild_id, user_id):
            self._relay.reload()
        await self._reopen(guild_id, user_id)

    async def member_changed(self, guild_id: str, user_id: str, held: set[str]) -> None:
        """See to the timed roles that a member lacks: somebody may have taken them by hand."""
        missing = await self._missing(guild_id, user_id, held)
        if not missing or not self._relay.leads:
            return
        await asyncio.sleep(SETTLES_AFTER)
        try:
            member = await self._api.member(guild_id, user_id)
        except (RefusedError, UnansweredError, TimeoutError) as error:
            log.info("member not read", member=user_id, server=guild_id, reason=str(error))
            return
        before = {timer.number: timer.version for timer in missing}
        for timer in await self._missing(guild_id, user_id, member.roles):
            if timer.given_at and member.joined_at and timer.given_at < member.joined_at:
                await self._reopen(guild_id, user_id)  # they left and came back unseen
            elif before.get(timer.number) == timer.version:
                await self._taken(timer)

    async def _missing(self, guild_id: str, user_id: str, held: set[str]) -> list[HeldTimer]:
        timers = await self._observed.given(guild_id, user_id)
        return [timer for timer in timers if timer.timer.role_id not in held]

    async def _taken(self, timer: HeldTimer) -> None:
        if self._role_taken == "end":
            command_id = f"discord:taken_by_hand:{timer.number}:{timer.version}"
            await self._clear(timer, "taken_by_hand", command_id, at_version=timer.version)
        else:
            await self._reopen(timer.timer.guild_id, timer.timer.user_id)

    async def _reopen(self, guild_id: str, user_id: str) -> None:
        if await self._observed.reopen_roles(guild_id, user_id, seconds=SETTLES_AFTER):
            self._relay.reload()

    async def _clear(
        self,
        timer: HeldTimer,
        reason: Literal["role_deleted", "taken_by_hand"],
        command_id: str,
        *,
        at_version: int | None = None,
    ) -> None:
        origin = Origin(command_id=command_id, source="discord")
        command = Clear(self._clock.now(), reason)
        try:
            await self._handler.handle(timer.timer, command, origin, at_version=at_version)
        except RejectedError:
            return  # it has ended meanwhile
        except BoostmonError as error:
            log.error("timer not cleared", timer=timer.timer, why=reason, reason=str(error))
