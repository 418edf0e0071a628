"""Interactions in the sandbox: clocks, public and private, clicks, what no app would send."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.sandbox_client import Client, Used, sandbox

REPLY, DEFER, DEFER_UPDATE, UPDATE, CHOICES = 4, 5, 6, 7, 8
PRIVATE, LOADING = 64, 128


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox whose bot has a command /ping that takes nothing."""
    async with sandbox() as running:
        await running.register(name="ping")
        yield running


def menu(custom_id: str = "menu", **more: Any) -> list[Any]:
    options = [{"label": name, "value": name} for name in ("a", "b")]
    select = {"type": 3, "custom_id": custom_id, "options": options} | more
    return [{"type": 1, "components": [select]}]


async def test_an_answer_within_three_seconds_is_taken_and_a_later_one_not(
    client: Client,
) -> None:
    for elapsed, expected in ((2900, (204, None)), (3100, (404, 10062))):
        used = await client.use("max")
        await client.sim("clock", {"advance_ms": elapsed})
        answer = await used.answer(REPLY, {"content": "pong"})
        assert (answer.status, answer.code) == expected
        assert "X-RateLimit-Limit" not in answer.headers


async def test_the_second_answer_is_refused(client: Client) -> None:
    used = await client.use("max")
    assert (await used.answer(DEFER)).status == 204
    again = await used.answer(REPLY, {"content": "pong"})
    assert (again.status, again.code) == (400, 40060)


async def test_a_wrong_token_is_an_unknown_interaction(client: Client) -> None:
    used = await client.use("max")
    used.token += "x"
    assert (await used.answer(DEFER)).code == 10062


async def test_a_refused_body_leaves_the_interaction_open(client: Client) -> None:
    used = await client.use("max")
    refused = await used.answer(REPLY, {"content": "x" * 2001})
    assert refused.body["errors"]["data"]["content"]["_errors"]
    assert (await used.answer(REPLY, {})).code == 50006
    assert (await used.answer(UPDATE, {"content": "x"})).code == 50035
    assert (await used.answer(REPLY, {"content": "pong"})).status == 204


async def test_with_response_tells_of_the_message(client: Client) -> None:
    used = await client.use("max")
    told = (await used.answer(REPLY, {"content": "pong"}, "?with_response=true")).body
    assert told["interaction"]["response_message_loading"] is False
    assert told["resource"]["message"]["id"] == told["interaction"]["response_message_id"]
    used = await client.use("max")
    told = (await used.answer(DEFER, {"flags": PRIVATE}, "?with_response=true")).body
    assert "resource" not in told
    assert told["interaction"]["response_message_loading"] is True
    assert told["interaction"]["response_message_ephemeral"] is True


async def test_a_deferred_reply_is_loading_until_its_first_edit(client: Client) -> None:
    used = await client.use("max")
    await used.answer(DEFER)
    assert (await used.hooked("GET", used.original)).body["flags"] == LOADING
    edited = (await used.hooked("PATCH", used.original, {"content": "done"})).body
    assert (edited["flags"], edited["content"]) == (0, "done")
    record = await used.record()
    assert [seen["flags"] for seen in record["history"]] == [LOADING, 0]


@pytest.mark.parametrize("private", [0, PRIVATE])
async def test_the_defer_alone_decides_who_sees_the_reply(client: Client, private: int) -> None:
    used = await client.use("max")
    await used.answer(DEFER, {"flags": private})
    other = PRIVATE - private
    edited = (await used.hooked("PATCH", used.original, {"content": "x", "flags": other})).body
    assert edited["flags"] == private
    visible = (await client.api("GET", client.channel() + "/messages")).body
    assert bool(visible) is not bool(private)


async def test_the_first_follow_up_while_loading_is_the_reply(client: Client) -> None:
    used = await client.use("max")
    await used.answer(DEFER, {"flags": PRIVATE})
    loading = (await used.hooked("GET", used.original)).body
    first = (await used.hooked("POST", used.hook, {"content": "x"})).body
    assert (first["id"], first["flags"]) == (loading["id"], PRIVATE)
    second = (await used.hooked("POST", used.hook, {"content": "y"})).body
    assert (second["id"] != loading["id"], second["flags"]) == (True, 0)


