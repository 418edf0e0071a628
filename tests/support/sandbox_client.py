"""A bare client of the sandbox, for tests: raw REST, the control interface, a raw gateway."""

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any, Self

import aiohttp
import msgspec

from boostmon.sandbox import Limits, Sandbox

GUILDS, MEMBERS, GUILD_MESSAGES, DIRECT_MESSAGES = 1 << 0, 1 << 1, 1 << 9, 1 << 12


class Answer(msgspec.Struct):
    """What came back."""

    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> int | None:
        """The code in an error's body."""
        return self.body.get("code") if isinstance(self.body, dict) else None


class Client:
    """Talks to one sandbox."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox, self.http = sandbox, http
        self.ids: dict[str, Any] = sandbox.state()["ids"]
        self.guild = f"/guilds/{self.ids['guild']}"
        self.app = f"/applications/{self.ids['bot']}"
        self.seen: list[tuple[str, str, Answer]] = []

    def user(self, name: str) -> str:
        """Return the id of a user."""
        return str(self.ids["users"][name])

    def role(self, name: str) -> str:
        """Return the id of a role."""
        return str(self.ids["roles"][name])

    def channel(self, name: str = "general") -> str:
        """Return the path of a channel."""
        return f"/channels/{self.ids['channels'][name]}"

    def held(self, name: str, role: str) -> str:
        """Return the path of a role of a member."""
        return f"{self.guild}/members/{self.user(name)}/roles/{self.role(role)}"

    async def api(
        self, method: str, path: str, body: Any = None, *, token: str | None = "", **headers: str
    ) -> Answer:
        """Send one request to the REST; *token* None sends none."""
        if token is not None:
            headers["Authorization"] = f"Bot {token or self.ids['token']}"
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        url = self.sandbox.api + path
        async with self.http.request(method, url, json=body, headers=sent) as response:
            raw = await response.read()
            shown = _read(raw, response.content_type)
            answer = Answer(response.status, shown, response.headers.copy())
        self.seen.append((method, path, answer))
        return answer

    async def sim(self, path: str, body: Any = None, *, method: str = "POST") -> Any:
        """Use the control interface, which must agree."""
        answer = await self.try_sim(path, body, method=method)
        assert answer.status == 200, answer.body
        return answer.body

    async def try_sim(
        self, path: str, body: Any = None, *, method: str = "POST", **headers: str
    ) -> Answer:
        """Use the control interface."""
        url = f"{self.sandbox.url}/_sim/{path}"
        async with self.http.request(method, url, json=body, headers=headers) as response:
            raw = await response.read()
            return Answer(response.status, msgspec.json.decode(raw), response.headers)

    async def register(self, **command: Any) -> Any:
        """Register one command and return it."""
        full = {"description": "A command", **command}
        answer = await self.api("POST", f"{self.app}/commands", full)
        assert answer.status in (200, 201), answer.body
        return answer.body

    async def use(self, user: str, name: str = "ping", **more: Any) -> Any:
        """Let somebody use a command of the server."""
        body = {"user_id": self.user(user), "guild_id": self.ids["guild"], "name": name, **more}
        made = await self.sim("interaction", body)
        return Used(self, made["id"], made["token"])

    @asynccontextmanager
    async def gateway(self, **identify: Any) -> AsyncIterator["Socket"]:
        """Connect to the gateway and identify."""
        async with self.socket() as socket:
            await socket.identify(**identify)
            yield socket

    @asynccontextmanager
    async def socket(self, query: str = "?v=10&encoding=json") -> AsyncIterator["Socket"]:
        """Connect to the gateway, up to HELLO."""
        url = self.sandbox.discord.gateway_url() + query
        async with self.http.ws_connect(url) as socket:
            connected = Socket(self, socket, zipped="compress" in query)
            connected.hello = await connected.receive()
            yield connected


class Used:
    """An interaction, from the bot's side."""

    def __init__(self, client: Client, interaction_id: str, token: str) -> None:
        self.client, self.id, self.token = client, interaction_id, token
        self.hook = f"/webhooks/{client.ids['bot']}/{token}"
        self.original = f"{self.hook}/messages/@original"

    async def answer(self, kind: int, data: Any = None, query: str = "") -> Answer:
        """Answer it for the first time."""
        path = f"/interactions/{self.id}/{self.token}/callback{query}"
        body = {"type": kind} if data is None else {"type": kind, "data": data}
        return await self.client.api("POST", path, body, token=None)

    async def hooked(self, method: str, path: str, body: Any = None) -> Answer:
        """Use its token as a webhook."""
        return await self.client.api(method, path, body, token=None)

    async def record(self, query: str = "") -> Any:
        """Read what the control interface says of it."""
        return await self.client.sim(f"interaction/{self.id}{query}", method="GET")


