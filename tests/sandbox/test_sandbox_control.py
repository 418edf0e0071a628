"""The sandbox's control interface: the state, resets, and who may use it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.sandbox_client import Client, sandbox


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox with the default world."""
    async with sandbox() as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
async def test_pages_from_elsewhere_cannot_use_it(client: Client, headers: dict[str, str]) -> None:
    assert (await client.try_sim("state", method="GET", **headers)).status == 403


async def test_this_machine_may_use_it_by_any_of_its_names(client: Client) -> None:
    for host in ("localhost:1", "127.0.0.1", "[::1]:80"):
        assert (await client.try_sim("state", method="GET", Host=host)).status == 200


async def test_the_default_world_has_what_the_docs_say(client: Client) -> None:
    state = await client.sim("state", method="GET")
    (guild,) = state["guilds"]
    order = sorted(guild["roles"], key=lambda role: role["position"])
    assert [role["name"] for role in order] == [
        "@everyone",
        "Trial",
        "Supporter",
        "VIP",
        "Moderator",
        "Server Booster",
        "BoostMon",
        "Admin",
    ]
    by_name = {role["name"]: role for role in order}
    assert by_name["BoostMon"]["tags"] == {"bot_id": client.ids["bot"]}
    assert by_name["Server Booster"]["tags"] == {"premium_subscriber": None}
    assert [(c["name"], c["type"]) for c in guild["channels"]] == [
        ("general", 0),
        ("announcements", 5),
        ("lounge", 2),
        ("staff", 0),
    ]
    assert guild["owner_id"] == client.user("olga")
    closed = [user["name"] for user in state["users"] if not user["dms_open"]]
    assert closed == ["carl"]


async def test_a_reset_makes_the_world_that_is_posted(client: Client) -> None:
    world = {
        "bots": [{"name": "Bot", "token": "MQ.a.b", "id": "77"}],
        "users": [{"name": "ann", "id": "42", "dms_open": False}],
        "guilds": [
            {
                "name": f"G{n}",
                "owner": "ann",
                "roles": [{"name": "R", "permissions": ["MANAGE_ROLES"]}],
                "members": [{"user": "ben", "roles": ["R"]}],
                "channels": [{"name": "c", "overwrites": [{"member": "ben", "deny": "1024"}]}],
            }
            for n in range(3)
        ],
    }
    state = await client.sim("reset", world)
    assert [guild["name"] for guild in state["guilds"]] == ["G0", "G1", "G2"]
    assert (state["ids"]["users"]["ann"], state["ids"]["bot"]) == ("42", "77")
    members = {m["name"]: m["role_names"] for m in state["guilds"][2]["members"]}
    assert members == {"ann": [], "Bot": ["Bot"], "ben": ["R"]}
    assert (await client.api("GET", "/users/@me", token="MQ.a.b")).status == 200  # noqa: S106 -- it opens nothing but this sandbox
    back = await client.sim("reset")
    assert back["ids"]["users"].keys() >= {"olga", "max"}
    assert back["requests"] == []


async def test_a_bot_outlives_a_reset_with_its_token_and_limits_do_not(client: Client) -> None:
    await client.sim("limits", {"roles": [1, 1.0]})
    await client.sim("member", {"user": "max", "action": "give", "role": "VIP"})
    before = client.sandbox.state()
    async with client.gateway() as socket:
        await socket.event("GUILD_CREATE")
        after = await client.sim("reset")
        assert await socket.receive() == 4000
    assert (after["ids"]["token"], after["ids"]["bot"]) == (client.ids["token"], client.ids["bot"])
    assert after["ids"]["guild"] != before["ids"]["guild"]
    assert [m["role_names"] for m in after["guilds"][0]["members"] if m["name"] == "max"] == [[]]
    assert [m["role_names"] for m in before["guilds"][0]["members"] if m["name"] == "max"] == [
        ["VIP"]
    ]
    assert client.sandbox.discord.limits.roles == (10, 10.0)


COMMAND = {"type": 1, "name": "hello", "description": "Say hello"}


