"""After quiet Discord shows what the log says."""

from collections.abc import Iterator

from tests.simulation.discord import Discord, Turn
from tests.simulation.oracle import Violation
from tests.simulation.tables import Stream
from tests.simulation.universe import Universe

ENDS = ("Expired", "Cleared")


def roles(universe: Universe) -> Iterator[Violation]:
    """Compare every timer with Discord."""
    discord, tables = universe.discord, universe.server.tables
    for stream in tables.streams.values():
        place = (stream.guild_id, stream.user_id, stream.role_id)
        guild = discord.guilds[stream.guild_id]
        lives, held = stream.number in tables.rows, discord.holds(place)
        if stream.role_id not in guild.roles:
            if lives:
                yield Violation("wrong", f"{_name(stream)} lives, and its role was deleted")
        elif lives and not held and guild.members[stream.user_id].present:
            yield Violation("lost", f"{_name(stream)} lives, and its role is gone")
        elif held and not lives and not _was_given_since(discord, stream):
            yield Violation("lost", f"{_name(stream)} has ended, and its role is there")


def _was_given_since(discord: Discord, stream: Stream) -> bool:
    """Tell whether somebody else gave the role after the timer's end."""
    ended = next((e for e in reversed(stream.events) if e.type in ENDS), None)
    last = last_turn(discord, stream)
    if last is None or last.by == "bot":
        return False
    return ended is None or last.at > ended.true_at


def last_turn(discord: Discord, stream: Stream) -> Turn | None:
    """Return the last change of the role of a timer."""
    turns = discord.turns.get((stream.guild_id, stream.user_id, stream.role_id))
    return turns[-1] if turns else None


def _name(stream: Stream) -> str:
    return f"timer {stream.number} ({stream.guild_id} {stream.user_id} {stream.role_id})"
