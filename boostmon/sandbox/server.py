"""The server: one port on loopback for REST, gateway and control."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from msgspec import convert

from boostmon.sandbox.control.routes import Control
from boostmon.sandbox.control.state import state
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.limits import Limits
from boostmon.sandbox.core.loopback import loopback_only
from boostmon.sandbox.core.responses import undate
from boostmon.sandbox.gateway.protocol import Gateway
from boostmon.sandbox.page.serving import Page
from boostmon.sandbox.rest.handler import PREFIX, Rest
from boostmon.sandbox.world.world_spec import WorldSpec

HOST = "127.0.0.1"
_LARGEST_BODY = 64 * 2**20


class Sandbox:
    """A Discord on loopback; use it as `async with Sandbox() as sandbox`."""

    def __init__(
        self,
        *,
        port: int = 0,
        limits: Limits | None = None,
        world: dict[str, Any] | None = None,
        applications: Mapping[str, web.Application] | None = None,
    ) -> None:
        """Serve *world*, else the default one, and *applications* below paths such as `/_demo/`."""
        spec = convert(world, WorldSpec) if world is not None else None
        self.discord = Discord(limits or Limits(), spec)
        self._port = port
        self._applications = applications or {}
        self.discord.beside = list(self._applications)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:8080`."""
        return self.discord.url

    @property
    def api(self) -> str:
        """The base of its REST, with version: what a client's base URL is set to."""
        return self.discord.url + PREFIX

    @property
    def token(self) -> str:
        """The token of the first bot."""
        return next(iter(self.discord.world.bots.values())).token

    def state(self) -> dict[str, Any]:
        """Return everything there is, as `GET /_sim/state` does."""
        return state(self.discord)

    async def start(self) -> None:
        """Listen; a taken port raises OSError."""
        application = _application(self.discord, self._applications)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        site = web.TCPSite(runner, HOST, self._port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        port = runner.addresses[0][1]
        self.discord.url = f"http://{HOST}:{port}"

    async def stop(self) -> None:
        """Close every connection and stop to listen."""
        if self._runner is None:
            return
        self.discord.later.forget()
        await self.discord.sessions.stop()
        await self._runner.cleanup()
        self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def _application(discord: Discord, others: Mapping[str, web.Application]) -> web.Application:
    app = web.Application(client_max_size=_LARGEST_BODY)
    app.on_response_prepare.append(undate)
    gateway, rest, control = Gateway(discord), Rest(discord), Control(discord)
    for path, other in others.items():
        other.middlewares.append(loopback_only)
        app.add_subapp(path, other)
    app.router.add_get("/gateway", gateway.handle)
    app.router.add_get("/gateway/", gateway.handle)
    Page(discord).add_to(app)
    app.router.add_route("*", "/_sim/{tail:.*}", control.handle)
    app.router.add_route("*", "/{tail:.*}", rest.handle)
    return app


async def serve(port: int = 0) -> None:
    """Serve the default world until cancelled, and say where."""
    async with Sandbox(port=port) as sandbox:
        print(describe(sandbox), flush=True)  # noqa: T201 -- it is a program's output
        await asyncio.Event().wait()


def describe(sandbox: Sandbox) -> str:
    """Return what somebody who starts the sandbox needs to know."""
    guild = next(iter(sandbox.discord.world.guilds.values()))
    return "\n".join(
        (
            f"A Discord listens at {sandbox.url} (REST: {sandbox.api}).",
            f"  token   {sandbox.token}",
            f"  server  {guild.id} ({guild.name})",
            f"  page    {sandbox.url}/",
            f"  state   curl {sandbox.url}/_sim/state",
        )
    )