async def test_after_the_reply_is_deleted_a_follow_up_has_its_own_flag(client: Client) -> None:
    used = await client.use("max")
    await used.answer(DEFER)
    assert (await used.record())["loading"] is True
    assert (await used.hooked("DELETE", used.original)).status == 204
    assert (await used.hooked("GET", used.original)).code == 10008
    assert (await used.record())["loading"] is False
    said = (await used.hooked("POST", used.hook, {"content": "no", "flags": PRIVATE})).body
    assert said["flags"] == PRIVATE
    record = await used.record()
    assert (record["deleted"], record["followups"][0]["viewer_id"]) == (True, client.user("max"))


async def test_a_follow_up_is_read_edited_and_deleted(client: Client) -> None:
    used = await client.use("max")
    await used.answer(REPLY, {"content": "pong"})
    said = (await used.hooked("POST", used.hook + "?wait=1", {"content": "more"})).body
    path = f"{used.hook}/messages/{said['id']}"
    edited = await used.hooked("PATCH", path, {"content": "less"})
    assert edited.body["content"] == (await used.hooked("GET", path)).body["content"] == "less"
    assert (await used.hooked("DELETE", path)).status == 204
    assert (await used.hooked("GET", path)).code == 10008


async def test_the_token_lives_for_fifteen_minutes(client: Client) -> None:
    used = await client.use("max")
    await used.answer(DEFER)
    await client.sim("clock", {"advance_ms": 899_000})
    assert (await used.hooked("GET", used.original)).status == 200
    await client.sim("clock", {"advance_ms": 2000})
    late = await used.hooked("PATCH", used.original, {"content": "late"})
    assert (late.status, late.code) == (401, 50027)


async def test_before_the_answer_the_token_is_no_webhook(client: Client) -> None:
    used = await client.use("max")
    answer = await used.hooked("PATCH", used.original, {"content": "x"})
    assert (answer.status, answer.code) == (404, 10015)
    unknown = used.original.replace(client.ids["bot"], "1")
    assert (await used.hooked("GET", unknown)).code == 10015


async def test_calls_about_interactions_do_not_count_in_the_global_limit(
    client: Client,
) -> None:
    await client.sim("limits", {"everything": [1, 30.0], "webhook": [100, 1.0]})
    assert (await client.api("GET", "/users/@me")).status == 200
    used = await client.use("max")
    assert (await used.answer(DEFER)).status == 204
    for _ in range(3):
        assert (await used.hooked("PATCH", used.original, {"content": "x"})).status == 200
    assert (await client.api("GET", "/users/@me")).status == 429


async def test_a_click_updates_the_message_it_was_on(client: Client) -> None:
    used = await client.use("max")
    await used.answer(REPLY, {"content": "choose", "components": menu()})
    message = (await used.hooked("GET", used.original)).body
    click = {"type": 3, "user_id": client.user("vera"), "message_id": message["id"]}
    async with client.gateway() as socket:
        made = await client.sim("interaction", click | {"custom_id": "menu", "values": ["b"]})
        event = (await socket.event("INTERACTION_CREATE"))["d"]
    assert (event["data"]["values"], event["message"]["id"]) == (["b"], message["id"])
    clicked = Used(client, made["id"], made["token"])
    assert (await clicked.answer(UPDATE, {"content": "b", "components": []})).status == 204
    changed = (await used.hooked("GET", used.original)).body
    assert (changed["content"], changed["components"]) == ("b", [])
    gone = await client.try_sim("interaction", click | {"custom_id": "menu", "values": ["b"]})
    assert gone.status == 404


async def test_a_click_can_be_deferred_and_then_edits_its_message(client: Client) -> None:
    used = await client.use("max")
    await used.answer(REPLY, {"content": "choose", "components": menu()})
    record = await used.record()
    click = {"type": 3, "user_id": client.user("max"), "message_id": record["message"]["id"]}
    made = await client.sim("interaction", click | {"custom_id": "menu", "values": ["a"]})
    clicked = Used(client, made["id"], made["token"])
    assert (await clicked.answer(DEFER_UPDATE)).status == 204
    assert (await used.record())["loading"] is False
    edited = (await clicked.hooked("PATCH", clicked.original, {"content": "a"})).body
    assert edited["id"] == record["message"]["id"]
    private = (await clicked.hooked("POST", clicked.hook, {"content": "x", "flags": PRIVATE})).body
    assert private["flags"] == PRIVATE


