"""Every answer of the sandbox against Discord's official description, with closed objects."""

from collections.abc import Iterator
from typing import Any

import pytest

from boostmon.sandbox.rest.routes import ROUTES
from tests.support.description import DESCRIPTION, Checker, described_as, official_description
from tests.support.sandbox_client import Answer, Client, Socket, Used, sandbox, upload


@pytest.fixture(scope="module")
def described() -> Any:
    """Give the official description, or skip where it is not."""
    if (document := official_description()) is None:
        # Several megabytes of somebody else's, which the repository does not carry.
        pytest.skip(f"Discord's official description is not at {DESCRIPTION}")
    return document


EMBED = {
    "title": "Title",
    "description": "Text",
    "url": "https://example.org",
    "color": 5,
    "timestamp": "2026-01-02T03:04:05+00:00",
    "author": {"name": "BoostMon"},
    "footer": {"text": "Foot"},
    "fields": [{"name": "A", "value": "B", "inline": True}],
}
BUTTONS = [
    {"type": 2, "style": 1, "label": "Yes", "custom_id": "yes"},
    {"type": 2, "style": 5, "label": "Docs", "url": "https://example.org"},
]
MENU = {
    "type": 3,
    "custom_id": "menu",
    "placeholder": "Choose",
    "options": [{"label": "A", "value": "a", "description": "The first"}],
}
HIDDEN = [{"role": "BoostMon", "deny": ["VIEW_CHANNEL"]}]
COMPONENTS = [{"type": 1, "components": BUTTONS}, {"type": 1, "components": [MENU]}]
OPTIONS = [
    {"type": 6, "name": "user", "description": "U", "required": True},
    {"type": 3, "name": "text", "description": "T", "autocomplete": True, "max_length": 9},
    {"type": 4, "name": "n", "description": "N", "choices": [{"name": "One", "value": 1}]},
    {"type": 7, "name": "to", "description": "C", "channel_types": [0, 5]},
]
COMMAND = {
    "name": "all",
    "description": "All",
    "options": OPTIONS,
    "default_member_permissions": "268435456",
    "name_localizations": {"de": "alles"},
    "contexts": [0],
    "integration_types": [0],
}


async def _read_everything(client: Client) -> None:
    for path in (
        "/gateway",
        "/gateway/bot",
        "/users/@me",
        f"/users/{client.user('max')}",
        "/users/@me/guilds",
        "/users/@me/guilds?with_counts=true",
        "/oauth2/applications/@me",
        "/applications/@me",
        client.guild,
        client.guild + "?with_counts=true",
        client.guild + "/roles",
        f"{client.guild}/roles/{client.role('VIP')}",
        client.guild + "/channels",
        *(client.channel(name) for name in ("general", "announcements", "lounge", "staff")),
        client.guild + "/members?limit=10",
        client.guild + "/members/search?query=m",
        f"{client.guild}/members/{client.user('vera')}",
        client.guild + "/audit-logs",
    ):
        assert (await client.api("GET", path)).status == 200, path


async def _change_roles(client: Client) -> None:
    held, reason = client.held("max", "VIP"), {"X_Audit_Log_Reason": "why"}
    await client.api("PUT", held, **reason)
    await client.api("DELETE", held, **reason)
    member = f"{client.guild}/members/{client.user('max')}"
    await client.api("PATCH", member, {"roles": [client.role("VIP")]})
    made = await client.api("POST", client.guild + "/roles", {"name": "New"}, **reason)
    role = f"{client.guild}/roles/{made.body['id']}"
    await client.api("PATCH", role, {"colors": {"primary_color": 5}})
    await client.api("PATCH", client.guild + "/roles", [{"id": made.body["id"], "position": 2}])
    await client.api("DELETE", role)


async def _talk(client: Client) -> None:
    dm = await client.api("POST", "/users/@me/channels", {"recipient_id": client.user("max")})
    await client.api("GET", f"/channels/{dm.body['id']}")
    await client.api("POST", f"/channels/{dm.body['id']}/typing")
    path = client.channel() + "/messages"
    content = f"<@{client.user('max')}> <@&{client.role('VIP')}>"
    body = {"content": content, "embeds": [EMBED], "components": COMPONENTS, "nonce": "n"}
    said = await client.api("POST", path, body)
    assert said.status == 200, said.body
    one = f"{path}/{said.body['id']}"
    await client.api(
        "POST", path, {"content": "re", "message_reference": {"message_id": said.body["id"]}}
    )
    await client.api("GET", path)
    await client.api("GET", one)
    await client.api("PATCH", one, {"content": "new"})
    await client.api("DELETE", one)


