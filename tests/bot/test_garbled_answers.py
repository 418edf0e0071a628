"""Answers of 200 that are none of Discord's, or are cut off: nothing is concluded from them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from boostmon.bot.discord.pace import DIRECT
from boostmon.bot.discord.rest import UnansweredError
from boostmon.bot.servers import asking
from boostmon.bot.servers.asking import Asking, UntoldError
from boostmon.bot.servers.presence import Presence
from boostmon.bot.slash.interaction_api import InteractionApi
from boostmon.database.connections.pool import Database
from tests.support.scene import Scene
from tests.support.scene import scene as a_scene

JSON = {"Content-Type": "application/json"}
GARBLED: list[dict[str, Any]] = [
    {"body": '{"id": "1', "headers": JSON},
    {"body": "<html></html>"},
    {"body": {"x": 1}},
    {"body": ["x"]},
    {"body": [None]},
]
Question = Callable[[Scene], Awaitable[Any]]


def general(scene: Scene) -> str:
    """Name a channel."""
    return str(scene.client.ids["channels"]["general"])


QUESTIONS: dict[str, Question] = {
    "roles": lambda scene: scene.api.roles(scene.guild_id),
    "role entries": lambda scene: scene.api.role_entries(scene.guild_id, scene.api.own_id),
    "member": lambda scene: scene.api.member(scene.guild_id, scene.api.own_id),
    "channel": lambda scene: scene.api.open_direct_channel(scene.client.user("max")),
    "message": lambda scene: scene.api.send(
        general(scene), lambda: "hello", mention=scene.client.user("max"), nonce="1", lane=DIRECT
    ),
    "messages": lambda scene: scene.api.own_messages_since(general(scene), datetime.now(UTC)),
}


@pytest.fixture
async def scene(
    database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """Lend a scene in which nothing is waited for."""
    monkeypatch.setattr(asking, "PATIENCE", 1.0)
    async with a_scene(database, owner, monkeypatch) as made:
        yield made


async def garble(scene: Scene, answer: dict[str, Any], times: int | None = 1) -> None:
    await scene.fault(path="*", status=200, times=times, **answer)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
async def test_an_answer_that_cannot_be_read_is_none(scene: Scene, question: Question) -> None:
    for answer in GARBLED:
        await garble(scene, answer)
        with pytest.raises(UnansweredError):
            await question(scene)


async def test_whether_the_bot_is_in_a_server_is_not_told_by_what_cannot_be_read(
    scene: Scene,
) -> None:
    presence = Presence(scene.api)
    for answer in GARBLED:
        await garble(scene, answer)
        assert await presence.ask(scene.guild_id) is None
    assert not presence.is_there(scene.guild_id)
    assert await presence.ask(scene.guild_id) is True


@pytest.mark.parametrize("answer", GARBLED)
async def test_who_may_do_what_is_asked_again_behind_what_cannot_be_read(
    scene: Scene, answer: dict[str, Any]
) -> None:
    ask = Asking(scene.api)
    await garble(scene, answer)
    facts = await ask.server(scene.guild_id)
    assert facts.guild_id == scene.guild_id
    await garble(scene, answer)
    assert await ask.settings(scene.guild_id) == {}
    await garble(scene, answer)
    assert await ask.can_post(scene.guild_id, general(scene))


@pytest.mark.parametrize("answer", GARBLED)
async def test_who_may_do_what_stays_untold_where_nothing_can_be_read(
    scene: Scene, answer: dict[str, Any]
) -> None:
    ask = Asking(scene.api)
    await garble(scene, answer, times=None)
    for question in (ask.server, ask.settings):
        with pytest.raises(UntoldError):
            await question(scene.guild_id)
    assert not await ask.can_post(scene.guild_id, general(scene))


@pytest.mark.parametrize("flags", ["x", None, []])
async def test_whether_an_answer_is_loading_is_not_told_by_what_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, flags: Any
) -> None:
    api = object.__new__(InteractionApi)

    async def told(*_: object) -> dict[str, Any]:
        return {"id": "1", "flags": flags}

    monkeypatch.setattr(api, "_by_token", told)
    with pytest.raises(UnansweredError):
        await api.is_loading()
