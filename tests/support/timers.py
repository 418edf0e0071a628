"""What tests of the write side share: ids, origins, and a handler over a database."""

from itertools import count

from boostmon.commands.handler import CommandHandler, Origin
from boostmon.database.connections.pool import Database
from boostmon.events.store import EventStore
from boostmon.events.timer import TimerId

GUILD = "1100000000000000001"
ACTOR = "1100000000000000002"
CHANNEL = "1100000000000000003"
ROLE = "1100000000000000004"
M = (60, 10, 1)

_numbers = count(1)


def fresh_timer(role_id: str = ROLE, guild_id: str = GUILD) -> TimerId:
    """Name a timer of a member who had none before."""
    return TimerId(guild_id, str(1_200_000_000_000_000_000 + next(_numbers)), role_id)


def slash(command_id: str | None = None) -> Origin:
    """Stand for a slash command that was not given before."""
    number = command_id or str(1_300_000_000_000_000_000 + next(_numbers))
    return Origin(command_id=number, source="slash", actor_id=ACTOR)


def handler_over(database: Database) -> CommandHandler:
    """Make the write side of a process of its own."""
    return CommandHandler(EventStore(database))
