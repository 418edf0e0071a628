"""The disnake client, where it is mended."""

import asyncio
from typing import Any

import pytest
from disnake.webhook.async_ import async_context

from boostmon.database.pool import Database
from tests.town import town as a_town


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
