"""What people and other bots do, as moments of a plan: commands, and roles given by hand."""

from collections.abc import Callable
from random import Random

from tests.simulation.book import Word
from tests.simulation.discord import Place
from tests.simulation.gateway import GatewayWeather
from tests.simulation.orders import Order
from tests.simulation.plan import CALLER, MODERATOR, OTHER_BOT, PASSING, Moment, role_of
from tests.simulation.rest import MEMBER, ROLE
from tests.simulation.universe import Universe
from tests.simulation.weather import Weather

MOST = 0.9


class Doings:
    """Lets people do what a plan says."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self.acts: dict[str, Callable[[Moment], None]] = {
            "command": self._command,
            "leave": self._leave,
            "leave and get a role": self._leave_and_get,
            "taken by hand": self._taken,
            "taken and set again": self._taken_and_set,
            "set and cleared in fog": self._set_and_cleared,
            "cleared and set in fog": self._cleared_and_set,
            "given by hand": self._given,
            "many taken": self._many_taken,
            "role deleted": self._role_deleted,
            "held back decided": self._decided,
        }

    def _command(self, moment: Moment) -> None:
        assert moment.order is not None
        self._ask(moment.order, moment.number)

    def _ask(self, order: Order, number: int) -> None:
        """Give a command, to one of the processes or to two."""
        universe = self._universe
        guild = universe.discord.guilds[order.guild_id]
        there = guild.members[order.user_id].present and order.role_id in guild.roles
        listening = [p for p in universe.processes if p.turns]
        if not there or not listening or guild.unavailable:
            return
        universe.book.words[order.command_id] = Word(order)
        twice, made_at = number % 2, round(universe.discord.clock() * 1000)
        for n in range(1 + twice):
            listening[(number // 2 + n) % len(listening)].serve(order, made_at)

    def _leave(self, moment: Moment) -> None:
        discord = self._universe.discord
        discord.leave(moment.where, moment.who)
        self._later(moment.seconds, lambda: discord.join(moment.where, moment.who))

    def _leave_and_get(self, moment: Moment) -> None:
        discord, place = self._universe.discord, (moment.where, moment.who, moment.role)
        discord.leave(moment.where, moment.who)
        self._later(moment.seconds, lambda: discord.join(moment.where, moment.who))
        soon = moment.seconds + (moment.number % 40) / 10
        self._later(soon, lambda: self._give(place, OTHER_BOT))

    def _taken(self, moment: Moment) -> None:
        """Take a role from somebody who holds it, with or without a timer."""
        if place := self._holder(moment):
            self._universe.discord.turn(place, held=False, by=MODERATOR)

    def _given(self, moment: Moment) -> None:
        self._give((moment.where, moment.who, moment.role), MODERATOR)

    def _give(self, place: tuple[str, str, str], by: str) -> None:
        discord = self._universe.discord
        guild_id, user_id, role_id = place
        guild = discord.guilds[guild_id]
        if guild.members[user_id].present and role_id in guild.roles:
            discord.turn(place, held=True, by=by)

    def _role_deleted(self, moment: Moment) -> None:
        """Delete the role that is there for that."""
        self._universe.discord.delete_role(moment.where, role_of(moment.where, PASSING))

    def _many_taken(self, moment: Moment) -> None:
        """Take all roles from most members of a server, as a bot that went wrong does."""
        discord, random = self._universe.discord, _random(moment)
        for member in discord.guilds[moment.where].members.values():
            for role_id in sorted(member.roles):
                if random.random() < MOST:
                    place = (moment.where, member.user_id, role_id)
                    discord.turn(place, held=False, by=OTHER_BOT)

    def _decided(self, moment: Moment) -> None:
        """Decide what is held back, in a server, as somebody at the command line does."""
        processes = [p for p in self._universe.processes if p.turns]
        if processes:
            process = processes[moment.number % len(processes)]
            process.resolve(moment.where, ends=moment.number % 2 == 0)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._universe.timeline.after(seconds, act)

    def _taken_and_set(self, moment: Moment) -> None:
        """Take a role, and set a timer anew while old answers are on their way."""
        place, random = self._holder(moment), _random(moment)
        if place is None:
            return
        self._bad_weather(random, MEMBER, ("slow",), seconds=15)
        self._universe.discord.turn(place, held=False, by=MODERATOR)
        self._later(random.uniform(4.8, 8), lambda: self._order("settime", place, moment.number))

    def _set_and_cleared(self, moment: Moment) -> None:
        """Set a timer and clear it, while Discord works late and nothing is heard of it."""
        place = (moment.where, moment.who, moment.role)
        self._in_fog(moment, place, "settime", "cleartime")

    def _cleared_and_set(self, moment: Moment) -> None:
        """Clear a timer and set it anew, while Discord works late and nothing is heard of it."""
        if place := self._holder(moment):
            self._in_fog(moment, place, "cleartime", "settime")

    def _in_fog(self, moment: Moment, place: Place, first: str, second: str) -> None:
        random, universe = _random(moment), self._universe
        self._bad_weather(random, ROLE, ("late", "hang"), seconds=random.uniform(1, 8))
        universe.gateway.weather = GatewayWeather(
            until=universe.timeline.now + 40, chance=0.9, faults=("lost",), random=random
        )
        self._later(40, universe.reconnect)
        self._order(first, place, moment.number)
        later = random.uniform(0.1, 12)
        self._later(later, lambda: self._order(second, place, moment.number + 1))

    def _bad_weather(
        self, random: Random, path: str, faults: tuple[str, ...], *, seconds: float
    ) -> None:
        until = self._universe.timeline.now + seconds
        weather = Weather(until=until, chance=0.9, faults=faults, random=random, path=path)
        self._universe.wire.weather.insert(0, weather)

    def _order(self, name: str, place: Place, number: int) -> None:
        guild_id, user_id, role_id = place
        order = Order(
            command_id=f"3{number:018}",
            name=name,
            guild_id=guild_id,
            user_id=user_id,
            role_id=role_id,
            caller_id=CALLER,
            minutes=number % 60 + 1,
        )
        self._ask(order, number // 2 * 2)

    def _holder(self, moment: Moment) -> Place | None:
        """Choose somebody who holds a role, for a timer or otherwise."""
        members = self._universe.discord.guilds[moment.where].members.values()
        holders = [member for member in members if moment.role in member.roles]
        if not holders:
            return None
        return moment.where, holders[moment.number % len(holders)].user_id, moment.role


def _random(moment: Moment) -> Random:
    return Random(moment.number)  # noqa: S311 - a plan to be had again, no secret
