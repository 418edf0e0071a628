"""The bot as a whole: how its parts are ended."""

import asyncio

import pytest

from boostmon.bot import app


async def test_a_part_that_loses_its_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "INSISTENCE", 0.01)
    lost: list[bool] = []

    async def connect_as_disnake_does() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.append(True)  # as asyncio.wait_for does when the result comes with it
        await asyncio.Event().wait()

    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    async with asyncio.timeout(10):
        await app._until(stop, connect_as_disnake_does())  # noqa: SLF001 - where the parts end

    assert [True] == lost
