"""What each kind of moment of a plan does to the world, and how it ends."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from tests.simulation.doings import Doings
from tests.simulation.gateway import GatewayWeather
from tests.simulation.plan import MODERATOR, Moment
from tests.simulation.process import Process
from tests.simulation.universe import RESTART_SECONDS, Universe
from tests.simulation.weather import FAULTS, Weather

REST_BESIDE = 1800.0  # seconds; with two clocks that disagree nothing goes on for ten minutes
DECIDED_AFTER = (60.0, 400.0, 900.0)  # seconds of quiet
RECOVERED = 180.0  # seconds after which all have seen that a clock is right again


class Happenings:
    """Lets the moments of a plan happen."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self._clocks_right_at = 0.0
        self._acts: dict[str, Callable[[Moment], None]] = {
            "kill": self._kill,
            "stop": self._stop,
            "freeze": self._freeze,
            "suspend": self._suspend,
            "database away": self._away,
            "database silent": self._silent,
            "database losing": self._losing,
            "database slow": self._slow,
            "hints lost": self._hints,
            "weather": self._weather,
            "late weather": self._late_weather,
            "discord down": self._down,
            "outage": self._outage,
            "demote": self._demote,
            "mute": self._mute,
            "close dms": self._close_dms,
            "chatter": self._chatter,
            "news weather": self._news_weather,
            "audit log dawdles": self._dawdle,
            "audit log forbidden": self._forbid,
            "uninvite": self._uninvite,
            "clock steps": self._clock_steps,
            **Doings(universe).acts,
        }

    def happen(self, moment: Moment) -> None:
        """Let *moment* happen."""
        universe = self._universe
        if moment.kind != "command":
            universe.counts[moment.kind] += 1
            universe.trace.note(universe.timeline.now, moment.kind, moment.where, moment.seconds)
        self._acts[moment.kind](moment)

    def calm(self) -> None:
        """Take back all that still lasts."""
        universe, now = self._universe, self._universe.timeline.now
        mood = universe.server.mood
        mood.away_until = mood.silent_until = min(now, mood.silent_until)
        mood.losing = mood.slow = universe.losing_hints = None
        universe.wire.weather, universe.wire.down_until = [], 0.0
        universe.gateway.weather = None
        universe.discord.closed.clear()
        universe.discord.muted.clear()
        universe.discord.forbidden.clear()
        universe.discord.dawdling = None
        for guild in universe.discord.guilds.values():
            guild.above.clear()
            guild.present, guild.unavailable = True, False
            universe.gateway.tell("rights", guild.id, "")
        for guild in universe.discord.guilds.values():
            for member in guild.members.values():
                universe.discord.join(guild.id, member.user_id)
        for seconds in DECIDED_AFTER:  # what is held back does not wait for ever
            for number, guild_id in enumerate(universe.discord.guilds):
                kind = "held back decided"
                moment = Moment(at=0.0, kind=kind, number=number, where=guild_id)
                self._later(seconds, partial(self._acts[kind], moment))

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._universe.timeline.after(seconds, act)

    def _chosen(self, moment: Moment) -> Process | None:
        processes = [p for p in self._universe.processes if p.alive]
        leaders = [p for p in processes if p.leads]
        if leaders and moment.number % 3:
            processes = leaders  # whom it hurts more
        return processes[moment.number % len(processes)] if processes else None

    def _kill(self, moment: Moment) -> None:
        if process := self._chosen(moment):
            process.kill()
            self._later(min(moment.seconds, RESTART_SECONDS), self._universe.restart)

    def _stop(self, moment: Moment) -> None:
        if process := self._chosen(moment):
            process.stop()
            self._later(RESTART_SECONDS + moment.seconds / 10, self._universe.restart)

    def _freeze(self, moment: Moment) -> None:
        if process := self._chosen(moment):
            self._hold(moment, process, process.thaw)

    def _suspend(self, moment: Moment) -> None:
        if process := self._chosen(moment):
            self._hold(moment, process, lambda: process.resume(moment.seconds))

    def _hold(self, moment: Moment, process: Process, go_on: Callable[[], None]) -> None:
        """Hold a process up: anywhere, or in the act, so that it goes on with an old answer."""

        def hold() -> None:
            process.freeze()
            self._later(moment.seconds, go_on)

        if moment.number % 2:
            process.in_the_act(hold)
        else:
            hold()

    def _away(self, moment: Moment) -> None:
        universe = self._universe
        universe.server.mood.away_until = universe.timeline.now + moment.seconds
        self._later(moment.seconds + 0.3, self._listen_again)

    def _listen_again(self) -> None:
        for channel in ("boostmon_log", "boostmon_effects"):
            self._universe.notify(channel, "")

    def _silent(self, moment: Moment) -> None:
        universe, seconds = self._universe, moment.seconds / 3
        universe.server.mood.silent_until = universe.timeline.now + seconds
        self._later(seconds + 0.3, self._listen_again)

    def _losing(self, moment: Moment) -> None:
        mood = self._universe.server.mood
        mood.losing = drawn = _random(moment)
        self._later(moment.seconds / 3, lambda: _unless(mood, "losing", drawn))

    def _slow(self, moment: Moment) -> None:
        mood = self._universe.server.mood
        mood.slow = drawn = _random(moment)
        self._later(moment.seconds / 3, lambda: _unless(mood, "slow", drawn))

    def _hints(self, moment: Moment) -> None:
        universe = self._universe
        universe.losing_hints = drawn = _random(moment)
        self._later(moment.seconds, lambda: _unless(universe, "losing_hints", drawn))

    def _weather(self, moment: Moment) -> None:
        self._bad_weather(moment, FAULTS)

    def _late_weather(self, moment: Moment) -> None:
        self._bad_weather(moment, ("late", "hang"))

    def _bad_weather(self, moment: Moment, faults: tuple[str, ...]) -> None:
        universe, random = self._universe, _random(moment)
        weather = Weather(
            until=universe.timeline.now + moment.seconds * 2,
            chance=random.uniform(0.05, 0.6),
            faults=random.choices(faults, k=3),
            random=random,
        )
        universe.wire.weather.append(weather)

    def _down(self, moment: Moment) -> None:
        universe = self._universe
        universe.wire.down_until = universe.timeline.now + moment.seconds / 2

    def _outage(self, moment: Moment) -> None:
        guild = self._universe.discord.guilds[moment.where]
        guild.unavailable = True
        self._later(moment.seconds, lambda: self._available(moment.where))

    def _available(self, guild_id: str) -> None:
        self._universe.discord.guilds[guild_id].unavailable = False
        self._universe.gateway.tell("seen", guild_id, "")

    def _demote(self, moment: Moment) -> None:
        guild = self._universe.discord.guilds[moment.where]
        guild.above.add(moment.role)
        self._later(moment.seconds * 2, lambda: self._promote(moment))

    def _promote(self, moment: Moment) -> None:
        self._universe.discord.guilds[moment.where].above.discard(moment.role)
        self._universe.gateway.tell("rights", moment.where, "")

    def _mute(self, moment: Moment) -> None:
        channels = self._universe.discord.guilds[moment.where].channels
        channel_id = channels[moment.number % len(channels)]
        self._universe.discord.muted.add(channel_id)
        muted = self._universe.discord.muted
        self._later(moment.seconds * 2, lambda: muted.discard(channel_id))

    def _close_dms(self, moment: Moment) -> None:
        closed = self._universe.discord.closed
        channel_id = self._universe.discord.open_direct(moment.who)
        closed.add(channel_id)
        self._later(moment.seconds * 4, lambda: closed.discard(channel_id))

    def _chatter(self, moment: Moment) -> None:
        discord = self._universe.discord
        channels = discord.guilds[moment.where].channels
        channel_id = channels[moment.number % len(channels)]
        for _ in range(moment.number % 150):
            discord.post(channel_id, MODERATOR, "Hello!", None)

    def _news_weather(self, moment: Moment) -> None:
        universe, random = self._universe, _random(moment)
        universe.gateway.weather = GatewayWeather(
            until=universe.timeline.now + moment.seconds * 2,
            chance=random.uniform(0.1, 0.9),
            faults=random.choices(("lost", "late", "doubled"), k=2),
            random=random,
        )
        self._later(moment.seconds * 2, universe.reconnect)

    def _dawdle(self, moment: Moment) -> None:
        discord = self._universe.discord
        discord.dawdling = drawn = _random(moment)
        self._later(moment.seconds * 3, lambda: _unless(discord, "dawdling", drawn))

    def _forbid(self, moment: Moment) -> None:
        forbidden = self._universe.discord.forbidden
        forbidden.add(moment.where)
        self._later(moment.seconds * 10, lambda: forbidden.discard(moment.where))

    def _uninvite(self, moment: Moment) -> None:
        self._universe.discord.guilds[moment.where].present = False
        self._later(moment.seconds, lambda: self._invite(moment.where))

    def _invite(self, guild_id: str) -> None:
        self._universe.discord.guilds[guild_id].present = True
        self._universe.gateway.tell("invited", guild_id, "")

    def _clock_steps(self, moment: Moment) -> None:
        """Put one of the three clocks wrong, unless one is: two that agree are believed."""
        process = self._chosen(moment)
        universe, random = self._universe, _random(moment)
        if process is None or universe.timeline.now < self._clocks_right_at:
            return
        machines: tuple[Any, ...] = (universe.server, universe.discord, process.clocks)
        if universe.beside:  # one clock, and Discord's is followed if it is wrong
            machines = (universe.machine_beside,)
        machine = random.choice(machines)
        seconds = 60 + moment.seconds * 20
        rest = REST_BESIDE if universe.beside else RECOVERED
        self._clocks_right_at = universe.timeline.now + seconds + rest
        step = random.choice((-21_600, -3_600, -60, 60, 3_600, 7_200))
        universe.trace.note(universe.timeline.now, type(machine).__name__, step)
        machine.ahead += step
        self._later(seconds, lambda: setattr(machine, "ahead", machine.ahead - step))


def _random(moment: Moment) -> Random:
    return Random(moment.number)  # noqa: S311 - a plan to be had again, no secret


def _unless(place: object, name: str, drawn: Random) -> None:
    """End what was drawn, unless something else has begun meanwhile."""
    if getattr(place, name) is drawn:
        setattr(place, name, None)
