"""Asks Discord whether a member holds a role now, without connecting to it."""

import asyncio
from http import HTTPStatus

from boostmon.bot.discord.reads import DiscordReads
from boostmon.bot.discord.refusals import NOT_THERE
from boostmon.bot.discord.rest import RefusedError
from boostmon.events.timer import TimerId

ATTEMPTS = 5  # where a limit asks to wait
LONGEST_PAUSE = 10.0  # seconds


async def holds(reads: DiscordReads, timer: TimerId) -> bool:
    """Tell whether the member of *timer* holds its role; who is not there holds none.

    Raise `DiscordError` when Discord does not tell.
    """
    for _ in range(ATTEMPTS):
        try:
            member = await reads.get(f"/guilds/{timer.guild_id}/members/{timer.user_id}")
        except RefusedError as error:
            if error.code in NOT_THERE:
                return False
            if error.status != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            refusal = error
            await asyncio.sleep(min(error.retry_after, LONGEST_PAUSE))
        else:
            return timer.role_id in member["roles"]
    raise refusal
