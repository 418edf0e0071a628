"""What the log, the effects and Discord show when it is over."""

from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from msgspec import Struct

from tests.chaos.steps import SteppedClock
from tests.chaos.world import Json, Mark, World

EVENTS = """
SELECT log.position, log.guild_id, log.user_id, log.role_id, log.type, log.command_id,
    log.metadata ->> 'source' AS source, log.recorded_at,
    (log.data ->> 'at')::bigint AS decided_at, (log.data ->> 'expires_at')::bigint AS expires_at
FROM event_log AS log ORDER BY log.position
"""
EFFECTS = """
SELECT position, kind, state, attempts, last_error, receipt FROM effects ORDER BY position, kind
"""
OPEN = ("do not repeat it", "look with `/timeleft`")  # said when the outcome is not known

Timer = tuple[str, str, str]


class Event(Struct, frozen=True, kw_only=True):
    """An event of the log."""

    position: int
    timer: Timer
    type: str
    command_id: str
    source: str
    recorded_at: datetime
    decided_at: int = 0
    expires_at: int | None = None


class Effect(Struct, frozen=True, kw_only=True):
    """What Discord was owed, and what became of it."""

    position: int
    kind: str
    state: str
    attempts: int
    last_error: str | None
    receipt: dict[str, str]


class Evidence:
    """All that the log, the effects and Discord show."""

    def __init__(
        self, events: list[Event], effects: list[Effect], world: World, clock: SteppedClock
    ) -> None:
        self.events, self.effects, self._clock = events, effects, clock
        self.by_position = {event.position: event for event in events}
        self.state = world.state()
        self.bot_id, self.left, self.given = world.bot_id, world.left, world.given
        self._roles = {r["id"]: r["name"] for g in self.state["guilds"] for r in g["roles"]}

    def at(self, event: Event) -> float:
        """Return when *event* was recorded, at the earliest, by this machine's clock."""
        return self._clock.told_at(event.recorded_at.timestamp())

    def apart(self, event: Event, moment_ms: int) -> float:
        """Return by how many seconds a moment lies behind *event*; what nobody can tell is 0."""
        meant = self._clock.meant(event.recorded_at.timestamp())
        return min((at - moment_ms / 1000 for at in meant), key=abs)

    def began(self, effect: Effect) -> float:
        """Return since when *effect* was owed."""
        return self.at(self.by_position[effect.position])

    def mark(self, effect: Effect) -> Mark:
        """Return by what the notice of *effect* is told in Discord."""
        event = self.by_position[effect.position]
        _, user_id, role_id = event.timer
        return Mark(user_id, event.type == "WarningSent", self._roles[role_id])


async def gather(url: str, world: World, clock: SteppedClock) -> Evidence:
    """Read the database at *url*, and look at *world*."""
    connection = await asyncpg.connect(url)
    try:
        events = [_event(row) for row in await connection.fetch(EVENTS)]
        effects = [_effect(row) for row in await connection.fetch(EFFECTS)]
    finally:
        await connection.close()
    return Evidence(events, effects, world, clock)


def acknowledged(interaction: Json) -> bool:
    """Tell whether the caller has seen that the command was carried out."""
    shown = [interaction["message"], *interaction["history"]]
    return any(message and message.get("embeds") for message in shown)


def said(interaction: Json) -> list[str]:
    """List what the caller was told in words at last."""
    shown = [*interaction["followups"], interaction["message"]]
    return [message["content"] for message in shown if message and message["content"]]


def refused(interaction: Json) -> bool:
    """Tell whether the caller was told for certain that nothing was recorded."""
    texts = said(interaction)
    private = interaction["ephemeral"] or interaction["followups"]
    return bool(private and texts) and not any(part in text for text in texts for part in OPEN)


def _event(row: Any) -> Event:
    return Event(
        position=row["position"],
        timer=(row["guild_id"], row["user_id"], row["role_id"]),
        type=row["type"],
        command_id=row["command_id"],
        source=row["source"],
        recorded_at=row["recorded_at"],
        decided_at=row["decided_at"],
        expires_at=row["expires_at"],
    )


def _effect(row: Any) -> Effect:
    receipt = msgspec.json.decode(row["receipt"]) if row["receipt"] else {}
    return Effect(**{**row, "receipt": receipt})
