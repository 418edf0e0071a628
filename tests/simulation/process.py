"""A simulated process: the real parts of the bot, on a loop, clocks and ways of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, Protocol

from boostmon.bot.app import Parts
from boostmon.bot.refusals import INVITE, Passing, Stuck, Verdict
from boostmon.bot.settling import StoppedError
from boostmon.bot.tally import Tally
from boostmon.commands.handler import Handled, Origin
from boostmon.errors import BoostmonError, DatabaseUnavailableError, RejectedError
from tests.simulation.book import Book
from tests.simulation.clocks import Clocks
from tests.simulation.database import MemoryDatabase, Server
from tests.simulation.discord import Discord
from tests.simulation.gateway import Gateway, News
from tests.simulation.http import Http, Wire
from tests.simulation.loop import VirtualLoop
from tests.simulation.orders import Order, command_of, timer_of
from tests.simulation.timeline import Timeline
from tests.simulation.wiring import Ways, Wired, wire_up

ASKED_WITHIN = 30.0


class Surroundings(Protocol):
    """What a process runs in."""

    timeline: Timeline
    server: Server
    wire: Wire
    discord: Discord
    gateway: Gateway
    book: Book


class Untold(Tally):
    """Counts nothing."""

    def __init__(self) -> None:
        """Take nothing."""

    def effect(self, *_: Any, **__: Any) -> None:
        """Count nothing."""

    def superseded(self, *_: Any, **__: Any) -> None:
        """Count nothing."""

    def appended(self, *_: Any) -> None:
        """Count nothing."""

    def swept(self, _: float) -> None:
        """Count nothing."""

    def sweep_failed(self) -> None:
        """Count nothing."""

    def difference(self, *_: Any) -> None:
        """Count nothing."""

    def compared(self, _: int) -> None:
        """Count nothing."""

    def recorded(self, *_: Any) -> None:
        """Count nothing."""


class View:
    """What the gateway has told a process of the servers: here, the truth."""

    def __init__(self, discord: Discord) -> None:
        self._discord = discord

    def absence(self, guild_id: str) -> Verdict | None:
        """Say why nothing can be done in a server now."""
        guild = self._discord.guilds[guild_id]
        if not guild.present:
            return Stuck(INVITE)
        return Passing("the server has an outage") if guild.unavailable else None

    def has_role(self, guild_id: str, role_id: str) -> bool:
        """Tell whether there is a role."""
        return role_id in self._discord.guilds[guild_id].roles

    def role_name(self, guild_id: str, role_id: str) -> str:
        """Name a role; a deleted one by its id."""
        return self._discord.guilds[guild_id].roles.get(role_id, role_id)

    def remedy(self, guild_id: str, role_id: str) -> str:
        """Say what must be done."""
        return f"Move BoostMon's role above {role_id} in {guild_id}."


class Silent:
    """Somebody's answer, which nobody reads."""

    async def show(self, *_: Any, **__: Any) -> None:
        """Show nothing."""


