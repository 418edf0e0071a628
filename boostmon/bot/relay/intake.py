"""Intake: what is owed, read from the log's database into the backlog as it comes."""

import asyncio
from collections.abc import Iterable
from itertools import chain

from msgspec import Struct, structs

from boostmon import machine
from boostmon.bot.backlog.order import Backlog
from boostmon.bot.backlog.streams import key_of
from boostmon.bot.discord.pace import PATIENCE, Pace, lane_of_roles
from boostmon.bot.records.tally import Tally
from boostmon.bot.relay.aside import Aside
from boostmon.projections.effects.kinds import NOTICE
from boostmon.projections.effects.queue import Owed, OwedEffects

RELOAD_EVERY = 60.0  # seconds
PART = 500  # timers that are taken in before others have their turn


class Asked(Struct, frozen=True):
    """When the log was asked, and the timers that had an effect in flight then.

    What was read of those whose flight has ended since may be what was there before.
    """

    at: float
    flying: frozenset[int]


class Intake:
    """Reads what is new, or all of it, and keeps from the backlog what need not be done."""

    def __init__(
        self, *, owed: OwedEffects, backlog: Backlog, aside: Aside, pace: Pace, tally: Tally
    ) -> None:
        self._owed = owed
        self._backlog = backlog
        self._aside = aside
        self._pace = pace
        self._tally = tally
        self._head = 0
        self._loaded = 0.0
        self._fresh, self._whole, self._news = True, True, True
        self._reopened: set[int] = set()

    @property
    def has_reopened(self) -> bool:
        """Whether effects were opened again that are not taken in yet."""
        return bool(self._reopened)

    @property
    def is_old(self) -> bool:
        """Whether it is long ago that all of it was read."""
        return machine.monotonic() - self._loaded > RELOAD_EVERY

    def wake(self) -> None:
        """Have what is new be read: there is something."""
        self._news = True

    def reload(self) -> None:
        """Have everything be read anew: an effect was opened again."""
        self._news, self._whole = True, True

    def begin_anew(self) -> None:
        """Have everything be read, and tried now: another process spoke to Discord before."""
        self._fresh = True
        self.reload()

    def recheck(self, streams: Iterable[int]) -> None:
        """Have what some timers are owed be read anew."""
        self._reopened.update(streams)

    def delay(self, guild_id: str) -> float:
        """Tell for how many seconds the limits allow no role change in a server."""
        now = machine.monotonic()
        return max(0.0, self._pace.ready_at(lane_of_roles(guild_id), now) - now)

    async def take_in(self) -> None:
        """Read what there is to read."""
        await self._take_in_reopened()
        if not self._news:
            return
        whole, self._news, self._whole = self._whole, False, False
        try:
            await (self._load() if whole else self._follow())
        except BaseException:
            self._news, self._whole = True, self._whole or whole
            raise

    async def _take_in_reopened(self) -> None:
        reopened, self._reopened = self._reopened, set()
        if not reopened:
            return
        try:
            asked = self._ask()
            await self._put(await self._owed.of_streams(sorted(reopened)), asked)
        except BaseException:
            self._reopened |= reopened
            raise

    async def _load(self) -> None:
        fresh, self._fresh = self._fresh, False
        asked = self._ask()
        self._head, owed = await self._owed.all()
        self._loaded = machine.monotonic()
        if fresh:  # what was put off may go well by now: nobody has told this process
            owed = [structs.replace(effect, due_in=0.0) for effect in owed]
        streams = await self._put(owed, asked)
        self._backlog.keep(streams, machine.monotonic())

    async def _follow(self) -> None:
        asked = self._ask()
        self._head, owed = await self._owed.since(self._head)
        await self._put(owed, asked)

    def _ask(self) -> Asked:
        return Asked(machine.monotonic(), self._backlog.flying)

    def _is_put_off(self, owed: Owed) -> bool:
        return owed.kind != NOTICE and self.delay(owed.guild_id) > PATIENCE

    async def _put(self, owed: list[Owed], asked: Asked) -> set[int]:
        """Take *owed* in, but for what Discord need not be asked for; return whose it is."""
        moot = [o for o in owed if o.moot and not self._backlog.is_in_flight(o.stream_id)]
        if moot:
            await self._owed.supersede(moot)
            for effect in moot:
                self._tally.superseded(effect)
        over = moot + await self._aside.of_deleted([o for o in owed if not o.moot])
        now, settled = machine.monotonic(), set(map(key_of, over))
        for effect in over:
            self._backlog.drop(effect, now)
        left = [o for o in owed if key_of(o) not in settled]
        streams = await self._offer(left, asked)
        put_off = {o.position for o in owed if o.urgent and self._is_put_off(o)}
        if put_off:
            await self._owed.tell_put_off(sorted(put_off))
        return streams

    async def _offer(self, owed: list[Owed], asked: Asked) -> set[int]:
        """Take in what is to be carried out, a part at a time: others are to have their turn."""
        by_stream: dict[int, list[Owed]] = {}
        for effect in owed:
            by_stream.setdefault(effect.stream_id, []).append(effect)
        timers = list(by_stream.values())
        for start in range(0, len(timers), PART):
            landed = (asked.flying - self._backlog.flying) & by_stream.keys()
            self.recheck(landed)
            part = chain.from_iterable(timers[start : start + PART])
            fresh = (effect for effect in part if effect.stream_id not in landed)
            self._backlog.replace(fresh, machine.monotonic(), asked_at=asked.at)
            await asyncio.sleep(0)
        return set(by_stream)
