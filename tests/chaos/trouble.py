"""The trouble: what befalls processes, the database, the network and Discord, from a seed."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any

from msgspec import Struct

from boostmon.sandbox.errors import ApiError, ControlError
from tests.chaos.cluster import Database
from tests.chaos.processes import Bot
from tests.chaos.world import BOT, CHANNELS, PEOPLE, SERVERS, TOP, World

ROLE_ROUTE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
MESSAGE_ROUTE = "/channels/{channel_id}/messages"
CALLBACK_ROUTE = "/interactions/{interaction_id}/{interaction_token}/callback"
REPLY_ROUTE = "^/webhooks/"
ROUTES = (ROLE_ROUTE, MESSAGE_ROUTE, ROLE_ROUTE, MESSAGE_ROUTE, CALLBACK_ROUTE, REPLY_ROUTE)
STATUSES = (500, 502, 503)
# How often each kind comes round; a round is shuffled, so that none is left out for long.
ROUND = {
    "kill a bot": 2,
    "stop a bot": 1,
    "freeze a bot": 2,
    "kill the database": 1,
    "restart the database": 1,
    "freeze the database": 1,
    "fault": 20,
    "gateway": 4,
    "outage": 1,
    "demote": 2,
    "mute": 2,
    "close dms": 2,
    "leave": 1,
}
PROCESSES = [kind for kind in ROUND if kind.split()[0] in ("kill", "stop", "freeze", "restart")]


class Blow(Struct, frozen=True, kw_only=True):
    """One piece of trouble, *at* some seconds after the start."""

    at: float
    kind: str
    seconds: float = 0.0
    where: str = ""
    number: int = 0
    fields: dict[str, Any] = {}


def blows(random: Random, seconds: float, every: float, longest: float) -> list[Blow]:
    """Plan the trouble of a run: one every so many seconds, each over after *longest* seconds."""
    planned: list[Blow] = []
    left: list[str] = []
    at = 2.0
    while at < seconds:
        if not left:
            left = [kind for kind, times in ROUND.items() for _ in range(times)]
            random.shuffle(left)
        planned.append(_blow(random, left.pop(), at, longest))
        at += random.uniform(0.3, 1.7) * every
    return planned


def _blow(random: Random, kind: str, at: float, longest: float) -> Blow:
    seconds = max(0.05, random.random() ** 2) * longest  # mostly short
    number, where = random.randrange(1000), random.choice(SERVERS)
    match kind:
        case "fault":
            return Blow(at=at, kind=kind, fields=_fault(random))
        case "gateway":
            return Blow(at=at, kind=kind, fields=_gateway(random))
        case "close dms":
            return Blow(at=at, kind=kind, seconds=seconds, where=random.choice(PEOPLE))
        case "mute":
            fields = {"guild": where, "channel": random.choice(CHANNELS)}
            return Blow(at=at, kind=kind, seconds=seconds, fields=fields)
        case "leave":
            fields = {"guild": where, "user": random.choice(PEOPLE)}
            return Blow(at=at, kind=kind, seconds=seconds, fields=fields)
        case "kill a bot" | "stop a bot":
            return Blow(at=at, kind=kind, seconds=min(seconds, 5.0), number=number)
        case "freeze the database":
            return Blow(at=at, kind=kind, seconds=min(seconds, 12.0))
        case _:
            return Blow(at=at, kind=kind, seconds=seconds, where=where, number=number)


def _fault(random: Random) -> dict[str, Any]:
    path, when = random.choice(ROUTES), random.choice(("before", "after"))
    fault: dict[str, Any] = {"path": path, "when": when, "times": random.randint(1, 3)}
    if path == MESSAGE_ROUTE:
        fault["method"] = "POST"
    match random.choice(("status", "status", "status", "reset", "hang", "slow", "busy")):
        case "status":
            return fault | {"status": random.choice(STATUSES)}
        case "reset":
            return fault | {"reset": True}
        case "hang":  # done, or not, and then silent for longer than anybody waits
            return fault | {"hang": random.uniform(9, 14), "status": 500, "times": 1}
        case "slow":  # done late, but while the bot still waits
            return fault | {"hang": random.uniform(0.5, 5)}
        case _ if path in (ROLE_ROUTE, MESSAGE_ROUTE):
            return fault | {"status": 429, "when": "before"}
        case _:
            return fault | {"status": 503}


def _gateway(random: Random) -> dict[str, Any]:
    action = random.choice(("close", "close", "drop", "reconnect", "invalidate"))
    match action:
        case "close":
            return {"action": action, "code": random.choice((1000, 1001, 4000, 4009))}
        case "invalidate":
            return {"action": action, "resumable": random.random() < 0.5}
        case _:
            return {"action": action}


class Troublemaker:
    """Deals the blows, and takes each back when its time is over."""

    def __init__(self, world: World, bots: list[Bot], database: Database) -> None:
        self.counts: Counter[str] = Counter()
        self._world = world
        self._bots = bots
        self._database = database
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
        }

    def deal(self, blow: Blow) -> None:
        """Begin a piece of trouble."""
        if blow.kind == "fault":
            self._world.arm(**blow.fields)
            self.counts["fault"] += 1
        elif blow.kind == "gateway":
            self.counts["gateway"] += self._world.change("gateway", **blow.fields)["sessions"] > 0
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
        await asyncio.sleep(blow.seconds)
        await bot.start()
        bot.busy = False

    async def _freeze(self, blow: Blow) -> None:
        bot = self._victim(blow)
        if bot is None:
            return
        self.counts[blow.kind] += 1
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
        self.counts["leave"] += 1
        await asyncio.sleep(blow.seconds)
        self._world.change("member", action="join", **blow.fields)

    async def _close_dms(self, blow: Blow) -> None:
        self.counts["close dms"] += 1
        self._world.change("user", user=blow.where, dms_open=False)
        await asyncio.sleep(blow.seconds)
        self._world.change("user", user=blow.where, dms_open=True)
