"""Right and damaged requests to every operation: never a crash, and every answer as described."""

import asyncio
import copy
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boostmon.sandbox import Limits, Sandbox
from boostmon.sandbox.control.changes import CHANGES
from boostmon.sandbox.core.faults import Fault
from boostmon.sandbox.people.usage import Use, use
from boostmon.sandbox.rest.routes import ROUTES, Route
from boostmon.sandbox.world.world_spec import WorldSpec
from tests.support.description import DESCRIPTION, Checker, official_description
from tests.support.fuzz import JUNK, Values, damaged
from tests.support.sandbox_client import Answer

WIDE = (100_000, 1.0)
LIMITS = Limits(everything=WIDE, roles=WIDE, messages=WIDE, webhook=WIDE, other=WIDE)
WORLD = {
    "bots": [{"name": "Bot", "privileged_intents": ["members"]}],
    "users": [{"name": "max", "id": "101"}, {"name": "carl", "id": "102", "dms_open": False}],
    "guilds": [
        {
            "name": "Sandbox",
            "owner": "olga",
            "id": "1",
            "roles": [
                {"name": "VIP", "id": "201"},
                {"name": "Bot", "bot": "Bot", "permissions": ["ADMINISTRATOR"]},
                {"name": "Top", "id": "202"},
            ],
            "members": [{"user": "max"}, {"user": "carl"}],
            "channels": [
                {"name": "general", "id": "301"},
                {"name": "voice", "id": "302", "type": 2},
            ],
        }
    ],
}
IDS = st.sampled_from(
    ["1", "101", "102", "201", "202", "301", "302", "BOT", "MESSAGE", "COMMAND", "DM", "5"]
)
WORDS = st.text(
    st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=4
)
QUICK = settings(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Fuzzed:
    """A sandbox that is made anew for each example, and what to call its things."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox, self.http = sandbox, http
        self.names: dict[str, str] = {}
        self._kept: Any = None

    async def build(self) -> None:
        """Make a command, a message, a DM and two interactions, one of them answered; keep it."""
        discord = self.sandbox.discord
        discord.reset(msgspec.convert(WORLD, WorldSpec))
        (bot,) = discord.world.bots
        self.names = {"BOT": bot}
        options = [{"type": 3, "name": "text", "description": "T", "autocomplete": True}]
        command = {"name": "ping", "description": "P", "options": options}
        self.names["COMMAND"] = await self._made(f"/applications/{bot}/commands", command)
        self.names["DM"] = await self._made("/users/@me/channels", {"recipient_id": 101})
        self.names["MESSAGE"] = await self._made("/channels/301/messages", {"content": "x"})
        for name in ("FRESH", "ANSWERED"):
            made = use(discord, Use(user_id="max", guild_id="1", name="ping"))
            self.names |= {name: made.id, f"{name}-TOKEN": made.token}
        path = f"/interactions/{made.id}/{made.token}/callback"
        await self.send("POST", path, {"type": 4, "data": {"content": "y"}})
        self._kept = copy.deepcopy((discord.world, discord.interactions))

    def begin(self) -> None:
        """Begin anew with what was kept."""
        discord = self.sandbox.discord
        discord.reset(msgspec.convert(WORLD, WorldSpec))
        discord.world, discord.interactions = copy.deepcopy(self._kept)

    async def _made(self, path: str, body: Any) -> str:
        return str((await self.send("POST", path, body)).body["id"])

    async def send(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """Send one request."""
        token = next(iter(self.sandbox.discord.world.bots.values())).token
        headers = {"Authorization": f"Bot {token}", "Content-Type": "application/json"}
        raw = (
            body if isinstance(body, bytes) else None if body is None else msgspec.json.encode(body)
        )
        url = self.sandbox.api + path
        async with self.http.request(method, url, data=raw, headers=headers, **more) as response:
            content = await response.read()
            shown = msgspec.json.decode(content) if content else None
            return Answer(response.status, shown, response.headers)

    def named(self, value: Any) -> Any:
        """Put the real ids for their names, wherever they are in *value*."""
        if isinstance(value, str):
            return self.names.get(value, value)
        if isinstance(value, list):
            return [self.named(one) for one in value]
        if isinstance(value, dict):
            return {key: self.named(one) for key, one in value.items()}
        return value


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """Give one event loop for all examples."""
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def fuzzed(runner: asyncio.Runner) -> Iterator[Fuzzed]:
    """Give one sandbox for all examples."""

    async def start() -> Fuzzed:
        sandbox = Sandbox(limits=LIMITS)
        await sandbox.start()
        made = Fuzzed(sandbox, aiohttp.ClientSession())
        await made.build()
        return made

    made = runner.run(start())
    yield made
    runner.run(made.http.close())
    runner.run(made.sandbox.stop())


@pytest.fixture(scope="module")
def described() -> Any:
    """Give the official description, or skip where it is not."""
    if (document := official_description()) is None:
        pytest.skip(f"Discord's official description is not at {DESCRIPTION}")
    return document


def path_of(template: str) -> st.SearchStrategy[tuple[str, ...]]:
    """Return paths: with ids that fit their place, with others, and with what is no id."""
    fitting = {
        "guild_id": "1",
        "user_id": "101",
        "role_id": "201",
        "channel_id": "301",
        "message_id": "MESSAGE",
        "command_id": "COMMAND",
        "application_id": "BOT",
        "webhook_id": "BOT",
    }
    steps = []
    for step in template.split("/")[1:]:
        name = step.strip("{}")
        if step == name:
            steps.append(st.just(step))
        elif name in ("interaction_id", "interaction_token", "webhook_token"):
            words = ["FRESH", "ANSWERED"]
            tokens = [f"{word}-TOKEN" if "token" in name else word for word in words]
            steps.append(st.sampled_from([*tokens, "x"]))
        else:
            usual = st.just(fitting[name])
            steps.append(st.one_of(usual, usual, usual, IDS, WORDS))
    return st.tuples(*steps)


def bodies_of(document: Any, route: Route) -> st.SearchStrategy[Any]:
    """Return bodies for a route: right and damaged, and a few that are no JSON."""
    operation = document["paths"][route.template][route.method.lower()]
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return st.one_of(st.none(), st.none(), JUNK)
    right = Values(document, IDS).of(content["application/json"]["schema"])
    odd = [b"{", b"\xff", b'"\\ud800"', b"[" * 3000, b"[" * 3000 + b"]" * 3000, b'{"a":1e999}', b""]
    return st.one_of(right, right, damaged(right), damaged(right), JUNK, st.sampled_from(odd))


def queries_of(document: Any, route: Route) -> st.SearchStrategy[dict[str, str]]:
    """Return queries for a route."""
    operation = document["paths"][route.template][route.method.lower()]
    known = [one["name"] for one in operation.get("parameters", ()) if one.get("in") == "query"]
    value = st.one_of(
        IDS, st.sampled_from(["true", "0", "1", "1001", "-1", "", "m"]), st.text(max_size=4)
    )
    return st.dictionaries(st.sampled_from([*known, "other"]), value, max_size=3)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_no_request_makes_it_stumble(
    described: Any, fuzzed: Fuzzed, runner: asyncio.Runner, route: Route
) -> None:
    checker = Checker(described)
    example = st.tuples(
        path_of(route.template), bodies_of(described, route), queries_of(described, route)
    )

    async def send(steps: tuple[str, ...], body: Any, query: dict[str, str]) -> None:
        fuzzed.begin()
        path = "".join("/" + quote(fuzzed.names.get(one, one), safe="@") for one in steps)
        answer = await fuzzed.send(
            route.method, path, fuzzed.named(body), params=fuzzed.named(query)
        )
        assert fuzzed.sandbox.discord.journal.crashes() == []
        if fuzzed.sandbox.discord.journal.after()[-1]["route"] == route.template:
            assert checker.complaints(route.method, route.template, answer) == []

    @QUICK
    @given(example)
    def check(given_: Any) -> None:
        runner.run(send(*given_))

    check()


CONTROLS: dict[str, Any] = {name: kind for name, (kind, _) in CHANGES.items()}
CONTROLS |= {"interaction": Use, "fault": Fault, "limits": Limits, "reset": WorldSpec}
NAMES = st.sampled_from(["max", "olga", "Sandbox", "general", "VIP", "Bot", "ping", "MESSAGE", "5"])


@pytest.mark.parametrize("name", CONTROLS)
def test_no_control_request_makes_it_stumble(
    fuzzed: Fuzzed, runner: asyncio.Runner, name: str
) -> None:
    schema = msgspec.json.schema(CONTROLS[name])
    right = Values(schema, NAMES).of(schema)

    async def send(body: Any) -> None:
        fuzzed.begin()
        url = f"{fuzzed.sandbox.url}/_sim/{name}"
        raw = msgspec.json.encode(fuzzed.named(body))
        async with fuzzed.http.post(url, data=raw) as response:
            assert response.status in (200, 400, 403, 404)
            shown = msgspec.json.decode(await response.read())
            assert response.status == 200 or shown["message"]
        fuzzed.begin()

    @QUICK
    @given(st.one_of(right, damaged(right), JUNK))
    def check(body: Any) -> None:
        runner.run(send(body))

    check()


USUAL: dict[int, Any] = {
    1: 5,
    2: {"token": "TOKEN", "intents": 1, "properties": {}, "shard": [0, 1], "large_threshold": 50},
    3: {"since": None, "activities": [], "status": "online", "afk": False},
    6: {"token": "TOKEN", "session_id": "x", "seq": 1},
    8: {"guild_id": "1", "query": "m", "limit": 1, "user_ids": ["101"], "nonce": "n"},
}
CLOSES = {4001, 4002, 4003, 4004, 4005, 4007, 4008, 4010, 4013, 4014}
PAYLOAD = st.sampled_from(sorted(USUAL)).flatmap(
    lambda op: damaged(st.just({"op": op, "d": USUAL[op]}))
)


def test_no_payload_makes_the_gateway_stumble(fuzzed: Fuzzed, runner: asyncio.Runner) -> None:
    async def send(payloads: list[Any], *, identified: bool) -> None:
        fuzzed.begin()
        bot = next(iter(fuzzed.sandbox.discord.world.bots.values()))
        fuzzed.names["TOKEN"] = bot.token
        async with fuzzed.http.ws_connect(fuzzed.sandbox.discord.gateway_url()) as socket:
            first = [{"op": 2, "d": USUAL[2]}] if identified else []
            for payload in (*first, *payloads, {"op": 1, "d": None}):
                await socket.send_bytes(msgspec.json.encode(fuzzed.named(payload)))
            while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
                if msgspec.json.decode(message.data)["op"] == 11:
                    return
            assert socket.close_code in CLOSES

    @settings(QUICK, max_examples=300)
    @given(st.lists(st.one_of(PAYLOAD, PAYLOAD, JUNK), min_size=1, max_size=3), st.booleans())
    def check(payloads: list[Any], identified: bool) -> None:
        runner.run(send(payloads, identified=identified))

    check()
