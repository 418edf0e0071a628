"""The bot as a whole: the one place where its parts are put together, started and stopped."""

import asyncio
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any
from uuid import uuid4

import structlog
from msgspec import Struct, field

from boostmon.bot.connection.client import (
    BoostMon,
    count_invalid,
    open_client,
    silence,
    stay_connected,
)
from boostmon.bot.connection.registration import keep_registered
from boostmon.bot.discord.answer_dates import hear_time
from boostmon.bot.discord.pace import Limits, Pace
from boostmon.bot.discord.plain_refusals import make_plain
from boostmon.bot.discord.rest import DiscordApi
from boostmon.bot.health.reading import Reading
from boostmon.bot.health.vitals import Body, Vitals
from boostmon.bot.members.agreement import Agreement
from boostmon.bot.members.audit_log import AuditLog
from boostmon.bot.members.looks import Looks
from boostmon.bot.members.observer import Observer
from boostmon.bot.members.reconciler import Reconciler
from boostmon.bot.records.gateway import Gateway
from boostmon.bot.records.requests import count_requests
from boostmon.bot.records.tally import Tally
from boostmon.bot.relay.delivery import Delivery
from boostmon.bot.relay.effect_signal import EffectSignal
from boostmon.bot.relay.loop import Relay, may_write
from boostmon.bot.relay.notices import Notices
from boostmon.bot.relay.openings import Ahead, Openings
from boostmon.bot.servers.asking import Asking
from boostmon.bot.servers.attendance import Attendance
from boostmon.bot.servers.identity import Identity
from boostmon.bot.servers.presence import Presence
from boostmon.bot.servers.view import ServerView
from boostmon.bot.slash.cog import TimerCog
from boostmon.bot.slash.judgement import Judgement
from boostmon.commands.handler import CommandHandler
from boostmon.commands.sweeper import Sweeper
from boostmon.config import DiscordConfig, SweepConfig
from boostmon.database.clocks.clock import Clock
from boostmon.database.connections.listen import listen
from boostmon.database.connections.pool import Database
from boostmon.events.store import EventStore
from boostmon.projections.effects.departures import Departures
from boostmon.projections.effects.direct_channels import DirectChannels
from boostmon.projections.effects.kinds import Effects
from boostmon.projections.effects.lease import Lease
from boostmon.projections.effects.observed import Observed
from boostmon.projections.effects.owner import Owner
from boostmon.projections.effects.queue import OwedEffects
from boostmon.projections.effects.standings import IMPORTED, Standings
from boostmon.projections.role_timers import RoleTimers

LOG_CHANNEL = "boostmon_log"
EFFECTS_CHANNEL = "boostmon_effects"
FAREWELL = 1.8
INSISTENCE = 2.5  # seconds

