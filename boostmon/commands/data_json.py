"""The JavaScript bot's `data.json`: judged whole, and what it says as events."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from boostmon.commands.decider import LONGEST
from boostmon.errors import ImportRefusedError
from boostmon.events.timer import (
    Paused,
    TimerEvent,
    TimerId,
    TimerSet,
    WarningSent,
    is_snowflake,
)


class ImportedTimer(Struct, frozen=True, kw_only=True):
    """A timer as the JavaScript bot kept it; times in epoch milliseconds."""

    timer: TimerId
    expires_at: int
    warn_channel_id: str | None = None
    warned: tuple[int, ...] = ()
    paused_at: int | None = None
    remaining_ms: int = 0


class ImportFile(Struct, frozen=True):
    """A file that was judged whole; *digest* makes its command ids."""

    digest: str
    timers: tuple[ImportedTimer, ...]


def read_file(path: Path, guild_id: str) -> ImportFile:
    """Judge the file at *path* whole and return its timers, or raise `ImportRefusedError`.

    The shape is `{user: {"roles": {role: {"expiresAt", "warnChannelId", "warningsSent", "paused",
    "pausedAt", "pausedRemainingMs"}}}}`, the last that the JavaScript bot wrote.
    """
    if not is_snowflake(guild_id):
        raise ImportRefusedError(f"--guild {guild_id}: that is no id of a Discord server.")
    try:
        content = path.read_bytes()
        document = json.loads(content)
    except OSError as error:
        raise ImportRefusedError(f"{path}: {error.strerror}; nothing was written.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ImportRefusedError(f"{path} is not JSON ({error}); nothing was written.") from error
    judge = _Judge(path, guild_id)
    return ImportFile(sha256(content).hexdigest(), tuple(judge.timers(document)))


class _Judge:
    """Turns the document into timers, or names the place in the file where it cannot."""

    def __init__(self, path: Path, guild_id: str) -> None:
        self._path = path
        self._guild_id = guild_id

    def timers(self, document: object) -> Iterator[ImportedTimer]:
        for user, entry in self._members(document, "the file"):
            roles = self._field(entry, "roles", f'"{user}"')
            for role, fields in self._members(roles, f'"{user}".roles'):
                timer = TimerId(self._guild_id, user, role)
                yield self._timer(timer, fields, f'"{user}".roles."{role}"')

    def _refusal(self, where: str, why: str) -> ImportRefusedError:
        return ImportRefusedError(f"{self._path}: {where} {why}; nothing was written.")

    def _members(self, value: object, where: str) -> Iterator[tuple[str, object]]:
        if not isinstance(value, dict):
            raise self._refusal(where, "is no object")
        for key, member in value.items():
            if not is_snowflake(key):
                raise self._refusal(f'"{key}" in {where}', "is no id of Discord")
            yield key, member

    def _field(self, entry: object, name: str, where: str) -> object:
        if not isinstance(entry, dict) or name not in entry:
            raise self._refusal(where, f'has no "{name}"')
        return entry[name]

    def _timer(self, timer: TimerId, fields: object, where: str) -> ImportedTimer:
        expires_at = self._time(self._field(fields, "expiresAt", where), f"{where}.expiresAt")
        assert isinstance(fields, dict)  # noqa: S101 - _field has seen to it
        channel = fields.get("warnChannelId")
        if channel is not None and not (isinstance(channel, str) and is_snowflake(channel)):
            raise self._refusal(f"{where}.warnChannelId", "is no id of Discord")
        paused_at, remaining = None, 0
        if fields.get("paused"):
            paused_at = self._time(fields.get("pausedAt"), f"{where}.pausedAt")
            remaining = self._time(fields.get("pausedRemainingMs"), f"{where}.pausedRemainingMs")
            if remaining > LONGEST:
                raise self._refusal(f"{where}.pausedRemainingMs", "is more than 5 years")
        return ImportedTimer(
            timer=timer,
            expires_at=expires_at,
            warn_channel_id=channel,
            warned=tuple(self._warned(fields.get("warningsSent") or {}, f"{where}.warningsSent")),
            paused_at=paused_at,
            remaining_ms=remaining,
        )

    def _time(self, value: object, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
            raise self._refusal(where, f"is no time in milliseconds ({value!r})")
        return value

    def _warned(self, sent: object, where: str) -> Iterator[int]:
        if not isinstance(sent, dict):
            raise self._refusal(where, "is no object")
        for minutes, flag in sent.items():
            if not (isinstance(minutes, str) and minutes.isascii() and minutes.isdigit()):
                raise self._refusal(where, f"names no minutes ({minutes!r})")
            if flag:
                yield int(minutes)


def events_of(
    imported: ImportedTimer, *, now: int, warning_minutes: Sequence[int]
) -> list[TimerEvent]:
    """Return the synthetic events after which the timer stands as the JavaScript bot left it."""
    at = now if imported.paused_at is None else imported.paused_at
    end = imported.expires_at
    if imported.paused_at is not None:
        end = imported.paused_at + imported.remaining_ms
    duration = max(0, end - at)
    events: list[TimerEvent] = [
        TimerSet(at, duration, end, tuple(warning_minutes), imported.warn_channel_id)
    ]
    events += [WarningSent(at, minutes, end) for minutes in sorted(imported.warned, reverse=True)]
    if imported.paused_at is not None:
        events.append(Paused(at, imported.remaining_ms))
    return events
