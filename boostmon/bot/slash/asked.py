"""A slash command as values: what was asked, of which timer, and the command it becomes."""

from msgspec import Struct

from boostmon.bot.servers.guards import Action
from boostmon.commands.decider import (
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    TimerCommand,
)
from boostmon.commands.handler import Origin
from boostmon.events.timer import TimerId
from boostmon.projections.role_timers import TimerRow


class Asked(Struct, frozen=True, kw_only=True):
    """What a caller wants at *now*; *role_id* is None until it is known which timer is meant.

    *here* tells whether the user is in the server, *held* whether they had the role when asked,
    *chosen* whether this is the answer to a menu, which may have been shown long ago. In
    *closed_channel_id* nothing can be posted, as far as the gateway has told.
    """

    action: Action
    now: int
    command_id: str
    guild_id: str
    caller_id: str
    user_id: str
    role_id: str | None = None
    duration_ms: int = 0
    starts: bool = False
    warn_channel_id: str | None = None
    closed_channel_id: str | None = None
    here: bool = True
    held: bool = False
    chosen: bool = False
    notes: tuple[str, ...] = ()

    @property
    def origin(self) -> Origin:
        """Where the command comes from; the same interaction counts once."""
        return Origin(command_id=self.command_id, source="slash", actor_id=self.caller_id)


def timer_of(asked: Asked, role_id: str) -> TimerId:
    """Return the timer that is meant."""
    return TimerId(asked.guild_id, asked.user_id, role_id)


def command(asked: Asked, warning_minutes: tuple[int, ...]) -> TimerCommand:
    """Return the command that was *asked*."""
    now = asked.now
    match asked.action:
        case "set":
            return SetTime(now, asked.duration_ms, warning_minutes, asked.warn_channel_id)
        case "add":
            return AddTime(now, asked.duration_ms, warning_minutes, asked.starts)
        case "remove":
            return RemoveTime(now, asked.duration_ms, warning_minutes)
        case "pause":
            return Pause(now)
        case "resume":
            return Resume(now, warning_minutes)
        case "clear":
            return Clear(now)


def applies(asked: Asked, row: TimerRow) -> bool:
    """Tell whether *row* can be meant when no role is named."""
    match asked.action:
        case "pause":
            return not row.paused
        case "resume":
            return row.paused
        case "set" | "add" | "remove" | "clear":
            return True
