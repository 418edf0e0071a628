"""The gateway: tells every process of what happens in Discord; late, twice, or not at all."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random

from msgspec import Struct

from boostmon.bot.discord.members import Membership
from boostmon.bot.members.reconciler import Memberships
from tests.simulation.discord import Discord, Entry, Member
from tests.simulation.timeline import EPOCH

QUICKEST, SLOWEST = 0.03, 0.4  # seconds


class News(Struct, frozen=True):
    """Something that the gateway tells, as it was when it happened.

    *who*: a user, or a role; *held*: the roles of a member.
    """

    kind: str
    guild_id: str
    who: str
    held: frozenset[str] = frozenset()
    entry: Entry | None = None


class GatewayWeather(Struct, kw_only=True):
    """Trouble with what is told, *until* some time."""

    until: float
    chance: float
    faults: Sequence[str]
    random: Random


class Gateway:
    """Takes what Discord tells to the ears of the processes."""

    def __init__(self, discord: Discord, random: Random) -> None:
        self._discord = discord
        self._random = random
        self.ears: list[Callable[[News], None]] = []
        self.weather: GatewayWeather | None = None
        self.counts: Counter[str] = Counter()
        self.told = 0
        self.answers = 0
        discord.tell = self.tell

    def tell(self, kind: str, guild_id: str, who: str) -> None:
        """Tell all processes."""
        news = self._news(kind, guild_id, who)
        guild = self._discord.guilds[guild_id]
        if guild.present or kind == "gone":
            for ear in list(self.ears):
                for delay in self._delays():
                    self.told += 1
                    self._discord.timeline.after(delay, lambda ear=ear: ear(news))  # type: ignore[misc]

    def ask_for_members(
        self, guild_id: str, user_ids: list[str], reply: "asyncio.Future[Memberships]"
    ) -> None:
        """Answer with members, as they are when Discord looks."""
        after = self._discord.timeline.after
        delays = self._delays()
        if delays:
            on_the_way = delays[0] / 3
            after(on_the_way, lambda: self._look_up(guild_id, user_ids, reply, 2 * on_the_way))

    def _look_up(
        self, guild_id: str, user_ids: list[str], reply: "asyncio.Future[Memberships]", delay: float
    ) -> None:
        members = self._discord.guilds[guild_id].members
        found = [members[user_id] for user_id in user_ids if members[user_id].present]
        seen = {member.user_id: _membership(member) for member in found}
        self.answers += 1
        self._discord.timeline.after(
            delay, lambda: None if reply.done() else reply.set_result(seen)
        )

    def _news(self, kind: str, guild_id: str, who: str) -> News:
        if kind == "member":
            held = frozenset(self._discord.guilds[guild_id].members[who].roles)
            return News(kind, guild_id, who, held=held)
        if kind == "entry":
            return News(kind, guild_id, who, entry=self._discord.entries[guild_id, who][-1])
        return News(kind, guild_id, who)

    def _delays(self) -> list[float]:
        """Return after how long it is told, each time that it is."""
        usual = QUICKEST + self._random.random() ** 2 * (SLOWEST - QUICKEST)
        weather = self.weather
        if weather is None or weather.until <= self._discord.timeline.now:
            return [usual]
        random = weather.random
        if random.random() >= weather.chance:
            return [usual]
        fault = random.choice(weather.faults)
        self.counts[f"news {fault}"] += 1
        match fault:
            case "lost":
                return []
            case "late":
                return [random.uniform(1, 60)]
            case "doubled":
                return [usual, random.uniform(0.1, 30)]
            case _:
                raise ValueError(fault)


def _membership(member: Member) -> Membership:
    joined_at = datetime.fromtimestamp(EPOCH + member.joined_at, UTC)
    return Membership(frozenset(member.roles), joined_at)
