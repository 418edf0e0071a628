"""Whether the bot is in a server that the gateway has not told of."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from boostmon.bot.discord.refusals import INVITE, Stuck
from boostmon.bot.discord.rest import RefusedError, UnansweredError
from boostmon.bot.servers import presence
from boostmon.bot.servers.guards import RoleTooHighError
from boostmon.bot.servers.presence import AGAIN_AFTER, Presence
from boostmon.bot.servers.view import ServerView
from tests.support.fakes import Machine, at_work, turns


class Api:
    """Answers of every server as it is told to."""

    def __init__(self, outcome: Exception | None = None) -> None:
        self.outcome = outcome
        self.asked: list[str] = []

    async def server(self, guild_id: str) -> dict[str, Any]:
        self.asked.append(guild_id)
        if self.outcome is not None:
            raise self.outcome
        return {"id": guild_id}


def refusal(status: int, code: int) -> RefusedError:
    return RefusedError(status, {"code": code}, {})


async def test_a_server_is_there_once_discord_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "PAUSE", 0.0)
    api = Api()
    known = Presence(api)
    async with at_work(known.run()):
        assert not known.is_there("1")
        assert not known.is_there("2")
        await turns(lambda: known.is_there("1") and known.is_there("2"))

    assert ["1", "2"] == api.asked


@pytest.mark.parametrize("code", [10004, 50001])
async def test_a_server_is_not_there_any_more_when_discord_says_so(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    Machine(monkeypatch)
    api = Api()
    known = Presence(api)
    await known.ask("1")
    assert known.is_there("1")

    api.outcome = refusal(404, code)
    await known.ask("1")

    assert not known.is_there("1")


@pytest.mark.parametrize("code", [10004, 50001])
async def test_that_the_bot_is_absent_is_doubted_at_first(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(presence, "PAUSE", 0.0)
    clock = Machine(monkeypatch)
    api = Api(refusal(404, code))
    known = Presence(api)
    async with at_work(known.run()):
        for asked, pause in enumerate((0.0, presence.SOON, 2 * presence.SOON), start=1):
            clock.now += pause + 0.1
            assert not known.is_there("1")
            await turns(lambda asked=asked: len(api.asked) == asked)  # type: ignore[misc]
        api.outcome = None
        clock.now += 4 * presence.SOON + 0.1
        known.is_there("1")
        await turns(lambda: known.is_there("1"))


@pytest.mark.parametrize("outcome", [refusal(503, 0), UnansweredError(), TimeoutError()])
async def test_what_discord_does_not_tell_changes_nothing(outcome: Exception) -> None:
    api = Api()
    known = Presence(api)
    await known.ask("1")

    api.outcome = outcome
    await known.ask("1")
    await known.ask("2")

    assert known.is_there("1")
    assert not known.is_there("2")


async def test_it_is_asked_again_after_a_while_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "PAUSE", 0.0)
    clock = Machine(monkeypatch)
    api = Api(refusal(404, 10004))
    known = Presence(api)
    async with at_work(known.run()):
        known.is_there("1")
        await turns(lambda: api.asked == ["1"])
        for _ in range(50):
            known.is_there("1")
            await asyncio.sleep(0)
        assert ["1"] == api.asked

        clock.now += AGAIN_AFTER + 1
        known.is_there("1")
        await turns(lambda: api.asked == ["1", "1"])


async def test_the_relay_may_ask_of_a_server_that_is_not_in_the_cache_but_there() -> None:
    known = Presence(Api())
    view = ServerView(cast("Any", SimpleNamespace(get_guild=lambda _: None)), known)
    assert (Stuck(INVITE), INVITE) == (view.absence("1"), view.remedy("1", "30"))

    await known.ask("1")

    assert view.absence("1") is None
    assert str(RoleTooHighError()) == view.remedy("1", "30")
