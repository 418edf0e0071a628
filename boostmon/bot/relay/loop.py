"""The relay: carries out in Discord what the log has decided, in order, paced, with a receipt."""

import asyncio
from contextlib import suppress

import structlog

from boostmon import machine
from boostmon.bot.backlog.order import Backlog
from boostmon.bot.backlog.places import lane_of
from boostmon.bot.discord.pace import OPENING, Pace
from boostmon.bot.discord.refusals import Later, Stuck
from boostmon.bot.discord.rest import ATTEMPT_SECONDS
from boostmon.bot.records.tally import Tally
from boostmon.bot.relay.aside import Aside
from boostmon.bot.relay.delivery import Delivery
from boostmon.bot.relay.intake import Intake
from boostmon.bot.relay.receipts import Again, Settled, put_down
from boostmon.errors import BoostmonError
from boostmon.projections.effects.kinds import NOTICE
from boostmon.projections.effects.lease import Lease
from boostmon.projections.effects.queue import Owed, OwedEffects

AT_ONCE = 16
RENEW_EVERY = 5.0
UNEXPECTED_RETRY = 60.0
LOOK_AGAIN = 30.0
FORGET_EVERY = 1.0
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
        self._aside = Aside(owed, delivery, self._backlog)
        self._intake = Intake(
            owed=owed, backlog=self._backlog, aside=self._aside, pace=pace, tally=tally
        )
        self._forgot = 0.0
        self._terms = 0
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look at the log again now: there is something new."""
        self._intake.wake()
        self._look()

    def reload(self) -> None:
        """Look at everything that is owed anew: an effect was opened again."""
        self._intake.reload()
        self._look()

    def recheck(self, stream_id: int) -> None:
        """Look anew at what a timer is owed: an effect of it was opened again."""
        self._intake.recheck([stream_id])
        self._woken.set()

    def _look(self) -> None:
        """Look at what is to be done now; who stands by does nothing, however much is told."""
        if self._lease.held:
            self._woken.set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being carried out, or could be soon."""
        waits = self._backlog.lanes - {OPENING}
        return not self._tasks and not waits and not self._intake.has_reopened

    @property
    def opens(self) -> bool:
        """Whether notices wait for channels of direct messages to be opened."""
        return OPENING in self._backlog.lanes

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
        return self._intake.delay(guild_id)

    def hasten(self, guild_id: str) -> None:
        """Try again now what is owed in a server: its roles or permissions have changed."""
        self._backlog.hasten(guild_id, machine.monotonic())
        self._look()

    def role_deleted(self, guild_id: str, role_id: str) -> None:
        """Ask Discord for nothing more about a role that a server does not have any more."""
        self._delivery.note_deleted(guild_id, role_id)
        self._intake.recheck(self._backlog.of_role(guild_id, role_id))
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
                leads = await self._lease.claim()
                if leads and not held:
                    log.info("this process speaks to Discord")
                    self._intake.begin_anew()
                    self._terms += 1
                elif self._intake.is_old:
                    self.reload()  # whatever was opened again unheard is not left lying
                if leads:
                    self._woken.set()
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
            await self._intake.take_in()
            await self._aside.look(machine.monotonic())
            if stop := self._pace.stop(machine.monotonic()):
                await self._aside.tell_of_stop(stop)
        except Exception:
            log.exception("what is owed was not read, or not put off")
            await asyncio.sleep(PAUSE_AFTER_TROUBLE)
        self._start(machine.monotonic())
        await self._sleep(self._until_next())

    def _start(self, now: float) -> None:
        """Start what may be started."""
        if now - self._forgot >= FORGET_EVERY:
            self._forgot = now
            self._pace.forget_idle(now)
        if self._pace.open_at(now) > now:
            return
        while len(self._tasks) < AT_ONCE:
            owed = self._backlog.take(
                now, lambda lane: self._pace.ready_at(lane, now), self._aside.is_away
            )
            if owed is None:
                return
            self._pace.promise(lane_of(owed))
            task = asyncio.create_task(self._carry_out(owed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    def _until_next(self) -> float:
        now = machine.monotonic()
        if len(self._tasks) >= AT_ONCE:
            return LOOK_AGAIN
        moments = [at for at in (self._backlog.next_at, self._aside.next_at()) if at is not None]
        next_at = max(min(moments, default=now + LOOK_AGAIN), self._pace.open_at(now))
        return min(max(next_at - now, 0.001), LOOK_AGAIN)

    async def _carry_out(self, owed: Owed) -> None:
        try:
            came = await self._attempt(owed)
        except BoostmonError as error:
            log.error("effect not carried out", position=owed.position, reason=str(error))
            came = Again(UNEXPECTED_RETRY, asked=False)
        except Exception:
            log.exception("effect not carried out", position=owed.position, kind=owed.kind)
            came = Again(UNEXPECTED_RETRY, asked=False)
        finally:
            self._pace.withdraw(lane_of(owed))
        now = machine.monotonic()
        match came:
            case Settled(proof=proof):
                self._backlog.settle(owed, now, proof=proof)
            case Again(seconds=seconds, directly=directly, stuck_for=stuck_for, asked=asked):
                if directly:
                    self._backlog.redirect(owed)
                due_at = now + seconds
                self._backlog.postpone(owed, due_at, now, stuck_for=stuck_for, asked=asked)
        self._woken.set()

    async def _attempt(self, owed: Owed) -> Again | Settled:
        """Carry *owed* out if it is still true; say whether and when to try again."""
        effect = await self._owed.find(owed.position, owed.kind)
        if effect is None:
            return Settled()
        if not effect.still_true:
            await self._owed.close(effect, "superseded")
            self._tally.superseded(effect)
            return Settled()
        if not may_write(self._lease, self._pace):
            return Again(RENEW_EVERY, asked=False)
        began = machine.monotonic()
        verdict = await self._delivery.carry_out(effect, lane=lane_of(owed))
        self._tally.effect(effect, verdict, machine.monotonic() - began)
        late = self._delivery.late(effect)
        tries = self._backlog.tries(owed, verdict.remedy) if isinstance(verdict, Stuck) else 0
        came = await put_down(self._owed, effect, verdict, tries=tries)
        if effect.kind == NOTICE and isinstance(verdict, dict):
            self._tally.told(effect.event, late)
        if not self._lease.held and not isinstance(verdict, Later):
            await self._owed.doubt(effect)  # it may have been sent when it was another's to do
        return came


def may_write(lease: Lease, pace: Pace) -> bool:
    """Tell whether a request may be sent now that changes something in Discord.

    The lease must last until its answer is here, and as long as Discord's windows: whoever takes
    over does not know what was asked before.
    """
    return lease.left > max(ATTEMPT_SECONDS, pace.memory)