def names(state: Any, scope: str) -> list[str]:
    """Name the commands of the first bot, everywhere or in one server."""
    return [command["name"] for command in state["bots"][0]["commands"].get(scope, [])]


async def test_the_commands_of_an_application_outlive_a_reset(client: Client) -> None:
    made = await client.api("POST", f"/applications/{client.ids['bot']}/commands", COMMAND)

    after = await client.sim("reset")

    assert names(after, "global") == ["hello"]
    kept = await client.api("GET", f"/applications/{client.ids['bot']}/commands")
    assert [made.body["id"]] == [command["id"] for command in kept.body]


@pytest.mark.parametrize("again", [True, False])
async def test_the_commands_of_a_server_outlive_a_reset_if_that_does(
    client: Client, *, again: bool
) -> None:
    path = f"/applications/{client.ids['bot']}/guilds/{client.ids['guild']}/commands"
    await client.api("POST", path, COMMAND)
    guild = {"name": "G", "owner": "olga"} | ({"id": client.ids["guild"]} if again else {})

    after = await client.sim("reset", {"guilds": [guild]})

    assert names(after, client.ids["guild"]) == (["hello"] if again else [])


async def test_an_application_that_is_another_one_has_no_commands(client: Client) -> None:
    await client.api("POST", f"/applications/{client.ids['bot']}/commands", COMMAND)

    after = await client.sim("reset", {"bots": [{"name": "BoostMon", "id": "77"}]})

    assert names(after, "global") == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("reset", {"guild": []}),
        ("reset", {"guilds": [{"name": "G", "owner": "o", "everyone": ["FLY"]}]}),
        ("role", {"role": "Nothing", "action": "delete"}),
        ("member", {"user": "max", "action": "dance"}),
        ("fault", {"path": "/x"}),
        ("nonsense", {}),
        ("limits", {"roles": "many"}),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_sentence(
    client: Client, path: str, body: object
) -> None:
    answer = await client.try_sim(path, body)
    assert answer.status in (400, 404)
    assert answer.body["message"]


async def test_requests_are_kept_with_what_was_asked_and_answered(client: Client) -> None:
    await client.api("PUT", client.held("max", "VIP"), X_Audit_Log_Reason="why")
    await client.api("POST", client.channel() + "/messages", {"content": "x"})
    first, second = client.sandbox.state()["requests"]
    assert (first["method"], first["status"], first["reason"]) == ("PUT", 204, "why")
    assert first["route"] == "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
    assert (second["body"], second["status"]) == ({"content": "x"}, 200)
    later = await client.sim(f"requests?after={first['n']}", method="GET")
    assert [entry["n"] for entry in later] == [second["n"]]


async def test_what_was_looked_at_does_not_change(client: Client) -> None:
    def held() -> list[list[str]]:
        return [m["roles"] for m in before["guilds"][0]["members"] if m["name"] == "vera"]

    before = client.sandbox.state()
    await client.sim("role", {"role": "Supporter", "action": "delete"})
    assert held() == [[client.role("Supporter")]]


async def test_a_mistake_of_the_sandbox_is_a_500_on_record(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr("boostmon.sandbox.world.render.me")
    answer = await client.api("GET", "/users/@me")
    assert (answer.status, answer.code) == (500, 0)
    (crash,) = client.sandbox.state()["crashes"]
    assert "render" in crash["crash"]
    assert "GET /users/@me" in caplog.text
    await client.sim("reset")


async def test_a_server_is_made_while_the_bot_runs(client: Client) -> None:
    async with client.gateway() as socket:
        await socket.event("GUILD_CREATE")
        await client.sim("guild", {"action": "create", "spec": {"name": "New", "owner": "olga"}})
        assert (await socket.event("GUILD_CREATE"))["d"]["name"] == "New"
    await client.sim("member", {"guild": "New", "user": "max", "action": "join"})
    members = client.sandbox.state()["guilds"][1]["members"]
    assert [member["name"] for member in members] == ["olga", "BoostMon", "max"]
