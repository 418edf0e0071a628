"""The audit log of a server in the sandbox, as a bot reads it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.sandbox_client import Client, sandbox


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox whose bot may read the audit log of a server where things happened."""
    async with sandbox() as running:
        bits = ["MANAGE_ROLES", "VIEW_AUDIT_LOG"]
        await running.sim("role", {"role": "BoostMon", "action": "edit", "permissions": bits})
        await running.api("PUT", running.held("max", "VIP"), X_Audit_Log_Reason="paid%20for")
        await running.sim("member", {"user": "max", "action": "take", "role": "VIP", "by": "mona"})
        await running.api("PUT", running.held("vera", "VIP"))
        await running.sim("role", {"role": "Trial", "action": "delete"})
        yield running


async def read(client: Client, query: str = "") -> list[Any]:
    answer = await client.api("GET", f"{client.guild}/audit-logs{query}")
    assert answer.status == 200
    return list(answer.body["audit_log_entries"])


async def test_entries_are_newest_first_with_who_whom_what_and_why(client: Client) -> None:
    entries = await read(client)
    assert [one["action_type"] for one in entries] == [32, 25, 25, 25, 31]
    ids = [int(one["id"]) for one in entries]
    assert ids == sorted(ids, reverse=True)
    given, taken = entries[3], entries[2]
    assert (given["user_id"], given["target_id"]) == (client.ids["bot"], client.user("max"))
    assert given["reason"] == "paid for"
    vip = [{"id": client.role("VIP"), "name": "VIP"}]
    assert given["changes"] == [{"key": "$add", "new_value": vip}]
    assert (taken["user_id"], "reason" in taken) == (client.user("mona"), False)
    assert taken["changes"] == [{"key": "$remove", "new_value": vip}]


async def test_entries_are_picked_by_who_did_what_to_whom(client: Client) -> None:
    assert len(await read(client, f"?user_id={client.user('mona')}")) == 1
    assert len(await read(client, f"?target_id={client.user('max')}")) == 2
    assert len(await read(client, "?action_type=25")) == 3
    bot_to_max = f"?user_id={client.ids['bot']}&target_id={client.user('max')}"
    assert len(await read(client, bot_to_max)) == 1
    assert await read(client, "?action_type=20") == []


async def test_entries_are_read_by_page_in_both_directions(client: Client) -> None:
    ids = [one["id"] for one in await read(client)]

    async def page(query: str) -> list[str]:
        return [one["id"] for one in await read(client, query)]

    assert await page("?limit=2") == ids[:2]
    assert await page(f"?before={ids[1]}&limit=2") == ids[2:4]
    # After an id the oldest come first.
    assert await page(f"?after={ids[3]}&limit=2") == [ids[2], ids[1]]
    assert await page(f"?after={ids[0]}") == []
    assert await page("?after=0") == ids[::-1]


async def test_the_people_in_the_entries_are_shown(client: Client) -> None:
    answer = await client.api("GET", f"{client.guild}/audit-logs?user_id={client.user('mona')}")
    assert {user["username"] for user in answer.body["users"]} == {"mona", "max"}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "before=x", "action_type=x"])
async def test_a_filter_that_is_none_is_refused(client: Client, query: str) -> None:
    answer = await client.api("GET", f"{client.guild}/audit-logs?{query}")
    assert (answer.status, answer.code) == (400, 50035)
    assert answer.body["errors"].keys() == {query.partition("=")[0]}


async def test_the_audit_log_needs_its_permission(client: Client) -> None:
    await client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": []})
    assert (await client.api("GET", f"{client.guild}/audit-logs")).code == 50013
