"""The relay: carries out in Discord what the log has decided, in order, paced, with a receipt."""

import asyncio
from contextlib import suppress

import structlog
from msgspec import structs

from boostmon import machine
from boostmon.bot.backlog import Backlog, key_of, lane_of
from boostmon.bot.delivery import Delivery
from boostmon.bot.discord_api import ATTEMPT_SECONDS
from boostmon.bot.pace import PATIENCE, Pace, lane_of_roles
from boostmon.bot.receipts import Again, put_down
from boostmon.bot.refusals import Later
from boostmon.bot.tally import Tally
from boostmon.errors import BoostmonError
from boostmon.projections.effects import NOTICE
from boostmon.projections.lease import Lease
from boostmon.projections.owed import Owed, OwedEffects

AT_ONCE = 16
RENEW_EVERY = 5.0
UNEXPECTED_RETRY = 60.0
LOOK_AGAIN = 30.0
RELOAD_EVERY = 60.0
FAREWELL = 1.0
PAUSE_AFTER_TROUBLE = 1.0

log = structlog.get_logger()


class Relay:
    """Gives and takes roles and sends notices, while this process holds the lease."""

    def __init__(
        self,
        *,
        owed: OwedEffects,
        lease: Lease,
        delivery: Delivery,
        pace: Pace,
        tally: Tally,
    ) -> None:
        self._owed = owed
        self._lease = lease
        self._delivery = delivery
        self._pace = pace
        self._tally = tally
        self._backlog = Backlog()
        self._head = 0
        self._loaded = 0.0
        self._fresh = True
        self._terms = 0
        self._whole = True
        self._woken = asyncio.Event()
        self._news = True
        self._reopened: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look at the log again now: there is something new."""
        self._news = True
        self._woken.set()

    def reload(self) -> None:
        """Look at everything that is owed anew: an effect was opened again."""
        self._whole = True
        self.wake()

    def recheck(self, stream_id: int) -> None:
        """Look anew at what a timer is owed: an effect of it was opened again."""
        self._reopened.add(stream_id)
        self._woken.set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being carried out, or could be at once."""
        return not self._tasks and not self._backlog.lanes and not self._reopened

    @property
    def leads(self) -> bool:
        """Whether this process speaks to Discord."""
        return self._lease.held

    @property
    def terms(self) -> int:
        """How often this process has begun to speak to Discord."""
        return self._terms

    def delay(self, guild_id: str) -> float:
        """Tell for how many seconds the limits allow no role change in a server."""
        now = machine.monotonic()
        return max(0.0, self._pace.ready_at(lane_of_roles(guild_id), now) - now)

    def hasten(self, guild_id: str) -> None:
        """Try again now what is owed in a server: its roles or permissions have changed."""
        self._backlog.hasten(guild_id, machine.monotonic())
        self._woken.set()

    async def run(self) -> None:
        """Work whenever this process holds the lease, until cancelled."""
        renewing = asyncio.create_task(self._keep_lease())
        try:
            while True:
                await self._work()
        finally:
            renewing.cancel()
            await self._finish()

    async def _finish(self) -> None:
        """Let what is under way end, so that nothing is left in doubt; then give the lease up."""
        late: set[asyncio.Task[None]] = set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=FAREWELL)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if late:
            return  # Discord may still be doing it: the lease ends by itself when that is over
        seconds = self._pace.quiet_in(machine.monotonic())
        with suppress(TimeoutError, BoostmonError):
            async with asyncio.timeout(FAREWELL):
                await self._lease.release(seconds)

    async def _keep_lease(self) -> None:
        while True:
            held = self._lease.held
            try:
                if await self._lease.claim() and not held:
                    log.info("this process speaks to Discord")
                    self._fresh = True
                    self._terms += 1
                    self.reload()
                elif machine.monotonic() - self._loaded > RELOAD_EVERY:
                    self.reload()  # whatever was opened again unheard is not left lying
            except BoostmonError as error:
                log.error("the lease was not renewed", reason=str(error))
            except Exception:  # a relay that falls silent would be found by its users
                log.exception("the lease was not renewed")
            await asyncio.sleep(RENEW_EVERY)

    async def _work(self) -> None:
        """Take in what is new, start what may be started, and wait until there is more."""
        self._woken.clear()
        if not self._lease.held:
            await self._sleep(RENEW_EVERY)
            return
        try:
            await self._take_in()
        except Exception:
            log.exception("the log was not read")
            await asyncio.sleep(PAUSE_AFTER_TROUBLE)
        self._pace.forget_idle(machine.monotonic())
        while len(self._tasks) < AT_ONCE:
            now = machine.monotonic()
            owed = self._backlog.take(now, lambda lane: self._pace.ready_at(lane, now) <= now)  # noqa: B023 - called at once
            if owed is None:
                break
            self._pace.promise(lane_of(owed))
            task = asyncio.create_task(self._carry_out(owed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await self._sleep(self._until_next())

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    def _until_next(self) -> float:
        now = machine.monotonic()
        moments = [self._pace.ready_at(lane, now) for lane in self._backlog.lanes]
        if self._backlog.next_due_at is not None:
            moments.append(self._backlog.next_due_at)
        if len(self._tasks) >= AT_ONCE:
            return LOOK_AGAIN
        return min(max(min(moments, default=now + LOOK_AGAIN) - now, 0.001), LOOK_AGAIN)

    async def _take_in(self) -> None:
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
            await self._put(await self._owed.of_streams(sorted(reopened)))
        except BaseException:
            self._reopened |= reopened
            raise

    async def _load(self) -> None:
        fresh, self._fresh = self._fresh, False
        self._head, owed = await self._owed.all()
        self._loaded = machine.monotonic()
        if fresh:  # what was put off may go well by now: nobody has told this process
            owed = [structs.replace(effect, due_in=0.0) for effect in owed]
        await self._put(owed)

    async def _follow(self) -> None:
        self._head, owed = await self._owed.since(self._head)
        await self._put(owed)

    def _is_put_off(self, owed: Owed) -> bool:
        return owed.kind != NOTICE and self.delay(owed.guild_id) > PATIENCE

    async def _put(self, owed: list[Owed]) -> None:
        """Take *owed* in, but for what is no longer true: that need not wait for its turn."""
        moot = [o for o in owed if o.moot and not self._backlog.is_in_flight(o.stream_id)]
        if moot:
            await self._owed.supersede(moot)
            for effect in moot:
                self._tally.superseded(effect)
        now, settled = machine.monotonic(), set(map(key_of, moot))
        for effect in moot:
            self._backlog.settle(effect, now)
        self._backlog.replace((o for o in owed if key_of(o) not in settled), now)
        put_off = {o.position for o in owed if o.urgent and self._is_put_off(o)}
        if put_off:
            await self._owed.tell_put_off(sorted(put_off))

    async def _carry_out(self, owed: Owed) -> None:
        try:
            again = await self._attempt(owed)
        except BoostmonError as error:
            log.error("effect not carried out", position=owed.position, reason=str(error))
            again = Again(UNEXPECTED_RETRY)
        except Exception:
            log.exception("effect not carried out", position=owed.position, kind=owed.kind)
            again = Again(UNEXPECTED_RETRY)
        finally:
            self._pace.withdraw(lane_of(owed))
        now = machine.monotonic()
        if again is None:
            self._backlog.settle(owed, now)
        else:
            if again.directly:
                self._backlog.redirect(owed)
            self._backlog.postpone(owed, now + again.seconds, now)
        self._woken.set()

    async def _attempt(self, owed: Owed) -> Again | None:
        """Carry *owed* out if it is still true; say whether and when to try again."""
        effect = await self._owed.find(owed.position, owed.kind)
        if effect is None:
            return None
        if not effect.still_true:
            await self._owed.close(effect, "superseded")
            self._tally.superseded(effect)
            return None
        if not may_write(self._lease, self._pace):
            return Again(RENEW_EVERY)
        began = machine.monotonic()
        verdict = await self._delivery.carry_out(effect, directly=owed.channel_id is None)
        self._tally.effect(effect, verdict, machine.monotonic() - began)
        again = await put_down(self._owed, effect, verdict)
        if not self._lease.held and not isinstance(verdict, Later):
            await self._owed.doubt(effect)  # it may have been sent when it was another's to do
        return again


def may_write(lease: Lease, pace: Pace) -> bool:
    """Tell whether a request may be sent now that changes something in Discord.

    The lease must last until its answer is here, and as long as Discord's windows: whoever takes
    over does not know what was asked before.
    """
    return lease.left > max(ATTEMPT_SECONDS, pace.memory)
