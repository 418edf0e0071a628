"""What is urgent: what a person waits for, and nothing else."""

import asyncpg
import pytest

from boostmon.commands.decider import SetTime
from boostmon.commands.handler import Origin
from boostmon.database.connections.pool import Database
from boostmon.events.append import Source
from boostmon.events.timer import HOUR
from boostmon.projections.effects.queue import OwedEffects
from tests.support.timers import ACTOR, M, fresh_timer, handler_over


@pytest.mark.parametrize(
    ("source", "state", "attempts", "ago", "urgent"),
    [
        ("slash", "owed", 0, "0 s", True),
        ("slash", "owed", 0, "1 hour", True),  # nobody was told anything of it yet
        ("slash", "owed", 1, "5 s", True),  # the reply waits for a second attempt, too
        ("slash", "owed", 1, "16 s", False),
        ("slash", "stuck", 1, "5 s", False),  # who gave the command was told the remedy
        ("slash", "stuck", 0, "0 s", False),
        ("sweeper", "owed", 0, "0 s", False),
        ("discord", "owed", 0, "0 s", False),
        ("import", "owed", 0, "0 s", False),
        ("cli", "owed", 0, "0 s", False),
    ],
)
async def test_urgent_is_what_a_slash_command_waits_for(
    database: Database,
    owner: asyncpg.Connection,
    *,
    source: Source,
    state: str,
    attempts: int,
    ago: str,
    urgent: bool,
) -> None:
    origin = Origin(command_id="1", source=source, actor_id=ACTOR if source == "slash" else None)
    await handler_over(database).handle(fresh_timer(), SetTime(0, HOUR, M), origin)
    await owner.execute(
        "INSERT INTO effects (position, kind, stream_id, due_at)"
        " SELECT position, 'give_role', stream_id, now() FROM events ON CONFLICT DO NOTHING"
    )
    await owner.execute("UPDATE effects SET state = $1, attempts = $2", state, attempts)
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await owner.execute("UPDATE events SET recorded_at = now() - $1::text::interval", ago)
    owed = OwedEffects(database)

    _, everything = await owed.all()

    assert [urgent] == [each.urgent for each in everything]
    assert [urgent] == [each.urgent for each in await owed.of_streams([1])]
