"""The bot put together as `boostmon.bot.app` does it, over models of all around it."""

from collections.abc import Coroutine, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from msgspec import Struct

from boostmon.bot.discord.pace import Limits, Pace
from boostmon.bot.discord.rest import DiscordApi
from boostmon.bot.members.agreement import Agreement
from boostmon.bot.members.audit_log import AuditLog
from boostmon.bot.members.looks import Looks
from boostmon.bot.members.observer import Observer
from boostmon.bot.members.reconciler import Reconciler
from boostmon.bot.records.tally import Tally
from boostmon.bot.relay.delivery import Delivery
from boostmon.bot.relay.effect_signal import EffectSignal
from boostmon.bot.relay.loop import Relay, may_write
from boostmon.bot.relay.notices import Notices
from boostmon.bot.relay.openings import Ahead, Openings
from boostmon.bot.servers.view import Server
from boostmon.bot.slash.conversation import Conversation
from boostmon.bot.slash.role_changes import RoleChanges
from boostmon.commands.handler import CommandHandler
from boostmon.commands.sweeper import Sweeper
from boostmon.database.clocks.agreed_clock import AgreedClock
from boostmon.database.clocks.clock import Clock
from boostmon.events.store import EventStore
from boostmon.projections.effects.direct_channels import DirectChannels
from boostmon.projections.effects.kinds import Effects
from boostmon.projections.effects.lease import Lease
from boostmon.projections.effects.observed import Observed
from boostmon.projections.effects.queue import OwedEffects
from boostmon.projections.effects.standings import Standings
from boostmon.projections.role_timers import RoleTimers
from tests.simulation.book import Book
from tests.simulation.clocks import Clocks
from tests.simulation.discord import Discord
from tests.simulation.ear import Asking, Ear
from tests.simulation.gateway import Gateway
from tests.simulation.http import Http
from tests.simulation.orders import WARNINGS
from tests.simulation.talk import Assent, Settled

SWEEP_INTERVAL = 30.0


class Ways(Struct, frozen=True, kw_only=True):
    """A process's ways to the world, its name and its clocks."""

    name: str
    database: Any
    http: Http
    view: Server
    discord: Discord
    gateway: Gateway
    clocks: Clocks
    tally: Tally
    book: Book
    beside: bool


class Wired(Struct, frozen=True, kw_only=True):
    """The parts of a running bot; *works* run as long as the process does."""

    conversation: Conversation
    handler: CommandHandler
    standings: Standings
    relay: Relay
    hinted: Any
    clock: AgreedClock
    ear: Ear
    works: Sequence[Coroutine[Any, Any, None]]


async def wire_up(ways: Ways) -> Wired:
    """Put a bot together, and compare the clocks."""
    database, clock = ways.database, AgreedClock(one_witness=ways.beside)
    await clock.measure(database)
    ways.http.hear_time(clock)
    await clock.measure(database)
    store = EventStore(database)
    handler = CommandHandler(store, clock)
    api, relay, ahead = _to_discord(ways, clock)
    sweeper = Sweeper(
        store=store,
        timers=RoleTimers(database),
        clock=clock,
        interval=SWEEP_INTERVAL,
        is_busy=handler.is_busy,
    )
    store.subscribe(sweeper.wake)
    store.subscribe(relay.wake)
    looks, observer, reconciler = _looks(ways, handler, api, relay, clock)
    works = (
        clock.keep(database),
        sweeper.run(),
        relay.run(),
        looks.run(),
        reconciler.run(),
        ahead.run(),
    )
    signal, judgement = EffectSignal(relay.delay), Assent()
    conversation = Conversation(
        timers=RoleTimers(database),
        settling=Settled(handler, ways.book),
        role_changes=RoleChanges(Effects(database), signal),
        judgement=judgement,  # type: ignore[arg-type] # it has nothing of the real one
        warning_minutes=WARNINGS,
    )
    body = SimpleNamespace(sweeper=sweeper, relay=relay)
    return Wired(
        conversation=conversation,
        handler=handler,
        standings=Standings(database),
        relay=relay,
        hinted=SimpleNamespace(signal=signal, body=body, reconciler=reconciler),
        clock=clock,
        ear=Ear(observer, reconciler, ways.discord),
        works=works,
    )


def _to_discord(ways: Ways, clock: Clock) -> tuple[DiscordApi, Relay, Ahead]:
    owed, pace = OwedEffects(ways.database), Pace(Limits())
    lease = Lease(ways.database, name="relay", holder=ways.name, monotonic=ways.clocks.boot)
    pace.share(lambda: lease.held)
    http: Any = ways.http
    api = DiscordApi(http, pace, partial(may_write, lease, pace))
    notices = Notices(
        api=api,
        owed=owed,
        direct_channels=DirectChannels(ways.database),
        server=ways.view,
        clock=clock,
        pace=pace,
    )
    delivery = Delivery(api=api, owed=owed, notices=notices, server=ways.view)
    relay = Relay(owed=owed, lease=lease, delivery=delivery, pace=pace, tally=ways.tally)
    channels = DirectChannels(ways.database)
    ahead = Ahead(
        openings=Openings(api, channels, pace),
        direct_channels=channels,
        pace=pace,
        clock=clock,
        relay=relay,
    )
    return api, relay, ahead


def _looks(
    ways: Ways, handler: CommandHandler, api: DiscordApi, relay: Relay, clock: Clock
) -> tuple[Looks, Observer, Reconciler]:
    standings, audit_log = Standings(ways.database), AuditLog(api)
    agreement = Agreement(
        standings=standings,
        api=api,
        audit_log=audit_log,
        members=Asking(ways.discord, ways.gateway),
        server=ways.view,
        handler=handler,
        relay=relay,
        clock=clock,
        role_taken="end",
        watch=ways.tally,
    )
    looks = Looks(standings=standings, agreement=agreement, relay=relay)
    observer = Observer(
        handler=handler,
        observed=Observed(ways.database),
        standings=standings,
        api=api,
        audit_log=audit_log,
        relay=relay,
        looks=looks,
        clock=clock,
    )
    reconciler = Reconciler(
        standings=standings,
        members=Asking(ways.discord, ways.gateway),
        roles=observer,
        looks=looks,
        relay=relay,
        watch=ways.tally,
    )
    return looks, observer, reconciler