class Socket:
    """A raw gateway connection."""

    def __init__(
        self, client: Client, socket: aiohttp.ClientWebSocketResponse, *, zipped: bool
    ) -> None:
        self._client, self._socket = client, socket
        self._inflate = zlib.decompressobj() if zipped else None
        self.hello: Any = None
        self.ready: Any = None
        self.sequence = 0

    async def __aenter__(self) -> Self:
        return self

    async def send(self, op: int, data: Any) -> None:
        """Send one payload."""
        await self._socket.send_json({"op": op, "d": data})

    async def send_raw(self, text: str) -> None:
        """Send what may be no payload at all."""
        await self._socket.send_str(text)

    async def identify(self, *, intents: int = GUILDS, **more: Any) -> None:
        """Identify and wait for READY."""
        token = self._client.ids["token"]
        await self.send(2, {"token": token, "intents": intents, "properties": {}, **more})
        self.ready = (await self.event("READY"))["d"]

    async def receive(self, *, within: float = 5) -> Any:
        """Return the next payload, or the code with which the server closed."""
        message = await self._socket.receive(timeout=within)
        if message.type is aiohttp.WSMsgType.TEXT:
            payload = msgspec.json.decode(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY and self._inflate:
            assert message.data.endswith(b"\x00\x00\xff\xff")
            payload = msgspec.json.decode(self._inflate.decompress(message.data))
        else:
            return self._socket.close_code
        self.sequence = payload.get("s") or self.sequence
        return payload

    async def event(self, name: str) -> Any:
        """Skip to an event."""
        while True:
            payload = await self.receive()
            assert isinstance(payload, dict), f"closed with {payload} before {name}"
            if payload["t"] == name:
                return payload

    async def drain(self) -> list[tuple[str, Any]]:
        """Return the events that came, up to a heartbeat's answer sent now."""
        await self.send(1, None)
        came = []
        while (payload := await self.receive())["op"] != 11:
            came.append((payload["t"], payload["d"]))
        return came

    async def quiet(self) -> list[str]:
        """Return the names of the events that came."""
        return [name for name, _ in await self.drain()]

    async def close(self, code: int = 1000) -> None:
        """Close from this side."""
        await self._socket.close(code=code)


async def upload(
    client: Client, path: str, body: Any, *files: tuple[str, bytes], method: str = "POST"
) -> Answer:
    """Send a multipart body, as every client does: payload_json, then files[0], files[1]."""
    form = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    if body is not None:
        form.add_field("payload_json", msgspec.json.encode(body).decode())
    for number, (name, content) in enumerate(files):
        form.add_field(
            f"files[{number}]", BytesIO(content), filename=name, content_type="text/plain"
        )
    headers = {"Authorization": f"Bot {client.ids['token']}"}
    url = client.sandbox.api + path
    async with client.http.request(method, url, data=form, headers=headers) as response:
        raw = await response.read()
        shown = msgspec.json.decode(raw) if raw else None
        answer = Answer(response.status, shown, response.headers.copy())
    client.seen.append((method, path, answer))
    return answer


def _read(raw: bytes, content_type: str) -> Any:
    """Return a body as what it says it is: JSON, a page, or nothing."""
    if not raw:
        return None
    return msgspec.json.decode(raw) if content_type == "application/json" else raw.decode()


@asynccontextmanager
async def sandbox(**options: Any) -> AsyncIterator[Client]:
    """Start a sandbox of its own, in which one may identify at once; it must not stumble."""
    options.setdefault("limits", Limits(identify=(1000, 1.0)))
    async with Sandbox(**options) as running, aiohttp.ClientSession() as http:
        client = Client(running, http)
        yield client
        assert running.state()["crashes"] == []
