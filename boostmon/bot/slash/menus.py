"""The menu that asks which timer is meant; its custom id carries the whole question."""

from collections.abc import Mapping, Sequence

from disnake import SelectOption
from disnake.ui.select import StringSelect

from boostmon.bot.slash.asked import Asked
from boostmon.bot.wording.durations import spoken
from boostmon.events.timer import MINUTE, is_snowflake
from boostmon.projections.role_timers import TimerRow

PREFIX = "which"
MOST_OPTIONS = 25
LONGEST_LABEL = 100


def question(asked: Asked, number: int) -> str:
    """Return the sentence above a menu for *number* timers."""
    more = f" These are the {MOST_OPTIONS} that end first; for another one, name the `role`."
    rest = more if number > MOST_OPTIONS else ""
    return f"<@{asked.user_id}> has several timed roles. Which one is meant?{rest}"


def menu(asked: Asked, rows: Sequence[TimerRow], *, names: Mapping[str, str]) -> StringSelect:
    """Return the menu of the first of *rows*; *names* has the roles that exist, by id."""
    options = [
        SelectOption(
            label=_label(row.timer.role_id, names),
            value=row.timer.role_id,
            description=_left(row, asked.now),
        )
        for row in rows[:MOST_OPTIONS]
    ]
    return StringSelect(custom_id=custom_id(asked), options=options, placeholder="Choose a role")


def custom_id(asked: Asked) -> str:
    """Return *asked* as a custom id: at most 100 characters, valid beyond a restart."""
    minutes = asked.duration_ms // MINUTE
    parts = (PREFIX, asked.action, asked.command_id, asked.caller_id, asked.user_id, str(minutes))
    return ":".join(parts)


def is_ours(custom_id: str) -> bool:
    """Tell whether *custom_id* is that of such a menu."""
    return custom_id.startswith(f"{PREFIX}:")


def answered(custom_id: str, chosen: Sequence[str], *, guild_id: str, now: int) -> Asked:
    """Return what is asked when *chosen* is picked, at *now*, in the menu *custom_id*."""
    match custom_id.split(":"):
        case [
            "which",
            ("set" | "add" | "remove" | "pause" | "resume" | "clear") as action,
            command_id,
            caller_id,
            user_id,
            minutes,
        ] if len(chosen) == 1 and is_snowflake(chosen[0]):
            return Asked(
                action=action,
                now=now,
                command_id=command_id,
                guild_id=guild_id,
                caller_id=caller_id,
                user_id=user_id,
                role_id=chosen[0],
                duration_ms=int(minutes) * MINUTE,
                chosen=True,
            )
        case _:
            raise ValueError(f"no menu of ours asks {custom_id!r} for {chosen!r}")


def _label(role_id: str, names: Mapping[str, str]) -> str:
    name = names.get(role_id, "").strip()
    return name[:LONGEST_LABEL] or f"Deleted role {role_id}"


def _left(row: TimerRow, now: int) -> str:
    if row.paused:
        return f"paused, {spoken(row.paused_remaining_ms)} left"
    return f"ends in {spoken(max(0, row.expires_at - now))}"
