"""The plan of a run as data: when what happens, drawn from a seed."""

from collections.abc import Sequence
from random import Random

from msgspec import Struct, structs

from tests.simulation.orders import Order

GUILDS = tuple(f"16000000000000000{n:02}" for n in range(1, 7))
CHANNELS_EACH = 8
ROLES_EACH = 5
PASSING = 4  # the role of each server that may be deleted
PEOPLE_EACH = 60
CALLER = "1400000000000000001"
MODERATOR = "1400000000000000002"
OTHER_BOT = "1400000000000000003"
COMMANDS = {
    "settime": 36,
    "addtime": 16,
    "removetime": 12,
    "pausetime": 6,
    "resumetime": 12,
    "cleartime": 8,
}
LONGEST = 50  # minutes
BY_DM = 0.15
IN_BURSTS = 0.2
BURST = (5, 30)  # commands of one kind that are given together
SPREADS = (0.0, 0.1)  # seconds from one to the next
AFTERMATH = 0.12  # of all commands are followed at once by another one on the same timer
RARE = 0.08  # of all commands are about a role that may be deleted
UNNAMED = 0.2  # of the commands that change a timer leave open which one is meant
TWICE = 0.06  # of all interactions are taken by two processes


class Moment(Struct, frozen=True, kw_only=True):
    """Something that happens *at* some seconds after the start, for *seconds* where it lasts.

    *number* seeds what is drawn while it lasts, and chooses.
    """

    at: float
    kind: str
    seconds: float = 0.0
    number: int = 0
    where: str = ""
    who: str = ""
    role: str = ""
    order: Order | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """A run: its seed, and all that happens in it.

    *late*: Discord may do work late; *beside*: the database is on the machine of the bot.
    """

    seed: int
    moments: Sequence[Moment]
    seconds: float
    processes: int = 2
    late: bool = False
    beside: bool = False


class Shape(Struct, frozen=True, kw_only=True):
    """How much happens in a run, and how often each kind comes round among the trouble.

    *pause*: seconds between two commands, or two bursts of them. *late*: Discord may do work late.
    *wide*: roles are deleted, and the database of some seeds is on the machine of the bot.
    """

    seconds: float
    pause: float
    late: bool = False
    trouble_every: float
    round: dict[str, int]
    wide: bool = False


def role_of(guild_id: str, number: int) -> str:
    """Name a role of a server."""
    return f"17{guild_id[-2:]}00000000000000{number:01}"


ROLE_NAMES = {
    role_of(guild_id, number): f"Role {number}"
    for guild_id in GUILDS
    for number in range(ROLES_EACH)
}


def channel_of(guild_id: str, number: int) -> str:
    """Name a channel of a server."""
    return f"19{guild_id[-2:]}00000000000000{number:01}"


def person_of(number: int) -> str:
    """Name a person."""
    return f"15{number:017}"


def people_of(guild_id: str) -> list[str]:
    """List the members of a server; some are members of the next one, too."""
    first = (int(guild_id[-2:]) - 1) * PEOPLE_EACH // 2 * 2
    return [person_of(first + n) for n in range(PEOPLE_EACH + 6)]


def plan(seed: int, shape: Shape) -> Plan:
    """Draw a run."""
    moments = [
        *_commands(_seeded(seed, "people"), shape),
        *_trouble(_seeded(seed, "trouble"), shape),
    ]
    return Plan(
        seed=seed,
        moments=sorted(moments, key=lambda moment: moment.at),
        seconds=shape.seconds,
        late=shape.late,
        processes=1 if seed % 7 == 3 else 2,
        beside=shape.wide and seed % 3 == 2,
    )


def _seeded(seed: int, what: str) -> Random:
    return Random(f"{seed} {what}")  # noqa: S311 - a plan to be had again, no secret


def _commands(random: Random, shape: Shape) -> list[Moment]:
    asked: list[tuple[float, Order]] = []
    at = 5.0
    while at < shape.seconds:
        size = random.randint(*BURST) if random.random() < IN_BURSTS else 1
        name = random.choices(list(COMMANDS), list(COMMANDS.values()))[0]
        minutes = round(random.triangular(1, LONGEST, 30))
        spread = random.choice(SPREADS) * size
        for _ in range(size):
            order = _order(random, name, minutes)
            asked.append((at + random.uniform(0, spread), order))
            if random.random() < AFTERMATH:
                later = at + random.uniform(0.01, 4) * random.choice((0.1, 1, 10))
                asked.append((later, _changed(random, order)))
        at += random.expovariate(1 / shape.pause)
    return [_command(random, *one, number, wide=shape.wide) for number, one in enumerate(asked)]


def _command(random: Random, at: float, order: Order, number: int, *, wide: bool) -> Moment:
    twice = 1 if random.random() < TWICE else 0
    unnamed = order.name != "settime" and random.random() < UNNAMED
    order = structs.replace(order, command_id=f"2{number:018}", unnamed=unnamed)
    if wide and random.random() < RARE:
        order = structs.replace(order, role_id=role_of(order.guild_id, PASSING))
    return Moment(at=at, kind="command", order=order, number=random.randrange(1 << 30) * 2 + twice)


def _order(random: Random, name: str, minutes: int) -> Order:
    guild_id = random.choice(GUILDS)
    by_dm = random.random() < BY_DM
    return Order(
        command_id="",
        name=name,
        guild_id=guild_id,
        user_id=random.choice(people_of(guild_id)),
        role_id=_role(random, guild_id),
        caller_id=CALLER,
        minutes=minutes,
        channel_id=None if by_dm else channel_of(guild_id, random.randrange(CHANNELS_EACH)),
    )


def _changed(random: Random, order: Order) -> Order:
    """Have the caller change their mind."""
    name = random.choice(("cleartime", "settime", "addtime", "removetime"))
    return structs.replace(order, name=name, minutes=random.randint(1, LONGEST))


def _role(random: Random, guild_id: str) -> str:
    return role_of(guild_id, random.randrange(PASSING))


def _trouble(random: Random, shape: Shape) -> list[Moment]:
    moments: list[Moment] = []
    left: list[str] = []
    at = 60.0
    while at < shape.seconds:
        if not left:
            left = [kind for kind, times in shape.round.items() for _ in range(times)]
            random.shuffle(left)
        moments.append(_moment(random, left.pop(), at))
        at += random.uniform(0.3, 1.7) * shape.trouble_every
    return moments


def _moment(random: Random, kind: str, at: float) -> Moment:
    guild_id = random.choice(GUILDS)
    return Moment(
        at=at,
        kind=kind,
        seconds=max(0.5, random.random() ** 2 * 90),  # mostly short
        number=random.randrange(1 << 30),
        where=guild_id,
        who=random.choice(people_of(guild_id)),
        role=_role(random, guild_id),
    )
