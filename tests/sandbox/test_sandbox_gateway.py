"""The sandbox's gateway: identify, events by intent, resume, close codes, compression."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from boostmon.sandbox import Limits
from tests.support.sandbox_client import (
    DIRECT_MESSAGES,
    GUILD_MESSAGES,
    GUILDS,
    MEMBERS,
    Client,
    Socket,
    sandbox,
)

PRESENCES, MESSAGE_CONTENT = 1 << 8, 1 << 15


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox with the default world."""
    async with sandbox() as running:
        yield running


async def closed_with(socket: Socket) -> Any:
    while isinstance(code := await socket.receive(), dict):
        pass
    return code


async def test_identify_is_answered_by_ready_and_the_servers(client: Client) -> None:
    async with client.socket() as socket:
        assert socket.hello["d"] == {"heartbeat_interval": 41_250}
        await socket.send(1, None)
        assert (await socket.receive())["op"] == 11
        await socket.identify()
        guild = (await socket.event("GUILD_CREATE"))["d"]
    assert socket.ready["user"]["id"] == client.ids["bot"]
    assert socket.ready["guilds"] == [{"id": client.ids["guild"], "unavailable": True}]
    assert [member["user"]["id"] for member in guild["members"]] == [client.ids["bot"]]
    assert (guild["member_count"], len(guild["roles"]), len(guild["channels"])) == (6, 8, 4)


async def test_an_identify_uses_up_a_session_start(client: Client) -> None:
    async with client.gateway():
        limit = (await client.api("GET", "/gateway/bot")).body["session_start_limit"]
    assert limit["remaining"] == 999


async def test_an_identify_without_a_start_left_loses_the_token(client: Client) -> None:
    (bot,) = client.sandbox.discord.world.bots.values()
    bot.starts_left, before = 0, bot.token
    async with client.socket() as socket:
        await socket.send(2, {"token": before, "intents": 1, "properties": {}})
        assert await closed_with(socket) == 4004
    assert bot.token != before


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        (2, {"token": "wrong", "intents": 1, "properties": {}}, 4004),
        (2, {"token": "TOKEN", "intents": MEMBERS, "properties": {}}, 4014),
        (2, {"token": "TOKEN", "intents": MESSAGE_CONTENT, "properties": {}}, 4014),
        (2, {"token": "TOKEN", "intents": 1 << 40, "properties": {}}, 4013),
        (2, {"token": "TOKEN", "properties": {}}, 4002),
        (2, {"token": "TOKEN", "intents": 1}, 4002),
        (2, {"token": "TOKEN", "intents": 1, "properties": {}, "shard": [1, 1]}, 4010),
        (2, [], 4002),
        (3, {}, 4003),
        (99, {}, 4001),
    ],
)
async def test_a_wrong_payload_closes_with_its_code(
    client: Client, op: int, data: Any, code: int
) -> None:
    async with client.socket() as socket:
        if isinstance(data, dict) and data.get("token") == "TOKEN":
            data = data | {"token": client.ids["token"]}
        await socket.send(op, data)
        assert await closed_with(socket) == code


async def test_what_is_no_payload_closes_with_4002(client: Client) -> None:
    for text in ("{", "[]", '{"op": 1, "d": "' + "x" * 4096 + '"}'):
        async with client.socket() as socket:
            await socket.send_raw(text)
            assert await closed_with(socket) == 4002


async def test_a_second_identify_closes_with_4005(client: Client) -> None:
    async with client.gateway() as socket:
        await socket.send(2, {"token": client.ids["token"], "intents": 1, "properties": {}})
        assert await closed_with(socket) == 4005


async def test_another_version_closes_with_4012(client: Client) -> None:
    async with client.http.ws_connect(client.sandbox.discord.gateway_url() + "?v=8") as socket:
        await socket.receive()
        assert socket.close_code == 4012


async def test_an_encoding_that_is_not_offered_closes_with_4002(client: Client) -> None:
    async with client.http.ws_connect(client.sandbox.discord.gateway_url() + "?encoding=etf") as it:
        await it.receive()
        assert it.close_code == 4002


async def test_more_than_120_events_a_minute_close_with_4008(client: Client) -> None:
    async with client.socket() as socket:
        for _ in range(121):
            await socket.send(1, None)
        assert await closed_with(socket) == 4008


async def test_without_heartbeats_the_connection_is_closed() -> None:
    async with sandbox(limits=Limits(heartbeat_ms=40)) as client, client.gateway() as socket:
        assert await closed_with(socket) == 4009


async def test_events_come_compressed_when_asked(client: Client) -> None:
    async with client.socket("?v=10&encoding=json&compress=zlib-stream") as socket:
        await socket.identify()
        assert (await socket.event("GUILD_CREATE"))["d"]["id"] == client.ids["guild"]