log = structlog.get_logger()


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a bot runs on: the pool, a direct URL for hints, timer time, and settings.

    *quiet_seconds*: how long no further server arrives before all are taken to be there.
    """

    database: Database
    owner_url: str
    clock: Clock
    discord: DiscordConfig
    sweep: SweepConfig
    limits: Limits = Limits()
    vitals: Vitals = field(default_factory=Vitals)
    quiet_seconds: float = 2.0


class Speaking(Struct, frozen=True, kw_only=True):
    """What speaks to Discord."""

    pace: Pace
    api: DiscordApi
    relay: Relay
    server: ServerView
    presence: Presence


class Parts(Struct, frozen=True, kw_only=True):
    """A bot, put together."""

    bot: BoostMon
    cog: TimerCog
    signal: EffectSignal
    body: Body
    looks: Looks
    reconciler: Reconciler
    presence: Presence
    ahead: Ahead

    def on_hint(self, channel: str, payload: str) -> None:
        """Take a NOTIFY: something was recorded, or became of an effect.

        An empty payload: effects were opened again, or hints may have been missed; "imported":
        timers whose members are to be read.
        """
        if channel == EFFECTS_CHANNEL:
            self.signal.tell(payload)
        elif payload:
            if payload == IMPORTED:
                self.reconciler.begin_anew()
            self.body.sweeper.wake()
            self.body.relay.wake()
        else:
            self.body.sweeper.wake()
            self.body.relay.reload()


async def run(surroundings: Surroundings, stop: asyncio.Event) -> None:
    """Serve commands, sweep and relay until *stop* is set.

    Raise `ConfigurationError` when Discord refuses the token, and `DiscordError` when it cannot be
    reached at the start, or does not want the bot any more; a connection lost is made again. Raise
    `AnotherApplicationError` where the database is another application's, or becomes so.
    """
    bot = await open_client(surroundings.discord, quiet_seconds=surroundings.quiet_seconds)
    parts = _put_together(bot, surroundings)
    identity = Identity(Owner(surroundings.database), bot.http, bot.own_id)
    try:
        await identity.prove()
        await hear_time(bot, surroundings.clock, surroundings.database)
        with surroundings.vitals.of(parts.body):
            await _until(
                stop,
                stay_connected(bot),
                parts.body.sweeper.run(),
                parts.looks.run(),
                parts.reconciler.run(),
                parts.ahead.run(),
                identity.keep(),
                parts.presence.run(),
                bot.attendance.run(),
                _when_ready(parts, surroundings.discord),
                listen(surroundings.owner_url, (LOG_CHANNEL, EFFECTS_CHANNEL), parts.on_hint),
            )
    finally:
        await _close(bot, parts.cog)


def _put_together(bot: BoostMon, surroundings: Surroundings) -> Parts:
    database, clock, sweep = surroundings.database, surroundings.clock, surroundings.sweep
    metrics = surroundings.vitals.metrics
    tally, store, timers = Tally(metrics), EventStore(database), RoleTimers(database)
    handler, effects = CommandHandler(store, clock), Effects(database)
    speaking = _to_discord(bot, tally, surroundings)
    api, relay = speaking.api, speaking.relay
    sweeper = Sweeper(
        store=store,
        timers=timers,
        clock=clock,
        interval=sweep.boostmon_sweep_interval,
        watch=tally,
        is_busy=handler.is_busy,
    )
    store.observe(tally.appended)
    for wake in (sweeper.wake, relay.wake):
        store.subscribe(wake)
    looks, reconciler = _looks(bot, surroundings, speaking, tally=tally, handler=handler)
    signal = EffectSignal(relay.delay)
    asking = Asking(api)
    cog = TimerCog(
        handler=handler,
        timers=timers,
        effects=effects,
        clock=clock,
        warning_minutes=sweep.boostmon_warning_minutes,
        watch=signal,
        tally=tally,
        asking=asking,
        judgement=Judgement(asking, api.own_id, bot.command_id),
    )
    bot.add_cog(cog)
    body = Body(
        clock=clock,
        database=database,
        gateway=Gateway(bot, metrics),
        handler=handler,
        pace=speaking.pace,
        reading=Reading(effects),
        relay=relay,
        sweeper=sweeper,
    )
    channels = DirectChannels(database)
    ahead = Ahead(
        openings=Openings(api, channels, speaking.pace),
        direct_channels=channels,
        pace=speaking.pace,
        clock=clock,
        relay=relay,
    )
    return Parts(
        bot=bot,
        cog=cog,
        signal=signal,
        body=body,
        looks=looks,
        reconciler=reconciler,
        presence=speaking.presence,
        ahead=ahead,
    )


def _looks(
    bot: BoostMon,
    surroundings: Surroundings,
    speaking: Speaking,
    *,
    tally: Tally,
    handler: CommandHandler,
) -> tuple[Looks, Reconciler]:
    """Put together what follows from what Discord shows, and have *bot* tell of it."""
    database, clock = surroundings.database, surroundings.clock
    api, relay = speaking.api, speaking.relay
    standings, audit_log = Standings(database), AuditLog(api)
    agreement = Agreement(
        standings=standings,
        api=api,
        audit_log=audit_log,
        members=bot,
        server=speaking.server,
        handler=handler,
        relay=relay,
        clock=clock,
        role_taken=surroundings.sweep.boostmon_role_taken,
        watch=tally,
    )
    looks = Looks(standings=standings, agreement=agreement, relay=relay)
    bot.observer = Observer(
        handler=handler,
        observed=Observed(database),
        standings=standings,
        api=api,
        audit_log=audit_log,
        relay=relay,
        looks=looks,
        clock=clock,
    )
    bot.reconciler = Reconciler(
        standings=standings,
        members=bot,
        roles=bot.observer,
        looks=looks,
        relay=relay,
        watch=tally,
    )
    bot.attendance = Attendance(
        Departures(database),
        relay,
        servers=bot.servers,
        ask=speaking.presence.ask,
        returned=bot.server_returned,
    )
    return looks, bot.reconciler


def _to_discord(bot: BoostMon, tally: Tally, surroundings: Surroundings) -> Speaking:
    database, pace = surroundings.database, Pace(surroundings.limits)
    make_plain(bot, pace)
    count_invalid(bot, pace)
    count_requests(bot, surroundings.vitals.metrics)
    lease = Lease(database, name="relay", holder=uuid4().hex, application_id=bot.own_id)
    pace.share(lambda: lease.held)
    api = DiscordApi(bot.http, pace, partial(may_write, lease, pace))
    owed, presence = OwedEffects(database), Presence(api)
    server = ServerView(bot, presence)
    notices = Notices(
        api=api,
        owed=owed,
        direct_channels=DirectChannels(database),
        server=server,
        clock=surroundings.clock,
        pace=pace,
    )
    delivery = Delivery(api=api, owed=owed, notices=notices, server=server)
    relay = Relay(owed=owed, lease=lease, delivery=delivery, pace=pace, tally=tally)
    return Speaking(pace=pace, api=api, relay=relay, server=server, presence=presence)


async def _when_ready(parts: Parts, discord: DiscordConfig) -> None:
    """Do what needs the servers: see to the commands, and relay until cancelled."""
    await parts.bot.wait_until_ready()
    registering = asyncio.create_task(keep_registered(parts.bot, discord, parts.body.pace))
    try:
        await parts.body.relay.run()
    finally:
        registering.cancel()


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel *tasks*, again and again until they have ended: a stop must not wait for ever.

    The pause is longer than what a part may take for its last work.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=INSISTENCE)


async def _until(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Run *parts* until *stop* is set or one of them ends; raise what ended it."""
    tasks = [asyncio.create_task(part) for part in (stop.wait(), *parts)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(tasks)
    for task in done:
        if not task.cancelled() and (error := task.exception()):
            raise error


async def _close(bot: BoostMon, cog: TimerCog) -> None:
    """Say the last words and leave; Discord gets a few seconds, not more."""
    try:
        async with asyncio.timeout(FAREWELL):
            await cog.close()
            await bot.close()
    except TimeoutError:
        log.warning("Discord was left without a farewell")
    finally:
        silence(bot)
