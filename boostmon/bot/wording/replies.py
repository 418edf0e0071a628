"""Replies: the embed of each outcome, the sentences beside it, and the notices."""

from disnake import Embed
from msgspec import Struct

from boostmon.bot.servers.guards import escaped
from boostmon.bot.wording.durations import counted, spoken
from boostmon.commands.handler import Handled
from boostmon.events.timer import (
    Cleared,
    Expired,
    NoTimer,
    Paused,
    Resumed,
    Running,
    TimeAdded,
    Timer,
    TimeRemoved,
    TimerSet,
    WarningSent,
    remaining_ms,
)
from boostmon.projections.effects.kinds import GIVE_ROLE, EffectProgress

AUTHOR = "BoostMon"
GREEN, RED, YELLOW, GREY, BLUE = 0x2ECC71, 0xE74C3C, 0xF1C40F, 0x95A5A6, 0x3498DB
LONGEST_REASON = 300
WIDE = ("Notes", "Result")

OPEN = "The database does not answer. I will finish this or tell you here; please do not repeat it."
NOTHING_RECORDED = "The database does not answer. Nothing was recorded, try again in a minute."
UNANSWERED = "The database does not answer; try again in a minute."
UNEXPECTED = (
    "Something went wrong inside BoostMon, its log says what; "
    "look with `/timeleft` before you repeat the command."
)
TOLD_ALONE = "This was refused; whoever gave the command was told why by direct message."
HELD_BEFORE = "They had the role before; it is taken away at the end all the same."
STARTED = "There was no timer, so one was started."
REPLACED = "This replaces the earlier timer."
ENDED = "Nothing is left, so the timer has ended."
CANNOT_POST = (
    "BoostMon cannot post in {channel} (it needs View Channel and Send Messages there), "
    "so notices go by DM."
)


class Told(Struct, frozen=True, kw_only=True):
    """What a reply tells beside the events.

    *role* is how the role is shown, *change* what became of the change of the role in Discord
    (None: nothing was owed), *notes* are whole sentences.
    """

    caller_id: str
    role: str
    change: EffectProgress | None = None
    notes: tuple[str, ...] = ()


class Card(Struct, frozen=True):
    """The looks of an outcome; *fields* follow those that say who and which role."""

    title: str
    colour: int
    fields: dict[str, str]
    role_field: str = "Role"


def warning(user_id: str, role_name: str, minutes_left: int) -> str:
    """Return the notice that *minutes_left* are left, rounded up by the caller."""
    left = counted(minutes_left, "minute")
    return f"{_access(user_id, 'warning', role_name)} expires in **{left}**."


def expiry(user_id: str, role_name: str) -> str:
    """Return the notice that the role's time is over."""
    return f"{_access(user_id, 'notice', role_name)} has expired."


def role_shown(role_id: str, *, exists: bool) -> str:
    """Return the mention of a role, or the id of one that was deleted."""
    return f"<@&{role_id}>" if exists else f"deleted role `{role_id}`"


def time_of_day(at: int) -> str:
    """Return *at* (epoch milliseconds) as hours and minutes of the reader's own day."""
    return f"<t:{at // 1000}:t>"


def moment(at: int) -> str:
    """Return *at* (epoch milliseconds) so that Discord shows it in the reader's own time."""
    return f"<t:{at // 1000}:F> (<t:{at // 1000}:R>)"


def outcome(handled: Handled, told: Told) -> Embed:
    """Return the public reply to a command that was carried out."""
    became = role_change(told.change, handled.timer.user_id)
    card = _card(handled, told, became)
    fields = {
        "Command Run By": f"<@{told.caller_id}>",
        "Target User": f"<@{handled.timer.user_id}>",
        card.role_field: told.role,
        **card.fields,
    }
    elsewhere = any(name in fields for name in WIDE)
    embed = framed(card.title, card.colour, description=None if elsewhere else became)
    for name, value in fields.items():
        embed.add_field(name, value, inline=name not in WIDE)
    return embed


