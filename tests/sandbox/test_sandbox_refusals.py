"""What the sandbox refuses or does not keep: two-factor, old edits, time-outs, nonces."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.sandbox_client import GUILD_MESSAGES, GUILDS, MEMBERS, Client, sandbox


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox with the default world."""
    async with sandbox() as running:
        yield running


# Two-factor authentication


async def ask_for_two_factor(client: Client, *, required: bool = True) -> None:
    await client.sim("guild", {"action": "two_factor", "required": required})


async def test_roles_need_the_two_factor_of_the_bots_owner_where_the_server_asks_for_it(
    client: Client,
) -> None:
    role = f"{client.guild}/roles/{client.role('VIP')}"
    member = f"{client.guild}/members/{client.user('max')}"
    writes: list[tuple[str, str, Any]] = [
        ("PUT", client.held("max", "VIP"), None),
        ("DELETE", client.held("max", "VIP"), None),
        ("PATCH", member, {"roles": [client.role("VIP")]}),
        ("POST", client.guild + "/roles", {"name": "New"}),
        ("PATCH", role, {"name": "Vip"}),
        ("PATCH", client.guild + "/roles", [{"id": client.role("Trial"), "position": 2}]),
        ("DELETE", role, None),
    ]
    await ask_for_two_factor(client)
    await client.sim("user", {"user": "olga", "two_factor": False})
    for method, path, body in writes:
        answer = await client.api(method, path, body)
        assert (403, 60003) == (answer.status, answer.code), path
    await client.sim("user", {"user": "olga", "two_factor": True})
    for method, path, body in writes:
        assert (await client.api(method, path, body)).status in (200, 204), path


async def test_two_factor_is_asked_of_nobody_where_the_server_does_not(client: Client) -> None:
    await client.sim("user", {"user": "olga", "two_factor": False})
    assert 204 == (await client.api("PUT", client.held("max", "VIP"))).status
    assert 0 == (await client.api("GET", client.guild)).body["mfa_level"]
    assert (await client.api("GET", "/users/@me")).body["mfa_enabled"] is False


async def test_that_a_server_asks_for_two_factor_is_told(client: Client) -> None:
    async with client.gateway() as socket:
        await ask_for_two_factor(client)
        assert 1 == (await socket.event("GUILD_UPDATE"))["d"]["mfa_level"]
        await ask_for_two_factor(client, required=False)
        assert 0 == (await socket.event("GUILD_UPDATE"))["d"]["mfa_level"]


async def test_a_missing_right_goes_before_a_missing_factor(client: Client) -> None:
    await ask_for_two_factor(client)
    await client.sim("user", {"user": "olga", "two_factor": False})
    await client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": []})
    assert 50013 == (await client.api("PUT", client.held("max", "VIP"))).code


async def test_a_world_may_begin_without_two_factor() -> None:
    users = [{"name": "ann", "two_factor": False}]
    bots = [{"name": "Bot", "owner": "ann"}]
    guilds = [{"name": "G", "owner": "ann", "mfa_level": 1, "roles": [{"name": "VIP"}]}]
    async with sandbox(world={"users": users, "bots": bots, "guilds": guilds}) as client:
        assert 60003 == (await client.api("PUT", client.held("ann", "VIP"))).code


# Nonces


async def test_a_nonce_is_shown_to_who_sent_it_and_then_forgotten(client: Client) -> None:
    path = client.channel() + "/messages"
    body = {"content": "x", "nonce": "n1", "enforce_nonce": True}
    async with client.gateway(intents=GUILDS | GUILD_MESSAGES) as socket:
        posted = (await client.api("POST", path, body)).body
        assert "n1" == posted["nonce"]
        assert "n1" == (await socket.event("MESSAGE_CREATE"))["d"]["nonce"]
        await client.api("PATCH", f"{path}/{posted['id']}", {"content": "y"})
        assert "nonce" not in (await socket.event("MESSAGE_UPDATE"))["d"]
    assert "nonce" not in (await client.api("GET", f"{path}/{posted['id']}")).body
    assert ["nonce" in one for one in (await client.api("GET", path)).body] == [False]
    (message,) = client.sandbox.state()["guilds"][0]["channels"][0]["messages"]
    assert "nonce" not in message
    assert posted["id"] == (await client.api("POST", path, body)).body["id"]


async def test_another_bot_is_not_told_of_a_nonce() -> None:
    world = {
        "bots": [{"name": "A"}, {"name": "B"}],
        "guilds": [{"name": "G", "owner": "boss", "channels": [{"name": "general"}]}],
    }
    async with sandbox(world=world) as client:
        token = client.sandbox.state()["bots"][1]["token"]
        async with client.gateway(token=token, intents=GUILDS | GUILD_MESSAGES) as other:
            await client.api("POST", client.channel() + "/messages", {"content": "x", "nonce": 1})
            assert "nonce" not in (await other.event("MESSAGE_CREATE"))["d"]


# Edits


