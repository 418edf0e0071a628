"""Asks Discord which roles a server has, without connecting to it."""

import asyncio
from collections.abc import Mapping

import aiohttp
import disnake
from disnake.http import HTTPClient, Route

from boostmon.bot.connection.client import REFUSAL
from boostmon.bot.discord.integrations import managers
from boostmon.bot.discord.proxy import by_way_of, options_for
from boostmon.config import DiscordConfig
from boostmon.errors import ConfigurationError, DiscordError

PATIENCE = 15.0  # seconds for all servers; disnake asks again when Discord stumbles


Roles = Mapping[str, str | None]


async def roles_of_servers(discord: DiscordConfig, guild_ids: set[str]) -> dict[str, Roles]:
    """Return the ids of the roles of each of *guild_ids*; a server without the bot is left out.

    With each role stands what manages it, in words, or None.

    Raise `ConfigurationError` when Discord refuses the token and `DiscordError` when it does not
    answer as it should.
    """
    Route.BASE = discord.boostmon_discord_api
    http = HTTPClient(loop=asyncio.get_running_loop(), **options_for(Route.BASE))
    try:
        async with asyncio.timeout(PATIENCE):
            await http.static_login(discord.discord_token)
            return {
                guild_id: roles
                for guild_id in sorted(guild_ids)
                if (roles := await _roles_of(http, guild_id)) is not None
            }
    except disnake.LoginFailure as error:
        raise ConfigurationError(REFUSAL) from error
    except (aiohttp.ClientError, OSError, TimeoutError, disnake.HTTPException) as error:
        raise DiscordError(
            f"Discord at {discord.boostmon_discord_api} does not answer as it should"
            f"{by_way_of(Route.BASE)} ({error or 'no reply in time'})."
        ) from error
    finally:
        await http.close()


async def _roles_of(http: HTTPClient, guild_id: str) -> Roles | None:
    try:
        return managers([dict(role) for role in await http.get_roles(int(guild_id))])
    except (disnake.Forbidden, disnake.NotFound):
        return None
