"""Asks Discord, as the bot whose database this is, where that bot is not."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from boostmon.config import DiscordConfig, load
from boostmon.errors import AnotherApplicationError, DiscordError
from boostmon.projections.effects.owner import owner_of

IsAbsent = Callable[[str], Awaitable[bool]]


@asynccontextmanager
async def asking_discord(connection: Any) -> AsyncIterator[IsAbsent | None]:
    """Lend a way to ask whether the bot is not in a server; None without DISCORD_TOKEN.

    Raise `AnotherApplicationError` when the token is not that of the application whose database
    this is, since another bot is in other servers. What is lent raises `DiscordError` when Discord
    does not tell.
    """
    if not os.environ.get("DISCORD_TOKEN", "").strip():
        yield None
        return
    # disnake takes long to load
    from boostmon.bot.discord.reads import discord_reads  # noqa: PLC0415
    from boostmon.bot.discord.rest import RefusedError, UnansweredError  # noqa: PLC0415
    from boostmon.bot.doctor import absence  # noqa: PLC0415
    from boostmon.bot.doctor.application_checks import application_of  # noqa: PLC0415
    from boostmon.bot.servers.identity import another  # noqa: PLC0415

    owner = await owner_of(connection)
    if owner is None:
        raise AnotherApplicationError(
            "This database is no application's yet; start `boostmon run`, which takes it, or run "
            "`boostmon adopt-database`."
        )
    async with discord_reads(load(DiscordConfig, os.environ)) as reads:

        async def is_absent(guild_id: str) -> bool:
            try:
                application = await application_of(reads)
                if owner != application.application_id:
                    raise another(owner, f"the application {application.application_id}")
                return await absence.is_absent(reads, guild_id)
            except (RefusedError, UnansweredError) as error:
                raise DiscordError(
                    f"Discord does not tell whether the bot is in the server {guild_id} ({error}); "
                    "try again."
                ) from error

        yield is_absent
