"""Outcomes of commands and effects, as the logs and the metrics name them."""

from typing import Literal

from msgspec import Struct

from boostmon.bot.discord.refusals import (
    Directly,
    Final,
    Later,
    Over,
    Passing,
    Receipt,
    Stuck,
    Verdict,
)
from boostmon.commands.handler import Handled
from boostmon.errors import BoostmonError, DatabaseUnavailableError, RejectedError
from boostmon.events.timer import TimerId

COMMANDS = (
    "settime",
    "addtime",
    "removetime",
    "pausetime",
    "resumetime",
    "cleartime",
    "timeleft",
)

CommandOutcome = Literal[
    "recorded",  # the log has it
    "unchanged",  # there was nothing to record
    "answered",  # a question, which records nothing
    "asked",  # several timers could be meant: a menu was shown
    "refused",  # with a sentence
    "late",  # Discord took no acknowledgement, or another process's, so nothing was decided
    "unavailable",  # the database did not answer; nothing was recorded
    "stopped",  # the bot was stopped first; the outcome is open
    "failed",  # nobody expected it
]

EffectOutcome = Literal[
    "done",  # Discord has confirmed it
    "closed",  # nothing is left to do, such as for a member who has left
    "stuck",  # somebody must act
    "passing",  # it is tried again
    "redirected",  # the channel does not take it: by direct message
    "later",  # Discord was not asked
    "superseded",  # no longer true
]


class StoppedError(BoostmonError):
    """BoostMon was stopped before the database answered; look with `/timeleft` if it counted."""


class Came(Struct, frozen=True):
    """What came of a command: on which *timer*, and the *position* of its last event."""

    outcome: CommandOutcome
    timer: TimerId | None = None
    position: int | None = None


def came_of(handled: Handled) -> Came:
    """Say what came of a command that was handled."""
    outcome: CommandOutcome = "unchanged" if handled.position is None else "recorded"
    return Came(outcome, handled.timer, handled.position)


def came_of_error(error: BoostmonError) -> Came:
    """Say what came of a command that ended with *error*."""
    match error:
        case RejectedError():
            return Came("refused")
        case DatabaseUnavailableError():
            return Came("unavailable")
        case StoppedError():
            return Came("stopped")
        case _:
            return Came("failed")


def came_of_effect(verdict: Receipt | Verdict) -> tuple[EffectOutcome, str | None]:
    """Name what came of an effect, and say why, where there is more to say."""
    match verdict:
        case dict():
            return "done", None
        case Final(reason=why):
            return "closed", why
        case Stuck(remedy=why):
            return "stuck", why
        case Passing(why=why):
            return "passing", why
        case Directly(why=why):
            return "redirected", why
        case Later():
            return "later", None
        case Over():
            return "superseded", None
