"""What people ask of the bot, as data."""

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
from boostmon.events.timer import MINUTE, TimerId

WARNINGS = (30, 25, 20, 15, 12, 10, 7, 5, 4, 3, 2, 1)  # minutes

ACTIONS: dict[str, Action] = {
    "settime": "set",
    "addtime": "add",
    "removetime": "remove",
    "pausetime": "pause",
    "resumetime": "resume",
    "cleartime": "clear",
}


class Order(Struct, frozen=True, kw_only=True):
    """One command of a person, with the id of its interaction; *unnamed*: they named no role."""

    command_id: str
    name: str
    guild_id: str
    user_id: str
    role_id: str
    caller_id: str
    minutes: int = 0
    channel_id: str | None = None
    unnamed: bool = False


def timer_of(order: Order) -> TimerId:
    """Return the timer that is meant."""
    return TimerId(order.guild_id, order.user_id, order.role_id)


def command_of(order: Order, now: int) -> TimerCommand:
    """Return the command that is asked for *now*."""
    duration = order.minutes * MINUTE
    match order.name:
        case "settime":
            return SetTime(now, duration, WARNINGS, order.channel_id)
        case "addtime":
            return AddTime(now, duration, WARNINGS, starts=True)
        case "removetime":
            return RemoveTime(now, duration, WARNINGS)
        case "pausetime":
            return Pause(now)
        case "resumetime":
            return Resume(now, WARNINGS)
        case "cleartime":
            return Clear(now)
        case unknown:
            raise ValueError(unknown)