async def test_changes_to_members_are_for_those_who_may_listen_and_the_bot_itself(
    client: Client,
) -> None:
    await client.sim("bot", {"privileged_intents": ["members"]})
    async with client.gateway() as deaf, client.gateway(intents=GUILDS | MEMBERS) as hearing:
        await client.sim("member", {"user": "max", "action": "give", "role": "VIP"})
        await client.sim("member", {"user": "BoostMon", "action": "nick", "nick": "B"})
        await client.sim("member", {"user": "max", "action": "leave"})
        await client.sim("member", {"user": "max", "action": "join"})
        assert await deaf.quiet() == ["GUILD_CREATE", "GUILD_MEMBER_UPDATE"]
        assert await hearing.quiet() == [
            "GUILD_CREATE",
            "GUILD_MEMBER_UPDATE",
            "GUILD_MEMBER_UPDATE",
            "GUILD_MEMBER_REMOVE",
            "GUILD_MEMBER_ADD",
        ]


async def test_roles_channels_and_servers_are_told_with_the_guilds_intent(
    client: Client,
) -> None:
    async with client.gateway() as hearing, client.gateway(intents=0) as deaf:
        await client.sim("role", {"role": "New", "action": "create"})
        await client.sim("role", {"role": "VIP", "action": "edit", "name": "Vip"})
        await client.sim("role", {"role": "Trial", "action": "delete"})
        await client.sim("channel", {"channel": "new", "action": "create"})
        await client.sim("channel", {"channel": "new", "action": "delete"})
        await client.sim("guild", {"action": "rename", "name": "Other"})
        await client.sim("guild", {"action": "outage"})
        await client.sim("role", {"role": "Vip", "action": "edit", "color": 5})
        await client.sim("guild", {"action": "back"})
        await client.sim("guild", {"action": "remove_bot"})
        await client.sim("guild", {"action": "add_bot"})
        assert await hearing.quiet() == [
            "GUILD_CREATE",
            "GUILD_ROLE_CREATE",
            "GUILD_ROLE_UPDATE",
            "GUILD_ROLE_DELETE",
            "CHANNEL_CREATE",
            "CHANNEL_DELETE",
            "GUILD_UPDATE",
            "GUILD_DELETE",
            "GUILD_CREATE",
            "GUILD_DELETE",
            "GUILD_CREATE",
        ]
        assert await deaf.quiet() == []


async def test_an_outage_is_told_apart_from_a_removal(client: Client) -> None:
    async with client.gateway() as socket:
        await client.sim("guild", {"action": "outage"})
        assert (await socket.event("GUILD_DELETE"))["d"]["unavailable"] is True
        await client.sim("guild", {"action": "back"})
        assert (await socket.event("GUILD_CREATE"))["d"]["unavailable"] is False
        await client.sim("guild", {"action": "remove_bot"})
        assert "unavailable" not in (await socket.event("GUILD_DELETE"))["d"]
        await client.sim("guild", {"action": "add_bot"})
        assert "unavailable" not in (await socket.event("GUILD_CREATE"))["d"]


async def test_messages_are_heard_where_the_bot_sees_and_read_where_it_may(
    client: Client,
) -> None:
    await client.sim("bot", {"privileged_intents": ["message_content"]})
    both = GUILDS | GUILD_MESSAGES
    saying = {"user": "max", "channel": "general", "content": "secret"}
    async with (
        client.gateway(intents=both) as blind,
        client.gateway(intents=both | MESSAGE_CONTENT) as reading,
        client.gateway() as deaf,
    ):
        await client.sim("message", saying)
        assert (await blind.event("MESSAGE_CREATE"))["d"]["content"] == ""
        assert (await reading.event("MESSAGE_CREATE"))["d"]["content"] == "secret"
        hidden = [{"role": "@everyone", "deny": ["VIEW_CHANNEL"]}]
        change = {"channel": "general", "action": "edit", "overwrites": hidden}
        await client.sim("channel", change)
        await client.sim("message", saying)
        assert await blind.quiet() == ["CHANNEL_UPDATE"]
        assert await deaf.quiet() == ["GUILD_CREATE", "CHANNEL_UPDATE"]


async def test_direct_messages_have_an_intent_of_their_own(client: Client) -> None:
    async with client.gateway(intents=DIRECT_MESSAGES) as hearing, client.gateway() as deaf:
        await client.sim("message", {"user": "max", "content": "hi"})
        assert (await hearing.event("MESSAGE_CREATE"))["d"]["content"] == "hi"
        assert await deaf.quiet() == ["GUILD_CREATE"]


