"""Everything that BoostMon can refuse or fail at, in sentences for the one who must act."""


class BoostmonError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        """Take *message*, or else the class's docstring, as the sentence."""
        super().__init__(message or (type(self).__doc__ or "").strip())


class ConfigurationError(BoostmonError):
    """A setting is missing or malformed."""


class DatabaseError(BoostmonError):
    """The database cannot be used as it is."""


class ReadOnlyError(DatabaseError):
    """This database lets nothing be written; name the primary, or find who made it read-only."""


class DatabaseUnavailableError(DatabaseError):
    """The database does not answer."""


class ConcurrencyError(BoostmonError):
    """Somebody else is changing this timer at the same moment; try again."""


class UnknownEventError(BoostmonError):
    """This timer holds an event that only a newer version of BoostMon knows; update this one."""


class UnreadableEventError(UnknownEventError):
    """This timer holds an event that makes no sense; `/cleartime` ends it, `/settime` sets it."""


class DiscordError(BoostmonError):
    """Discord refused."""


class AnotherApplicationError(BoostmonError):
    """This database is another application's; `boostmon adopt-database` hands it over."""


class ImportRefusedError(BoostmonError):
    """The file cannot be imported; nothing was written."""


class ExportRefusedError(BoostmonError):
    """The log cannot be exported as asked."""


class UnknownPersonError(BoostmonError):
    """The log knows no such person; give the id of a user, or the pseudonym of an erased one."""


class EraseRefusedError(BoostmonError):
    """The person cannot be erased yet; nothing was replaced."""


class ForgetRefusedError(BoostmonError):
    """The server cannot be given up; nothing was changed."""


class RejectedError(BoostmonError):
    """That is not possible right now."""


class TimerNotFoundError(RejectedError):
    """There is no such timer; `/timeleft` lists the timers of a member."""


class TimerPausedError(RejectedError):
    """That timer is already paused; `/resumetime` lets it run again."""


class TimerRunningError(RejectedError):
    """That timer is not paused, it is running; `/pausetime` stops it."""


class TimerEndedError(RejectedError):
    """That timer has just ended; `/settime` starts a new one."""


class TooLongError(RejectedError):
    """No timer may end more than 5 years ahead; ask for less time."""


class ClockDoubtError(RejectedError):
    """BoostMon's clocks disagree, so no end can be told; try again in ten minutes."""


class DurationError(RejectedError):
    """That is no duration; write minutes (`90`) or units (`1h30m`, `2 days`, `1w2d3h4m`)."""


class TimerElsewhereError(RejectedError):
    """That role belongs to another server; name a role of this server."""
