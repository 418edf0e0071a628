"""Discord's 429s in every form, met by the relay's requests and by disnake's own."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
from disnake.http import Route

from boostmon import machine
from boostmon.bot.discord.pace import DIRECT, lane_of_reads
from boostmon.bot.discord.plain_refusals import make_plain
from boostmon.bot.discord.rest import RefusedError
from boostmon.database.connections.pool import Database
from tests.support.scene import MEMBER_ROUTE, Scene
from tests.support.scene import scene as a_scene
from tests.support.town import Town
from tests.support.town import town as a_town
from tests.whole.test_commands_e2e import GIVE, ORIGINAL, embed, fields, public

SET = {"user": "max", "role": "VIP", "duration": "1h"}
BAN = "error code: 1015"
IN_THE_PAST = "Mon, 30 Nov 2020 12:00:00 GMT"
MUTE: dict[str, Any] = {"retry_after": None}
FORMS = [
    pytest.param({"body": MUTE, "headers": {"Retry-After": "1"}}, id="only in the header"),
    pytest.param({"body": MUTE, "headers": {"Retry-After": IN_THE_PAST}}, id="a date"),
    pytest.param({"body": BAN, "headers": {"Retry-After": "1"}}, id="a page"),
    pytest.param({"body": BAN, "headers": {"Retry-After": "1", "Via": "1.1 x"}}, id="a page, via"),
    pytest.param({"body": {"retry_after": "soon"}}, id="nonsense"),
    pytest.param({"headers": {"Via": None}}, id="without Via"),
]


@pytest.fixture
async def town(database: Database, owner_url: str) -> AsyncIterator[Town]:
    """Lend a town in which the bot is at work."""
    async with a_town(database, owner_url) as made:
        yield made


@pytest.fixture
async def scene(
    database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """Lend a scene."""
    async with a_scene(database, owner, monkeypatch) as made:
        yield made


async def refused(scene: Scene, **fault: Any) -> RefusedError:
    """Have a question refused with a 429."""
    await scene.fault(path=MEMBER_ROUTE, status=429, **fault)
    with pytest.raises(RefusedError) as refusal:
        await scene.api.member(scene.guild_id, scene.client.user("max"))
    return refusal.value


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "Fri, 31 Dec 2038 23:59:59 GMT"}, 3600, 3600),
        ({"Retry-After": IN_THE_PAST}, 0, 0),
        ({"Retry-After": "77"}, 77, 77),
        ({"Retry-After": "99999999999"}, 3600, 3600),
        ({"Retry-After": "-1"}, 5, 5),
        ({"Retry-After": "soon"}, 5, 5),
        ({"Retry-After": None}, 5, 5),
    ],
)
async def test_a_429_is_counted_and_waited_out_whatever_its_header_says(
    scene: Scene, headers: dict[str, str | None], least: float, most: float
) -> None:
    more = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "soon"}

    refusal = await refused(scene, body=MUTE, headers=headers | more)

    now = machine.monotonic()
    assert least <= refusal.retry_after <= most
    assert 1 == scene.pace.invalid_count(now)
    closed = scene.pace.ready_at(lane_of_reads(scene.guild_id), now) - now
    assert least - 1 <= closed <= most + 1
    assert scene.pace.ready_at(DIRECT, now) <= now


@pytest.mark.parametrize("body", [BAN, "<html></html>"])
async def test_a_429_of_what_stands_before_discord_holds_up_everything(
    scene: Scene, body: str
) -> None:
    refusal = await refused(scene, body=body, headers={"Retry-After": "60"})

    now = machine.monotonic()
    assert (60, 1) == (refusal.retry_after, scene.pace.invalid_count(now))
    assert scene.pace.ready_at(DIRECT, now) > now + 50


@pytest.mark.parametrize("content", ["application/json", "application/json; charset=x"])
async def test_a_refusal_that_is_cut_off_is_counted_all_the_same(
    scene: Scene, content: str
) -> None:
    headers = {"Content-Type": content}
    await scene.fault(path=MEMBER_ROUTE, status=403, body='{"code": 500', headers=headers)

    with pytest.raises(RefusedError) as refusal:
        await scene.api.member(scene.guild_id, scene.client.user("max"))

    assert (403, 0) == (refusal.value.status, refusal.value.code)
    assert 1 == scene.pace.invalid_count(machine.monotonic())


@pytest.mark.parametrize("form", FORMS)
async def test_a_reply_whose_edit_meets_a_429_of_any_form_is_edited_after_it(
    town: Town, monkeypatch: pytest.MonkeyPatch, form: dict[str, Any]
) -> None:
    monkeypatch.setattr("boostmon.bot.discord.times_told.UNTOLD", 0.3)
    fault = {"path": ORIGINAL, "method": "PATCH", "status": 429, **form}
    await town.client.sim("fault", fault)

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]
    assert [] == told["followups"]
    assert [] == town.client.sandbox.state()["dms"]


@pytest.mark.parametrize(
    "form",
    [
        {"body": '{"code": 1', "headers": {"Content-Type": "application/json"}},
        {"body": '{"code": 1', "headers": {"Content-Type": None}},
    ],
)
async def test_a_reply_whose_edit_is_refused_with_anything_is_said_all_the_same(
    town: Town, form: dict[str, Any]
) -> None:
    fault = {"path": ORIGINAL, "method": "PATCH", "status": 404, "times": None, **form}
    await town.client.sim("fault", fault)

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]


async def test_a_429_for_all_that_is_given_up_stops_no_other_request(scene: Scene) -> None:
    http = scene.api._http  # noqa: SLF001 - as disnake asks by itself
    make_plain(cast("Any", SimpleNamespace(http=http)), scene.pace)
    limited = {"status": 429, "body": {"retry_after": 60.0, "global": True}}
    await scene.fault(path="/users/@me", **limited)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await http.request(Route("GET", "/users/@me"))

    async with asyncio.timeout(5):
        await http.request(Route("GET", "/gateway"))

    now = machine.monotonic()
    assert scene.pace.ready_at(DIRECT, now) > now + 50


async def test_a_429_of_a_role_change_in_any_form_gives_the_role_after_it(town: Town) -> None:
    mute = {"body": MUTE, "headers": {"Retry-After": IN_THE_PAST}}
    await town.client.sim("fault", {"path": GIVE, "status": 429, **mute})

    told = await public(town, "mona", "settime", **SET)

    assert f"<@{town.id_of('user', 'max')}> has the role." in fields(told)["Notes"]
