"""Several bots, shards, outages and many servers in one sandbox."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import convert

from boostmon.sandbox import Limits
from boostmon.sandbox.world.seed import build
from boostmon.sandbox.world.world_spec import WorldSpec
from tests.support.sandbox_client import DIRECT_MESSAGES, GUILDS, Client, sandbox

BOTS = {
    "bots": [{"name": "One", "owner": "ann"}, {"name": "Two", "owner": "ann"}],
    "guilds": [
        {
            "name": "Both",
            "owner": "ann",
            "members": [{"user": "max"}],
            "channels": [{"name": "talk"}],
        }
    ],
}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox with two bots; the first is meant where none is named."""
    async with sandbox(world=BOTS, limits=Limits(identify=(9, 1.0), messages=(2, 60.0))) as running:
        yield running


def second(client: Client) -> tuple[str, str]:
    """Return the id and the token of the second bot."""
    bot = client.sandbox.state()["bots"][1]
    return bot["id"], bot["token"]


async def test_each_bot_has_its_own_commands_and_hears_of_their_use_alone(client: Client) -> None:
    await client.register(name="ping")
    bot_id, token = second(client)
    path = f"/applications/{bot_id}/commands"
    assert (await client.api("POST", path, {"name": "ping", "description": "P"})).status == 403
    made = await client.api("POST", path, {"name": "pong", "description": "P"}, token=token)
    assert made.body["application_id"] == bot_id
    async with client.gateway() as one, client.socket() as two:
        await two.send(2, {"token": token, "intents": GUILDS, "properties": {}})
        assert (await two.event("READY"))["d"]["user"]["id"] == bot_id
        used = await client.use("max", "pong")
        assert (await two.event("INTERACTION_CREATE"))["d"]["application_id"] == bot_id
        assert await one.quiet() == ["GUILD_CREATE"]
        hook = f"/webhooks/{client.ids['bot']}/{used.token}"
        await used.answer(5)
        assert (await client.api("POST", hook, {"content": "x"}, token=None)).code == 50027


async def test_each_bot_has_its_own_dms_nonces_and_limits(client: Client) -> None:
    _, token = second(client)
    body = {"recipient_id": client.user("max")}
    one = await client.api("POST", "/users/@me/channels", body)
    two = await client.api("POST", "/users/@me/channels", body, token=token)
    assert one.body["id"] != two.body["id"]
    path = f"/channels/{two.body['id']}/messages"
    assert (await client.api("POST", path, {"content": "x"})).code == 50001
    once = {"content": "x", "nonce": "n", "enforce_nonce": True}
    said = await client.api("POST", f"/channels/{one.body['id']}/messages", once)
    also = await client.api("POST", path, once, token=token)
    assert said.body["id"] != also.body["id"]
    remaining = [answer.headers["X-RateLimit-Remaining"] for answer in (said, also)]
    assert remaining == ["1", "1"]


async def test_a_bot_cannot_resume_the_session_of_another(client: Client) -> None:
    _, token = second(client)
    async with client.gateway() as socket:
        await socket.close(4000)
    async with client.socket() as other:
        session = socket.ready["session_id"]
        await other.send(6, {"token": token, "session_id": session, "seq": 1})
        assert (await other.receive())["op"] == 9


async def test_shards_share_out_servers_and_direct_messages_are_for_the_first() -> None:
    guilds = [{"name": str(n), "owner": "max", "id": str((n << 22) + 7)} for n in range(4, 10)]
    async with sandbox(world={"guilds": guilds}) as client:
        heard: dict[int, list[str]] = {}
        intents = GUILDS | DIRECT_MESSAGES
        async with (
            client.gateway(intents=intents, shard=[0, 3]) as first,
            client.gateway(intents=intents, shard=[1, 3]) as second_,
            client.gateway(intents=intents, shard=[2, 3]) as third,
        ):
            for number, socket in enumerate((first, second_, third)):
                assert socket.ready["shard"] == [number, 3]
                names = [int(guild["id"]) >> 22 for guild in socket.ready["guilds"]]
                assert [name % 3 for name in names] == [number, number]
                assert await socket.quiet() == ["GUILD_CREATE"] * 2
            await client.sim("message", {"user": "max", "content": "hi"})
            for name in range(4, 10):
                await client.sim("role", {"guild": str(name), "role": "New", "action": "create"})
            for number, socket in enumerate((first, second_, third)):
                heard[number] = await socket.quiet()
                await socket.send(8, {"guild_id": guilds[2]["id"], "user_ids": ["1"]})
            answered = [await socket.quiet() for socket in (first, second_, third)]
    roles = ["GUILD_ROLE_CREATE"] * 2
    assert heard == {0: ["MESSAGE_CREATE", *roles], 1: roles, 2: roles}
    assert answered == [["GUILD_MEMBERS_CHUNK"], [], []]


