"""The timers that another bot kept: what each field may be, and what it says as events."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from msgspec import Struct

from boostmon.commands.decider import LONGEST
from boostmon.commands.imports.strict_json import DoubledObject, shown
from boostmon.errors import ImportRefusedError
from boostmon.events.timer import (
    DAY,
    Paused,
    TimerEvent,
    TimerId,
    TimerSet,
    WarningSent,
    is_snowflake,
)

DISCORD_BEGAN = 1_420_070_400_000  # the first millisecond of 2015
MOST_MINUTES = LONGEST // 60_000
MOST_WARNINGS = 100
MOST_NAMED = 5

Shape = Literal["member", "role", "row"]


class ImportedTimer(Struct, frozen=True, kw_only=True, gc=False):
    """A timer as the JavaScript bot kept it; times in epoch milliseconds.

    Exactly one of *expires_at* (it runs) and *remaining_ms* (it is paused) is there. *paused_at*
    is None when the bot did not note it. *digest* makes the command id.
    """

    timer: TimerId
    shape: Shape
    digest: str
    expires_at: int | None = None
    remaining_ms: int | None = None
    paused_at: int | None = None
    warn_channel_id: str | None = None
    warned: tuple[int, ...] = ()

    @property
    def place(self) -> str:
        """Where it stands in its file or table."""
        user, role = self.timer.user_id, self.timer.role_id
        if self.shape == "row":
            return f"the row of user {user} and role {role}"
        return path_of(user) if self.shape == "member" else path_of(user, role)


class Judged(Struct, frozen=True):
    """Everything of one file or table, judged whole; *label* names it."""

    label: str
    timers: tuple[ImportedTimer, ...]


class Judge:
    """Turns entries into timers, or names the place where it cannot."""

    def __init__(self, label: str) -> None:
        self._label = label

    def refusal(self, where: str, why: str) -> ImportRefusedError:
        """Say why nothing is imported, and which place is to blame."""
        return ImportRefusedError(f"{self._label}: {where} {why}; nothing was written.")

    def fields(self, value: object, where: str) -> Mapping[str, object]:
        """Return *value*, which must be an object with each key once."""
        if not isinstance(value, dict):
            raise self.refusal(where, f"is no object ({shown(value)})")
        if isinstance(value, DoubledObject):
            raise self.refusal(where, f"has {shown(value.twice)} twice")
        return value

    def key(self, key: str, container: str) -> str:
        """Return *key*, which must be an id of Discord."""
        if not is_snowflake(key):
            raise self.refusal(f"{shown(key)} in {container}", "is no id of Discord")
        return key

    def snowflake(self, value: object, where: str) -> str:
        """Return *value*, which must be an id of Discord."""
        if not isinstance(value, str) or not is_snowflake(value):
            raise self.refusal(where, f"is no id of Discord ({shown(value)})")
        return value

    def timer(
        self, timer: TimerId, entry: object, where: str, *, shape: Shape, digest: str
    ) -> ImportedTimer:
        """Return what *entry*, at *where*, says of *timer*; fields in camelCase or snake_case."""
        fields = self.fields(entry, where)
        if timer.role_id == timer.guild_id:
            raise self.refusal(where, "is the role @everyone, which cannot be timed")
        place, value = _either(fields, "expiresAt", "expires_at", where)
        expires_at = None if value is None else self._time(value, place)
        place, value = _either(fields, "warnChannelId", "warn_channel_id", where)
        channel = None if value in (None, "") else self.snowflake(value, place)
        paused_at, remaining = self._pause(fields, expires_at, where)
        if remaining is None and expires_at is None:
            raise self.refusal(where, 'has no "expiresAt"')
        place, value = _either(fields, "warningsSent", "warnings_sent", where)
        return ImportedTimer(
            timer=timer,
            shape=shape,
            digest=digest,
            expires_at=expires_at if remaining is None else None,
            remaining_ms=remaining,
            paused_at=paused_at,
            warn_channel_id=channel,
            warned=() if value is None else self._warned(value, place),
        )

    def _pause(
        self, fields: Mapping[str, object], expires_at: int | None, where: str
    ) -> tuple[int | None, int | None]:
        """Return when the timer was paused and what was left; a `pausedAt` alone is no pause."""
        paused = fields.get("paused")
        if paused is None or paused is False:
            return None, None
        if paused is not True:
            raise self.refusal(f"{where}.paused", f"is neither true nor false ({shown(paused)})")
        place, value = _either(fields, "pausedAt", "paused_at", where)
        paused_at = None if value is None else self._time(value, place) or None
        place, value = _either(fields, "pausedRemainingMs", "paused_remaining_ms", where)
        if value is not None:
            return paused_at, self._amount(value, place)
        if paused_at is None or expires_at is None:
            raise self.refusal(where, 'is paused and has no "pausedRemainingMs"')
        return paused_at, self._amount(max(0, expires_at - paused_at), place)

    def _time(self, value: object, where: str) -> int:
        time = self._whole(value, where, "is no time in milliseconds")
        if 0 < time < DISCORD_BEGAN:
            raise self.refusal(
                where, f"is no time in milliseconds ({time}), but one before Discord began in 2015"
            )
        return time

    def _amount(self, value: object, where: str) -> int:
        amount = self._whole(value, where, "is no amount of milliseconds")
        if amount > LONGEST:
            raise self.refusal(where, f"is more than 5 years ({amount})")
        return amount

    def _whole(self, value: object, where: str, complaint: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
            raise self.refusal(where, f"{complaint} ({shown(value)})")
        return value

    def _warned(self, sent: object, where: str) -> tuple[int, ...]:
        warned = tuple(sorted(set(self._minutes(self.fields(sent, where), where)), reverse=True))
        if len(warned) > MOST_WARNINGS:
            raise self.refusal(where, f"names more than {MOST_WARNINGS} warnings")
        return warned

    def _minutes(self, sent: Mapping[str, object], where: str) -> Iterator[int]:
        for minutes, flag in sent.items():
            plain = minutes.isascii() and minutes.isdigit() and len(minutes) < 8  # noqa: PLR2004 - 5 years
            if not plain or not 1 <= int(minutes) <= MOST_MINUTES:
                raise self.refusal(where, f"names no minutes ({shown(minutes)})")
            if flag is True:
                yield int(minutes)
            elif flag not in (False, None):
                raise self.refusal(
                    f"{where}.{shown(minutes)}", f"is neither true nor false ({shown(flag)})"
                )


def refuse_absurd(judged: Judged, *, now: int) -> None:
    """Raise `ImportRefusedError` for an end more than 5 years ahead, or a pause in the future."""
    judge = Judge(judged.label)
    for imported in judged.timers:
        is_row = imported.shape == "row"
        end, pause = ("expires_at", "paused_at") if is_row else ("expiresAt", "pausedAt")
        if (imported.expires_at or 0) - now > LONGEST:
            raise judge.refusal(f"{imported.place}.{end}", "is more than 5 years ahead")
        if (imported.paused_at or 0) - now > DAY:
            raise judge.refusal(f"{imported.place}.{pause}", "lies in the future")


def refuse_unknown_roles(judged: Judged, guild_id: str, known: AbstractSet[str]) -> None:
    """Raise `ImportRefusedError` when a role of *judged* is none of the *known* of a server."""
    unknown = dict[str, ImportedTimer]()
    for imported in judged.timers:
        role_id = imported.timer.role_id
        if imported.timer.guild_id == guild_id and role_id not in known:
            unknown.setdefault(role_id, imported)
    if unknown:
        place = next(iter(unknown.values())).place
        missing = ", ".join(list(unknown)[:MOST_NAMED]) + (", ..." * (len(unknown) > MOST_NAMED))
        raise Judge(judged.label).refusal(
            place, f"is of a role that the server {guild_id} does not have ({missing})"
        )


def events_of(
    imported: ImportedTimer, *, now: int, warning_minutes: Sequence[int]
) -> list[TimerEvent]:
    """Return the synthetic events after which the timer stands as the JavaScript bot left it."""
    at, left, channel = now, imported.remaining_ms, imported.warn_channel_id
    if left is not None:
        at = imported.paused_at or now
    end = at + left if left is not None else imported.expires_at or 0
    minutes = tuple(warning_minutes)
    events: list[TimerEvent] = [TimerSet(at, max(0, end - at), end, minutes, channel)]
    events += [WarningSent(at, threshold, end, channel) for threshold in imported.warned]
    if left is not None:
        events.append(Paused(at, left))
    return events


def path_of(user_id: str, role_id: str | None = None) -> str:
    """Return the place in a file of a member, or of a member's role.

    >>> path_of("12", "34")
    '"12".roles."34"'
    """
    return f'"{user_id}"' if role_id is None else f'"{user_id}".roles."{role_id}"'


def _either(
    fields: Mapping[str, object], camel: str, snake: str, where: str
) -> tuple[str, object | None]:
    """Return the place and the value of a field that has two spellings; *camel* goes first."""
    if fields.get(camel) is None and snake in fields:
        return f"{where}.{snake}", fields[snake]
    return f"{where}.{camel}", fields.get(camel)
