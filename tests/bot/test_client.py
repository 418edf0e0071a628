"""The disnake client, where it is mended, and what it passes on."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from disnake.webhook.async_ import async_context
from structlog.testing import capture_logs

from boostmon.bot.connection.client import BoostMon
from boostmon.database.connections.pool import Database
from tests.support.town import town as a_town


async def test_interactions_that_are_over_leave_no_lock_behind(
    database: Database, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter: Any = async_context.get()
    monkeypatch.setattr(adapter, "_locks", {})  # as disnake makes it, once for the whole run
    async with a_town(database, owner_url) as town:
        for user in ("olga", "mona", "max"):
            await town.say(user, "timeleft")
        async with asyncio.timeout(10):
            while adapter._locks:  # noqa: ASYNC110, SLF001 - the leak is private, and tells nobody
                await asyncio.sleep(0.02)


async def test_a_new_session_has_all_members_compared() -> None:
    told: list[str] = []
    reconciler = SimpleNamespace(begin_anew=lambda: told.append("anew"))
    bot: Any = SimpleNamespace(user="BoostMon", guilds=[], reconciler=reconciler)
    bot.attendance = SimpleNamespace(changed=lambda: told.append("servers"))

    await BoostMon.on_ready(bot)

    assert ["anew", "servers"] == told


async def test_a_connection_that_is_being_closed_gives_no_answer_about_members() -> None:
    async def query_members(**_: object) -> None:
        raise aiohttp.ClientConnectionResetError

    guild = SimpleNamespace(unavailable=False, query_members=query_members)
    bot: Any = SimpleNamespace(get_guild=lambda _: guild, is_ready=lambda: True)

    with pytest.raises(TimeoutError):
        await BoostMon.memberships(bot, "1", ["2"])


async def test_an_event_that_lacks_what_it_should_have_is_one_line_in_the_log() -> None:
    lacking = KeyError("roles")

    with capture_logs() as logs:
        await BoostMon.on_gateway_error(cast(Any, None), "GUILD_MEMBER_UPDATE", {}, 0, lacking)

    assert [("event not understood", "GUILD_MEMBER_UPDATE", "KeyError('roles')")] == [
        (line["event"], line["gateway_event"], line["reason"]) for line in logs
    ]


async def test_a_server_that_the_bot_is_removed_from_is_noted() -> None:
    told: list[str] = []
    bot: Any = SimpleNamespace(attendance=SimpleNamespace(changed=lambda: told.append("servers")))

    await BoostMon.on_guild_remove(bot, cast(Any, None))

    assert ["servers"] == told
