"""Remembered channels of direct messages: whose they are, and what follows when one refuses."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from boostmon.bot.discord.refusals import is_no_longer_ours
from boostmon.bot.discord.rest import RefusedError
from boostmon.commands.decider import SetTime
from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR, MINUTE
from boostmon.projections.effects.direct_channels import DirectChannels
from tests.support.scene import Scene
from tests.support.scene import scene as a_scene
from tests.support.timers import M

MESSAGES = "/channels/{channel_id}/messages"
OPENING = "/users/@me/channels"
ANOTHER_APPLICATION = "111111111111111111"


@pytest.fixture
async def scene(
    database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """Lend a scene in which max has a timer without a channel, whose role was given."""
    async with a_scene(database, owner, monkeypatch) as made:
        await made.command(SetTime(made.clock.time, HOUR, M, None))
        await made.carry_out()
        yield made


async def remembered(scene: Scene, channel_id: str | None = None) -> str:
    """Have a channel remembered for max: the one that the bot opens, or another's."""
    channel_id = channel_id or await scene.api.open_direct_channel(scene.client.user("max"))
    await DirectChannels(scene.database).note(scene.client.user("max"), channel_id)
    return channel_id


async def told(scene: Scene) -> list[str]:
    """End the timer, send what is owed, and return what max was told by the bot."""
    await scene.expire()
    await scene.carry_out()
    own = scene.client.sandbox.state()["ids"]["bot"]
    dms = scene.client.sandbox.state()["dms"]
    return [m["content"] for dm in dms if dm["bot_id"] == own for m in dm["messages"]]


async def receipt(scene: Scene) -> str:
    """Return the receipt of the last notice, as text."""
    ask = "SELECT receipt::text FROM effects WHERE kind = 'notice' ORDER BY position DESC LIMIT 1"
    return str(await scene.owner.fetchval(ask))


async def test_a_channel_of_the_application_before_is_opened_anew(scene: Scene) -> None:
    world = scene.client.sandbox.discord.world
    before = world.dm(ANOTHER_APPLICATION, scene.client.user("max")).id
    await remembered(scene, before)

    (notice,) = await told(scene)

    assert "has expired" in notice
    now = await DirectChannels(scene.database).find(scene.client.user("max"))
    assert now not in (None, before)
    assert f'"{now}"' in await receipt(scene)


@pytest.mark.parametrize(
    "fault",
    [{"code": 10003}, {"code": 50001}, {"code": 50013}],
)
async def test_a_channel_that_refuses_is_opened_anew_once(
    scene: Scene, fault: dict[str, Any]
) -> None:
    gone = scene.client.ids["channels"]["general"]
    await remembered(scene, gone)
    await scene.fault(method="POST", path=f"/channels/{gone}/messages", times=None, **fault)

    (notice,) = await told(scene)

    assert "has expired" in notice
    assert (1, 1) == (scene.asked("POST", f"/{gone}/messages"), scene.asked("POST", OPENING))


@pytest.mark.parametrize("code", [50007, 50278])
async def test_who_takes_no_direct_messages_is_not_asked_twice(scene: Scene, code: int) -> None:
    await remembered(scene)
    await scene.fault(method="POST", path=MESSAGES, code=code)

    assert [] == await told(scene)

    assert "takes no direct messages" in await receipt(scene)
    assert (1, 1) == (scene.asked("POST", "/messages"), scene.asked("POST", OPENING))


async def test_a_channel_that_is_still_ours_and_refuses_is_judged_by_its_refusal(
    scene: Scene,
) -> None:
    await remembered(scene)
    await scene.fault(method="POST", path=MESSAGES, code=50001, times=None)

    assert [] == await told(scene)

    assert "50001" in await receipt(scene)
    assert (1, 2) == (scene.asked("POST", "/messages"), scene.asked("POST", OPENING))


async def test_a_refused_channel_is_not_asked_again_while_the_opening_waits(scene: Scene) -> None:
    gone = scene.client.ids["channels"]["staff"]
    await remembered(scene, gone)
    await scene.fault(method="POST", path=OPENING, status=503)

    assert [] == await told(scene)
    await scene.carry_out()

    assert 1 == scene.asked("POST", f"/{gone}/messages")
    assert 1 == len(scene.client.sandbox.state()["dms"])


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        *[(404, 10003, True), (404, 0, False), (403, 50001, True), (403, 50013, True)],
        *[(403, 50007, False), (403, 50278, False)],
        *[(401, 0, False), (429, 0, False), (503, 0, False)],
    ],
)
def test_a_channel_is_opened_anew_unless_the_member_or_nobody_refuses(
    status: int, code: int, *, expected: bool
) -> None:
    assert expected == is_no_longer_ours(RefusedError(status, {"code": code}, {}))


async def test_a_notice_in_doubt_is_not_taken_for_that_of_another_timer(scene: Scene) -> None:
    """Two roles may have one name, and what a member is told directly stands in one channel."""
    await scene.command(SetTime(scene.clock.time, HOUR + MINUTE, M, None), role="Trial")
    await scene.carry_out("give_role")
    await scene.sweep(HOUR - 5 * MINUTE)
    ask = "SELECT position FROM effects WHERE kind = 'notice' ORDER BY position"
    places = [row["position"] for row in await scene.owner.fetch(ask)]
    sent, doubted = [await scene.owed.find(position, "notice") for position in places]
    assert sent is not None
    assert doubted is not None
    first = await scene.delivery.carry_out(sent)
    assert await scene.owed.attempting(doubted, role_name="VIP")  # and nobody knows what became
    doubted = await scene.owed.find(doubted.position, "notice")
    assert doubted is not None

    second = await scene.delivery.carry_out(doubted)

    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["message_id"] != second["message_id"]