class Process:
    """One process of the bot, from its start to its end; *failed*: it could not start."""

    def __init__(self, name: str, around: Surroundings, turn: Callable[[Clocks], None]) -> None:
        self.name = name
        self.clocks = Clocks(around.timeline)
        self.loop = VirtualLoop(self.clocks)
        self.alive = True
        self.frozen = 0
        self.turns = True
        self.failed = False
        self._around = around
        self._turn = turn
        self._database = MemoryDatabase(around.server)
        self._http = Http(around.wire, name)
        self._running: list[asyncio.Task[Any]] = []
        self._wired: Wired | None = None
        self.loop.set_exception_handler(self._note_crash)
        turn(self.clocks)
        self.spawn(self._run())

    def freeze(self) -> None:
        """Stop executing anything of it (SIGSTOP)."""
        self.frozen += 1
        self.turns = False

    def thaw(self) -> None:
        """Go on where it stood, unless it is stopped for another reason, too."""
        self.frozen -= 1
        self.turns = self.alive and not self.frozen

    @property
    def leads(self) -> bool:
        """Whether it believes to be the one that speaks to Discord."""
        return self._wired is not None and self._wired.relay.leads

    def step(self) -> None:
        """Let it do what is ready."""
        self._turn(self.clocks)
        self.loop.step()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Have *work* done by this process."""
        task = self.loop.create_task(work)
        task.add_done_callback(self._note_end)
        self._running.append(task)
        if len(self._running) > 64:
            self._running = [task for task in self._running if not task.done()]
        return task

    def hint(self, channel: str, payload: str) -> None:
        """Take a NOTIFY."""
        if self.alive and (wired := self._wired):
            body = SimpleNamespace(sweeper=wired.sweeper, relay=wired.relay)
            reconciler = wired.reconciler
            parts: Any = SimpleNamespace(signal=wired.signal, body=body, reconciler=reconciler)
            self.loop.call_soon(Parts.on_hint, parts, channel, payload)

    def hear(self, news: News) -> None:
        """Take what the gateway tells."""
        if self.alive and (wired := self._wired):
            self.loop.call_soon(lambda: self.spawn(wired.ear.hear(news)))

    def reconnect(self) -> None:
        """Have it connect to the gateway anew: what was told meanwhile is lost."""
        if self.alive and (wired := self._wired):
            self.loop.call_soon(lambda: self.spawn(wired.ear.get_ready()))

    def serve(self, order: Order) -> None:
        """Take a person's command."""
        if self.alive:
            self.loop.call_soon(lambda: self.spawn(self._serve(order)))

    def kill(self) -> None:
        """End it at once: nothing of it runs any more."""
        self.alive = self.turns = False
        self._database.closed = self._http.closed = True
        self.loop.abandon()

    def stop(self) -> None:
        """Ask it to end, as SIGTERM does."""
        if self.alive:
            self._running[0].cancel()

    def dismantle(self) -> None:
        """Clean up when everything is over, so that nothing is left to be collected."""
        self.alive, self._database.closed, self._http.closed = True, True, True
        self.loop.left |= asyncio.all_tasks(self.loop)
        for _ in range(20):
            for task in self.loop.left:
                task.cancel()
            self.step()
        self.loop.close()

    async def _run(self) -> None:
        around = self._around
        ways = Ways(
            name=self.name,
            database=self._database,
            http=self._http,
            view=View(around.discord),
            discord=around.discord,
            gateway=around.gateway,
            clocks=self.clocks,
            tally=Untold(),
        )
        try:
            self._wired = wired = await wire_up(ways)
        except DatabaseUnavailableError:
            self.alive = self.turns = False  # the process says so, and ends
            self.failed = True
            return
        parts = [asyncio.create_task(part) for part in wired.works]
        try:
            await wired.ear.get_ready()
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.wait(parts)
            self.alive = self.turns = False

    async def _serve(self, order: Order) -> None:
        if self._wired is None:
            return
        word = self._around.book.words[order.command_id]
        if order.name != "cleartime" and not self._wired.clock.trusted:
            word.refused.append("ClockDoubtError")  # as `Reception` does
            return
        try:
            handled = await self._settled(self._wired, order)
        except RejectedError as refusal:
            word.refused.append(type(refusal).__name__)
        except (StoppedError, BoostmonError) as error:
            self._around.book.counts[f"open: {type(error).__name__}"] += 1
        else:
            if self.alive:
                word.handled.append(handled)

    async def _settled(self, wired: Wired, order: Order) -> Handled:
        answer: Any = Silent()
        return await wired.settling.settled(
            answer,
            timer_of(order),
            command=command_of(order, wired.clock.now()),
            origin=Origin(command_id=order.command_id, source="slash", actor_id=order.caller_id),
        )

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) and self.alive:
            self._around.book.crashes.append(f"{self.name}: {error!r}")

    def _note_crash(self, _: object, context: dict[str, Any]) -> None:
        if self.alive:
            self._around.book.crashes.append(f"{self.name}: {context.get('message')}")
