"""Events of the sandbox's gateway that come late, twice, out of order or never."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from boostmon.sandbox import Limits
from tests.support.sandbox_client import GUILDS, MEMBERS, Client, Socket, sandbox

MODERATION = 1 << 2


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox whose bot may hear of members and read the audit log."""
    async with sandbox() as running:
        await running.sim("bot", {"privileged_intents": ["members"]})
        bits = ["MANAGE_ROLES", "VIEW_AUDIT_LOG"]
        await running.sim("role", {"role": "BoostMon", "action": "edit", "permissions": bits})
        yield running


async def nick(client: Client, name: str, user: str = "max") -> None:
    await client.sim("member", {"user": user, "action": "nick", "nick": name})


async def heard(socket: Socket, event: str = "GUILD_MEMBER_UPDATE") -> list[Any]:
    """Return the nicknames in the events that came."""
    return [data["nick"] for name, data in await socket.drain() if name == event]


async def test_events_are_lost_by_name_as_often_as_is_said(client: Client) -> None:
    async with client.gateway(intents=GUILDS | MEMBERS) as socket:
        await client.sim("gateway", {"action": "lose", "event": "GUILD_MEMBER_*", "times": 2})
        for name in "abc":
            await nick(client, name)
            await client.sim("guild", {"action": "rename", "name": name})
        events = await socket.drain()
    names = [name for name, _ in events if name != "GUILD_CREATE"]
    assert ["GUILD_UPDATE", "GUILD_UPDATE", "GUILD_MEMBER_UPDATE", "GUILD_UPDATE"] == names


async def test_a_lost_event_has_no_number_and_is_not_resumed(client: Client) -> None:
    async with client.gateway(intents=GUILDS | MEMBERS) as socket:
        await socket.event("GUILD_CREATE")
        since = socket.sequence
        await client.sim("gateway", {"action": "lose", "event": "GUILD_MEMBER_UPDATE"})
        await nick(client, "lost")
        await nick(client, "heard")
        assert ["heard"] == await heard(socket)
        assert since + 1 == socket.sequence
        await socket.close(4000)
    assert ["heard"] == await resumed(client, socket, since)


async def resumed(client: Client, socket: Socket, since: int) -> list[str]:
    """Return the nicknames in what a RESUME brings."""
    resume = {"token": client.ids["token"], "session_id": socket.ready["session_id"]}
    async with client.socket() as again:
        await again.send(6, resume | {"seq": since})
        return await heard(again)


async def test_a_doubled_event_has_a_number_of_its_own_and_is_resumed_twice(
    client: Client,
) -> None:
    async with client.gateway(intents=GUILDS | MEMBERS) as socket:
        await socket.event("GUILD_CREATE")
        since = socket.sequence
        await client.sim("gateway", {"action": "double", "event": "GUILD_MEMBER_UPDATE"})
        await nick(client, "twice")
        await nick(client, "once")
        assert ["twice", "twice", "once"] == await heard(socket)
        assert since + 3 == socket.sequence
        await socket.close(4000)
    assert ["twice", "twice", "once"] == await resumed(client, socket, since)


async def test_the_second_of_a_doubled_event_comes_later(client: Client) -> None:
    async with client.gateway(intents=GUILDS | MEMBERS) as socket:
        double = {"action": "double", "event": "GUILD_MEMBER_UPDATE", "seconds": 0.1}
        await client.sim("gateway", double)
        await nick(client, "twice")
        await nick(client, "once")
        assert ["twice", "once"] == await heard(socket)
        await asyncio.sleep(0.15)
        assert ["twice"] == await heard(socket)


async def test_a_late_event_is_overtaken_and_says_what_was_true_at_its_time(
    client: Client,
) -> None:
    async with client.gateway(intents=GUILDS | MEMBERS) as socket:
        await socket.event("GUILD_CREATE")
        since = socket.sequence
        delay = {"action": "delay", "event": "GUILD_MEMBER_UPDATE", "seconds": 0.15}
        await client.sim("gateway", delay)
        await nick(client, "first")
        await nick(client, "second")
        assert ["second"] == await heard(socket)
        await asyncio.sleep(0.2)
        assert ["first"] == await heard(socket)
        await socket.close(4000)
    assert ["second", "first"] == await resumed(client, socket, since)


async def test_a_late_event_reaches_a_session_that_is_away(client: Client) -> None:
    async with client.gateway(intents=GUILDS | MEMBERS) as socket:
        await socket.event("GUILD_CREATE")
        delay = {"action": "delay", "event": "GUILD_MEMBER_UPDATE", "seconds": 0.1}
        await client.sim("gateway", delay)
        await nick(client, "late")
        await socket.close(4000)
    await asyncio.sleep(0.15)
    assert ["late"] == await resumed(client, socket, socket.sequence)


