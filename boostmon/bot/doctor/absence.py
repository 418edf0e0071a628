"""Absence: asks Discord whether the bot is in a server, without connecting to it."""

from http import HTTPStatus

from boostmon.bot.discord.reads import DiscordReads
from boostmon.bot.discord.refusals import MISSING_ACCESS, UNKNOWN_GUILD
from boostmon.bot.discord.rest import RefusedError


async def is_absent(reads: DiscordReads, guild_id: str) -> bool:
    """Tell whether the bot is not in a server, or that server is no more.

    Raise `RefusedError` or `UnansweredError` when Discord does not tell.
    """
    try:
        await reads.get(f"/guilds/{guild_id}")
    except RefusedError as error:
        is_told = error.code in (UNKNOWN_GUILD, MISSING_ACCESS)
        if is_told and error.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            return True
        raise
    return False
