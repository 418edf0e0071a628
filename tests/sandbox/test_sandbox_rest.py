"""The sandbox's REST: what every route shares, roles, members, messages, commands."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from boostmon.sandbox import Limits, Sandbox
from boostmon.sandbox.core.limits import RateLimiter, Window
from tests.support.sandbox_client import Client, sandbox


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox with the default world."""
    async with sandbox() as running:
        yield running


def audit(client: Client) -> list[dict[str, Any]]:
    log: list[dict[str, Any]] = client.sandbox.state()["guilds"][0]["audit_log"]
    return log


def roles_of(client: Client, name: str) -> list[str]:
    members = client.sandbox.state()["guilds"][0]["members"]
    return next(list(m["role_names"]) for m in members if m["name"] == name)


async def send(client: Client, content: str = "hello", **more: Any) -> Any:
    return await client.api("POST", client.channel() + "/messages", {"content": content, **more})


async def test_json_has_exactly_the_content_type_that_clients_compare(client: Client) -> None:
    for path in ("/users/@me", "/nothing"):
        answer = await client.api("GET", path)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Via"] == "1.1 google"


async def test_a_wrong_token_is_refused(client: Client) -> None:
    for token in ("wrong.x.y", None):
        answer = await client.api("GET", "/users/@me", token=token)
        assert (answer.status, answer.body) == (401, {"message": "401: Unauthorized", "code": 0})


async def test_an_unknown_route_is_refused_and_recorded(client: Client) -> None:
    answer = await client.api("GET", "/guilds/1/nonsense")
    assert (answer.status, answer.body) == (404, {"message": "404: Not Found", "code": 0})
    (noted,) = client.sandbox.state()["unknown"]
    assert (noted["method"], noted["path"], noted["status"]) == ("GET", "/guilds/1/nonsense", 404)


async def test_a_known_path_with_another_method_is_not_allowed(client: Client) -> None:
    answer = await client.api("DELETE", "/users/@me")
    assert (answer.status, answer.body["message"]) == (405, "405: Method Not Allowed")


async def test_a_body_that_is_no_json_is_refused(client: Client) -> None:
    url = client.sandbox.api + client.channel() + "/messages"
    headers = {
        "Authorization": f"Bot {client.ids['token']}",
        "Content-Type": "application/json",
    }
    async with client.http.post(url, data=b"{", headers=headers) as response:
        assert (response.status, (await response.json())["code"]) == (400, 50109)
    headers["Content-Type"] = "text/plain"
    async with client.http.post(url, data=b"{}", headers=headers) as response:
        assert (response.status, (await response.json())["code"]) == (400, 50035)


async def test_an_id_in_the_path_must_be_a_snowflake(client: Client) -> None:
    answer = await client.api("GET", "/guilds/abc/roles")
    assert (answer.status, answer.code) == (400, 50035)
    assert answer.body["errors"]["guild_id"]["_errors"][0]["code"] == "NUMBER_TYPE_COERCE"


async def test_a_role_is_given_and_taken_without_a_body_and_with_its_reason(
    client: Client,
) -> None:
    path = client.held("max", "VIP")
    reason = quote("für Max: 1/2", safe="/ ")
    given = await client.api("PUT", path, X_Audit_Log_Reason=reason)
    assert (given.status, given.body) == (204, None)
    assert "Content-Type" not in given.headers
    assert roles_of(client, "max") == ["VIP"]
    assert audit(client)[0]["reason"] == "für Max: 1/2"
    assert audit(client)[0]["changes"][0]["key"] == "$add"
    await client.api("PUT", path)
    assert len(audit(client)) == 1
    taken = await client.api("DELETE", path)
    assert (taken.status, roles_of(client, "max")) == (204, [])
    assert (await client.api("DELETE", path)).status == 204


async def test_a_reason_has_at_most_512_characters(client: Client) -> None:
    path = client.held("max", "VIP")
    assert (await client.api("PUT", path, X_Audit_Log_Reason="x" * 512)).status == 204
    assert (await client.api("PUT", path, X_Audit_Log_Reason="x" * 513)).code == 50035


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("Admin", (403, 50013)),
        ("BoostMon", (403, 50013)),
        ("Server Booster", (403, 50013)),
        ("@everyone", (404, 10011)),
    ],
)
async def test_a_bot_cannot_give_what_is_not_below_it(
    client: Client, role: str, expected: tuple[int, int]
) -> None:
    answer = await client.api("PUT", client.held("max", role))
    assert (answer.status, answer.code) == expected
    assert roles_of(client, "max") == []


