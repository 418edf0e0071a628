"""The private answer to `/timeleft`: every timer of a member, and what is stuck."""

from collections.abc import Iterator, Mapping, Sequence

import structlog
from disnake import Embed
from msgspec import Struct

from boostmon.bot.records.outcomes import Came
from boostmon.bot.servers.asking import Asking
from boostmon.bot.servers.guards import escaped
from boostmon.bot.servers.place import Place
from boostmon.bot.slash.answers import Answer
from boostmon.bot.slash.settling import soon
from boostmon.bot.wording import replies
from boostmon.bot.wording.durations import counted, spoken
from boostmon.bot.wording.replies import BLUE, framed, moment, sentence
from boostmon.database.clocks.clock import Clock
from boostmon.errors import DatabaseUnavailableError
from boostmon.projections.effects.kinds import GIVE_ROLE, TAKE_ROLE, Effects, StuckEffect
from boostmon.projections.role_timers import RoleTimers, TimerRow

MOST_FIELDS = 25
MOST_CHARACTERS = 6000
WAITING = "waiting for the server's staff"

log = structlog.get_logger()


class TimeLeft:
    """Answers `/timeleft` from the read model."""

    def __init__(self, timers: RoleTimers, effects: Effects, clock: Clock, asking: Asking) -> None:
        self._timers = timers
        self._effects = effects
        self._clock = clock
        self._asking = asking

    async def tell(
        self, answer: Answer, place: Place, *, user_id: str, role_id: str | None
    ) -> Came:
        """Show the timers of *user_id*, or only that of *role_id*."""
        try:
            rows = await soon(self._timers.of_member(place.guild_id, user_id))
            stuck = await soon(self._effects.stuck_of_member(place.guild_id, user_id))
        except DatabaseUnavailableError:
            await answer.refuse(replies.UNANSWERED)
            return Came("unavailable")
        except Exception:
            log.exception("timeleft failed", guild_id=place.guild_id, user_id=user_id)
            await answer.refuse(replies.UNEXPECTED)
            return Came("failed")
        else:
            rows = [row for row in rows if role_id in (None, row.timer.role_id)]
            stuck = [effect for effect in stuck if role_id in (None, effect.timer.role_id)]
            timers = [*(row.timer for row in rows), *(effect.timer for effect in stuck)]
            role_ids = {timer.role_id for timer in timers}
            embed = listing(
                user_id,
                rows,
                stuck,
                names=await self._asking.names(place.facts, role_ids),
                reader=Reader(staff=place.caller_is_staff, now=self._clock.now()),
            )
            await answer.show(embed=embed)
            return Came("answered")


class Reader(Struct, frozen=True, kw_only=True):
    """Who reads, and when (timer time, epoch milliseconds); only *staff* are told remedies."""

    staff: bool
    now: int


def listing(
    user_id: str,
    rows: Sequence[TimerRow],
    stuck: Sequence[StuckEffect],
    *,
    names: Mapping[str, str],
    reader: Reader,
) -> Embed:
    """Return the timers of *user_id*; *names* has the roles that exist, by id.

    What does not fit within Discord's limits is counted.
    """
    fields = list(_fields(rows, stuck, names, reader))
    if not fields:
        return framed("Timed Roles", BLUE, description=f"<@{user_id}> has no timed role here.")
    embed = framed("Timed Roles", BLUE, description=_summary(user_id, len(fields), 0))
    # Reserves the longest summary, so that counting what does not fit cannot break the limit.
    room = MOST_CHARACTERS - len(embed) - len(_summary(user_id, len(fields), len(fields)))
    for number, (name, value) in enumerate(fields):
        room -= len(name) + len(value)
        if number == MOST_FIELDS or room < 0:
            embed.description = _summary(user_id, len(fields), len(fields) - number)
            break
        embed.add_field(name, value, inline=False)
    return embed


def _summary(user_id: str, number: int, hidden: int) -> str:
    more = f"; {hidden} more are not shown" if hidden else ""
    return f"<@{user_id}> has {counted(number, 'timed role')} here{more}."


def _fields(
    rows: Sequence[TimerRow],
    stuck: Sequence[StuckEffect],
    names: Mapping[str, str],
    reader: Reader,
) -> Iterator[tuple[str, str]]:
    by_role = {effect.timer.role_id: effect for effect in stuck if effect.kind in _REFUSED}
    running = {row.timer.role_id for row in rows}
    for role_id, effect in by_role.items():
        if role_id not in running:
            yield _title(role_id, names), _ended(effect, reader)
    for row in rows:
        role_id = row.timer.role_id
        yield _title(role_id, names), _left(row, by_role.get(role_id), reader)


_REFUSED = {GIVE_ROLE: "give", TAKE_ROLE: "take away"}


def _title(role_id: str, names: Mapping[str, str]) -> str:
    return escaped(names[role_id]) if role_id in names else f"Deleted role {role_id}"


def _ended(effect: StuckEffect, reader: Reader) -> str:
    return f"ended; {_trouble(effect, reader)}"


def _left(row: TimerRow, effect: StuckEffect | None, reader: Reader) -> str:
    trouble = f"\nThe role is missing; {_trouble(effect, reader)}" if effect else ""
    if row.paused:
        return f"**Paused**, {spoken(row.paused_remaining_ms)} left{trouble}"
    if row.expires_at <= reader.now:
        return f"ending now{trouble}"
    return f"Ends {moment(row.expires_at)}{trouble}"


def _trouble(effect: StuckEffect, reader: Reader) -> str:
    if not reader.staff:
        return WAITING
    verb = _REFUSED[effect.kind]
    return f"Discord does not let BoostMon {verb} the role: {sentence(effect.last_error)}"