def framed(title: str, colour: int, *, description: str | None = None) -> Embed:
    """Return an embed of ours, without fields."""
    return Embed(title=title, colour=colour, description=description).set_author(name=AUTHOR)


def role_change(change: EffectProgress | None, user_id: str) -> str | None:
    """Say what became of the change of the role that a command owes Discord; None for none."""
    if change is None:
        return None
    giving = change.kind == GIVE_ROLE
    match change.state, change.last_error:
        case "owed", _:
            return f"The role is being {'given' if giving else 'taken away'}."
        case "stuck", reason:
            verb = "give" if giving else "take away"
            return (
                f"This is recorded, but Discord does not let BoostMon {verb} the role: "
                f"{sentence(reason)} BoostMon keeps trying."
            )
        case "superseded", _:
            return "A later change has overtaken this one."
        case "done", None:
            return f"<@{user_id}> has the role." if giving else "The role was taken away."
        case "done", reason:
            return (
                f"The role could not be {'given' if giving else 'taken away'}: {sentence(reason)}"
            )


def sentence(reason: str | None) -> str:
    """Return *reason* cut to a length that fits in an embed, ending as a sentence does."""
    text = " ".join((reason or "Discord gave no reason").split())
    if len(text) > LONGEST_REASON:
        return f"{text[: LONGEST_REASON - 1]}…"
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _access(user_id: str, kind: str, role_name: str) -> str:
    return f"<@{user_id}> {kind}: your access for **{escaped(role_name)}**"


def _card(handled: Handled, told: Told, became: str | None) -> Card:
    after = handled.after
    match handled.events[0]:
        case TimerSet() as event:
            return _set(event, handled.before, (became, *told.notes))
        case TimeAdded(duration_ms=added):
            fields = {"Time Added": spoken(added), "New Expiry": _end(after)}
            return Card("Timed Role Extended", GREEN, fields)
        case TimeRemoved(duration_ms=removed) if len(handled.events) > 1:  # its end follows
            fields = {"Time Removed": spoken(removed), "Result": _lines(ENDED, became)}
            return Card("Timed Role Reduced (Expired)", RED, fields)
        case TimeRemoved(at=at, duration_ms=removed):
            left = spoken(remaining_ms(after, at))
            fields = {"Time Removed": spoken(removed), "Remaining": left, "Expires": _end(after)}
            return Card("Timed Role Reduced", GREEN, fields)
        case Paused(remaining_ms=left):
            return Card("Timed Role Paused", YELLOW, {"Remaining": spoken(left)})
        case Resumed(at=at, expires_at=end):
            fields = {"Remaining": spoken(end - at), "New Expiry": _end(after)}
            return Card("Timed Role Resumed", GREEN, fields)
        case Cleared(remaining_ms=left):
            return Card("Timed Role Cleared", GREY, {"Remaining": spoken(left)})
        case (WarningSent() | Expired()) as event:
            raise ValueError(f"no command begins with {type(event).__name__}")


def _set(event: TimerSet, before: Timer, notes: tuple[str | None, ...]) -> Card:
    replaced = None if isinstance(before, NoTimer) else REPLACED
    channel = event.warn_channel_id
    fields = {
        "Duration": spoken(event.duration_ms),
        "Expires": moment(event.expires_at),
        "Warning Channel": f"<#{channel}>" if channel else "DMs",
        "Notes": _lines(*notes, replaced) or "None",
    }
    return Card("Timed Role Activated", GREEN, fields, "Role Assigned")


def _end(timer: Timer) -> str:
    if isinstance(timer, Running):
        return moment(timer.expires_at)
    return f"Paused, {spoken(remaining_ms(timer, 0))} left"


def _lines(*sentences: str | None) -> str:
    return "\n".join(line for line in sentences if line)