async def test_who_is_not_there_is_named_by_the_right_code(client: Client) -> None:
    members = f"{client.guild}/members"
    vip, nobody = client.role("VIP"), "123456789"
    await client.sim("user", {"user": "nina"})
    nina = client.sandbox.state()["ids"]["users"]["nina"]
    for path, code in (
        (f"{members}/{nina}", 10007),
        (f"{members}/{nobody}", 10013),
        (f"{members}/{nina}/roles/{vip}", 10007),
        (f"{members}/{client.user('max')}/roles/{nobody}", 10011),
        (f"/guilds/{nobody}/members/{nina}/roles/{vip}", 10004),
    ):
        method = "PUT" if "roles" in path else "GET"
        assert (await client.api(method, path)).code == code


async def test_without_manage_roles_nothing_is_given(client: Client) -> None:
    await client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": []})
    assert (await client.api("PUT", client.held("max", "VIP"))).code == 50013


async def test_of_two_roles_at_one_position_the_older_is_higher(client: Client) -> None:
    guild = client.sandbox.discord.world.guilds[client.ids["guild"]]
    bots = guild.roles[client.role("BoostMon")]
    for name, status in (("VIP", 403), ("Admin", 204)):
        other = guild.roles[client.role(name)]
        before, other.position = other.position, bots.position
        assert (await client.api("PUT", client.held("max", name))).status == status
        other.position = before


async def test_a_server_that_the_bot_has_left_is_closed_to_it(client: Client) -> None:
    await client.sim("guild", {"action": "remove_bot"})
    assert (await client.api("GET", client.guild)).code == 10004
    assert (await client.api("PUT", client.held("max", "VIP"))).code == 50001
    assert (await client.api("GET", client.channel())).code == 50001


async def test_a_new_role_is_at_the_bottom_and_positions_close_up(client: Client) -> None:
    made = await client.api("POST", client.guild + "/roles", {"name": "New", "color": 5})
    assert (made.body["position"], made.body["colors"]["primary_color"]) == (1, 5)
    by_name = {r["name"]: r for r in (await client.api("GET", client.guild + "/roles")).body}
    assert [by_name[n]["position"] for n in ("@everyone", "Trial", "VIP")] == [0, 2, 4]
    path = f"{client.guild}/roles/{made.body['id']}"
    assert (await client.api("PATCH", path, {"name": "Old"})).body["name"] == "Old"
    assert (await client.api("DELETE", path)).status == 204
    by_name = {r["name"]: r for r in (await client.api("GET", client.guild + "/roles")).body}
    assert [by_name[n]["position"] for n in ("@everyone", "Trial", "VIP")] == [0, 1, 3]


async def test_roles_move_only_below_the_bots_own(client: Client) -> None:
    roles = client.guild + "/roles"
    moved = await client.api("PATCH", roles, [{"id": client.role("Trial"), "position": 3}])
    order = sorted(moved.body, key=lambda role: role["position"])
    assert [r["name"] for r in order][:4] == ["@everyone", "Supporter", "VIP", "Trial"]
    for name, position in (("Trial", 7), ("Admin", 1)):
        wish = [{"id": client.role(name), "position": position}]
        assert (await client.api("PATCH", roles, wish)).code == 50013


async def test_a_role_can_be_granted_no_more_than_the_bot_has(client: Client) -> None:
    body = {"name": "Strong", "permissions": "8"}
    assert (await client.api("POST", client.guild + "/roles", body)).code == 50013


async def test_members_are_listed_only_with_the_privileged_intent(client: Client) -> None:
    path = client.guild + "/members?limit=1000"
    assert (await client.api("GET", path)).code == 50001
    await client.sim("bot", {"privileged_intents": ["members"]})
    listed = (await client.api("GET", path)).body
    ids = [int(member["user"]["id"]) for member in listed]
    assert (len(ids), ids) == (6, sorted(ids))
    after = (await client.api("GET", f"{path}&after={ids[2]}")).body
    assert [int(member["user"]["id"]) for member in after] == ids[3:]


async def test_members_are_found_by_the_beginning_of_their_name(client: Client) -> None:
    path = client.guild + "/members/search"
    found = (await client.api("GET", path + "?query=M&limit=5")).body
    assert {member["user"]["username"] for member in found} == {"mona", "max"}
    missing = await client.api("GET", path)
    assert missing.body["errors"]["query"]["_errors"][0]["code"] == "BASE_TYPE_REQUIRED"


async def test_a_message_is_refused_where_the_bot_may_not_post(client: Client) -> None:
    staff = client.channel("staff") + "/messages"
    assert (await client.api("POST", staff, {"content": "x"})).code == 50013
    hidden = [{"role": "@everyone", "deny": ["VIEW_CHANNEL"]}]
    await client.sim("channel", {"channel": "staff", "action": "edit", "overwrites": hidden})
    assert (await client.api("POST", staff, {"content": "x"})).code == 50001
    muted = [{"member": "BoostMon", "deny": ["EMBED_LINKS"]}]
    await client.sim("channel", {"channel": "general", "action": "edit", "overwrites": muted})
    assert (await send(client, embeds=[{"title": "x"}])).code == 50013
    assert (await send(client)).status == 200