async def test_only_what_is_offered_can_be_clicked(client: Client) -> None:
    used = await client.use("max")
    await used.answer(REPLY, {"content": "x", "components": menu(), "flags": PRIVATE})
    message_id = (await used.record())["message"]["id"]
    click = {"type": 3, "message_id": message_id, "custom_id": "menu"}
    for user, values, status in (
        ("max", ["c"], 400),
        ("max", ["a", "b"], 400),
        ("max", [], 400),
        ("vera", ["a"], 403),
        ("max", ["a"], 200),
    ):
        body = click | {"user_id": client.user(user), "values": values}
        assert (await client.try_sim("interaction", body)).status == status


async def test_typing_asks_the_bot_for_choices(client: Client) -> None:
    text = {"type": 3, "name": "text", "description": "Text", "autocomplete": True}
    await client.register(name="find", options=[text])
    options = [{"name": "text", "type": 3, "value": "1h", "focused": True}]
    used = await client.use("max", "find", type=4, options=options)
    for choices in ([{"name": "x", "value": "x"}] * 26, [{"name": "", "value": "x"}]):
        assert (await used.answer(CHOICES, {"choices": choices})).code == 50035
    assert (await used.answer(REPLY, {"content": "x"})).code == 50035
    choices = [{"name": "1 hour", "value": "1h"}]
    assert (await used.answer(CHOICES, {"choices": choices})).status == 204
    assert (await used.record())["choices"] == choices


async def test_an_interaction_goes_to_every_session_and_the_second_answer_fails(
    client: Client,
) -> None:
    async with client.gateway(intents=0) as one, client.gateway() as two:
        used = await client.use("max")
        seen = [(await s.event("INTERACTION_CREATE"))["d"]["id"] for s in (one, two)]
        assert seen == [used.id, used.id]
    assert (await used.answer(DEFER)).status == 204
    assert (await used.answer(DEFER)).code == 40060


async def test_an_interaction_can_be_delivered_twice(client: Client) -> None:
    async with client.gateway() as socket:
        used = await client.use("max", deliveries=2)
        assert await socket.quiet() == ["GUILD_CREATE", *["INTERACTION_CREATE"] * 2]
        assert (await used.record())["sessions"] == 1


async def test_an_interaction_carries_all_that_clients_read(client: Client) -> None:
    options = [
        {"type": 6, "name": "user", "description": "User", "required": True},
        {"type": 8, "name": "role", "description": "Role"},
        {"type": 7, "name": "channel", "description": "Channel", "channel_types": [0]},
    ]
    await client.register(name="all", options=options)
    given = [
        {"name": "user", "type": 6, "value": client.user("vera")},
        {"name": "role", "type": 8, "value": client.role("VIP")},
        {"name": "channel", "type": 7, "value": client.ids["channels"]["general"]},
    ]
    async with client.gateway() as socket:
        await client.use("mona", "all", options=given, locale="de")
        event = (await socket.event("INTERACTION_CREATE"))["d"]
    resolved = event["data"]["resolved"]
    vera = resolved["members"][client.user("vera")]
    assert vera["roles"] == [client.role("Supporter")]
    assert "user" not in vera
    assert resolved["roles"][client.role("VIP")]["name"] == "VIP"
    assert resolved["channels"][client.ids["channels"]["general"]]["type"] == 0
    assert int(event["member"]["permissions"]) & 1 << 28
    assert int(event["app_permissions"]) & 1 << 28
    assert (event["locale"], event["guild_locale"], event["context"]) == ("de", "en-US", 0)
    assert event["authorizing_integration_owners"] == {"0": client.ids["guild"]}
    assert event["channel"]["id"] == event["channel_id"]
    assert event["attachment_size_limit"] == 10_485_760


