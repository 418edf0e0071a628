"""All machines of a run, and the one who says which of them has its turn."""

import random as global_random
from collections import Counter
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Self

from tests.simulation.book import Book
from tests.simulation.clocks import Clocks, Machines
from tests.simulation.database import Server
from tests.simulation.discord import Discord, Guild, Member
from tests.simulation.gateway import Gateway
from tests.simulation.gifts import Gifts
from tests.simulation.http import Wire
from tests.simulation.plan import (
    CHANNELS_EACH,
    GUILDS,
    ROLE_NAMES,
    Plan,
    channel_of,
    people_of,
)
from tests.simulation.process import Process
from tests.simulation.timeline import Timeline
from tests.simulation.trace import Trace

HINT_SECONDS = 0.002
INFINITE = float("inf")
RESTART_SECONDS = 5.0


class Universe:
    """Everything that a run consists of."""

    def __init__(self, plan: Plan, trace: Trace) -> None:
        self.timeline = Timeline()
        self.trace = trace
        self.machines = Machines(self.timeline)
        self.server = Server(self.timeline, _seeded(plan.seed, "database"))
        self.discord = Discord(self.timeline)
        self.wire = Wire(self.discord, _seeded(plan.seed, "wire"), trace)
        self.wire.late = plan.late
        self.beside = plan.beside
        self.gateway = Gateway(self.discord, _seeded(plan.seed, "gateway"))
        self.book = Book()
        self.processes: list[Process] = []
        self.past: list[Process] = []
        self.counts: Counter[str] = Counter()
        self.losing_hints: Random | None = None
        self.gifts = Gifts(self.server.tables, self.wire.under_way)
        self.discord.turned = self.gifts.turned
        self.wire.speaker = lambda: self.server.tables.lease.holder
        self.server.tables.notify = self.notify
        self.machine_beside = MachineBeside(self)
        self._started = 0
        self._seed = plan.seed
        self._telling = self.machines.tell_the_time()
        for guild_id in GUILDS:
            self.discord.guilds[guild_id] = _guild(guild_id)

    def __enter__(self) -> Self:
        self._random_state = global_random.getstate()
        global_random.seed(self._seed)
        self._telling.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in [*self.processes, *self.past]:
            process.dismantle()
        self._telling.__exit__(kind, error, traceback)
        global_random.setstate(self._random_state)

    def start(self) -> Process:
        """Start a process."""
        self._started += 1
        process = Process(f"bot {self._started}", self, self._give_turn)
        if self.beside:
            process.clocks.ahead = self.server.ahead
        self.processes.append(process)
        self.gateway.ears.append(process.hear)
        self.trace.note(self.timeline.now, "start", process.name)
        return process

    def reconnect(self) -> None:
        """Have all processes connect to the gateway anew: that is why something was lost."""
        for process in self.processes:
            process.reconnect()

    def notify(self, channel: str, payload: str) -> None:
        """Take a NOTIFY to all processes, or lose it."""
        told, losing = list(self.processes), self.losing_hints
        if losing is not None:
            told = [process for process in told if losing.random() >= 0.5]
            self.counts["hint lost"] += len(self.processes) - len(told)
        self.timeline.after(HINT_SECONDS, lambda: self._hint(told, channel, payload))

    def _hint(self, told: list[Process], channel: str, payload: str) -> None:
        for process in told:
            process.hint(channel, payload)

    def run(self, until: float) -> None:
        """Let time pass: everybody does what is due, and nothing waits."""
        timeline, processes = self.timeline, self.processes
        while True:
            next_at, all_live = INFINITE, True
            for process in processes:
                if process.turns:
                    if process.ready:
                        process.step()
                    next_at = min(next_at, process.wakes_at)
                all_live = all_live and process.alive
            if not all_live:
                self._forget_ended()
            next_at = min(next_at, timeline.next_at)  # what they have asked for may be sooner
            if next_at > until:
                timeline.now = max(timeline.now, until)
                return
            timeline.now = now = max(timeline.now, next_at)
            timeline.act()
            for process in processes:
                if process.wakes_at <= now and process.turns:
                    process.loop.ring(now)

    def run_until(self, is_so: Callable[[], bool], *, at_most: float, look_every: float) -> bool:
        """Let time pass until something is so; return whether that came."""
        end = self.timeline.now + at_most
        while not is_so():
            if self.timeline.now >= end:
                return False
            self.run(self.timeline.now + look_every)
        return True

    def _forget_ended(self) -> None:
        for process in [process for process in self.processes if not process.alive]:
            self.trace.note(self.timeline.now, "ended", process.name)
            self.processes.remove(process)
            self.gateway.ears.remove(process.hear)
            self.past.append(process)
            if process.failed:
                self.timeline.after(RESTART_SECONDS, self.restart)

    def restart(self) -> None:
        """Start a process in the place of one that has ended, as a supervisor does."""
        self.start()

    def _give_turn(self, clocks: Clocks) -> None:
        self.machines.turn = clocks


class MachineBeside:
    """The one machine of the database and the processes, where they share it."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe

    @property
    def ahead(self) -> float:
        """By how many seconds its clock is wrong."""
        return self._universe.server.ahead

    @ahead.setter
    def ahead(self, seconds: float) -> None:
        self._universe.server.ahead = seconds
        for process in self._universe.processes:
            process.clocks.ahead = seconds


def _seeded(seed: int, what: str) -> Random:
    return Random(f"{seed} {what}")  # noqa: S311 - a run to be had again, no secret


def _guild(guild_id: str) -> Guild:
    return Guild(
        id=guild_id,
        roles={role: name for role, name in ROLE_NAMES.items() if role[2:4] == guild_id[-2:]},
        channels=[channel_of(guild_id, n) for n in range(CHANNELS_EACH)],
        members={user_id: Member(user_id) for user_id in people_of(guild_id)},
    )
