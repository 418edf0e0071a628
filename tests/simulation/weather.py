"""What goes wrong on the way to Discord and back: drawn for each request while it lasts."""

from collections.abc import Sequence
from random import Random

from msgspec import Struct

FAULTS = ("5xx before", "5xx after", "lost before", "lost after", "hang", "slow", "429")


class Weather(Struct, kw_only=True):
    """Trouble *until* some time: one of *faults* for each request (to *path*), with *chance*."""

    until: float
    chance: float
    faults: Sequence[str]
    random: Random
    path: str = ""


class Fate(Struct, frozen=True, kw_only=True):
    """What becomes of one request; times in seconds, None for never.

    It is counted when it arrives, takes effect at *acts_after*, and its answer, as of *told_after*,
    is here at *answered_after*.
    """

    acts_after: float | None
    answered_after: float | None
    status: int | None = None
    name: str = ""


def usual(random: Random) -> Fate:
    """Draw a fate without a fault."""
    seconds = 0.02 + random.random() * 0.15
    return Fate(acts_after=seconds / 2, answered_after=seconds)


def hurt(weather: Weather, *, late: bool, rarely: bool = False) -> Fate | None:
    """Draw the fate of a request; None: nothing befalls it. *late*: work may be done late."""
    random = weather.random
    if random.random() >= (weather.chance / 4 if rarely else weather.chance):
        return None
    name = random.choice(weather.faults)
    soon, status = 0.05 + random.random() * 0.1, random.choice((500, 502, 503))
    match name:
        case "5xx before":
            return Fate(acts_after=None, answered_after=soon, status=status, name=name)
        case "5xx after":
            return Fate(acts_after=soon / 2, answered_after=soon, status=status, name=name)
        case "lost before":
            return Fate(acts_after=None, answered_after=soon, status=0, name=name)
        case "lost after":
            return Fate(acts_after=soon / 2, answered_after=soon, status=0, name=name)
        case "hang":
            acts = random.choice((None, soon, random.uniform(9, 25) if late else soon))
            return Fate(acts_after=acts, answered_after=None, name=name)
        case "late":
            acts = random.choice((random.uniform(1, 7), random.uniform(9, 25)))
            return Fate(acts_after=acts, answered_after=soon, status=503, name=name)
        case "slow":
            answered = 0.5 + random.random() * 7
            return Fate(acts_after=soon, answered_after=answered, name=name)
        case "429":
            return Fate(acts_after=None, answered_after=soon, status=429, name=name)
        case _:
            raise ValueError(name)