async def _register(client: Client) -> None:
    for base in (client.app + "/commands", f"{client.app}{client.guild}/commands"):
        made = await client.api("POST", base, COMMAND)
        await client.api("GET", base)
        await client.api("GET", base + "?with_localizations=1")
        await client.api("PUT", base, [COMMAND, {"name": "ping", "description": "Ping"}])
        one = f"{base}/{made.body['id']}"
        await client.api("GET", one)
        await client.api("PATCH", one, {"description": "Some"})
    rules = {"action": "commands", "command": "ping", "allow": ["max"], "deny": ["VIP"]}
    await client.sim("guild", rules)
    everything = f"{client.app}{client.guild}/commands"
    (ruled,) = (await client.api("GET", everything + "/permissions")).body
    for command_id in (ruled["id"], "1"):
        await client.api("GET", f"{everything}/{command_id}/permissions")


async def _interact(client: Client) -> None:
    for kind, data in ((4, {"content": "x", "components": COMPONENTS}), (5, {"flags": 64})):
        used = await client.use("max")
        await used.answer(kind, data, "?with_response=true")
        await used.hooked("GET", used.original)
        await used.hooked("PATCH", used.original, {"embeds": [EMBED]})
        await used.hooked("PATCH", used.original, {"content": "x", "components": COMPONENTS})
        more = await used.hooked("POST", used.hook, {"content": "more"})
        path = f"{used.hook}/messages/{more.body['id']}"
        await used.hooked("GET", path)
        await used.hooked("PATCH", path, {"content": "less"})
        await used.hooked("DELETE", path)
        await _click(client, (await used.record())["message"]["id"])
        await used.hooked("DELETE", used.original)
    await (await client.use("max")).answer(5)


async def _attach(client: Client) -> None:
    body = {"attachments": [{"id": "0", "description": "A note"}]}
    path = client.channel() + "/messages"
    said = await upload(client, path, body, ("a.txt", b"a"))
    one = f"{path}/{said.body['id']}"
    await upload(client, one, {"content": "x"}, ("b.txt", b"b"), method="PATCH")
    used = await client.use("max")
    await used.answer(5, {"flags": 64})
    await upload(client, used.original, {}, ("c.txt", b"c"), method="PATCH")
    assert len((await used.hooked("GET", used.original)).body["attachments"]) == 1


async def _fill_in(client: Client) -> None:
    """Open a form from a command and from a button, and answer what is sent off."""
    field = {"type": 4, "custom_id": "a", "style": 1, "label": "A"}
    form = {"custom_id": "f", "title": "F", "components": [{"type": 1, "components": [field]}]}
    options = [{"name": "user", "value": client.user("max")}]
    for name, how in (("all", {"options": options}), ("Greet", {"target": "max"})):
        used = await client.use("olga", name, **how)
        await used.answer(4, {"content": "x", "components": COMPONENTS}, "?with_response=true")
        message_id = (await used.record())["message"]["id"]
        click = {"type": 3, "user_id": "olga", "message_id": message_id, "custom_id": "yes"}
        made = await client.sim("interaction", click)
        opener = Used(client, made["id"], made["token"])
        await opener.answer(9, form, "?with_response=true")
        sent = {"type": 5, "user_id": "olga", "interaction_id": opener.id, "fields": {"a": "b"}}
        made = await client.sim("interaction", sent)
        submitted = Used(client, made["id"], made["token"])
        await submitted.answer(4, {"content": "y"}, "?with_response=true")
        await submitted.hooked("GET", submitted.original)


async def _click(client: Client, message_id: str) -> None:
    body = {"type": 3, "user_id": client.user("max"), "message_id": message_id, "custom_id": "yes"}
    for kind, data in (
        (6, None),
        (7, {"content": "clicked", "components": COMPONENTS}),
        (4, {"content": "x"}),
    ):
        made = await client.sim("interaction", body)
        used = Used(client, made["id"], made["token"])
        await used.answer(kind, data, "?with_response=true")
        await used.hooked("GET", used.original)


