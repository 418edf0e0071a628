"""The load: what people ask of the bot, planned from a seed."""

from collections.abc import Iterator
from random import Random

from msgspec import Struct

from boostmon.sandbox.world.errors import ApiError, ControlError
from tests.chaos.world import CHANNELS, PEOPLE, ROLES, SERVERS, World

COMMANDS = {
    "settime": 36,
    "addtime": 16,
    "removetime": 14,
    "pausetime": 10,
    "resumetime": 12,
    "cleartime": 12,
}
WITH_DURATION = ("settime", "addtime", "removetime")
LONGEST = 15  # minutes of timer time
LONGEST_IN_LIFE = 2  # minutes of everybody's time
TWICE = 0.1  # of all commands are delivered twice
BY_DM = 0.2  # of all timers have no channel
PATIENT = 0.3  # of all durations are so long that much happens meanwhile
TIMES_LONGER = 16
QUICK = 0.2  # of all ends are followed at once by a new timer


class Order(Struct, frozen=True, kw_only=True):
    """One command, *at* some seconds after the start."""

    at: float
    server: str
    name: str
    options: dict[str, str]
    deliveries: int = 1


def orders(
    random: Random, seconds: float, per_second: float, longest: int = LONGEST
) -> list[Order]:
    """Plan the commands of a run."""
    planned: list[Order] = []
    at = 0.0
    while at < seconds:
        planned += _next(random, at, longest)
        at += random.expovariate(per_second)
    return sorted(planned, key=lambda order: order.at)


def _next(random: Random, at: float, longest: int) -> Iterator[Order]:
    """Give a command, and at times one that follows on its heels."""
    server, user, role = random.choice(SERVERS), random.choice(PEOPLE), random.choice(ROLES)
    name = random.choices(list(COMMANDS), list(COMMANDS.values()))[0]
    options = _options(random, name, user, role, longest)
    deliveries = 2 if random.random() < TWICE else 1
    yield Order(at=at, server=server, name=name, options=options, deliveries=deliveries)
    if name == "cleartime" or random.random() < QUICK:
        later = at + random.uniform(0.05, 3)
        follower = "cleartime" if name == "settime" else "settime"
        options = _options(random, follower, user, role, longest)
        yield Order(at=later, server=server, name=follower, options=options)


def _options(random: Random, name: str, user: str, role: str, longest: int) -> dict[str, str]:
    options = {"user": user, "role": role}
    if name in WITH_DURATION:
        times = TIMES_LONGER if random.random() < PATIENT else 1
        options["duration"] = str(random.randint(1, longest * times))
    if name == "settime" and random.random() >= BY_DM:
        options["channel"] = random.choice(CHANNELS)
    return options


def give(world: World, order: Order) -> bool:
    """Give the command; False when Discord itself does not offer it at the moment."""
    try:
        world.command(order.server, order.name, order.deliveries, **order.options)
    except (ControlError, ApiError):
        return False
    return True
