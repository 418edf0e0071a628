"""A server with many members, and timers of theirs that have ended or are about to."""

from collections.abc import Iterable, Sequence
from typing import Any

from boostmon.commands.handler import Origin, piece
from boostmon.database.connections.pool import Database
from boostmon.events.store import EventStore, History
from boostmon.events.timer import Expired, TimerId, TimerSet
from tests.support.sandbox_client import Client

PAGE = 500
OWNER = "olga"
PERMISSIONS = ["MANAGE_ROLES", "VIEW_CHANNEL", "SEND_MESSAGES"]


def crowd(members: int, *, holding: Sequence[str] = ()) -> dict[str, Any]:
    """Return a world in which *members* hold roles; the bot stands below High."""
    users = names(members)
    roles = [{"name": name} for name in ("Low", "Lower", "Mid")]
    own = {"name": "BoostMon", "bot": "BoostMon", "permissions": PERMISSIONS}
    server = {
        "name": "Crowd",
        "owner": OWNER,
        "roles": [*roles, own, {"name": "High"}],
        "members": [{"user": user, "roles": list(holding)} for user in users],
        "channels": [{"name": "general"}],
    }
    return {
        "bots": [{"name": "BoostMon", "owner": OWNER}],
        "users": [{"name": name} for name in (OWNER, *users)],
        "guilds": [server],
    }


def names(members: int) -> list[str]:
    """Name the members."""
    return [f"m{number}" for number in range(members)]


def timers(client: Client, users: Iterable[str], role: str) -> list[TimerId]:
    """Name a timer of *role* for each of *users*."""
    return [TimerId(client.ids["guild"], client.user(user), client.role(role)) for user in users]


async def run_on(database: Database, of: Sequence[TimerId], *, now: int, ms: int) -> None:
    """Let timers run for *ms* more; their members hold the roles already."""
    for start in range(0, len(of), PAGE):
        pieces = [
            piece(
                History(timer, None),
                [TimerSet(now, ms, now + ms, (), None)],
                Origin(command_id=f"set:{timer.user_id}:{timer.role_id}", source="import"),
            )
            for timer in of[start : start + PAGE]
        ]
        await EventStore(database).append(*pieces)


async def end(
    database: Database, of: Sequence[TimerId], *, now: int, channel_id: str | None = None
) -> None:
    """Let timers end, as the sweeper does: their roles are to be taken."""
    store = EventStore(database)
    for start in range(0, len(of), PAGE):
        page = of[start : start + PAGE]
        histories = [await store.read(timer) for timer in page]
        pieces = [
            piece(
                history,
                [Expired(now, channel_id)],
                Origin(command_id=f"end:{timer.user_id}:{timer.role_id}", source="sweeper"),
            )
            for timer, history in zip(page, histories, strict=True)
        ]
        await store.append(*pieces)