async def _be_refused(client: Client) -> None:
    await client.api("GET", "/users/@me", token="no")  # noqa: S106 -- it opens nothing
    await client.api("GET", "/users/1")
    await client.api("PUT", client.held("max", "Admin"))
    await client.api("POST", client.channel() + "/messages", {"content": "x" * 2001})
    await client.api("PUT", client.app + "/commands", [{"name": "Bad"}])
    await client.sim("limits", {"other": [0, 1.0]})
    await client.api("GET", client.guild)
    await client.sim("limits", {"other": [1000, 1.0]})


async def _be_refused_for_want_of_two_factor_and_for_age(client: Client) -> None:
    await client.sim("guild", {"action": "two_factor"})
    await client.sim("user", {"user": "olga", "two_factor": False})
    refused = await client.api("PUT", client.held("max", "VIP"))
    assert refused.code == 60003
    await client.sim("guild", {"action": "two_factor", "required": False})
    await client.sim("limits", {"old_edits": [1, 60.0], "messages": [100, 1.0]})
    path = client.channel() + "/messages"
    said = await client.api("POST", path, {"content": "old", "nonce": 5})
    await client.sim("clock", {"advance_ms": 3_700_000})
    one = f"{path}/{said.body['id']}"
    codes = [(await client.api("PATCH", one, {"content": "new"})).code for _ in range(2)]
    assert codes == [None, 30046]


async def _take_leave(client: Client) -> None:
    base = client.app + "/commands"
    for command in (await client.api("GET", base)).body:
        await client.api("DELETE", f"{base}/{command['id']}")
    base = f"{client.app}{client.guild}/commands"
    for command in (await client.api("GET", base)).body:
        await client.api("DELETE", f"{base}/{command['id']}")
    await client.api("DELETE", f"/users/@me{client.guild}")


async def _everything(client: Client) -> None:
    """Use every route that there is."""
    wide = [10_000, 1.0]
    await client.sim("limits", dict.fromkeys(("everything", "roles", "messages", "webhook"), wide))
    await client.sim("limits", {"other": wide})
    await client.sim("bot", {"privileged_intents": ["members"]})
    bits = ["MANAGE_ROLES", "VIEW_AUDIT_LOG", "MANAGE_NICKNAMES"]
    await client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": bits})
    await _change_roles(client)
    await _read_everything(client)
    await _talk(client)
    await _register(client)
    await _interact(client)
    for command in ({"name": "Greet", "type": 2}, COMMAND):
        await client.api("POST", client.app + "/commands", command)
    await _attach(client)
    await _fill_in(client)
    await _be_refused(client)
    await _be_refused_for_want_of_two_factor_and_for_age(client)
    await _take_leave(client)


async def test_every_answer_is_as_discord_describes_it(described: Any) -> None:
    checker = Checker(described)
    templates = list(described["paths"])
    async with sandbox() as client:
        await _everything(client)
        complaints = {
            f"{method} {template} {answer.status}: {complaint}"
            for method, path, answer in client.seen
            for template in [described_as(path, templates)]
            for complaint in checker.complaints(method, template, answer)
        }
    assert complaints == set()


async def test_every_route_is_among_those_that_are_checked(described: Any) -> None:
    async with sandbox() as client:
        await _everything(client)
        entries = client.sandbox.state()["requests"]
    fine = {(e["method"], e["route"]) for e in entries if e["status"] < 400}
    assert fine == {(route.method, route.template) for route in ROUTES}
    for route in ROUTES:
        assert route.method.lower() in described["paths"][route.template]


async def test_a_wrong_answer_is_noticed(described: Any) -> None:
    checker = Checker(described)
    async with sandbox() as client:
        answer = await client.api("GET", "/users/@me")
    assert checker.complaints("GET", "/users/@me", answer) == []
    for broken in (
        answer.body | {"invented": 1},
        {key: value for key, value in answer.body.items() if key != "username"},
        answer.body | {"id": 5},
    ):
        wrong = Answer(200, broken, answer.headers)
        assert checker.complaints("GET", "/users/@me", wrong) != []