async def test_a_lost_connection_is_resumed_with_what_was_missed(client: Client) -> None:
    async with client.gateway() as socket:
        await socket.event("GUILD_CREATE")
        await client.sim("gateway", {"action": "drop"})
        assert not isinstance(await socket.receive(), dict)
    await client.sim("role", {"role": "New", "action": "create"})
    resume = {"token": client.ids["token"], "session_id": socket.ready["session_id"]}
    async with client.socket() as again:
        await again.send(6, resume | {"seq": socket.sequence})
        assert (await again.receive())["t"] == "GUILD_ROLE_CREATE"
        assert (await again.receive())["t"] == "RESUMED"
        await client.sim("role", {"role": "New", "action": "delete"})
        assert (await again.receive())["t"] == "GUILD_ROLE_DELETE"


async def test_a_session_that_said_goodbye_is_not_resumed(client: Client) -> None:
    async with client.gateway() as socket:
        await socket.event("GUILD_CREATE")
        await socket.close(1000)
    resume = {"token": client.ids["token"], "session_id": socket.ready["session_id"], "seq": 2}
    async with client.socket() as again:
        await again.send(6, resume)
        answer = await again.receive()
        assert (answer["op"], answer["d"]) == (9, False)
        await again.identify()


async def test_a_sequence_from_the_future_closes_with_4007(client: Client) -> None:
    async with client.gateway() as socket:
        await socket.event("GUILD_CREATE")
        await socket.close(4000)
    resume = {"token": client.ids["token"], "session_id": socket.ready["session_id"], "seq": 99}
    async with client.socket() as again:
        await again.send(6, resume)
        assert await closed_with(again) == 4007


async def test_too_many_missed_events_cannot_be_resumed() -> None:
    async with sandbox(limits=Limits(resume_buffer=2)) as client:
        async with client.gateway() as socket:
            await socket.event("GUILD_CREATE")
            await socket.close(4000)
        for name in "abc":
            await client.sim("role", {"role": name, "action": "create"})
        resume = {"token": client.ids["token"], "session_id": socket.ready["session_id"]}
        async with client.socket() as again:
            await again.send(6, resume | {"seq": socket.sequence})
            assert (await again.receive())["op"] == 9


async def test_the_server_can_ask_to_reconnect_or_begin_anew_or_close(client: Client) -> None:
    async with client.gateway() as socket:
        await socket.event("GUILD_CREATE")
        await client.sim("gateway", {"action": "reconnect"})
        assert (await socket.receive())["op"] == 7
        await client.sim("gateway", {"action": "invalidate"})
        assert (await socket.receive())["op"] == 9
        await client.sim("gateway", {"action": "close", "code": 4000})
        assert client.sandbox.state()["bots"][0]["sessions"] == []
    async with client.gateway() as socket:
        await client.sim("gateway", {"action": "close", "code": 4001})
        assert await closed_with(socket) == 4001


async def test_members_are_asked_for_by_id_or_name_and_all_only_with_the_intent(
    client: Client,
) -> None:
    guild_id = client.ids["guild"]
    async with client.gateway() as socket:
        await socket.send(
            8, {"guild_id": guild_id, "user_ids": [client.user("max"), "5"], "nonce": "n"}
        )
        chunk = (await socket.event("GUILD_MEMBERS_CHUNK"))["d"]
        assert [m["user"]["username"] for m in chunk["members"]] == ["max"]
        assert (chunk["not_found"], chunk["nonce"], chunk["chunk_count"]) == (["5"], "n", 1)
        await socket.send(8, {"guild_id": guild_id, "query": "m", "limit": 1})
        assert len((await socket.event("GUILD_MEMBERS_CHUNK"))["d"]["members"]) == 1
        await socket.send(8, {"guild_id": guild_id, "query": "", "limit": 0})
        assert await closed_with(socket) == 4014


@pytest.mark.parametrize(
    "request_",
    [
        {"query": "m", "limit": "1"},
        {"query": "m"},
        {"query": 5, "limit": 1},
        {"query": "m", "limit": -1},
        {"user_ids": ["x"]},
        {"user_ids": ["1"], "query": "m", "limit": 1},
        {},
        {"guild_id": None, "user_ids": ["1"]},
    ],
)
async def test_a_request_for_members_that_is_none_closes_with_4002(
    client: Client, request_: Any
) -> None:
    async with client.gateway() as socket:
        await socket.send(8, {"guild_id": client.ids["guild"]} | request_)
        assert await closed_with(socket) == 4002


