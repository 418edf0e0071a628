"""Which Python function stands for which SQL statement."""

from collections.abc import Callable
from typing import Any

from boostmon.database.clocks.clock import ASK
from boostmon.events import sql as of_events
from boostmon.projections import sql as of_projections
from tests.simulation import reading_twins, settling_twins, standing_twins
from tests.simulation.append_twin import append_batch, append_event, move_stream

Twin = Callable[..., list[dict[str, Any]]]

EVENTS: dict[str, Twin] = {
    "append_event": append_event,
    "append_batch": append_batch,
    "move_stream": move_stream,
    "read": reading_twins.read,
    "timer_of_command": reading_twins.timer_of_command,
}
READING = (
    "head",
    "due",
    "next_due_at",
    "open_effects",
    "open_effects_since",
    "owed_effect",
    "effects_of_event",
    "receipted",
    "direct_channel",
    "of_member",
    "timed_roles",
    "timers_of_role",
    "open_effects_of_streams",
    "look_at_lease",
    "to_open",
)
SETTLING = (
    "attempt_effect",
    "close_effect",
    "postpone_effect",
    "supersede_effects",
    "hold_effects",
    "close_effects",
    "take_opening",
    "close_openings",
    "tell_put_off",
    "close_old_notices",
    "hasten_effects",
    "claim_lease",
    "release_lease",
    "note_direct_channel",
)
STANDINGS = (
    "standings",
    "reopen_effect",
    "owe_nothing",
    "confirm_take",
    "doubt_effect",
    "owe_roles",
    "members_in_doubt",
    "looked",
    "put_off_looks",
    "note_difference",
    "decide_differences",
    "undecided",
    "tell_all",
    "servers_with_timers",
    "members_with_timers",
)
PROJECTIONS: dict[str, Twin] = {
    **{name: getattr(reading_twins, name) for name in READING},
    **{name: getattr(settling_twins, name) for name in SETTLING},
    **{name: getattr(standing_twins, name) for name in STANDINGS},
}


def twins() -> dict[str, Twin]:
    """Return the function that stands for each statement, by its text."""
    return {
        ASK: reading_twins.clock,
        **{of_events.statement(name): twin for name, twin in EVENTS.items()},
        **{of_projections.statement(name): twin for name, twin in PROJECTIONS.items()},
    }


def reads() -> frozenset[str]:
    """Return the statements that change nothing, by their text."""
    statements = map(of_projections.statement, READING)
    return frozenset((ASK, of_events.statement("read"), *statements))
