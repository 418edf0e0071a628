"""Discord's time, by the date of each of its answers and by the ids of interactions."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
import structlog
from disnake.ext import commands
from disnake.http import Route
from disnake.interactions import Interaction

from boostmon import machine
from boostmon.bot.discord.proxy import options_for
from boostmon.bot.discord.times_told import moment_of
from boostmon.database.clocks.agreed_clock import AgreedClock, Ask
from boostmon.database.clocks.clock import Clock
from boostmon.database.connections.pool import Database

PATIENCE = 3.0  # seconds
DISCORD_EPOCH_MS = 1_420_070_400_000  # reference, "Snowflakes"

log = structlog.get_logger()


async def hear_time(bot: commands.InteractionBot, clock: Clock, database: Database) -> None:
    """Have *clock* hear Discord from now on, and compare once before anything is ended by it.

    A clock that a file sets hears nobody.
    """
    if not isinstance(clock, AgreedClock):
        return
    session: Any = bot.http._HTTPClient__session  # type: ignore[attr-defined] # noqa: SLF001 - disnake makes it without a way to watch it
    session.trace_configs.append(_listening(clock))

    async def heard(inter: Interaction[Any]) -> None:
        clock.hear_id(made_at(inter.id))

    bot.add_listener(heard, "on_interaction")
    clock.ask_through(_asking(session))
    await clock.measure(database)


def made_at(snowflake: int) -> int:
    """Tell when Discord has made an id, in epoch milliseconds."""
    return (snowflake >> 22) + DISCORD_EPOCH_MS


def second_of(headers: Mapping[str, str]) -> int | None:
    """Tell which second it was by the date of an answer; None without a date that can be read."""
    moment = moment_of(headers.get("Date", ""))
    return None if moment is None else int(moment.timestamp())


def _listening(clock: AgreedClock) -> aiohttp.TraceConfig:
    async def sent(_: object, context: SimpleNamespace, __: object) -> None:
        context.sent = machine.monotonic()

    async def answered(
        _: object, context: SimpleNamespace, end: aiohttp.TraceRequestEndParams
    ) -> None:
        second = second_of(end.response.headers)
        if second is not None:
            clock.hear(second, sent=context.sent, received=machine.monotonic())

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(sent)
    trace.on_request_end.append(answered)
    trace.freeze()
    return trace


def _asking(session: aiohttp.ClientSession) -> Ask:
    options = options_for(Route.BASE)

    async def ask() -> None:
        """Ask what needs no token and counts towards no limit of ours."""
        try:
            url = f"{Route.BASE}/gateway"
            async with asyncio.timeout(PATIENCE), session.get(url, **options):
                pass
        except (aiohttp.ClientError, OSError, TimeoutError, RuntimeError) as error:
            log.info("Discord did not tell the time", reason=repr(error))

    return ask
