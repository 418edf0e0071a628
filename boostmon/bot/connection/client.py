"""The disnake client: how it logs in, what it listens to, and why it may have to stop."""

import asyncio
import sys
import threading
import weakref
from collections.abc import Collection, Coroutine, Mapping
from typing import Any

import aiohttp
import disnake
import structlog
from disnake import MemberCacheFlags
from disnake.ext import commands
from disnake.flags import ApplicationFlags
from disnake.gateway import KeepAliveHandler
from disnake.http import HTTPClient, Route
from disnake.webhook.async_ import async_context

from boostmon import machine
from boostmon.bot.discord.members import Membership, role_entry
from boostmon.bot.discord.pace import Pace
from boostmon.bot.discord.proxy import by_way_of, options_for
from boostmon.bot.discord.rest import INVALID
from boostmon.bot.members.observer import Observer
from boostmon.bot.members.reconciler import PAGE, Reconciler
from boostmon.bot.servers.attendance import Attendance
from boostmon.config import DiscordConfig
from boostmon.errors import BoostmonError, ConfigurationError, DiscordError

REFUSAL = "Discord refuses DISCORD_TOKEN; copy it again from the page Bot of your application."
AUTHENTICATION_FAILED = 4004  # topics/opcodes-and-status-codes, "Gateway Close Event Codes"
INSISTENCE = 0.1  # seconds

log = structlog.get_logger()


class BoostMon(commands.InteractionBot):
    """Tells *observer* what Discord does on its own, and *reconciler* what may have been missed."""

    observer: Observer
    reconciler: Reconciler
    attendance: Attendance
    own_id: str  # of the application, which READY alone would tell disnake

    def command_id(self, guild_id: str, name: str) -> str | None:
        """Return the id of a slash command as it is registered for a server, or for all."""
        slash = disnake.ApplicationCommandType.chat_input
        in_server = self.get_guild_command_named(int(guild_id), name, slash)
        found = in_server or self.get_global_command_named(name, slash)
        return None if found is None else str(found.id)

    async def memberships(
        self, guild_id: str, user_ids: Collection[str]
    ) -> Mapping[str, Membership] | None:
        """Return those who are members, by id; None while the server cannot be asked.

        Up to 100 by id need no intent (gateway-events, "Request Guild Members"). Raise
        `TimeoutError` when there is no answer.
        """
        guild = self.get_guild(int(guild_id))
        if guild is None or guild.unavailable or not self.is_ready():
            return None
        wanted = [int(user_id) for user_id in user_ids]
        try:
            found = await guild.query_members(user_ids=wanted, limit=PAGE, cache=False)
        except OSError as error:  # the connection is being closed
            raise TimeoutError from error
        return {str(member.id): _membership(member) for member in found}

    async def on_ready(self) -> None:
        log.info("connected to Discord", user=str(self.user), servers=len(self.guilds))
        self.reconciler.begin_anew()
        self.attendance.changed()
        for guild in self.guilds:
            await self.observer.server_seen(guild)

    async def on_guild_available(self, guild: disnake.Guild) -> None:
        self.reconciler.server_returned(str(guild.id))
        await self.observer.server_seen(guild)

    async def on_guild_join(self, guild: disnake.Guild) -> None:
        self.reconciler.server_returned(str(guild.id))
        await self.attendance.joined(str(guild.id))
        await self.observer.bot_returned(guild)

    async def on_guild_remove(self, _: disnake.Guild) -> None:
        self.attendance.changed()

    def servers(self) -> Collection[str] | None:
        """Return the servers that the bot is in, those with an outage too; None: not known yet."""
        return [str(guild.id) for guild in self.guilds] if self.is_ready() else None

    async def server_returned(self, guild_id: str) -> None:
        """Catch up on a server that the bot was not in, and is in again."""
        guild = self.get_guild(int(guild_id))
        if guild is not None:
            await self.observer.bot_returned(guild)

    async def on_audit_log_entry_create(self, entry: disnake.AuditLogEntry) -> None:
        if entry.action is not disnake.AuditLogAction.member_role_update or entry.user is None:
            return
        told = role_entry(
            {
                "id": entry.id,
                "action_type": entry.action.value,
                "user_id": entry.user.id,
                "target_id": entry._target_id,  # noqa: SLF001 - disnake looks for it in its cache
                "changes": entry._changes,  # noqa: SLF001 - and roles that it does not know are left out
            }
        )
        if told is not None:
            await self.observer.roles_logged(str(entry.guild.id), told)

    async def on_guild_update(self, before: disnake.Guild, after: disnake.Guild) -> None:
        if before.mfa_level != after.mfa_level:
            self.observer.rights_changed(str(after.id))

    async def on_guild_role_delete(self, role: disnake.Role) -> None:
        await self.observer.role_deleted(str(role.guild.id), str(role.id))

    async def on_guild_role_update(self, before: disnake.Role, after: disnake.Role) -> None:
        if (before.position, before.permissions) != (after.position, after.permissions):
            self.observer.rights_changed(str(after.guild.id))

    async def on_member_join(self, member: disnake.Member) -> None:
        await self.observer.member_returned(str(member.guild.id), str(member.id))

    async def on_raw_member_update(self, member: disnake.Member) -> None:
        guild_id = str(member.guild.id)
        if self.user is not None and member.id == self.user.id:
            self.observer.rights_changed(guild_id)
        else:
            held = {str(role.id) for role in member.roles}
            await self.observer.member_changed(guild_id, str(member.id), held)

    async def on_gateway_error(
        self, event: str, _: Any, __: int | None, error: Exception, /
    ) -> None:
        log.error("event not understood", gateway_event=event, reason=repr(error))

    async def on_error(self, event_method: str, *_: Any, **__: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, BoostmonError):
            log.error("event not handled", gateway_event=event_method, reason=str(error))
        else:
            log.error("event not handled", gateway_event=event_method, exc_info=True)  # noqa: LOG014 - disnake calls it in one