async def test_old_messages_are_edited_three_times_in_six_seconds(client: Client) -> None:
    path = client.channel() + "/messages"
    elsewhere = client.channel("announcements") + "/messages"
    old = [(await client.api("POST", path, {"content": "x"})).body["id"] for _ in range(2)]
    other = (await client.api("POST", elsewhere, {"content": "x"})).body["id"]
    await client.sim("clock", {"advance_ms": 3_601_000})
    new = (await client.api("POST", path, {"content": "x"})).body["id"]
    await client.sim("limits", {"messages": [100, 1.0]})
    for message_id in (old[0], old[1], old[0]):
        edited = await client.api("PATCH", f"{path}/{message_id}", {"content": "y"})
        assert 200 == edited.status
    refused = await client.api("PATCH", f"{path}/{old[1]}", {"content": "y"})
    assert (429, 30046) == (refused.status, refused.code)
    assert 0 < refused.body["retry_after"] <= 6
    assert {"Via", "Retry-After"} <= refused.headers.keys()
    for one in (f"{path}/{new}", f"{elsewhere}/{other}"):
        assert 200 == (await client.api("PATCH", one, {"content": "y"})).status


async def test_new_messages_are_edited_as_often_as_one_likes(client: Client) -> None:
    path = client.channel() + "/messages"
    await client.sim("limits", {"messages": [100, 1.0]})
    new = (await client.api("POST", path, {"content": "x"})).body["id"]
    for _ in range(5):
        assert 200 == (await client.api("PATCH", f"{path}/{new}", {"content": "y"})).status


async def test_what_somebody_has_deleted_is_not_edited(client: Client) -> None:
    await client.register(name="ping")
    used = await client.use("max")
    await used.answer(4, {"content": "x"})
    message_id = (await used.record())["message"]["id"]
    await client.sim("message", {"user": "mona", "channel": "general", "delete": message_id})
    assert 10008 == (await used.hooked("PATCH", used.original, {"content": "y"})).code
    gone = f"{client.channel()}/messages/{message_id}"
    assert 10008 == (await client.api("PATCH", gone, {"content": "y"})).code


@pytest.mark.parametrize(
    ("code", "status"), [(10008, 404), (50001, 403), (30046, 429), (60003, 403)]
)
async def test_a_refusal_is_armed_by_its_code(client: Client, code: int, status: int) -> None:
    await client.register(name="ping")
    used = await client.use("max")
    await used.answer(5)
    fault = {"method": "PATCH", "path": "/webhooks/*/messages/@original", "code": code}
    await client.sim("fault", fault)
    answer = await used.hooked("PATCH", used.original, {"content": "y"})
    assert (status, code) == (answer.status, answer.code)
    assert 200 == (await used.hooked("PATCH", used.original, {"content": "y"})).status


async def test_a_code_that_nobody_knows_is_refused(client: Client) -> None:
    assert 400 == (await client.try_sim("fault", {"path": "*", "code": 1})).status


# Time-outs


async def time_out(client: Client, user: str, seconds: float = 600) -> None:
    await client.sim("member", {"user": user, "action": "time_out", "seconds": seconds})


async def test_a_time_out_is_told_wherever_a_member_is_shown(client: Client) -> None:
    await client.sim("bot", {"privileged_intents": ["members"]})
    user = {"type": 6, "name": "user", "description": "U"}
    await client.register(name="ping", options=[user])
    async with client.gateway(intents=GUILDS | MEMBERS) as socket:
        await time_out(client, "max")
        shown = (await socket.event("GUILD_MEMBER_UPDATE"))["d"]
        until = datetime.fromisoformat(shown["communication_disabled_until"])
        assert timedelta(minutes=9) < until - datetime.now(UTC) < timedelta(minutes=11)
        chosen = {"name": "user", "type": 6, "value": client.user("max")}
        await client.use("mona", options=[chosen])
        resolved = (await socket.event("INTERACTION_CREATE"))["d"]["data"]["resolved"]
    told = shown["communication_disabled_until"]
    assert told == resolved["members"][client.user("max")]["communication_disabled_until"]
    answer = await client.api("GET", f"{client.guild}/members/{client.user('max')}")
    assert told == answer.body["communication_disabled_until"]
    (entry,) = client.sandbox.state()["guilds"][0]["audit_log"]
    assert (24, told) == (entry["action_type"], entry["changes"][0]["new_value"])


async def test_who_is_in_time_out_may_only_look_and_still_gets_roles(client: Client) -> None:
    await client.register(name="ping")
    await time_out(client, "max")
    body = {"user_id": client.user("max"), "guild_id": client.ids["guild"], "name": "ping"}
    assert 403 == (await client.try_sim("interaction", body)).status
    assert 204 == (await client.api("PUT", client.held("max", "VIP"))).status
    await time_out(client, "max", 0)
    assert 200 == (await client.try_sim("interaction", body)).status


async def test_a_channel_gives_nothing_back_to_who_is_in_time_out(client: Client) -> None:
    allowed = {"member": "BoostMon", "allow": ["SEND_MESSAGES"]}
    await client.sim("channel", {"channel": "general", "action": "edit", "overwrites": [allowed]})
    await time_out(client, "BoostMon")
    path = client.channel() + "/messages"
    assert 50013 == (await client.api("POST", path, {"content": "x"})).code
    assert 200 == (await client.api("GET", path)).status


async def test_a_bot_in_time_out_gives_no_roles(client: Client) -> None:
    await time_out(client, "BoostMon")
    assert 50013 == (await client.api("PUT", client.held("max", "VIP"))).code


async def test_a_time_out_that_is_over_and_one_of_an_administrator_bind_nobody(
    client: Client,
) -> None:
    await time_out(client, "BoostMon", -60)
    assert 204 == (await client.api("PUT", client.held("max", "VIP"))).status
    await client.sim("member", {"user": "BoostMon", "action": "give", "role": "Admin"})
    await time_out(client, "BoostMon")
    assert 204 == (await client.api("PUT", client.held("max", "Trial"))).status