async def test_members_are_asked_for_by_a_hundred_at_most_and_without_presences() -> None:
    people = [{"user": f"u{n}"} for n in range(150)]
    async with (
        sandbox(world={"guilds": [{"name": "Big", "owner": "boss", "members": people}]}) as client,
        client.gateway() as socket,
    ):
        guild_id = client.ids["guild"]
        ids = [client.user(f"u{n}") for n in range(150)]
        for asked, count in (
            ({"user_ids": ids, "presences": True}, 100),
            ({"query": "u", "limit": 120}, 100),
            ({"query": "u1", "limit": 5}, 5),
        ):
            await socket.send(8, {"guild_id": guild_id, **asked, "nonce": "x" * 33})
            chunk = (await socket.event("GUILD_MEMBERS_CHUNK"))["d"]
            assert len(chunk["members"]) == count
            assert {"nonce", "presences"}.isdisjoint(chunk)


async def test_members_of_a_server_without_the_bot_are_not_given(client: Client) -> None:
    async with client.gateway() as socket:
        await client.sim("guild", {"action": "remove_bot"})
        await socket.event("GUILD_DELETE")
        await socket.send(8, {"guild_id": client.ids["guild"], "user_ids": [client.user("max")]})
        assert await socket.quiet() == []


async def test_all_members_come_in_chunks_of_a_thousand() -> None:
    people = [{"user": f"u{n}"} for n in range(1500)]
    world = {
        "bots": [{"name": "Bot", "privileged_intents": ["members"]}],
        "guilds": [{"name": "Big", "owner": "boss", "members": people}],
    }
    async with sandbox(world=world) as client, client.gateway(intents=GUILDS | MEMBERS) as socket:
        await socket.send(8, {"guild_id": client.ids["guild"], "query": "", "limit": 0})
        sizes = []
        for index in range(2):
            chunk = (await socket.event("GUILD_MEMBERS_CHUNK"))["d"]
            assert (chunk["chunk_index"], chunk["chunk_count"]) == (index, 2)
            sizes.append(len(chunk["members"]))
    assert sizes == [1000, 502]


async def test_a_shard_hears_of_its_own_servers_only() -> None:
    guilds = [{"name": str(n), "owner": "boss", "id": str(n << 22)} for n in (2, 3)]
    async with sandbox(world={"guilds": guilds}) as client:
        for number, expected in ((0, 2), (1, 3)):
            async with client.gateway(shard=[number, 2]) as socket:
                assert [int(guild["id"]) >> 22 for guild in socket.ready["guilds"]] == [expected]


async def test_a_session_that_was_away_too_long_is_not_resumed(client: Client) -> None:
    async with client.gateway() as socket:
        await socket.event("GUILD_CREATE")
        await socket.close(4000)
    resume = {"token": client.ids["token"], "session_id": socket.ready["session_id"], "seq": 2}
    await client.sim("clock", {"advance_ms": 100_000})
    async with client.socket() as again:
        await again.send(6, resume)
        assert (await again.receive())["t"] == "RESUMED"
        await again.close(4000)
    await client.sim("clock", {"advance_ms": 200_000})
    async with client.socket() as again:
        await again.send(6, resume)
        assert (await again.receive())["op"] == 9
    assert client.sandbox.state()["bots"][0]["sessions"] == []


async def test_a_frozen_connection_says_nothing_and_is_resumed_on_another(client: Client) -> None:
    async with client.gateway() as socket:
        await socket.event("GUILD_CREATE")
        await client.sim("gateway", {"action": "freeze"})
        await client.sim("role", {"role": "New", "action": "create"})
        await socket.send(1, None)
        resume = {"token": client.ids["token"], "session_id": socket.ready["session_id"]}
        async with client.socket() as again:
            await again.send(6, resume | {"seq": socket.sequence})
            assert (await again.receive())["t"] == "GUILD_ROLE_CREATE"
            assert (await again.receive())["t"] == "RESUMED"
            with pytest.raises(TimeoutError):
                await socket.receive(within=0.05)


async def test_a_rule_on_commands_is_told_to_their_bot(client: Client) -> None:
    command = await client.register(name="ping")
    async with client.gateway() as socket:
        await client.sim("guild", {"action": "commands", "command": "ping", "allow": ["max"]})
        told = (await socket.event("APPLICATION_COMMAND_PERMISSIONS_UPDATE"))["d"]
    assert (told["id"], told["guild_id"]) == (command["id"], client.ids["guild"])
    assert told["permissions"] == [{"id": client.user("max"), "type": 2, "permission": True}]


async def test_typing_is_told_to_who_listens_for_it(client: Client) -> None:
    async with client.gateway(intents=GUILDS | 1 << 11) as hearing, client.gateway() as deaf:
        assert (await client.api("POST", client.channel() + "/typing")).status == 204
        told = (await hearing.event("TYPING_START"))["d"]
        assert (told["user_id"], told["guild_id"]) == (client.ids["bot"], client.ids["guild"])
        assert await deaf.quiet() == ["GUILD_CREATE"]
    refused = await client.api("POST", client.channel("staff") + "/typing")
    assert refused.code == 50013