async def test_a_members_overwrite_goes_over_a_roles_and_that_over_everyones(
    client: Client,
) -> None:
    rules: list[dict[str, Any]] = [{"role": "@everyone", "deny": ["SEND_MESSAGES"]}]
    for rule, status in (
        (None, 403),
        ({"role": "BoostMon", "allow": ["SEND_MESSAGES"]}, 200),
        ({"member": "BoostMon", "deny": ["SEND_MESSAGES"]}, 403),
    ):
        rules += [rule] if rule else []
        change = {"channel": "general", "action": "edit", "overwrites": rules}
        await client.sim("channel", change)
        assert (await send(client)).status == status


async def test_an_administrator_may_post_anywhere(client: Client) -> None:
    await client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": "8"})
    staff = client.channel("staff") + "/messages"
    assert (await client.api("POST", staff, {"content": "x"})).status == 200


CHOICE = {"label": "A", "value": "a"}
MENU = {"type": 3, "custom_id": "menu", "options": [CHOICE]}


@pytest.mark.parametrize(
    ("body", "where", "code"),
    [
        ({"content": "x" * 2001}, ["content"], "BASE_TYPE_MAX_LENGTH"),
        ({"content": 5}, ["content"], "STRING_TYPE_CONVERT"),
        ({"embeds": [{"title": "x" * 257}]}, ["embeds", "0", "title"], "BASE_TYPE_MAX_LENGTH"),
        (
            {"embeds": [{"fields": [{"name": "x"}]}]},
            ["embeds", "0", "fields", "0", "value"],
            "BASE_TYPE_REQUIRED",
        ),
        (
            {"embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]},
            ["embeds"],
            "MAX_EMBED_SIZE_EXCEEDED",
        ),
        ({"embeds": [{"title": "x"}] * 11}, ["embeds"], "BASE_TYPE_MAX_LENGTH"),
        (
            {"embeds": [{"fields": [{"name": "x", "value": " "}]}]},
            ["embeds", "0", "fields", "0", "value"],
            "BASE_TYPE_REQUIRED",
        ),
        (
            {"embeds": [{"fields": [{"name": None, "value": "x"}]}]},
            ["embeds", "0", "fields", "0", "name"],
            "BASE_TYPE_REQUIRED",
        ),
        (
            {"embeds": [{"fields": [{"name": "x", "value": "x" * 1025}]}]},
            ["embeds", "0", "fields", "0", "value"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            {"embeds": [{"fields": [{"name": "x", "value": "x"}] * 26}]},
            ["embeds", "0", "fields"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            {"embeds": [{"author": {"name": ""}}]},
            ["embeds", "0", "author", "name"],
            "BASE_TYPE_REQUIRED",
        ),
        (
            {"embeds": [{"footer": {"text": "x" * 2049}}]},
            ["embeds", "0", "footer", "text"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        ({"embeds": [{}]}, ["embeds", "0"], "LIST_ITEM_VALUE_REQUIRED"),
        ({"embeds": [{"color": 5}]}, ["embeds", "0", "description"], "BASE_TYPE_REQUIRED"),
        (
            {"embeds": [{"title": "x", "color": 0x1000000}]},
            ["embeds", "0", "color"],
            "NUMBER_TYPE_MAX",
        ),
        (
            {"embeds": [{"title": "x", "timestamp": "tomorrow"}]},
            ["embeds", "0", "timestamp"],
            "DATE_TIME_TYPE_PARSE",
        ),
        (
            {"embeds": [{"title": "x", "url": ""}]},
            ["embeds", "0", "url"],
            "URL_TYPE_INVALID_SCHEME",
        ),
        (
            {"embeds": [{"title": "x", "url": "attachment://a.png"}]},
            ["embeds", "0", "url"],
            "URL_TYPE_INVALID_SCHEME",
        ),
        (
            {"embeds": [{"image": {"url": "https://"}}]},
            ["embeds", "0", "image", "url"],
            "URL_TYPE_INVALID_URL",
        ),
        (
            {"components": [{"type": 1, "components": [{"type": 2, "style": 1}]}] * 6},
            ["components"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            {"content": "x", "components": [{"type": 1, "components": [MENU | {"options": []}]}]},
            ["components", "0", "components", "0", "options"],
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            {
                "content": "x",
                "components": [{"type": 1, "components": [MENU | {"options": [CHOICE] * 2}]}],
            },
            ["components", "0", "components", "0", "options", "1", "value"],
            "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
        ),
        (
            {"content": "x", "components": [{"type": 1, "components": [MENU, MENU]}]},
            ["components", "0"],
            "COMPONENT_LAYOUT_WIDTH_EXCEEDED",
        ),
        ({"content": "x", "nonce": "n" * 26}, ["nonce"], "BASE_TYPE_MAX_LENGTH"),
        (
            {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
            ["allowed_mentions"],
            "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
        ),
        (
            {"content": "x", "allowed_mentions": {"parse": ["people"]}},
            ["allowed_mentions", "parse", "0"],
            "BASE_TYPE_CHOICES",
        ),
        (
            {"content": "x", "components": [{"type": 1, "components": []}]},
            ["components", "0", "components"],
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            {"components": [{"type": 1, "components": [{"type": 2, "style": 1, "label": "x"}]}]},
            ["components", "0", "components", "0", "custom_id"],
            "BASE_TYPE_REQUIRED",
        ),
        (
            {
                "components": [
                    {
                        "type": 1,
                        "components": [
                            {"type": 2, "style": 1, "label": "x", "custom_id": "a"},
                            {"type": 2, "style": 1, "label": "y", "custom_id": "a"},
                        ],
                    }
                ]
            },
            ["components", "0", "components", "1", "custom_id"],
            "COMPONENT_CUSTOM_ID_DUPLICATED",
        ),
    ],
)
async def test_a_message_beyond_the_limits_is_refused_at_the_right_place(
    client: Client, body: Any, where: list[str], code: str
) -> None:
    answer = await client.api("POST", client.channel() + "/messages", body)
    assert (answer.status, answer.code) == (400, 50035)
    errors = answer.body["errors"]
    for step in where:
        errors = errors[step]
    assert errors["_errors"][0]["code"] == code


async def test_an_empty_message_is_refused(client: Client) -> None:
    for content in ("", "  \n "):
        assert (await send(client, content)).code == 50006


async def test_only_who_may_be_mentioned_is_mentioned_and_pinged(client: Client) -> None:
    top, vera = client.user("max"), client.user("vera")
    content = (
        f"<@{top}> <@!{vera}> @everyone <@&{client.role('Supporter')}> `<@{client.user('mona')}>`"
    )
    for allowed, mentioned in (
        (None, [top, vera]),
        ({"parse": []}, []),
        ({"users": [top]}, [top]),
        ({"parse": ["users"]}, [top, vera]),
    ):
        said = await send(client, content, allowed_mentions=allowed)
        assert [user["id"] for user in said.body["mentions"]] == mentioned
        assert said.body["mention_everyone"] is False
        shown = client.sandbox.state()["guilds"][0]["channels"][0]["messages"][-1]
        assert shown["pinged"] == mentioned


async def test_who_does_not_see_the_channel_is_mentioned_and_not_pinged(client: Client) -> None:
    rules = [{"role": "BoostMon", "allow": ["VIEW_CHANNEL", "SEND_MESSAGES"]}]
    hidden = [{"role": "@everyone", "deny": ["VIEW_CHANNEL"]}, *rules]
    await client.sim("channel", {"channel": "general", "action": "edit", "overwrites": hidden})
    said = await send(client, f"<@{client.user('max')}>")
    assert [user["id"] for user in said.body["mentions"]] == [client.user("max")]
    shown = client.sandbox.state()["guilds"][0]["channels"][0]["messages"][-1]
    assert shown["pinged"] == []


async def test_the_applications_flags_say_which_intents_are_on(client: Client) -> None:
    assert (await client.api("GET", "/applications/@me")).body["flags"] == 0
    await client.sim("bot", {"privileged_intents": ["members"]})
    assert (await client.api("GET", "/applications/@me")).body["flags"] == 1 << 15


async def test_a_role_pings_its_members_only_when_it_may(client: Client) -> None:
    content = f"<@&{client.role('Supporter')}>"
    for mentionable, pinged in ((False, []), (True, [client.user("vera")])):
        await client.sim(
            "role", {"role": "Supporter", "action": "edit", "mentionable": mentionable}
        )
        await send(client, content)
        shown = client.sandbox.state()["guilds"][0]["channels"][0]["messages"][-1]
        assert shown["pinged"] == pinged


async def test_an_edit_that_leaves_the_text_leaves_the_mentions(client: Client) -> None:
    said = await send(client, f"<@{client.user('max')}>", allowed_mentions={"parse": []})
    path = f"{client.channel()}/messages/{said.body['id']}"
    edited = await client.api("PATCH", path, {"embeds": [{"title": "x"}]})
    assert edited.body["mentions"] == []
    assert edited.body["edited_timestamp"]


async def test_an_enforced_nonce_says_it_once_for_some_minutes(client: Client) -> None:
    first = await send(client, "once", nonce="n1", enforce_nonce=True)
    again = await send(client, "twice", nonce="n1", enforce_nonce=True)
    assert (again.body["id"], again.body["content"]) == (first.body["id"], "once")
    free = await send(client, "free", nonce="n1")
    assert free.body["id"] != first.body["id"]
    await client.sim("clock", {"advance_ms": 181_000})
    late = await send(client, "late", nonce="n1", enforce_nonce=True)
    assert late.body["content"] == "late"


async def test_a_nonce_whose_message_was_deleted_is_an_unknown_message(client: Client) -> None:
    first = await send(client, "once", nonce=7, enforce_nonce=True)
    await client.api("DELETE", f"{client.channel()}/messages/{first.body['id']}")
    again = await send(client, "once", nonce="7", enforce_nonce=True)
    assert (again.status, again.code) == (404, 10008)


async def test_messages_are_read_newest_first_and_by_page(client: Client) -> None:
    await client.sim("limits", {"messages": [100, 5.0]})
    ids = [(await send(client, str(n))).body["id"] for n in range(6)]
    base = client.channel() + "/messages?limit=2"
    for query, expected in (
        ("", [5, 4]),
        (f"&before={ids[3]}", [2, 1]),
        (f"&after={ids[1]}", [3, 2]),
        (f"&around={ids[2]}", [2, 1]),
    ):
        listed = (await client.api("GET", base + query)).body
        assert [int(message["content"]) for message in listed] == expected
    both = await client.api("GET", f"{base}&before=5&after=1")
    assert both.code == 50035
    assert (await client.api("GET", client.channel() + "/messages?limit=101")).code == 50035


async def test_what_others_wrote_is_blank_without_the_message_content_intent(
    client: Client,
) -> None:
    await client.sim("message", {"user": "max", "channel": "general", "content": "secret"})
    path = client.channel() + "/messages"
    assert (await client.api("GET", path)).body[0]["content"] == ""
    await client.sim("bot", {"privileged_intents": ["message_content"]})
    assert (await client.api("GET", path)).body[0]["content"] == "secret"


async def test_only_ones_own_message_can_be_edited_or_deleted(client: Client) -> None:
    other = await client.sim("message", {"user": "max", "channel": "general", "content": "x"})
    path = f"{client.channel()}/messages/{other['id']}"
    assert (await client.api("PATCH", path, {"content": "y"})).code == 50005
    assert (await client.api("DELETE", path)).code == 50013
    own = f"{client.channel()}/messages/{(await send(client)).body['id']}"
    assert (await client.api("DELETE", own)).status == 204
    assert (await client.api("GET", own)).code == 10008


async def test_a_dm_is_opened_once_and_takes_a_number_as_id(client: Client) -> None:
    opened = [
        await client.api("POST", "/users/@me/channels", {"recipient_id": who})
        for who in (client.user("max"), int(client.user("max")))
    ]
    assert opened[0].body["id"] == opened[1].body["id"]
    path = f"/channels/{opened[0].body['id']}/messages"
    assert (await client.api("POST", path, {"content": "hello"})).status == 200
    (dm,) = client.sandbox.state()["dms"]
    assert (dm["user_id"], dm["messages"][0]["content"]) == (client.user("max"), "hello")


async def test_closed_dms_refuse_the_message_and_not_the_channel(client: Client) -> None:
    opened = await client.api("POST", "/users/@me/channels", {"recipient_id": client.user("carl")})
    path = f"/channels/{opened.body['id']}/messages"
    answer = await client.api("POST", path, {"content": "x"})
    assert (answer.status, answer.code) == (403, 50007)
    await client.sim("user", {"user": "carl", "dms_open": True})
    assert (await client.api("POST", path, {"content": "x"})).status == 200
    await client.sim("member", {"user": "carl", "action": "leave"})
    assert (await client.api("POST", path, {"content": "x"})).code == 50278


async def test_role_changes_are_ten_in_ten_seconds_for_each_server_and_method(
    client: Client,
) -> None:
    path = client.held("max", "VIP")
    for left in range(9, -1, -1):
        answer = await client.api("PUT", path)
        assert (answer.status, answer.headers["X-RateLimit-Remaining"]) == (204, str(left))
    refused = await client.api("PUT", client.held("vera", "Trial"))
    assert (refused.status, refused.body["global"]) == (429, False)
    assert 0 < refused.body["retry_after"] <= 10
    assert refused.headers["X-RateLimit-Scope"] == "user"
    assert int(refused.headers["Retry-After"]) >= refused.body["retry_after"]
    assert refused.headers["X-RateLimit-Limit"] == "10"
    assert (await client.api("DELETE", path)).status == 204
    assert client.sandbox.state()["rate_limited"] == {"roles": 1}


async def test_fifty_requests_a_second_are_all_that_a_bot_has() -> None:
    async with sandbox(limits=Limits(everything=(3, 30.0))) as client:
        for _ in range(3):
            assert (await client.api("GET", "/users/@me")).status == 200
        refused = await client.api("GET", client.guild)
        assert (refused.status, refused.body["global"]) == (429, True)
        assert refused.headers["X-RateLimit-Global"] == "true"
        assert refused.headers["X-RateLimit-Scope"] == "global"
        assert (await client.api("GET", "/gateway", token=None)).status == 200


async def test_five_messages_in_five_seconds_for_each_channel(client: Client) -> None:
    for _ in range(5):
        assert (await send(client)).status == 200
    assert (await send(client)).status == 429
    other = client.channel("announcements") + "/messages"
    assert (await client.api("POST", other, {"content": "x"})).status == 200


def test_a_fixed_window_opens_at_once_and_a_sliding_one_step_by_step() -> None:
    for fixed, later in ((True, [True, True]), (False, [True, False])):
        window = Window(2, 10.0, fixed=fixed)
        assert [window.take(at) for at in (0.0, 6.0, 9.0)] == [True, True, False]
        assert window.reset_after(9.0) == 1.0
        assert [window.take(10.0), window.take(10.0)] == later


@pytest.mark.parametrize(("kind", "later"), [("roles", [True, True]), ("messages", [True, False])])
def test_role_changes_have_a_fixed_window_and_messages_a_sliding_one(
    kind: str, later: list[bool]
) -> None:
    moments = [0.0, 6.0, 9.0, 10.0, 10.0]
    limits = Limits(roles=(2, 10.0), messages=(2, 10.0))
    limiter = RateLimiter(limits, iter(moments).__next__)
    taken = [limiter.take("1", kind, "PUT 1").retry_after is None for _ in moments]
    assert taken == [True, True, False, *later]


async def test_a_fault_takes_the_place_of_the_answer_before_or_after_the_effect(
    client: Client,
) -> None:
    path = client.held("max", "VIP")
    template = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
    for when, roles in (("before", []), ("after", ["VIP"])):
        fault = {"method": "PUT", "path": template, "status": 500, "when": when}
        await client.sim("fault", fault)
        answer = await client.api("PUT", path)
        assert (answer.status, answer.code) == (500, 0)
        assert roles_of(client, "max") == roles
    assert (await client.api("PUT", path)).status == 204


async def test_a_fault_counts_and_can_be_cleared(client: Client) -> None:
    await client.sim("fault", {"path": "/users/*", "status": 503, "times": 2})
    assert [(await client.api("GET", "/users/@me")).status for _ in range(3)] == [503, 503, 200]
    body = {"message": "Down", "code": 0}
    await client.sim("fault", {"path": "^/users/@me$", "status": 502, "times": 9, "body": body})
    assert (await client.api("GET", "/users/@me")).body == body
    await client.sim("fault", method="DELETE")
    assert (await client.api("GET", "/users/@me")).status == 200


async def test_a_reset_cuts_the_connection_after_the_effect(client: Client) -> None:
    await client.sim("fault", {"path": "*/messages", "reset": True, "when": "after"})
    with pytest.raises(aiohttp.ClientError):
        await send(client, "said")
    (message,) = client.sandbox.state()["guilds"][0]["channels"][0]["messages"]
    assert message["content"] == "said"


async def test_a_hang_delays_the_answer_and_not_the_effect_before_it(client: Client) -> None:
    await client.sim("fault", {"path": "*/messages", "hang": 30, "when": "after"})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await send(client, "said")
    assert client.sandbox.state()["guilds"][0]["channels"][0]["messages"]


async def test_commands_come_back_as_they_were_put_and_keep_their_ids(client: Client) -> None:
    path = client.app + "/commands"
    body = [
        {
            "name": "ping",
            "description": "Ping",
            "type": 1,
            "name_localizations": {"de": "pingen"},
            "default_member_permissions": "268435456",
            "contexts": [0],
            "integration_types": [0],
            "options": [
                {
                    "type": 3,
                    "name": "text",
                    "description": "Text",
                    "required": True,
                    "choices": [{"name": "A", "value": "a"}],
                },
                {"type": 4, "name": "n", "description": "N", "min_value": 0, "max_value": 9},
            ],
        }
    ]
    first = (await client.api("PUT", path, body)).body
    full = (await client.api("GET", path + "?with_localizations=1")).body
    assert full == first
    assert {key: full[0][key] for key in body[0]} == body[0]
    assert "name_localizations" not in (await client.api("GET", path)).body[0]
    again = (await client.api("PUT", path, body)).body
    assert again == first
    changed = (await client.api("PUT", path, [body[0] | {"description": "Pong"}])).body[0]
    assert changed["id"] == first[0]["id"]
    assert changed["version"] != first[0]["version"]


async def test_a_command_is_made_changed_and_deleted(client: Client) -> None:
    for path in (client.app + "/commands", f"{client.app}{client.guild}/commands"):
        body = {"name": "one", "description": "One"}
        made = await client.api("POST", path, body)
        assert (made.status, (await client.api("POST", path, body)).status) == (201, 200)
        one = f"{path}/{made.body['id']}"
        changed = await client.api("PATCH", one, {"description": "Two"})
        assert (changed.body["description"], changed.body["name"]) == ("Two", "one")
        assert (await client.api("GET", one)).body == changed.body
        assert (await client.api("DELETE", one)).status == 204
        assert (await client.api("GET", one)).code == 10063


async def test_another_application_has_other_commands(client: Client) -> None:
    assert (await client.api("GET", "/applications/1/commands")).code == 20012


OPTION = {"type": 3, "name": "a", "description": "A"}


@pytest.mark.parametrize(
    ("command", "where", "code"),
    [
        ({"name": "Upper"}, ["name"], "APPLICATION_COMMAND_INVALID_NAME"),
        ({"name": "two words"}, ["name"], "APPLICATION_COMMAND_INVALID_NAME"),
        ({"name": "x" * 33}, ["name"], "BASE_TYPE_BAD_LENGTH"),
        ({"description": ""}, ["description"], "BASE_TYPE_BAD_LENGTH"),
        ({"description": "x" * 101}, ["description"], "BASE_TYPE_MAX_LENGTH"),
        (
            {"options": [OPTION, OPTION | {"name": "b", "required": True}]},
            ["options", "1"],
            "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
        ),
        (
            {"options": [OPTION, OPTION]},
            ["options", "1", "name"],
            "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS",
        ),
        (
            {"options": [OPTION | {"name": f"o{n}"} for n in range(26)]},
            ["options"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        ({"options": [OPTION | {"type": 12}]}, ["options", "0", "type"], "BASE_TYPE_CHOICES"),
        (
            {"options": [OPTION | {"choices": [{"name": "x", "value": 5}]}]},
            ["options", "0", "choices", "0", "value"],
            "STRING_TYPE_CONVERT",
        ),
        (
            {
                "options": [
                    OPTION | {"choices": [{"name": f"{n}", "value": "x"} for n in range(26)]}
                ]
            },
            ["options", "0", "choices"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            {
                "options": [
                    OPTION
                    | {
                        "name": f"o{n}",
                        "choices": [{"name": f"{i}" * 10, "value": "x" * 100} for i in range(9)],
                    }
                    for n in range(9)
                ]
            },
            [],
            "APPLICATION_COMMAND_TOO_LARGE",
        ),
        ({"name_localizations": {"xx": "y"}}, ["name_localizations", "xx"], "BASE_TYPE_CHOICES"),
    ],
)
async def test_a_command_against_the_rules_is_refused_at_the_right_place(
    client: Client, command: Any, where: list[str], code: str
) -> None:
    body = {"name": "good", "description": "Good"} | command
    answer = await client.api("PUT", client.app + "/commands", [body])
    assert (answer.status, answer.code) == (400, 50035)
    errors = answer.body["errors"]["0"]
    for step in where:
        errors = errors[step]
    assert code in {error["code"] for error in errors["_errors"]}


async def test_names_of_commands_are_unique_and_a_hundred_at_most(client: Client) -> None:
    path = client.app + "/commands"
    twice = [{"name": "one", "description": "One"}] * 2
    answer = await client.api("PUT", path, twice)
    errors = answer.body["errors"]["1"]["name"]["_errors"]
    assert errors[0]["code"] == "APPLICATION_COMMANDS_DUPLICATE_NAME"
    many = [{"name": f"c{n}", "description": "C"} for n in range(101)]
    assert (await client.api("PUT", path, many)).code == 30032


async def test_a_taken_port_raises_oserror() -> None:
    async with sandbox() as client:
        port = int(client.sandbox.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await Sandbox(port=port).start()


async def test_a_refusal_is_worded_as_discord_words_it(client: Client) -> None:
    said = await client.api("POST", client.channel() + "/messages", {"content": "x" * 2001})
    wrong = {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}
    assert said.body == {
        "message": "Invalid Form Body",
        "code": 50035,
        "errors": {"content": {"_errors": [wrong]}},
    }
    put = await client.api("PUT", client.app + "/commands", [{"name": "ok", "description": ""}])
    wrong = {"code": "BASE_TYPE_BAD_LENGTH", "message": "Must be between 1 and 100 in length."}
    assert put.body["errors"] == {"0": {"description": {"_errors": [wrong]}}}
    path = client.channel() + "/messages"
    no_url = await client.api("POST", path, {"embeds": [{"title": "x", "url": "www.x.org"}]})
    message = "Scheme \"\" is not supported. Scheme must be one of ('http', 'https')."
    wrong = {"code": "URL_TYPE_INVALID_SCHEME", "message": message}
    assert no_url.body["errors"] == {"embeds": {"0": {"url": {"_errors": [wrong]}}}}


async def test_several_mistakes_are_told_at_once(client: Client) -> None:
    body = {"content": "x" * 2001, "embeds": [{"title": "x" * 257, "color": -1}], "nonce": []}
    refused = await client.api("POST", client.channel() + "/messages", body)
    errors = refused.body["errors"]
    assert errors.keys() == {"content", "embeds", "nonce"}
    assert errors["embeds"]["0"].keys() == {"title", "color"}


async def test_bots_take_no_dms_of_bots() -> None:
    world = {"bots": [{"name": "One"}, {"name": "Two"}], "guilds": [{"name": "g", "owner": "ann"}]}
    async with sandbox(world=world) as client:
        other = client.sandbox.state()["bots"][1]["id"]
        made = await client.api("POST", "/users/@me/channels", {"recipient_id": other})
        path = f"/channels/{made.body['id']}/messages"
        assert (await client.api("POST", path, {"content": "x"})).code == 50007


async def test_a_command_that_was_gone_comes_back_as_another(client: Client) -> None:
    path = client.app + "/commands"
    first, second = ({"name": name, "description": "D"} for name in ("one", "two"))
    made = (await client.api("PUT", path, [first, second])).body
    again = (await client.api("PUT", path, [second, first | {"description": "E"}])).body
    assert [one["id"] for one in again] == [made[1]["id"], made[0]["id"]]
    assert again[0]["version"] == made[1]["version"]
    await client.api("DELETE", f"{path}/{made[0]['id']}")
    back = await client.api("POST", path, first)
    assert (back.status, back.body["id"] == made[0]["id"]) == (201, False)
    taken = await client.api("PATCH", f"{path}/{back.body['id']}", {"name": "two"})
    error = taken.body["errors"]["name"]["_errors"][0]
    assert error["code"] == "APPLICATION_COMMANDS_DUPLICATE_NAME"


async def test_only_so_many_new_commands_are_made_in_a_day() -> None:
    async with sandbox(limits=Limits(new_commands=(3, 86_400.0))) as client:
        path = client.app + "/commands"
        first, second, third = ({"name": name, "description": "D"} for name in "abc")
        await client.api("PUT", path, [first, second])
        await client.api("PUT", path, [first | {"description": "E"}, second])
        assert (await client.api("POST", path, third)).status == 201
        refused = await client.api("POST", path, {"name": "d", "description": "D"})
        assert (refused.status, refused.code) == (429, 30034)
        assert 86_000 < refused.body["retry_after"] <= 86_400
        refused = await client.api("PUT", path, [first, {"name": "d", "description": "D"}])
        assert refused.code == 30034
        assert len((await client.api("GET", path)).body) == 3
        scope = f"{client.app}{client.guild}/commands"
        assert (await client.api("POST", scope, first)).status == 201


async def test_a_server_has_250_roles_at_most() -> None:
    roles = [{"name": str(number)} for number in range(248)]
    async with sandbox(world={"guilds": [{"name": "g", "owner": "a", "roles": roles}]}) as client:
        refused = await client.api("POST", client.guild + "/roles", {"name": "one more"})
        assert (refused.status, refused.code) == (400, 30005)


async def test_a_token_has_discords_shape(client: Client) -> None:
    first, moment, secret = client.ids["token"].split(".")
    assert base64.urlsafe_b64decode(first + "==").decode() == client.ids["bot"]
    assert moment
    assert secret


async def test_the_first_answer_to_an_interaction_has_no_limit_and_the_others_one(
    client: Client,
) -> None:
    await client.register(name="ping")
    used = await client.use("max")
    answered = await used.answer(5)
    assert not [name for name in answered.headers if name.startswith("X-RateLimit")]
    for _ in range(5):
        edited = await used.hooked("PATCH", used.original, {"content": "x"})
    assert edited.headers["X-RateLimit-Remaining"] == "0"
    other = await client.use("max")
    await other.answer(5)
    assert (await other.hooked("PATCH", other.original, {"content": "x"})).status == 200
    assert (await used.hooked("PATCH", used.original, {"content": "x"})).status == 429