async def test_each_session_of_the_bot_loses_its_own_events(client: Client) -> None:
    lose = {"action": "lose", "event": "GUILD_MEMBER_UPDATE", "times": 1}
    both = GUILDS | MEMBERS
    async with client.gateway(intents=both) as first, client.gateway(intents=both) as second:
        await client.sim("gateway", lose)
        await nick(client, "lost")
        await nick(client, "heard")
        assert ["heard"] == await heard(first)
        assert ["heard"] == await heard(second)


async def test_one_shard_loses_events_and_the_other_does_not() -> None:
    guilds = [
        {"name": str(n), "owner": "boss", "id": str(n << 22), "members": [{"user": "max"}]}
        for n in (2, 3)
    ]
    async with (
        sandbox(world={"guilds": guilds}) as client,
        client.gateway(shard=[0, 2]) as even,
        client.gateway(shard=[1, 2]) as odd,
    ):
        lose = {"action": "lose", "event": "GUILD_UPDATE", "shard": 1, "times": None}
        fault = await client.sim("gateway", lose)
        for name in ("2", "3"):
            await client.sim("guild", {"guild": name, "action": "rename", "name": name})
        assert "GUILD_UPDATE" in await even.quiet()
        assert "GUILD_UPDATE" not in await odd.quiet()
        (armed,) = await client.sim("fault", method="GET")
        assert (fault["id"], 1, "lose") == (armed["id"], armed["used"], armed["action"])
        await client.sim(f"fault?id={fault['id']}", method="DELETE")
        await client.sim("guild", {"guild": "3", "action": "rename", "name": "3"})
        assert ["GUILD_UPDATE"] == await odd.quiet()


async def test_another_bot_hears_all_of_it() -> None:
    world = {
        "bots": [{"name": "A"}, {"name": "B"}],
        "guilds": [{"name": "G", "owner": "boss"}],
    }
    async with sandbox(world=world) as client:
        token = client.sandbox.state()["bots"][1]["token"]
        async with client.gateway() as first, client.gateway(token=token) as second:
            await client.sim("gateway", {"bot": "A", "action": "lose", "times": None})
            await client.sim("guild", {"action": "rename", "name": "H"})
            assert "GUILD_UPDATE" not in await first.quiet()
            assert "GUILD_UPDATE" in await second.quiet()


async def test_what_answers_an_identify_always_comes(client: Client) -> None:
    await client.sim("gateway", {"action": "lose", "times": None})
    async with client.gateway() as socket:
        assert [] == await socket.quiet()


async def test_a_command_that_is_lost_is_heard_of_by_nobody(client: Client) -> None:
    await client.register(name="ping")
    async with client.gateway() as socket:
        await client.sim("gateway", {"action": "lose", "event": "INTERACTION_CREATE"})
        await client.use("max")
        await client.use("max")
        assert 1 == (await socket.quiet()).count("INTERACTION_CREATE")


@pytest.mark.parametrize(
    "nonsense", [{"action": "delay"}, {"action": "lose", "bot": "nobody"}, {"action": "forget"}]
)
async def test_nonsense_is_refused(client: Client, nonsense: dict[str, Any]) -> None:
    assert (await client.try_sim("gateway", nonsense)).status in (400, 404)


# Entries of the audit log


async def entries(client: Client, query: str = "?action_type=25") -> list[Any]:
    answer = await client.api("GET", f"{client.guild}/audit-logs{query}")
    return list(answer.body["audit_log_entries"])


async def take(client: Client, by: str = "mona") -> None:
    await client.sim("member", {"user": "vera", "action": "take", "role": "Supporter", "by": by})


async def test_an_entry_is_told_to_who_asks_for_moderation_and_may_read_the_log(
    client: Client,
) -> None:
    event = "GUILD_AUDIT_LOG_ENTRY_CREATE"
    async with client.gateway(intents=GUILDS | MODERATION) as able, client.gateway() as deaf:
        await take(client)
        told = (await able.event(event))["d"]
        assert (told["action_type"], told["guild_id"]) == (25, client.ids["guild"])
        assert (told["user_id"], told["target_id"]) == (client.user("mona"), client.user("vera"))
        assert event not in await deaf.quiet()
        await client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": []})
        await client.sim("member", {"user": "vera", "action": "give", "role": "VIP"})
        assert event not in await able.quiet()


@pytest.mark.parametrize("by", ["bot", "person"])
async def test_a_change_of_several_roles_is_one_entry(client: Client, by: str) -> None:
    if by == "bot":
        path = f"{client.guild}/members/{client.user('vera')}"
        await client.api("PATCH", path, {"roles": [client.role("VIP"), client.role("Trial")]})
    else:
        given = {"user": "vera", "action": "roles", "roles": ["VIP", "Trial"], "by": "mona"}
        await client.sim("member", given)
    (entry,) = await entries(client)
    assert client.user("vera") == entry["target_id"]
    assert entry["user_id"] == (client.ids["bot"] if by == "bot" else client.user("mona"))
    changes = {one["key"]: {role["name"] for role in one["new_value"]} for one in entry["changes"]}
    assert {"$add": {"VIP", "Trial"}, "$remove": {"Supporter"}} == changes


