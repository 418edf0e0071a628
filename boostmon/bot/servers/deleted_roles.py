"""Tells which roles were deleted, by two answers of Discord: a list may be cut short."""

from collections.abc import Iterable

from boostmon.bot.discord.refusals import UNKNOWN_ROLE
from boostmon.bot.discord.rest import DiscordApi, RefusedError


async def deleted_of(api: DiscordApi, guild_id: str, role_ids: Iterable[str]) -> list[str]:
    """Return which of *role_ids* a server does not have any more.

    A list that lacks a role is no proof; that Discord, asked for the role, does not know it, is
    one. Raise as `DiscordApi` does.
    """
    listed = await api.roles(guild_id)
    if guild_id not in listed:
        return []  # every server has the role @everyone, with the server's own id
    unlisted = (role_id for role_id in role_ids if role_id not in listed)
    return [role_id for role_id in unlisted if await _is_unknown(api, guild_id, role_id)]


async def _is_unknown(api: DiscordApi, guild_id: str, role_id: str) -> bool:
    try:
        await api.role(guild_id, role_id)
    except RefusedError as error:
        if error.code != UNKNOWN_ROLE:
            raise
        return True
    return False
