"""The sandbox's page without a browser: its files, who may have them, and the live stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from yarl import URL

from boostmon.sandbox import Sandbox
from boostmon.sandbox.core.watch import Looker, Watch
from boostmon.sandbox.page.serving import WEB
from tests.support.sandbox_client import Client, sandbox

Json = dict[str, Any]
REPLY, DEFER, CHOICES = 4, 5, 8
PRIVATE, LOADING = 64, 128


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox whose bot has a command /ping that takes nothing."""
    async with sandbox() as running:
        await running.register(name="ping")
        yield running


class Onlooker:
    """Somebody who has the page open."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._changes: list[Json] = []

    async def next(self, event: str) -> Any:
        """Skip to the next change of that name."""
        while True:
            while self._changes:
                change = self._changes.pop(0)
                if change["t"] == event:
                    return change["d"]
            self._changes = await self._socket.receive_json(timeout=5)


@asynccontextmanager
async def looking(client: Client, **headers: str) -> AsyncIterator[Onlooker]:
    """Open the live stream."""
    url = client.sandbox.url + "/_sim/live"
    async with client.http.ws_connect(url, headers=headers) as socket:
        yield Onlooker(socket)


async def get(client: Client, path: str, **headers: str) -> tuple[int, Any, str]:
    """Ask for a file of the page."""
    url = URL(client.sandbox.url + path, encoded=True)
    async with client.http.get(url, headers=headers) as answer:
        return answer.status, answer.headers, await answer.text()


async def test_the_page_and_every_file_of_it_are_served(client: Client) -> None:
    status, headers, text = await get(client, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "<!doctype html>" in text
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for path in WEB.iterdir():
        status, headers, _ = await get(client, f"/web/{path.name}")
        assert status == 200
        assert headers["Content-Type"].startswith(kinds.get(path.suffix, "text/html"))
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_the_page_may_load_and_run_only_what_is_its_own(client: Client) -> None:
    _, headers, text = await get(client, "/")
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    for kind in ("script-src", "style-src", "img-src", "connect-src"):
        assert policy[kind] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "<style" not in text
    assert " style=" not in text
    assert all('src="/web/' in line for line in text.splitlines() if "<script" in line)


async def test_nothing_of_the_page_comes_from_elsewhere_or_is_read_as_html() -> None:
    for path in WEB.iterdir():
        text = path.read_text(encoding="utf-8")
        for forbidden in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ):
            assert forbidden not in text, path.name
        told = text.replace("http://www.w3.org/2000/svg", "")
        assert "://" not in told.replace(r"https?:\/\/", ""), path.name


@pytest.mark.parametrize("path", ["/web/none.js", "/web/..%2Fpage.py", "/web/", "/web/%2e%2e"])
async def test_no_other_file_is_served(client: Client, path: str) -> None:
    assert (await get(client, path))[0] == 404


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
@pytest.mark.parametrize("path", ["/", "/web/main.js", "/_sim/live"])
async def test_pages_from_elsewhere_get_nothing(
    client: Client, path: str, headers: dict[str, str]
) -> None:
    assert (await get(client, path, **headers))[0] == 403


async def test_the_stream_is_closed_to_pages_from_elsewhere(client: Client) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        async with looking(client, Origin="https://evil.example"):
            pass


async def test_the_page_leaves_no_unknown_request_behind(client: Client) -> None:
    await get(client, "/")
    await get(client, "/web/main.js")
    assert client.sandbox.state()["unknown"] == []


async def test_the_stream_begins_with_the_whole_picture(client: Client) -> None:
    await client.sim("message", {"user": "mona", "channel": "general", "content": "hello"})
    async with looking(client) as onlooker:
        picture = await onlooker.next("PICTURE")
    (guild,) = picture["guilds"]
    (general,) = [one for one in guild["channels"] if one["name"] == "general"]
    assert [one["content"] for one in general["messages"]] == ["hello"]
    assert {one["user"]["id"] for one in guild["members"]} >= {client.user("max")}
    (bot,) = picture["bots"]
    assert [one["name"] for one in bot["commands"][""]] == ["ping"]
    assert bot["connected"] is False
    closed = [one["key"] for one in picture["users"] if not one["dms_open"]]
    assert closed == ["carl"]


async def test_messages_are_told_as_they_come_change_and_go(client: Client) -> None:
    async with looking(client) as onlooker:
        path = f"{client.channel()}/messages"
        made = (await client.api("POST", path, {"content": "one"})).body
        assert (await onlooker.next("MESSAGE"))["content"] == "one"
        await client.api("PATCH", f"{path}/{made['id']}", {"content": "two"})
        assert (await onlooker.next("MESSAGE"))["content"] == "two"
        await client.api("DELETE", f"{path}/{made['id']}")
        assert (await onlooker.next("MESSAGE_DELETE"))["id"] == made["id"]


async def test_a_private_reply_is_told_with_who_sees_it(client: Client) -> None:
    async with looking(client) as onlooker:
        used = await client.use("max")
        await used.answer(DEFER, {"flags": PRIVATE})
        waiting = await onlooker.next("MESSAGE")
        assert waiting["flags"] == LOADING | PRIVATE
        assert (waiting["viewer_id"], waiting["command"]) == (client.user("max"), "ping")
        assert (await onlooker.next("INTERACTION"))["id"] == used.id
        await used.hooked("PATCH", used.original, {"content": "pong"})
        said = await onlooker.next("MESSAGE")
        assert (said["flags"], said["content"]) == (PRIVATE, "pong")
        await used.hooked("DELETE", used.original)
        assert (await onlooker.next("MESSAGE_DELETE"))["id"] == said["id"]


async def test_what_the_bot_completes_is_told(client: Client) -> None:
    option = {"name": "word", "description": "A word", "type": 3, "autocomplete": True}
    await client.register(name="say", options=[option])
    async with looking(client) as onlooker:
        typed = [{"name": "word", "type": 3, "value": "a", "focused": True}]
        used = await client.use("max", "say", type=4, options=typed)
        choices = [{"name": "Ah", "value": "ah"}]
        await used.answer(CHOICES, {"choices": choices})
        told = await onlooker.next("INTERACTION")
    assert (told["id"], told["choices"]) == (used.id, choices)


async def test_members_and_roles_are_told_as_they_change(client: Client) -> None:
    async with looking(client) as onlooker:
        await client.api("PUT", client.held("max", "VIP"), x_audit_log_reason="because")
        line = await onlooker.next("GUILD_AUDIT_LOG_ENTRY_CREATE")
        assert (line["target_id"], line["reason"]) == (client.user("max"), "because")
        changed = await onlooker.next("GUILD_MEMBER_UPDATE")
        assert changed["roles"] == [client.role("VIP")]
        await client.sim("member", {"user": "max", "action": "leave"})
        assert (await onlooker.next("GUILD_MEMBER_REMOVE"))["user"]["id"] == client.user("max")
        await client.sim("member", {"user": "max", "action": "join"})
        assert (await onlooker.next("GUILD_MEMBER_ADD"))["roles"] == []
        await client.sim("role", {"role": "VIP", "action": "delete"})
        assert (await onlooker.next("GUILD_ROLE_DELETE"))["role_id"] == client.role("VIP")


async def test_a_direct_message_is_told_with_its_two_ends(client: Client) -> None:
    async with looking(client) as onlooker:
        await client.sim("message", {"user": "max", "content": "psst"})
        said = await onlooker.next("MESSAGE")
    assert (said["user_id"], said["bot_id"]) == (client.user("max"), client.ids["bot"])


async def test_a_bot_is_told_as_it_comes_registers_and_goes(client: Client) -> None:
    async with looking(client) as onlooker:
        async with client.gateway():
            assert (await onlooker.next("BOT"))["connected"] is True
            made = await client.register(name="pong")
            told = await onlooker.next("BOT")
            assert [one["name"] for one in told["commands"][""]] == ["ping", "pong"]
            await client.api("DELETE", f"{client.app}/commands/{made['id']}")
            told = await onlooker.next("BOT")
            assert [one["name"] for one in told["commands"][""]] == ["ping"]
        assert (await onlooker.next("BOT"))["connected"] is False


async def test_requests_and_faults_are_told_without_what_was_sent(client: Client) -> None:
    async with looking(client) as onlooker:
        fault = await client.sim("fault", {"path": "/users/@me", "status": 500})
        assert [one["id"] for one in await onlooker.next("FAULTS")] == [fault["id"]]
        await client.api("GET", "/users/@me")
        told = await onlooker.next("REQUEST")
    assert (told["status"], told["fault"]) == (500, fault["id"])
    assert "body" not in told


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("reset", {}),
        ("user", {"user": "max", "dms_open": False}),
        ("guild", {"action": "commands", "deny": ["max"]}),
    ],
)
async def test_what_is_too_much_to_tell_is_a_new_picture(
    client: Client, path: str, body: Json
) -> None:
    async with looking(client) as onlooker:
        await onlooker.next("PICTURE")
        await client.sim(path, body or None)
        assert await onlooker.next("PICTURE")


async def test_one_who_reads_too_slowly_gets_a_new_picture_and_costs_no_more() -> None:
    watch, slow, quick = Watch(), Looker(most=3), Looker(most=3)
    watch.add(slow)
    watch.add(quick)
    for one in (slow, quick):
        await told(one)
    for number in range(5):
        watch.tell("CHANGE", partial(int, number))
        assert await told(quick) == [("CHANGE", number)]
    assert await told(slow) == [("PICTURE", "all of it")]
    watch.tell("CHANGE", lambda: 5)
    watch.tell("CHANGE", lambda: 6)
    assert await told(slow) == [("CHANGE", 5), ("CHANGE", 6)]


async def told(looker: Looker) -> list[tuple[str, Any]]:
    """Take what waits for one who looks on."""
    async with asyncio.timeout(5):
        changes = msgspec.json.decode(await looker.next(lambda: "all of it"))
    return [(change["t"], change["d"]) for change in changes]


async def test_nothing_is_made_for_nobody() -> None:
    watch, looker = Watch(), Looker()
    watch.add(looker)
    watch.remove(looker)

    watch.tell("CHANGE", lambda: pytest.fail("nobody looks on"))


async def test_the_sandbox_ends_while_somebody_looks_on() -> None:
    async with aiohttp.ClientSession() as http:
        async with Sandbox() as running:
            socket = await http.ws_connect(running.url + "/_sim/live")
            await socket.receive_json(timeout=5)
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE


async def test_the_picture_names_what_is_served_beside_it() -> None:
    async with (
        Sandbox(applications={"/_demo/": web.Application()}) as running,
        aiohttp.ClientSession() as http,
        looking(Client(running, http)) as onlooker,
    ):
        assert (await onlooker.next("PICTURE"))["beside"] == ["/_demo/"]


def test_the_parts_of_the_page_stay_small() -> None:
    large = {
        path.name: lines
        for path in Path(WEB).glob("*.js")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 250
    }
    assert large == {}
