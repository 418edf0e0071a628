"""The way to Discord leads through a proxy, as the environment has it for all programs."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from boostmon.bot.discord.proxy import by_way_of, proxy_for
from boostmon.errors import ConfigurationError
from boostmon.sandbox import Sandbox
from tests.cli.test_cli import boostmon, eventually, registered, running, stopped
from tests.support.places import TESTS

TLS = TESTS / "data" / "tls"
SECRET = "proxys-own-secret"  # noqa: S105 - must never be seen
API = "https://discord.test/api/v10"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_of_the_developers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Proxy:
    """A real CONNECT proxy on loopback, behind which Discord is a sandbox that speaks TLS."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._target = urlsplit(sandbox.api)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(TLS / "discord.pem", TLS / "discord.key")
        self.asked: list[str] = []
        self.heads: list[str] = []
        self.visits = set[Any]()
        self.refuses = False
        self.port = 0

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits.add(asyncio.current_task())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.partition("\r\n")[0].split()
        self.asked.append(f"{method} {target}")
        self.heads.append(head)
        if self.refuses:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with suppress(OSError, ssl.SSLError):
            await writer.drain()
            await writer.start_tls(self._context)
            inner = await asyncio.open_connection(self._target.hostname, self._target.port)
            await asyncio.gather(_carry(reader, inner[1]), _carry(inner[0], writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def behind_a_proxy() -> AsyncIterator[tuple[Sandbox, Proxy, dict[str, str]]]:
    """Lend a Discord that only a proxy leads to, and the environment of a bot there."""
    async with Sandbox() as sandbox:
        sandbox.discord.gateway_url = lambda: "wss://gateway.discord.test/gateway"  # type: ignore[method-assign]
        proxy = Proxy(sandbox)
        server = await asyncio.start_server(proxy.visit, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        environ = {
            "DISCORD_TOKEN": sandbox.token,
            "BOOSTMON_DISCORD_API": API,
            "HTTPS_PROXY": f"http://me:{SECRET}@127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": str(TLS / "discord.pem"),
        }
        async with server:
            yield sandbox, proxy, environ
        await asyncio.gather(*proxy.visits, return_exceptions=True)


async def test_a_bot_reaches_discord_and_its_gateway_through_a_proxy(owner_url: str) -> None:
    async with behind_a_proxy() as (sandbox, proxy, environ):
        async with running("run", DATABASE_URL=owner_url, **environ) as process:
            await eventually(lambda: registered(sandbox))
            outcome = await stopped(process, 15)
        diagnosis = await boostmon("doctor", DATABASE_URL=owner_url, **environ)

    assert 0 == outcome.code
    login = b64encode(f"me:{SECRET}".encode()).decode()
    assert all(f"Proxy-Authorization: Basic {login}" in head for head in proxy.heads)
    assert {"CONNECT discord.test:443", "CONNECT gateway.discord.test:443"} == set(proxy.asked)
    assert f"through the proxy 127.0.0.1:{proxy.port}" in outcome.err
    assert f"Discord is asked through the proxy 127.0.0.1:{proxy.port}." in diagnosis.out
    assert "does not answer" not in diagnosis.out
    assert SECRET not in outcome.err + diagnosis.out + diagnosis.err


@pytest.mark.parametrize("what", ["refuses", "is not there"])
async def test_a_proxy_that_does_not_lead_on_is_named(owner_url: str, what: str) -> None:
    async with behind_a_proxy() as (_, proxy, environ):
        proxy.refuses = what == "refuses"
        if what == "is not there":
            environ["HTTPS_PROXY"] = f"http://me:{SECRET}@127.0.0.1:1"
        quiet = {"BOOSTMON_LOG_LEVEL": "warning"}
        outcome = await boostmon("run", DATABASE_URL=owner_url, **environ | quiet)
        diagnosis = await boostmon("doctor", DATABASE_URL=owner_url, **environ)

    port = 1 if what == "is not there" else proxy.port
    assert f"does not answer as it should through the proxy 127.0.0.1:{port} (" in outcome.sentence
    assert f"does not answer through the proxy 127.0.0.1:{port} (" in diagnosis.out
    assert SECRET not in outcome.err + diagnosis.out + diagnosis.err


async def test_what_is_on_this_machine_needs_no_proxy(owner_url: str) -> None:
    async with Sandbox() as sandbox:
        environ = {
            "DISCORD_TOKEN": sandbox.token,
            "BOOSTMON_DISCORD_API": sandbox.api,
            "HTTP_PROXY": "http://127.0.0.1:1",
            "ALL_PROXY": "http://127.0.0.1:1",
        }
        async with running("run", DATABASE_URL=owner_url, **environ) as process:
            await eventually(lambda: registered(sandbox))
            assert 0 == (await stopped(process, 15)).code


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HTTPS_PROXY": "http://there:3128"}, "http://there:3128"),
        ({"https_proxy": "there:3128"}, "http://there:3128"),
        ({"ALL_PROXY": "http://there"}, "http://there"),
        ({"HTTP_PROXY": "http://there"}, None),
        ({"HTTPS_PROXY": "http://there", "NO_PROXY": "other.test,discord.test"}, None),
        ({"HTTPS_PROXY": "http://there", "NO_PROXY": ".test"}, None),
        ({"HTTPS_PROXY": "http://there", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://there", "NO_PROXY": "other.test"}, "http://there"),
        ({"HTTPS_PROXY": ""}, None),
    ],
)
def test_the_proxy_is_that_of_the_environment(
    environ: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert expected == proxy_for(API)


@pytest.mark.parametrize(
    "told", ["socks5://there:1080", "http://there:port", "http://:1", "http://[::1", "http://a:0"]
)
async def test_a_proxy_of_another_kind_is_refused_at_the_start(
    told: str, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", told)

    with pytest.raises(
        ConfigurationError, match="HTTPS_PROXY names no proxy that BoostMon can use"
    ):
        by_way_of(API)
    environ = {"DISCORD_TOKEN": "t", "BOOSTMON_DISCORD_API": API, "DATABASE_URL": owner_url}
    if told.startswith("socks"):
        sentence = (await boostmon("run", **environ | {"BOOSTMON_LOG_LEVEL": "warning"})).sentence
        assert sentence.startswith("HTTPS_PROXY names no proxy that BoostMon can use; write http:")
        assert "HTTPS_PROXY names no proxy" in (await boostmon("doctor", **environ)).out
