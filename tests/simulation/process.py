"""A simulated process: the real parts of the bot, on a loop, clocks and ways of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from msgspec import structs

from boostmon.bot.app import Parts
from boostmon.bot.discord.refusals import INVITE, Passing, Stuck
from boostmon.bot.records.tally import Tally
from boostmon.bot.slash.answers import Answer
from boostmon.commands.removals import end_all, restore_all
from boostmon.errors import BoostmonError, DatabaseUnavailableError
from boostmon.events.timer import TimerId
from tests.simulation.book import Book
from tests.simulation.clocks import Clocks
from tests.simulation.database import MemoryDatabase, Server
from tests.simulation.discord import Discord
from tests.simulation.gateway import Gateway, News
from tests.simulation.http import Http, Wire
from tests.simulation.loop import VirtualLoop
from tests.simulation.orders import Order
from tests.simulation.talk import Place, Requests, asked
from tests.simulation.timeline import Timeline
from tests.simulation.wiring import Ways, Wired, wire_up

CHOSEN_AFTER = 3.0  # seconds that somebody looks at a menu


class Surroundings(Protocol):
    """What a process runs in."""

    timeline: Timeline
    server: Server
    wire: Wire
    discord: Discord
    gateway: Gateway
    book: Book
    beside: bool


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

    def told(self, *_: Any) -> None:
        """Count nothing."""

    def recorded(self, *_: Any) -> None:
        """Count nothing."""


class View:
    """What the gateway has told a process of the servers: here, the truth."""

    def __init__(self, discord: Discord) -> None:
        self._discord = discord

    def absence(self, guild_id: str) -> Stuck | Passing | None:
        """Say why nothing can be done in a server now."""
        guild = self._discord.guilds[guild_id]
        if not guild.present:
            return Stuck(INVITE)
        return Passing("the server has an outage") if guild.unavailable else None

    def has_role(self, guild_id: str, role_id: str) -> bool:
        """Tell whether there is a role."""
        return role_id in self._discord.guilds[guild_id].roles

    def name(self, guild_id: str) -> str:
        """Name a server."""
        return f"Server {guild_id}"

    def role_name(self, guild_id: str, role_id: str) -> str:
        """Name a role; a deleted one by its id."""
        return self._discord.guilds[guild_id].roles.get(role_id, role_id)

    def remedy(self, guild_id: str, role_id: str) -> str:
        """Say what must be done."""
        return f"Move BoostMon's role above {role_id} in {guild_id}."


class Process:
    """One process of the bot, from its start to its end; *failed*: it could not start."""

    def __init__(self, name: str, around: Surroundings, turn: Callable[[Clocks], None]) -> None:
        self.name = name
        self.clocks = Clocks(around.timeline)
        self.loop = VirtualLoop(self.clocks)
        self.ready = self.loop.ready
        self.alive = True
        self.frozen = 0
        self.turns = True
        self.failed = False
        self.wakes_at = float("inf")
        self._around = around
        self._turn = turn
        self._database = MemoryDatabase(around.server)
        self._http = Http(around.wire, name)
        self._running: list[asyncio.Task[Any]] = []
        self._wired: Wired | None = None
        self.loop.set_exception_handler(self._note_crash)
        turn(self.clocks)
        self.spawn(self._run())

    def in_the_act(self, act: Callable[[], None]) -> None:
        """Have *act* done when it has just written something, and does not know yet that it has."""
        self._database.once_writing(act)

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
        self.wakes_at = self.loop.next_at()

    def resume(self, seconds: float) -> None:
        """Go on after *seconds* of a suspend, in which its own clock stood still."""
        self.clocks.suspended += seconds
        self.wakes_at += seconds
        self.thaw()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Have *work* done by this process."""
        task = self.loop.create_task(work)
        task.add_done_callback(self._note_end)
        self._running.append(task)
        if len(self._running) > 64:
            self._running = [task for task in self._running if not task.done()]
        return task

    def hint(self, channel: str, payload: str) -> None:
        """Take a NOTIFY; one that arrives while nothing is executed waits."""
        wired = self._wired
        if wired is None or not self.alive:
            return
        if self.turns:
            self._turn(self.clocks)
            Parts.on_hint(wired.hinted, channel, payload)
        else:
            self.loop.call_soon(Parts.on_hint, wired.hinted, channel, payload)

    def hear(self, news: News) -> None:
        """Take what the gateway tells."""
        if self.alive and (wired := self._wired):
            self.loop.call_soon(lambda: self.spawn(wired.ear.hear(news)))

    def reconnect(self) -> None:
        """Have it connect to the gateway anew: what was told meanwhile is lost."""
        if self.alive and (wired := self._wired):
            self.loop.call_soon(lambda: self.spawn(wired.ear.get_ready()))

    def serve(self, order: Order, made_at: int) -> None:
        """Take a person's command; Discord made its interaction at *made_at*, in epoch ms."""
        if self.alive:
            self.loop.call_soon(lambda: self.spawn(self._serve(order, made_at)))

    def resolve(self, guild_id: str, *, ends: bool) -> None:
        """Decide what is held back in a server, as `boostmon resolve-removals` does."""
        if self.alive and (wired := self._wired):
            self.loop.call_soon(lambda: self.spawn(self._resolve(wired, guild_id, ends=ends)))

    async def _resolve(self, wired: Wired, guild_id: str, *, ends: bool) -> None:
        discord = self._around.discord

        async def holds(timer: TimerId) -> bool:
            return discord.holds((timer.guild_id, timer.user_id, timer.role_id))

        with suppress(BoostmonError):
            if ends:
                now = wired.clock.now()
                await end_all(wired.standings, wired.handler, guild_id, now=now, holds=holds)
            else:
                await restore_all(wired.standings, guild_id)

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
            book=around.book,
            beside=around.beside,
        )
        try:
            self._wired = wired = await wire_up(ways)
        except DatabaseUnavailableError:
            self.alive = self.turns = False  # the process says so, and ends
            self.failed = True
            return
        parts = [asyncio.create_task(part) for part in wired.works]
        for part in parts:
            part.add_done_callback(self._note_end)
        try:
            await wired.ear.get_ready()
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.wait(parts)
            self.alive = self.turns = False

    async def _serve(self, order: Order, made_at: int) -> None:
        """Take a command to its last word, as `Reception` does."""
        wired, around = self._wired, self._around
        if wired is None:
            return
        wired.clock.hear_id(made_at)
        word, guild = around.book.words[order.command_id], around.discord.guilds[order.guild_id]
        if order.name != "cleartime" and not wired.clock.trusted:
            word.refused.append("ClockDoubtError")
            return
        requests: Any = Requests(self._http, order, word)
        place: Any = Place(guild)
        answer, here = Answer(requests), guild.members[order.user_id].present
        word.served_at.append(around.timeline.now)
        question = asked(order, wired.clock.now(), here=here)
        if await answer.acknowledge():
            came = await wired.conversation.carry_out(answer, question, place)
            around.book.counts[f"came {came.outcome}"] += 1
            if came.outcome == "asked":  # they choose what they meant
                named = structs.replace(order, unnamed=False)
                around.timeline.after(CHOSEN_AFTER, lambda: self.serve(named, made_at))

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or self._database.closed:
            return
        if error := task.exception():
            self._around.book.crashes.append(f"{self.name}: {error!r}")

    def _note_crash(self, _: object, context: dict[str, Any]) -> None:
        if self.alive:
            self._around.book.crashes.append(f"{self.name}: {context.get('message')}")
