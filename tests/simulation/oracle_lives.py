"""No life of a timer ends but by its end, a command or evidence."""

from collections.abc import Iterator

import msgspec

from tests.simulation.discord import Discord
from tests.simulation.oracle import Violation
from tests.simulation.tables import Event, Stream
from tests.simulation.universe import Universe

EARLY = 7.0  # seconds; clocks that agree within five are followed


class Facts(msgspec.Struct):
    """What an event's document says of the countdown."""

    type: str
    at: int
    duration_ms: int = 0
    expires_at: int | None = None
    reason: str = "asked"
    added: bool = False


class Life(msgspec.Struct):
    """A timer by the true time: its *end* while it runs, else what is *left*; when it *began*."""

    end: float | None = None
    left: float = 0.0
    began: float = 0.0

    @property
    def runs(self) -> bool:
        """Whether there is a life."""
        return self.end is not None or self.left > 0


_decoder = msgspec.json.Decoder(Facts)


def ends(universe: Universe) -> Iterator[Violation]:
    """Follow every timer by the true time, and look at how each life ended."""
    for stream in universe.server.tables.streams.values():
        yield from _lives(universe, stream)


def _lives(universe: Universe, stream: Stream) -> Iterator[Violation]:
    life = Life()
    for event in stream.events:
        facts = _decoder.decode(event.data)
        now = _began(universe, event, facts.type)
        match facts.type, event.source:
            case "Expired", "sweeper":
                if life.end is None or now < life.end - EARLY:
                    yield _early(stream, event, life.end, now)
            case "Cleared", "discord":
                yield from _evidence(universe.discord, stream, event, facts.reason, life.began)
        _live(life, facts, now)


def _live(life: Life, facts: Facts, now: float) -> None:
    """Take in what an event means by the true time."""
    duration, end = facts.duration_ms / 1000, life.end
    match facts.type:
        case "TimerSet":
            life.began = life.began if life.runs else now
            life.end, life.left = now + duration, 0.0
        case "TimeAdded" if end is not None:
            life.end = max(end, now) + duration
        case "TimeAdded":
            life.left += duration
        case "TimeRemoved" if end is not None:
            life.end = end - duration
        case "TimeRemoved":
            life.left -= duration
        case "Paused" if end is not None:
            life.end, life.left = None, end - now
        case "Resumed":
            life.end, life.left = now + life.left, 0.0
        case "Expired" | "Cleared":
            life.end, life.left = None, 0.0


def _began(universe: Universe, event: Event, kind: str) -> float:
    """Return from when on an event counts, by the true time.

    A countdown begins when it is recorded, and what is recorded was decided when it was sent; what
    stops one counts from when it was asked for.
    """
    word = universe.book.words.get(event.command_id)
    if kind == "Paused" and word:
        return max(at for at in word.served_at if at <= event.true_at)
    return event.sent_at


def _early(stream: Stream, event: Event, end: float | None, now: float) -> Violation:
    early = "while it was paused" if end is None else f"{end - now:.1f} s early"
    return Violation("lost", f"timer {stream.number} has ended at {event.position} {early}")


def _evidence(
    discord: Discord, stream: Stream, event: Event, reason: str, began: float
) -> Iterator[Violation]:
    """Look whether what Discord is said to have done was done, in this life."""
    place = (stream.guild_id, stream.user_id, stream.role_id)
    if reason == "role_deleted":
        if stream.role_id in discord.guilds[stream.guild_id].roles:
            yield Violation("lost", f"timer {stream.number}: its role was never deleted")
        return
    turns = discord.turns.get(place, [])
    by_hand = [t for t in turns if not t.held and t.by not in ("bot", "left", "deleted")]
    before = [turn for turn in turns if turn.at <= event.true_at]
    given_again = bool(before) and before[-1].held and before[-1].by == "bot"
    if given_again or not any(began - 1 <= turn.at for turn in by_hand):
        said = f"timer {stream.number} was cleared as {reason} at {event.position}: nobody did that"
        yield Violation("lost", said)
