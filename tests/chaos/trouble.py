"""The trouble: what befalls processes, the database, the network and Discord."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from boostmon.sandbox.world.errors import ApiError, ControlError
from tests.chaos.blows import Blow
from tests.chaos.cluster import Database
from tests.chaos.processes import Bot
from tests.chaos.steps import SteppedClock
from tests.chaos.world import BOT, ROLES, TOP, World


class Troublemaker:
    """Deals the blows, and takes each back when its time is over."""

    def __init__(
        self, world: World, bots: list[Bot], database: Database, clock: SteppedClock
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._world = world
        self._bots = bots
        self._database = database
        self._clock = clock
        self._database_busy = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._kinds: dict[str, Callable[[Blow], Awaitable[None]]] = {
            "kill a bot": self._kill,
            "stop a bot": self._stop,
            "freeze a bot": self._freeze,
            "kill the database": self._kill_database,
            "restart the database": self._restart_database,
            "freeze the database": self._freeze_database,
            "outage": self._outage,
            "demote": self._demote,
            "mute": self._mute,
            "close dms": self._close_dms,
            "leave": self._leave,
            "rejoin": self._rejoin,
            "clock step": self._step,
        }

    def deal(self, blow: Blow) -> None:
        """Begin a piece of trouble."""
        if blow.kind == "fault":
            self._world.arm(**blow.fields)
            self.counts[blow.name or blow.kind] += 1
        elif blow.kind == "gateway":
            self._world.change("gateway", **blow.fields)
            self.counts[blow.name or blow.kind] += 1
        else:
            task = asyncio.create_task(self._carry_out(blow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Wait until all trouble is over."""
        if self._tasks:
            await asyncio.gather(*self._tasks)

    async def _carry_out(self, blow: Blow) -> None:
        with suppress(ControlError, ApiError):
            await self._kinds[blow.kind](blow)

    def _victim(self, blow: Blow) -> Bot | None:
        """Choose a bot that is not in trouble already."""
        free = [bot for bot in self._bots if not bot.busy and bot.process.returncode is None]
        return free[blow.number % len(free)] if free else None

    async def _kill(self, blow: Blow) -> None:
        await self._end(blow, Bot.kill)

    async def _stop(self, blow: Blow) -> None:
        await self._end(blow, Bot.stop)

    async def _end(self, blow: Blow, how: Callable[[Bot], Awaitable[None]]) -> None:
        bot = self._victim(blow)
        if bot is None:
            return
        self.counts[blow.kind] += 1
        bot.busy = True
        await how(bot)
        await asyncio.sleep(blow.seconds + bot.away)
        await bot.start()
        bot.busy = False

    async def _freeze(self, blow: Blow) -> None:
        bot = self._victim(blow)
        if bot is None:
            return
        self.counts[blow.name or blow.kind] += 1
        bot.busy = True
        bot.signal(signal.SIGSTOP)
        await asyncio.sleep(blow.seconds)
        bot.signal(signal.SIGCONT)
        bot.busy = False

    async def _kill_database(self, blow: Blow) -> None:
        await self._hurt(blow, self._database.kill)

    async def _restart_database(self, blow: Blow) -> None:
        await self._hurt(blow, self._database.restart)

    async def _freeze_database(self, blow: Blow) -> None:
        await self._hurt(blow, lambda: self._database.freeze(blow.seconds))

    async def _hurt(self, blow: Blow, how: Callable[[], Awaitable[None]]) -> None:
        if not self._database_busy:
            self.counts[blow.kind] += 1
            self._database_busy = True
            await how()
            self._database_busy = False

    async def _outage(self, blow: Blow) -> None:
        self._world.change("guild", guild=blow.where, action="outage")
        self.counts["outage"] += 1
        await asyncio.sleep(blow.seconds)
        self._world.change("guild", guild=blow.where, action="back")

    async def _demote(self, blow: Blow) -> None:
        self.counts["demote"] += 1
        self._world.change("role", guild=blow.where, role=BOT, action="move", position=1)
        await asyncio.sleep(blow.seconds)
        self._world.change("role", guild=blow.where, role=BOT, action="move", position=TOP)

    async def _mute(self, blow: Blow) -> None:
        self.counts["mute"] += 1
        deny = [{"role": BOT, "deny": ["SEND_MESSAGES"]}]
        self._world.change("channel", action="edit", overwrites=deny, **blow.fields)
        await asyncio.sleep(blow.seconds)
        self._world.change("channel", action="edit", overwrites=[], **blow.fields)

    async def _leave(self, blow: Blow) -> None:
        """Let somebody leave a server, who comes back: their timers go on, their roles do not."""
        self._world.leave(**blow.fields)
        self.counts[blow.kind] += 1
        await asyncio.sleep(blow.seconds)
        self._world.change("member", action="join", **blow.fields)

    async def _rejoin(self, blow: Blow) -> None:
        """Let somebody leave who comes back, and another bot give them a role at once."""
        await self._leave(blow)
        self._world.greet(**blow.fields, role=ROLES[blow.number % len(ROLES)])

    async def _step(self, blow: Blow) -> None:
        """Set the clock of the database's machine, and later set it right."""
        if not self._clock.can_step or self._clock.is_ahead:
            return
        self.counts[blow.kind] += 1
        self._clock.set(blow.fields["ahead"])
        await asyncio.sleep(blow.seconds)
        self._clock.set(0.0)

    async def _close_dms(self, blow: Blow) -> None:
        self.counts["close dms"] += 1
        self._world.change("user", user=blow.where, dms_open=False)
        await asyncio.sleep(blow.seconds)
        self._world.change("user", user=blow.where, dms_open=True)