def _parts(event: str, data: Any) -> Iterator[tuple[str, Any]]:
    """Name the parts of an event that the description knows, by their schemas."""
    without = {"guild_id", "member"}
    rest = {key: value for key, value in data.items() if key not in without}
    match event:
        case "READY":
            yield "UserPIIResponse", data["user"]
        case "GUILD_CREATE" | "GUILD_MEMBERS_CHUNK":
            yield from (("GuildMemberResponse", one) for one in data["members"])
            yield from (("GuildRoleResponse", one) for one in data.get("roles", ()))
            yield from (("GuildChannelResponse", one) for one in data.get("channels", ()))
        case "GUILD_MEMBER_ADD" | "GUILD_MEMBER_UPDATE":
            yield "GuildMemberResponse", rest
        case "GUILD_MEMBER_REMOVE":
            yield "UserResponse", data["user"]
        case "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE":
            yield "GuildRoleResponse", data["role"]
        case "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "CHANNEL_DELETE":
            yield "GuildChannelResponse", data
        case "MESSAGE_CREATE" | "MESSAGE_UPDATE":
            yield "MessageResponse", rest
        case "GUILD_AUDIT_LOG_ENTRY_CREATE":
            yield "AuditLogEntryResponse", rest
        case "GUILD_UPDATE":
            yield "GuildResponse", data
        case "INTERACTION_CREATE":
            yield from (("MessageResponse", one) for one in [data.get("message")] if one)
            resolved = data["data"].get("resolved", {})
            yield from (("UserResponse", one) for one in resolved.get("users", {}).values())
            yield from (("GuildRoleResponse", one) for one in resolved.get("roles", {}).values())
            yield from (("MessageResponse", one) for one in resolved.get("messages", {}).values())


async def _make_events(client: Client, socket: Socket) -> None:
    guild_id = client.ids["guild"]
    await socket.send(8, {"guild_id": guild_id, "query": "", "limit": 0})
    for path, body in (
        ("member", {"user": "max", "action": "give", "role": "VIP"}),
        ("member", {"user": "newcomer", "action": "join"}),
        ("member", {"user": "newcomer", "action": "leave"}),
        ("role", {"role": "New", "action": "create"}),
        ("role", {"role": "New", "action": "edit", "color": 5}),
        ("role", {"role": "New", "action": "delete"}),
        ("channel", {"channel": "new", "action": "create"}),
        ("channel", {"channel": "new", "action": "edit", "overwrites": []}),
        ("channel", {"channel": "new", "action": "edit", "overwrites": HIDDEN}),
        ("channel", {"channel": "new", "action": "delete"}),
        ("member", {"user": "max", "action": "time_out", "seconds": 600}),
        ("member", {"user": "max", "action": "roles", "roles": ["VIP", "Trial"]}),
        ("guild", {"action": "two_factor"}),
        ("guild", {"action": "rename", "name": "Sandbox"}),
        ("message", {"user": "max", "channel": "general", "content": "x"}),
    ):
        await client.sim(path, body)
    await _talk(client)
    for command in (COMMAND, {"name": "Greet", "type": 2}, {"name": "Quote", "type": 3}):
        await client.api("POST", client.app + "/commands", command)
    user = [{"name": "user", "value": client.user("max")}]
    used = await client.use("olga", "all", options=user)
    await used.answer(4, {"content": "x", "components": COMPONENTS})
    message_id = (await used.record())["message"]["id"]
    await _click(client, message_id)
    await client.use("olga", "Greet", target="max")
    await client.use("olga", "Quote", target=message_id)


async def test_what_events_carry_is_as_discord_describes_it(described: Any) -> None:
    checker = Checker(described)
    async with sandbox() as client:
        await client.sim("bot", {"privileged_intents": ["members", "message_content"]})
        bits = ["MANAGE_ROLES", "VIEW_AUDIT_LOG"]
        await client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": bits})
        intents = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 9 | 1 << 12 | 1 << 15
        async with client.gateway(intents=intents) as socket:
            await _make_events(client, socket)
            came = [("READY", socket.ready), *await socket.drain()]
    parts = [(event, *part) for event, data in came for part in _parts(event, data)]
    complaints = {
        f"{event}: {complaint}"
        for event, schema, part in parts
        for complaint in checker.part_complaints(schema, part)
    }
    assert complaints == set()
    assert {event for event, *_ in parts} >= {
        "MESSAGE_UPDATE",
        "INTERACTION_CREATE",
        "GUILD_UPDATE",
    }
