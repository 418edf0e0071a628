"""What goes wrong with requests in the sandbox: late writes, old answers, wrong dates, pages."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from boostmon.sandbox.world.snowflakes import at
from tests.support.sandbox_client import MEMBERS, Answer, Client, sandbox

ROLE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
MEMBER = "/guilds/{guild_id}/members/{user_id}"
MESSAGES = "/channels/{channel_id}/messages"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox with the default world."""
    async with sandbox() as running:
        yield running


def roles(client: Client, name: str = "max") -> list[str]:
    (guild,) = client.sandbox.state()["guilds"]
    return next(list(m["role_names"]) for m in guild["members"] if m["name"] == name)


def said(client: Client) -> list[str]:
    (guild,) = client.sandbox.state()["guilds"]
    return [message["content"] for message in guild["channels"][0]["messages"]]


async def give_up(client: Client, method: str, path: str, body: Any = None) -> None:
    """Ask, and hang up before there is an answer."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await client.api(method, path, body)


async def until_late(client: Client) -> dict[str, Any]:
    """Wait for the effect of the newest request, and return how it was."""
    (entry,) = client.sandbox.discord.journal.after()[-1:]
    await until(lambda: "late" in entry)
    return entry


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not happened():  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("method", "before", "after"), [("PUT", [], ["VIP"]), ("DELETE", 1, [])])
async def test_a_write_that_was_given_up_takes_effect_late(
    client: Client, method: str, before: Any, after: list[str]
) -> None:
    if method == "DELETE":
        await client.sim("member", {"user": "max", "action": "give", "role": "VIP"})
        before = ["VIP"]
    await client.sim("fault", {"method": method, "path": ROLE, "hang": 30, "effect": 0.3})
    await give_up(client, method, client.held("max", "VIP"))
    assert before == roles(client)
    entry = await until_late(client)
    assert after == roles(client)
    assert 204 == entry["late"]["status"]
    assert entry["late"]["at_ms"] >= entry["at_ms"] + 300


async def test_a_write_that_hangs_is_carried_out_although_nobody_waits(client: Client) -> None:
    await client.sim("fault", {"method": "PUT", "path": ROLE, "hang": 0.3})
    await give_up(client, "PUT", client.held("max", "VIP"))
    assert [] == roles(client)
    await until(lambda: roles(client))
    assert client.sandbox.discord.journal.after()[-1]["given_up"]


async def test_a_write_may_never_take_effect(client: Client) -> None:
    fault = {"method": "PUT", "path": ROLE, "effect": "never", "times": 2}
    await client.sim("fault", fault | {"hang": 0.15})
    await give_up(client, "PUT", client.held("max", "VIP"))
    assert 504 == (await client.api("PUT", client.held("max", "VIP"))).status
    await asyncio.sleep(0.2)
    assert [] == roles(client)


async def test_a_write_is_answered_with_an_error_and_carried_out_later(client: Client) -> None:
    fault = {"method": "PUT", "path": ROLE, "status": 502, "effect": 0.2}
    await client.sim("fault", fault)
    assert 502 == (await client.api("PUT", client.held("max", "VIP"))).status
    assert [] == roles(client)
    await until_late(client)
    assert ["VIP"] == roles(client)


async def test_a_connection_is_cut_and_the_write_carried_out_later(client: Client) -> None:
    # The client library asks once more by itself.
    fault = {"method": "PUT", "path": ROLE, "reset": True, "effect": 0.2, "times": 2}
    await client.sim("fault", fault)
    with pytest.raises(aiohttp.ClientError):
        await client.api("PUT", client.held("max", "VIP"))
    assert [] == roles(client)
    await until_late(client)
    assert ["VIP"] == roles(client)


async def test_without_an_answer_of_its_own_a_late_write_is_answered_when_it_is_done(
    client: Client,
) -> None:
    await client.sim("fault", {"method": "PUT", "path": ROLE, "effect": 0.2})
    assert 204 == (await client.api("PUT", client.held("max", "VIP"))).status
    assert ["VIP"] == roles(client)


async def test_a_late_write_is_told_and_noted_when_it_happens(client: Client) -> None:
    await client.sim("bot", {"privileged_intents": ["members"]})
    async with client.gateway(intents=1 | MEMBERS) as socket:
        await socket.event("GUILD_CREATE")
        await client.sim("fault", {"path": ROLE, "status": 500, "effect": 0.2})
        await client.api("PUT", client.held("max", "VIP"))
        assert [] == await socket.quiet()
        await until_late(client)
        assert ["GUILD_MEMBER_UPDATE"] == await socket.quiet()
    assert 1 == len(client.sandbox.state()["guilds"][0]["audit_log"])


async def test_a_late_write_is_judged_by_what_is_true_then(client: Client) -> None:
    await client.sim("fault", {"path": ROLE, "status": 500, "effect": 0.2})
    await client.api("PUT", client.held("max", "VIP"))
    await client.sim("member", {"user": "max", "action": "leave"})
    assert 404 == (await until_late(client))["late"]["status"]


async def test_a_late_message_is_said_once_with_its_nonce(client: Client) -> None:
    body = {"content": "once", "nonce": "7", "enforce_nonce": True}
    await client.sim("fault", {"method": "POST", "path": MESSAGES, "hang": 30, "effect": 0.3})
    await give_up(client, "POST", client.channel() + "/messages", body)
    assert [] == said(client)
    assert 200 == (await client.api("POST", client.channel() + "/messages", body)).status
    await asyncio.sleep(0.3)
    assert ["once"] == said(client)


async def test_a_new_world_knows_nothing_of_what_was_to_come() -> None:
    member = {"user": "max", "action": "give", "role": "VIP"}
    world = {
        "bots": [{"name": "Bot", "id": "1"}],
        "users": [{"name": "max", "id": "2"}],
        "guilds": [
            {
                "name": "G",
                "id": "3",
                "owner": "boss",
                "roles": [
                    {"name": "VIP", "id": "4"},
                    {"name": "Bot", "bot": "Bot", "permissions": ["MANAGE_ROLES"]},
                ],
                "members": [{"user": "max"}],
            }
        ],
    }
    async with sandbox(world=world) as client:
        await client.sim("fault", {"path": ROLE, "status": 500, "effect": 0.1})
        await client.sim("fault", {"audit_log": "delay", "seconds": 0.1})
        await client.api("PUT", client.held("max", "VIP"))
        await client.sim("member", member | {"action": "give", "role": "Bot"})
        state = await client.sim("reset", world)
        await asyncio.sleep(0.15)
        assert [] == roles(client)
        assert [] == state["faults"]
        assert [] == client.sandbox.state()["guilds"][0]["audit_log"]


async def test_an_old_answer_shows_what_was_true_when_it_was_asked_for(client: Client) -> None:
    path = f"{client.guild}/members/{client.user('max')}"
    await client.sim("fault", {"method": "GET", "path": MEMBER, "hang": 1.2, "when": "after"})
    asking = asyncio.create_task(client.api("GET", path))
    await asyncio.sleep(0.05)
    await client.sim("member", {"user": "max", "action": "give", "role": "VIP"})
    assert [client.role("VIP")] == (await client.api("GET", path)).body["roles"]
    answer = await asking
    assert (200, []) == (answer.status, answer.body["roles"])
    assert late_by(answer) > 1


def late_by(answer: Answer) -> float:
    """Return by how many seconds the date of an answer lies behind now."""
    return (datetime.now(UTC) - parsedate_to_datetime(answer.headers["Date"])).total_seconds()


async def test_every_answer_is_dated(client: Client) -> None:
    await client.sim("fault", {"path": "/users/@me", "status": 502})
    await client.sim("limits", {"roles": [1, 10.0]})
    answers = [
        await client.api("GET", "/users/@me"),
        await client.api("GET", "/users/@me"),
        await client.api("GET", "/nonsense"),
        await client.api("GET", "/users/@me", token=None),
        await client.api("PUT", client.held("max", "VIP")),
        await client.api("PUT", client.held("max", "VIP")),
    ]
    assert [502, 200, 404, 401, 204, 429] == [answer.status for answer in answers]
    assert all(-0.5 <= late_by(answer) < 5 for answer in answers)


@pytest.mark.parametrize("wrong", [7200, -7200])
async def test_a_date_may_be_wrong(client: Client, wrong: int) -> None:
    await client.sim("fault", {"path": "*", "date": wrong, "times": None})
    for path in ("/users/@me", "/nonsense"):
        answer = await client.api("GET", path)
        assert -5 < late_by(answer) + wrong < 5
    await client.sim("fault", method="DELETE")
    assert late_by(await client.api("GET", "/users/@me")) < 5


async def test_a_date_may_be_missing(client: Client) -> None:
    await client.sim("fault", {"path": "*", "date": "missing"})
    assert "Date" not in (await client.api("GET", "/users/@me")).headers
    assert "Date" in (await client.api("GET", "/users/@me")).headers


async def test_a_wrong_date_leaves_room_for_another_fault(client: Client) -> None:
    await client.sim("fault", {"path": "*", "date": 7200, "times": None})
    await client.sim("fault", {"path": "/users/@me", "status": 500, "times": 2})
    for status in (500, 500, 200):
        answer = await client.api("GET", "/users/@me")
        assert (status, True) == (answer.status, late_by(answer) < -7000)


async def test_a_fault_with_a_wrong_date_is_used_once_by_a_request(client: Client) -> None:
    await client.sim("fault", {"path": "/users/@me", "date": 60, "status": 500, "times": 2})
    assert [500, 500, 200] == [(await client.api("GET", "/users/@me")).status for _ in range(3)]


@pytest.mark.parametrize("hours", [2, -2])
async def test_the_time_of_day_may_be_another_than_this_machines(
    client: Client, hours: int
) -> None:
    await client.register(name="ping")
    await client.sim("clock", {"apart_ms": hours * 3_600_000})
    answer = await client.api("POST", client.channel() + "/messages", {"content": "x"})
    used = await client.use("max")
    told = (
        parsedate_to_datetime(answer.headers["Date"]).timestamp(),
        datetime.fromisoformat(answer.body["timestamp"]).timestamp(),
        datetime.fromisoformat(at(used.id)).timestamp(),
        float(answer.headers["X-RateLimit-Reset"]),
    )
    right = datetime.now(UTC).timestamp() + hours * 3600
    assert [0, 0, 0, 0] == [round((moment - right) / 60) for moment in told]


async def test_an_answer_is_a_page_where_what_stands_before_discord_answers(
    client: Client,
) -> None:
    for status in (502, 503, 504, *range(520, 528)):
        await client.sim("fault", {"path": "/users/@me", "status": status})
        answer = await client.api("GET", "/users/@me")
        assert status == answer.status
        assert "text/html" in answer.headers["Content-Type"]
        assert "Via" not in answer.headers
        assert re.search(rf"<h1>{status} \w+", answer.body)
    await client.sim("fault", {"path": "/users/@me", "status": 500})
    answer = await client.api("GET", "/users/@me")
    assert {"message": "500: Internal Server Error", "code": 0} == answer.body


async def test_a_429_may_say_less_or_other_than_it_should(client: Client) -> None:
    fault = {"path": "/users/@me", "status": 429, "times": 1}
    await client.sim("fault", fault | {"body": {"retry_after": None}})
    answer = await client.api("GET", "/users/@me")
    assert {"message", "global"} == answer.body.keys()
    assert "Via" in answer.headers

    headers = {"Retry-After": "soon", "Via": None}
    await client.sim("fault", fault | {"body": "error code: 1015", "headers": headers})
    answer = await client.api("GET", "/users/@me")
    assert (429, "error code: 1015") == (answer.status, answer.body)
    assert "soon" == answer.headers["Retry-After"]
    assert "Via" not in answer.headers
