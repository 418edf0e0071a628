"""Asks Discord what it has now, where a command would follow from what the gateway has told."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

import structlog

from boostmon.bot.discord.command_settings import Settings, settings_of
from boostmon.bot.discord.members import Membership
from boostmon.bot.discord.refusals import (
    MISSING_ACCESS,
    UNKNOWN_GUILD,
    UNKNOWN_MEMBER,
    UNKNOWN_USER,
    passes,
)
from boostmon.bot.discord.rest import RefusedError, UnansweredError, legible
from boostmon.bot.servers.document import Server
from boostmon.bot.servers.facts import ServerFacts, facts_asked
from boostmon.bot.servers.guards import ServerUnseenError
from boostmon.errors import RejectedError

AT_ONCE = 0.7  # seconds; before the first answer, which is due within one
PATIENCE = 5.0  # seconds; after it
ATTEMPT = 1.5  # seconds for one question, so that one which hangs does not hold up the next
FIRST_PAUSE = 0.2  # seconds between two attempts
UNSEEN = (UNKNOWN_GUILD, MISSING_ACCESS)
NOT_A_MEMBER = (UNKNOWN_MEMBER, UNKNOWN_USER)

Answered = TypeVar("Answered")
Question = Callable[[], Coroutine[Any, Any, Answered]]

log = structlog.get_logger()


class UntoldError(RejectedError):
    """Discord does not say who may do what here; nothing was recorded, try again in a minute."""


class Api(Protocol):
    """What of Discord's REST is read."""

    @property
    def own_id(self) -> str:
        """The bot's user."""

    async def server(self, guild_id: str) -> dict[str, Any]:
        """Return a server with its roles."""
        ...

    async def member(self, guild_id: str, user_id: str) -> Membership:
        """Return what a member holds."""
        ...

    async def channels(self, guild_id: str) -> list[dict[str, Any]]:
        """Return the channels of a server that the bot sees."""
        ...

    async def command_settings(self, guild_id: str) -> list[dict[str, Any]]:
        """Return what a server's Integrations settings say of the commands."""
        ...


class Asking:
    """Asks in time for the answer to a command; what Discord does not tell is no yes.

    Every method that does not say otherwise raises `UntoldError` when it does not tell.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._next: dict[str, asyncio.Task[ServerFacts]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._limits: set[asyncio.Timeout] = set()
        self._stopped = False

    def stop(self) -> None:
        """Wait no longer: those who ask are told that nothing was recorded."""
        self._stopped = True
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0.0)

    async def server(self, guild_id: str, *, within: float | None = None) -> ServerFacts:
        """Return what a server is now; *within* seconds, if there is less time than usual."""
        try:
            return await self._insist(lambda: self._shared(guild_id), within or PATIENCE)
        except RefusedError as error:
            raise (ServerUnseenError if error.code in UNSEEN else UntoldError) from error

    async def member(self, guild_id: str, user_id: str) -> Membership | None:
        """Return what a member of a server is now; None when they are none."""
        try:
            return await self._insist(lambda: self._api.member(guild_id, user_id), PATIENCE)
        except RefusedError as error:
            if error.code in NOT_A_MEMBER:
                return None
            raise UntoldError from error

    async def can_post(self, guild_id: str, channel_id: str) -> bool:
        """Tell whether the bot can post in a channel now; not, if Discord does not tell."""
        try:
            guild, own, channels = await self._insist(lambda: self._channels(guild_id), PATIENCE)
            me = {"roles": own.roles}
            with legible():
                server = Server(guild=guild, me=me, channels=channels, bot_id=self._api.own_id)
                return any(server.can_post(c) for c in channels if str(c["id"]) == channel_id)
        except (RefusedError, UnansweredError, UntoldError):
            return False

    async def settings(self, guild_id: str) -> Settings:
        """Return what a server's Integrations settings say of the commands now."""
        try:
            return await self._insist(lambda: self._settings(guild_id), PATIENCE)
        except RefusedError as error:
            raise UntoldError from error

    async def names(self, facts: ServerFacts, role_ids: Collection[str]) -> dict[str, str]:
        """Return the names of the roles that there are; a role of *role_ids* that is not is gone.

        When Discord does not tell, the unknown ones are named by their ids.
        """
        unknown = set(role_ids) - facts.roles.keys()
        if facts.anew or not unknown:
            return facts.names()
        try:
            return (await self.server(facts.guild_id)).names()
        except RejectedError:
            return facts.names() | {role_id: f"Role {role_id}" for role_id in unknown}

    async def _insist(self, question: Question[Answered], within: float) -> Answered:
        """Ask until there is an answer, or raise `UntoldError` after *within* seconds."""
        pause, limit = FIRST_PAUSE, asyncio.timeout(0.0 if self._stopped else within)
        self._limits.add(limit)
        try:
            async with limit:
                while True:
                    try:
                        return await question()
                    except (RefusedError, UnansweredError, TimeoutError) as error:
                        if isinstance(error, RefusedError) and not passes(error):
                            raise
                    await asyncio.sleep(pause)
                    pause *= 2
        except TimeoutError as error:
            raise UntoldError from error
        finally:
            self._limits.discard(limit)

    async def _settings(self, guild_id: str) -> Settings:
        answer = await self._api.command_settings(guild_id)
        with legible():
            return settings_of(answer)

    async def _channels(
        self, guild_id: str
    ) -> tuple[dict[str, Any], Membership, list[dict[str, Any]]]:
        guild, own, channels = await asyncio.gather(
            self._api.server(guild_id),
            self._api.member(guild_id, self._api.own_id),
            self._api.channels(guild_id),
        )
        return guild, own, channels

    async def _shared(self, guild_id: str) -> ServerFacts:
        """Share a question with those who come before it is sent."""
        asked = self._next.get(guild_id)
        if asked is None:
            asked = asyncio.create_task(self._ask_in_turn(guild_id))
            asked.add_done_callback(_retrieve)
            self._next[guild_id] = asked
        return await asyncio.shield(asked)

    async def _ask_in_turn(self, guild_id: str) -> ServerFacts:
        async with self._turns.setdefault(guild_id, asyncio.Lock()):
            del self._next[guild_id]  # who comes from now on wants a later answer
            async with asyncio.timeout(ATTEMPT):
                guild, own = await asyncio.gather(
                    self._api.server(guild_id), self._api.member(guild_id, self._api.own_id)
                )
            with legible():
                return facts_asked(guild, self._api.own_id, own.roles)


def _retrieve(asked: asyncio.Task[Any]) -> None:
    """Look at an error for which everybody has ceased to wait."""
    if not asked.cancelled() and (error := asked.exception()):
        log.info("Discord did not tell of a server", reason=str(error))
