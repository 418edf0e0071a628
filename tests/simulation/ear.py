"""From what the gateway tells to the bot's own parts, as its `connection.client` has it."""

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

from boostmon.bot.discord.members import role_entry
from boostmon.bot.members.observer import Observer
from boostmon.bot.members.reconciler import Memberships, Reconciler
from tests.simulation.discord import Discord
from tests.simulation.gateway import Gateway, News
from tests.simulation.rest import entry_body


class Asking:
    """A process's connection to the gateway, over which it asks for members."""

    def __init__(self, discord: Discord, gateway: Gateway) -> None:
        self._discord = discord
        self._gateway = gateway

    async def memberships(self, guild_id: str, user_ids: Collection[str]) -> Memberships | None:
        """Return those who are members, by id; None while the server cannot be asked."""
        guild = self._discord.guilds[guild_id]
        if guild.unavailable or not guild.present:
            return None
        reply: asyncio.Future[Memberships] = asyncio.get_running_loop().create_future()
        self._gateway.ask_for_members(guild_id, list(user_ids), reply)
        async with asyncio.timeout(30):
            return await reply


class Ear:
    """Tells a process's observer and reconciler the news."""

    def __init__(self, observer: Observer, reconciler: Reconciler, discord: Discord) -> None:
        self._observer = observer
        self._reconciler = reconciler
        self._discord = discord

    async def hear(self, news: News) -> None:
        """Call what is to be called for *news*."""
        guild_id, observer = news.guild_id, self._observer
        match news.kind:
            case "member":
                await observer.member_changed(guild_id, news.who, set(news.held))
            case "entry" if news.entry and (entry := role_entry(entry_body(news.entry))):
                await observer.roles_logged(guild_id, entry)
            case "joined":
                await observer.member_returned(guild_id, news.who)
            case "role deleted":
                await observer.role_deleted(guild_id, news.who)
            case "rights":
                observer.rights_changed(guild_id)
            case "seen":
                self._reconciler.server_returned(guild_id)
                await observer.server_seen(self._guild(guild_id))
            case "invited":
                self._reconciler.server_returned(guild_id)
                await observer.bot_returned(self._guild(guild_id))

    async def get_ready(self) -> None:
        """Take in all servers: the connection is new."""
        self._reconciler.begin_anew()
        for guild_id in self._discord.guilds:
            await self._observer.server_seen(self._guild(guild_id))

    def _guild(self, guild_id: str) -> Any:
        guild = self._discord.guilds[guild_id]
        roles = [SimpleNamespace(id=int(role_id)) for role_id in guild.roles]
        return SimpleNamespace(id=int(guild_id), roles=roles, unavailable=guild.unavailable)