async def test_a_lost_entry_is_neither_told_nor_to_be_read(client: Client) -> None:
    async with client.gateway(intents=GUILDS | MODERATION) as socket:
        await client.sim("fault", {"audit_log": "lose"})
        await take(client)
        assert "GUILD_AUDIT_LOG_ENTRY_CREATE" not in await socket.quiet()
    assert [] == await entries(client)
    assert [] == [m["roles"] for m in members(client) if m["name"] == "vera" and m["roles"]]


def members(client: Client) -> list[Any]:
    return list(client.sandbox.state()["guilds"][0]["members"])


async def test_an_entry_may_be_told_late_and_be_there_to_be_read(client: Client) -> None:
    lose = {"action": "lose", "event": "GUILD_AUDIT_LOG_ENTRY_CREATE"}
    async with client.gateway(intents=GUILDS | MODERATION) as socket:
        await client.sim("gateway", lose)
        await take(client)
        assert "GUILD_AUDIT_LOG_ENTRY_CREATE" not in await socket.quiet()
    assert 1 == len(await entries(client))


async def test_a_late_entry_is_told_and_to_be_read_later_at_its_place(client: Client) -> None:
    async with client.gateway(intents=GUILDS | MODERATION) as socket:
        await client.sim("fault", {"audit_log": "delay", "seconds": 0.15})
        await take(client)
        await client.sim("member", {"user": "vera", "action": "give", "role": "VIP"})
        (newer,) = await entries(client)
        assert "$add" == newer["changes"][0]["key"]
        await socket.event("GUILD_AUDIT_LOG_ENTRY_CREATE")
        late = (await socket.event("GUILD_AUDIT_LOG_ENTRY_CREATE"))["d"]
    assert int(late["id"]) < int(newer["id"])
    assert [newer["id"], late["id"]] == [one["id"] for one in await entries(client)]
    assert [] == await entries(client, f"?after={newer['id']}")


async def test_entries_of_bots_alone_may_be_missing(client: Client) -> None:
    fault = {"audit_log": "lose", "by": "bots", "action_type": 25, "times": None}
    await client.sim("fault", fault)
    await client.api("PUT", client.held("max", "VIP"))
    await take(client)
    await client.sim("role", {"role": "Trial", "action": "delete"})
    assert [32, 25] == [one["action_type"] for one in await entries(client, "")][:2]
    assert [client.user("mona")] == [one["user_id"] for one in await entries(client)]


# Members asked for by id


async def ask(client: Client, socket: Socket, names: list[str], nonce: str = "n") -> None:
    wanted = [client.ids["users"].get(name, name) for name in names]
    await socket.send(8, {"guild_id": client.ids["guild"], "user_ids": wanted, "nonce": nonce})


async def test_members_by_id_need_no_intent_and_are_not_under_the_limit_of_all() -> None:
    people = [{"user": f"u{n}"} for n in range(100)]
    world = {"guilds": [{"name": "Big", "owner": "boss", "members": people}]}
    limits = Limits(identify=(1000, 1.0), all_members=(1, 30.0))
    async with sandbox(world=world, limits=limits) as client, client.gateway() as socket:
        for number in range(30):
            names = [f"u{n}" for n in range(99)] + [str(900 + number)]
            await ask(client, socket, names, f"{number}")
            chunk = (await socket.event("GUILD_MEMBERS_CHUNK"))["d"]
            assert 99 == len(chunk["members"])
            assert [str(900 + number)] == chunk["not_found"]
            assert (0, 1) == (chunk["chunk_index"], chunk["chunk_count"])
            assert f"{number}" == chunk["nonce"]
    assert {} == client.sandbox.discord.limiter.refused


async def test_an_answer_with_members_may_be_late_or_lost(client: Client) -> None:
    chunk = "GUILD_MEMBERS_CHUNK"
    async with client.gateway() as socket:
        await client.sim("gateway", {"action": "lose", "event": chunk})
        await client.sim("gateway", {"action": "delay", "event": chunk, "seconds": 0.15})
        for nonce in ("lost", "late"):
            await ask(client, socket, ["max"], nonce)
        assert chunk not in await socket.quiet()
        await client.sim("member", {"user": "max", "action": "give", "role": "VIP"})
        told = (await socket.event(chunk))["d"]
    assert ("late", []) == (told["nonce"], told["members"][0]["roles"])


async def test_a_server_with_an_outage_gives_no_members(client: Client) -> None:
    async with client.gateway() as socket:
        await client.sim("guild", {"action": "outage"})
        await ask(client, socket, ["max"])
        assert "GUILD_MEMBERS_CHUNK" not in await socket.quiet()