async def test_who_has_left_is_resolved_as_a_user_without_membership(client: Client) -> None:
    user = {"type": 6, "name": "user", "description": "User"}
    await client.register(name="who", options=[user])
    await client.sim("member", {"user": "max", "action": "leave"})
    async with client.gateway() as socket:
        given = [{"name": "user", "type": 6, "value": client.user("max")}]
        await client.use("mona", "who", options=given)
        resolved = (await socket.event("INTERACTION_CREATE"))["d"]["data"]["resolved"]
    assert client.user("max") in resolved["users"]
    assert "members" not in resolved


async def test_what_no_app_would_send_is_not_sent(client: Client) -> None:
    options = [
        {"type": 3, "name": "kind", "description": "K", "required": True, "choices": CHOICE},
        {"type": 4, "name": "n", "description": "N", "min_value": 1, "max_value": 9},
        {"type": 3, "name": "word", "description": "W", "min_length": 2, "max_length": 3},
        {"type": 7, "name": "to", "description": "T", "channel_types": [0]},
        {"type": 11, "name": "file", "description": "F"},
    ]
    await client.register(name="strict", options=options)
    good = {"name": "kind", "type": 3, "value": "a"}
    voice = client.ids["channels"]["lounge"]
    base = {"user_id": client.user("max"), "guild_id": client.ids["guild"], "name": "strict"}
    for given, status in (
        ([good], 200),
        ([], 400),
        ([good | {"value": "b"}], 400),
        ([good, good], 400),
        ([good, {"name": "n", "type": 4, "value": 10}], 400),
        ([good, {"name": "n", "type": 4, "value": "5"}], 400),
        ([good, {"name": "word", "type": 3, "value": "x"}], 400),
        ([good, {"name": "to", "type": 7, "value": voice}], 400),
        ([good, {"name": "file", "type": 11, "value": "1"}], 400),
        ([good, {"name": "other", "type": 3, "value": "x"}], 400),
        ([good | {"type": 4}], 400),
    ):
        answer = await client.try_sim("interaction", base | {"options": given})
        assert (answer.status, given) == (status, given)
    assert (await client.try_sim("interaction", base | {"name": "nothing"})).status == 404


CHOICE = [{"name": "A", "value": "a"}]


async def test_a_command_is_for_those_with_its_permissions(client: Client) -> None:
    await client.register(name="mods", default_member_permissions="268435456")
    base = {"guild_id": client.ids["guild"], "name": "mods"}

    async def status(user: str) -> int:
        body = base | {"user_id": client.user(user)}
        return (await client.try_sim("interaction", body)).status

    assert [await status(user) for user in ("mona", "olga", "max")] == [200, 200, 403]
    rules = {"action": "commands", "command": "mods", "allow": ["max"], "deny": ["Moderator"]}
    await client.sim("guild", rules)
    assert [await status(user) for user in ("mona", "olga", "max")] == [403, 200, 200]


async def test_a_command_for_servers_only_is_not_offered_in_dms(client: Client) -> None:
    await client.register(name="here", contexts=[0])
    base = {"user_id": client.user("max")}
    assert (await client.try_sim("interaction", base | {"name": "here"})).status == 403
    async with client.gateway(intents=0) as socket:
        await client.sim("interaction", base | {"name": "ping"})
        event = (await socket.event("INTERACTION_CREATE"))["d"]
    assert (event["user"]["id"], event["context"]) == (client.user("max"), 1)
    assert "member" not in event


async def test_a_wait_ends_when_the_reply_is_there(client: Client) -> None:
    used = await client.use("max")
    waiting = asyncio.create_task(used.record("?wait=settled&timeout=5"))
    await asyncio.sleep(0)
    await used.answer(DEFER)
    assert not waiting.done()
    await used.hooked("PATCH", used.original, {"content": "done"})
    record = await waiting
    assert (record["message"]["content"], record["callback_type"]) == ("done", DEFER)
    assert (await used.record("?wait=followed&timeout=0.01"))["followups"] == []


async def test_a_reply_mentions_the_interaction_and_a_follow_up_the_reply(
    client: Client,
) -> None:
    used = await client.use("max")
    await used.answer(REPLY, {"content": "pong"})
    reply = (await used.hooked("GET", used.original)).body
    more = (await used.hooked("POST", used.hook, {"content": "x"})).body
    assert (reply["type"], reply["interaction_metadata"]["id"]) == (20, used.id)
    assert (more["type"], more["message_reference"]["message_id"]) == (19, reply["id"])