def _membership(member: disnake.Member) -> Membership:
    return Membership(frozenset(str(role.id) for role in member.roles), member.joined_at)


async def open_client(discord: DiscordConfig, *, quiet_seconds: float) -> BoostMon:
    """Return a client that is logged in, and not connected yet.

    It listens to members when the application may. Raise `ConfigurationError` when Discord
    refuses the token and `DiscordError` when it cannot be reached.
    """
    Route.BASE = discord.boostmon_discord_api
    _mend_leak()
    options = options_for(Route.BASE)
    if options:
        log.info("Discord is reached through a proxy", way=by_way_of(Route.BASE).strip())
    try:
        # Moderation: the audit log. It is not privileged; without the right nothing is told.
        application = await _application(discord, options)
        flags = ApplicationFlags._from_value(application["flags"])  # noqa: SLF001 - disnake offers it to a client only
        members = flags.gateway_guild_members or flags.gateway_guild_members_limited
        intents = disnake.Intents(guilds=True, moderation=True, members=members)
        bot = BoostMon(
            intents=intents,
            member_cache_flags=MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=quiet_seconds,
            allowed_mentions=disnake.AllowedMentions.none(),
            test_guilds=[int(discord.discord_guild_id)] if discord.discord_guild_id else None,
            owner_id=0,  # nobody: disnake would ask for the owners, which nothing here needs
            **options,
        )
        bot.own_id = str(application["id"])
        await bot.login(discord.discord_token)
    except disnake.LoginFailure as error:
        raise ConfigurationError(REFUSAL) from error
    except (aiohttp.ClientError, OSError, TimeoutError, disnake.HTTPException) as error:
        raise DiscordError(
            f"Discord at {discord.boostmon_discord_api} does not answer as it should"
            f"{by_way_of(Route.BASE)} ({error}); "
            "look at the network of this machine, and try again."
        ) from error
    return bot


def count_invalid(bot: BoostMon, pace: Pace) -> None:
    """Have *pace* count the answers to interactions that Discord counts as invalid requests.

    Those to role changes and notices `DiscordApi` counts, which does not let them come this far.
    """

    async def count(_: object, __: object, end: aiohttp.TraceRequestEndParams) -> None:
        if end.response.status in INVALID:
            pace.invalid(machine.monotonic())

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(count)
    trace.freeze()
    session: Any = bot.http._HTTPClient__session  # type: ignore[attr-defined] # noqa: SLF001 - disnake makes it without a way to watch it
    session.trace_configs.append(trace)


def silence(bot: BoostMon) -> None:
    """End the threads that send heartbeats, one of which outlives a connection left in a hurry."""
    state: Any = bot._connection  # noqa: SLF001 - which of them are its own
    for thread in threading.enumerate():
        if (
            isinstance(thread, KeepAliveHandler)
            and getattr(thread.ws, "_connection", None) is state
        ):
            thread.stop()


async def stay_connected(bot: BoostMon) -> None:
    """Keep *bot* connected; raise a sentence when Discord does not want it any more."""
    try:
        await _until_cancelled(bot.connect())
    except disnake.PrivilegedIntentsRequired as error:
        raise DiscordError(
            "The Server Members Intent was switched off for this application; start again."
        ) from error
    except disnake.SessionStartLimitReached as error:
        raise DiscordError(
            "Discord allows this application no more starts today; wait until tomorrow."
        ) from error
    except disnake.ConnectionClosed as error:
        if error.code == AUTHENTICATION_FAILED:
            raise ConfigurationError(REFUSAL) from error
        raise DiscordError(f"Discord has closed the connection for good ({error}).") from error
    except disnake.GatewayNotFound as error:
        raise DiscordError("Discord names no gateway; try again later.") from error


async def _until_cancelled(connecting: Coroutine[Any, Any, None]) -> None:
    """Await *connecting*, and cancel it again and again when this is cancelled.

    Once is not enough: asyncio.wait_for of Python 3.11, with which disnake connects, loses a
    cancellation that comes together with the result.
    """
    task = asyncio.create_task(connecting)
    try:
        await asyncio.wait({task})
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=INSISTENCE)
    await task


async def _application(discord: DiscordConfig, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask for the application, which also tells whether it may see members."""
    http = HTTPClient(loop=asyncio.get_running_loop(), **options)
    try:
        await http.static_login(discord.discord_token)
        return dict(await http.application_info())
    finally:
        await http.close()


def _mend_leak() -> None:
    """Let disnake forget the locks of interactions that are over; 2.12 keeps each for ever."""
    forgetful: Any = weakref.WeakValueDictionary()
    async_context.get()._locks = forgetful  # noqa: SLF001 - the leak is private
