"""Tells whether the bot is ready at the moment of asking, and sets the metrics read then."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product

from msgspec import Struct

from boostmon import machine
from boostmon.bot.discord.pace import Pace
from boostmon.bot.health.reading import Reading
from boostmon.bot.records.gateway import Gateway
from boostmon.bot.records.metrics import OPEN_STATES, Metrics
from boostmon.bot.relay.loop import Relay
from boostmon.commands.handler import CommandHandler
from boostmon.commands.sweeper import Sweeper
from boostmon.database.clocks.agreed_clock import AgreedClock
from boostmon.database.clocks.clock import Clock
from boostmon.database.clocks.witnesses import NAMES
from boostmon.database.connections.pool import Database
from boostmon.projections.effects.kinds import KINDS, OpenEffects

ALLOWANCE = 30.0  # seconds, on top of two intervals, until a sweep is late


class Body(Struct, frozen=True, kw_only=True):
    """The parts of a running bot that tell how they are."""

    clock: Clock
    database: Database
    gateway: Gateway
    handler: CommandHandler
    pace: Pace
    reading: Reading
    relay: Relay
    sweeper: Sweeper


class Vitals:
    """Tells how the bot is; before it runs and after, that nothing is ready."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self._body: Body | None = None

    @contextmanager
    def of(self, body: Body) -> Iterator[None]:
        """Tell of *body*, as long as it lives."""
        self._body = body
        try:
            yield
        finally:
            self._body = None
            body.reading.close()

    async def ready(self) -> dict[str, bool]:
        """Say of each part whether it is ready; a process that stands by is as ready as any."""
        body = self._body
        if body is None:
            return dict.fromkeys(("gateway", "database", "clock", "sweep"), False)
        return {
            "gateway": body.gateway.ready,
            "database": await body.reading.latest() is not None,
            "clock": body.clock.trusted,
            "sweep": not _late(body),
        }

    def stop(self) -> dict[str, str] | None:
        """Say since when Discord stops all requests, until when, and why; None: it does not."""
        stop = self._body.pace.stop(machine.monotonic()) if self._body else None
        if stop is None:
            return None
        since, until = (
            datetime.fromtimestamp(round(moment), UTC).isoformat()
            for moment in (stop.since, stop.until)
        )
        return {"since": since, "until": until, "why": stop.why}

    async def refresh(self) -> None:
        """Read anew what is not counted as it happens."""
        body, metrics = self._body, self.metrics
        found = await body.reading.latest() if body else None
        metrics.database_up.set(found is not None)
        self._set_effects(found)
        metrics.gateway_up.set(body is not None and body.gateway.ready)
        metrics.leader.set(body is not None and body.relay.leads)
        if body is not None:
            self._set_gauges(body)

    def _set_effects(self, found: Sequence[OpenEffects] | None) -> None:
        gauges = (self.metrics.effects_open, self.metrics.effects_oldest)
        for gauge in gauges:
            gauge.clear()
            for kind, state in product(KINDS, OPEN_STATES) if found is not None else ():
                gauge.labels(kind, state).set(0)
        for effects in found or ():
            numbers = (effects.number, effects.age)
            for gauge, number in zip(gauges, numbers, strict=True):
                gauge.labels(effects.kind, effects.state).set(number)

    def _set_gauges(self, body: Body) -> None:
        metrics, load = self.metrics, body.database.load
        latency = body.gateway.latency
        metrics.gateway_latency.set(latency if math.isfinite(latency) else math.nan)
        metrics.sweep_age.set(body.sweeper.age)
        metrics.sweep_interval.set(body.sweeper.interval)
        metrics.invalid_requests.set(body.pace.invalid_count(machine.monotonic()))
        stop = body.pace.stop(machine.monotonic())
        metrics.stopped_since.set(stop.since if stop else 0)
        metrics.stopped_until.set(stop.until if stop else 0)
        metrics.invalid_limit.set(body.pace.invalid_limit)
        metrics.pool.labels("busy").set(load.busy)
        metrics.pool.labels("idle").set(load.idle)
        metrics.pool_limit.set(load.most)
        metrics.pool_waiting.set(load.waiting)
        self._set_clocks(body.clock)
        for counter, total in (
            (metrics.command_retries, body.handler.retries),
            (metrics.database_repeats, body.database.repeats),
        ):
            counter.reset()
            counter.inc(total)

    def _set_clocks(self, clock: Clock) -> None:
        metrics = self.metrics
        metrics.clock_trusted.set(clock.trusted)
        if not isinstance(clock, AgreedClock) or clock.judgement is None:
            return  # a file sets it: there is nothing to compare
        for name in clock.judgement.clocks:
            metrics.clock_ahead.labels(name).set(clock.judgement.ahead(name))
        for name in NAMES:
            metrics.clock_followed.labels(name).set(clock.judgement.followed == name)


def _late(body: Body) -> bool:
    return body.sweeper.age > 2 * body.sweeper.interval + ALLOWANCE