async def test_rest_fails_for_a_server_in_an_outage_and_for_no_other() -> None:
    guilds = [{"name": name, "owner": "ann", "channels": [{"name": "talk"}]} for name in "ab"]
    async with sandbox(world={"guilds": guilds}) as client:
        first, other = client.sandbox.state()["guilds"]
        await client.sim("guild", {"guild": "a", "action": "outage"})
        me = client.ids["bot"]
        for path in (
            f"/guilds/{first['id']}",
            f"/guilds/{first['id']}/members/{me}",
            f"/channels/{first['channels'][0]['id']}",
            f"{client.app}/guilds/{first['id']}/commands",
        ):
            refused = await client.api("GET", path)
            assert (refused.status, refused.body["code"]) == (503, 0), path
        assert (await client.api("GET", f"/guilds/{other['id']}")).status == 200
        assert len((await client.api("GET", "/users/@me/guilds")).body) == 2
        async with client.gateway() as socket:
            assert len(socket.ready["guilds"]) == 2
            assert (await socket.event("GUILD_CREATE"))["d"]["id"] == other["id"]
            await client.sim("guild", {"guild": "a", "action": "back"})
            assert (await socket.event("GUILD_CREATE"))["d"]["id"] == first["id"]
        assert (await client.api("GET", f"/guilds/{first['id']}")).status == 200


def many(servers: int) -> dict[str, Any]:
    """Describe a world of *servers* with a few roles, members and channels each."""
    roles = [{"name": name} for name in ("A", "B", "C", "D")]
    members = [{"user": f"u{n}"} for n in range(10)]
    channels = [{"name": f"c{n}"} for n in range(5)]
    of_all = {"owner": "ann", "roles": roles, "members": members, "channels": channels}
    return {"guilds": [{"name": f"s{n}", **of_all} for n in range(servers)]}


async def test_a_thousand_servers_are_told_one_by_one_and_in_whole() -> None:
    async with (
        sandbox(world=many(1000)) as client,
        client.socket("?v=10&encoding=json&compress=zlib-stream") as socket,
    ):
        await socket.identify()
        expected = {guild["id"] for guild in socket.ready["guilds"]}
        assert len(expected) == 1000
        came: set[str] = set()
        while len(came) < 1000:
            guild = (await socket.event("GUILD_CREATE"))["d"]
            came.add(guild["id"])
            assert (len(guild["roles"]), guild["member_count"], len(guild["channels"])) == (
                6,
                12,
                5,
            )
        assert came == expected


async def test_more_than_2500_servers_need_shards() -> None:
    world = {"guilds": [{"name": str(n), "owner": "ann"} for n in range(2501)]}
    async with sandbox(world=world) as client:
        assert (await client.api("GET", "/gateway/bot")).body["shards"] == 3
        identify = {"token": client.ids["token"], "intents": 0, "properties": {}}
        async with client.socket() as socket:
            await socket.send(2, identify)
            assert await socket.receive() == 4011
        async with client.gateway(intents=0, shard=[0, 3]) as socket:
            assert 0 < len(socket.ready["guilds"]) < 2501


def test_a_world_of_50_000_users_is_made_within_seconds() -> None:
    names = [f"u{number}" for number in range(50_000)]
    guilds = [
        {"name": f"g{n}", "owner": "u0", "members": [{"user": u} for u in names[n::10]]}
        for n in range(10)
    ]
    began = time.process_time()
    world = build(convert({"users": [{"name": n} for n in names], "guilds": guilds}, WorldSpec))
    bot, last = next(iter(world.bots)), world.user("u49999")
    assert last is not None
    assert world.dm(bot, last.id) is world.dm(bot, last.id)
    assert 50_001 == len(world.users)
    assert time.process_time() - began < 5
