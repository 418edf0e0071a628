"""Channels that a bot of the sandbox does not see: that they are there, and nothing else."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.sandbox_client import GUILDS, Client, Socket, sandbox

HIDDEN = [{"role": "@everyone", "deny": ["VIEW_CHANNEL"]}]
FLAG = 1 << 17


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox with the default world."""
    async with sandbox() as running:
        yield running


async def hide(client: Client, overwrites: Any = HIDDEN) -> None:
    change = {"channel": "general", "action": "edit", "overwrites": overwrites}
    await client.sim("channel", change)


async def listed(client: Client) -> list[str]:
    """Return the names of the channels that REST lists."""
    answer = await client.api("GET", client.guild + "/channels")
    return [channel["name"] for channel in answer.body]


async def told(socket: Socket) -> list[tuple[str, str, bool]]:
    """Return the events about channels: which, by what name, and whether it is hidden."""
    return [
        (event, data["name"], bool(data["flags"] & FLAG))
        for event, data in await socket.drain()
        if event.startswith("CHANNEL_")
    ]


async def test_a_hidden_channel_is_not_listed_and_not_shown(client: Client) -> None:
    await hide(client)
    assert ["announcements", "lounge", "staff"] == await listed(client)
    assert 50001 == (await client.api("GET", client.channel())).code
    assert 50001 == (await client.api("POST", client.channel() + "/messages", {})).code


async def test_the_gateway_tells_of_a_hidden_channel_only_that_it_is_there(
    client: Client,
) -> None:
    await client.api("POST", client.channel() + "/messages", {"content": "x"})
    await hide(client)
    async with client.gateway() as socket:
        guild = (await socket.event("GUILD_CREATE"))["d"]
    channel = guild["channels"][0]
    assert client.ids["channels"]["general"] == channel["id"]
    assert ("___hidden___", FLAG, 0, 0) == (
        channel["name"],
        channel["flags"],
        channel["type"],
        channel["position"],
    )
    assert channel["topic"] is channel["last_message_id"] is None
    unseen = {"id": client.ids["guild"], "type": 0, "allow": "0", "deny": "1024"}
    assert [unseen] == channel["permission_overwrites"]
    assert [False] * 3 == [bool(one["flags"] & FLAG) for one in guild["channels"][1:]]


async def test_a_channel_that_is_hidden_and_shown_again_is_told_as_changed(
    client: Client,
) -> None:
    async with client.gateway() as socket:
        await hide(client)
        assert [("CHANNEL_UPDATE", "___hidden___", True)] == await told(socket)
        await hide(client, [])
        assert [("CHANNEL_UPDATE", "general", False)] == await told(socket)


async def test_rights_of_roles_hide_and_show_channels_too(client: Client) -> None:
    async with client.gateway() as socket:
        await hide(client, [*HIDDEN, {"role": "VIP", "allow": ["VIEW_CHANNEL"]}])
        await told(socket)
        for action, hidden in (("give", False), ("take", True)):
            await client.sim("member", {"user": "BoostMon", "action": action, "role": "VIP"})
            assert [hidden] == [one for _, _, one in await told(socket)]
        edit = {"role": "BoostMon", "action": "edit"}
        await client.sim("role", edit | {"permissions": ["ADMINISTRATOR"]})
        assert [("CHANNEL_UPDATE", "general", False)] == await told(socket)
        await client.sim("role", edit | {"permissions": ["MANAGE_ROLES"]})
        assert [("CHANNEL_UPDATE", "___hidden___", True)] == await told(socket)


async def test_a_role_that_is_deleted_takes_the_sight_with_it(client: Client) -> None:
    await hide(client, [*HIDDEN, {"role": "VIP", "allow": ["VIEW_CHANNEL"]}])
    await client.sim("member", {"user": "BoostMon", "action": "give", "role": "VIP"})
    async with client.gateway() as socket:
        await client.sim("role", {"role": "VIP", "action": "delete"})
        assert [("CHANNEL_UPDATE", "___hidden___", True)] == await told(socket)


async def test_what_happens_to_a_hidden_channel_is_told_without_what_it_is(
    client: Client,
) -> None:
    async with client.gateway() as socket:
        made = {"channel": "secret", "action": "create", "overwrites": HIDDEN}
        await client.sim("channel", made)
        await client.sim("channel", {"channel": "secret", "action": "delete"})
        hidden = "___hidden___"
        assert [
            ("CHANNEL_CREATE", hidden, True),
            ("CHANNEL_DELETE", hidden, True),
        ] == await told(socket)


async def test_who_sees_a_channel_is_told_of_it_while_another_bot_is_not() -> None:
    world = {
        "bots": [{"name": "A"}, {"name": "B"}],
        "guilds": [{"name": "G", "owner": "boss", "channels": [{"name": "c"}]}],
    }
    async with sandbox(world=world) as client:
        token = client.sandbox.state()["bots"][1]["token"]
        async with client.gateway() as first, client.gateway(token=token) as second:
            for_a = [*HIDDEN, {"member": "A", "allow": ["VIEW_CHANNEL"]}]
            change = {"channel": "c", "action": "edit", "overwrites": for_a}
            await client.sim("channel", change)
            assert [("CHANNEL_UPDATE", "c", False)] == await told(first)
            assert [("CHANNEL_UPDATE", "___hidden___", True)] == await told(second)


async def test_an_interaction_shows_its_channel_in_full(client: Client) -> None:
    await client.register(name="ping")
    await hide(client, [{"role": "BoostMon", "deny": ["VIEW_CHANNEL"]}])
    async with client.gateway(intents=GUILDS) as socket:
        await client.use("max")
        shown = (await socket.event("INTERACTION_CREATE"))["d"]
    assert ("general", "0") == (shown["channel"]["name"], shown["app_permissions"])
