"""Lists where in Discord there are timers: roles and channels of notices, server by server."""

from collections import Counter

from asyncpg import Connection
from msgspec import Struct, field

from boostmon.projections.sql import statement


class Timed(Struct, frozen=True):
    """How many timers each role and each channel of one server has."""

    roles: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)


async def timed_places(connection: Connection) -> dict[str, Timed]:
    """Return what has timers, by server."""
    places: dict[str, Timed] = {}
    for row in await connection.fetch(statement("timed_places")):
        timed = places.setdefault(row["guild_id"], Timed())
        timed.roles[row["role_id"]] += row["timers"]
        if row["channel_id"] is not None:
            timed.channels[row["channel_id"]] += row["timers"]
    return places
