"""Import of timers that another bot kept, as synthetic events."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Literal

from msgspec import Struct

from boostmon.commands.handler import Origin, piece
from boostmon.commands.imports.import_shapes import ImportedTimer, Judged, events_of, refuse_absurd
from boostmon.errors import DatabaseUnavailableError, UnknownEventError
from boostmon.events.append import Append, Appended, Conflict, Elsewhere, Failed, Outcome, Repeated
from boostmon.events.store import EventStore, History
from boostmon.events.timer import NoTimer, OnHold, Running, Timer, TimerId

BATCH = 1_000  # timers in one append call; the bot's own appends wait for one at most
PREFIX = "import:"
NEWER = "it is newer here"
OTHERWISE = "it was imported before, and is not the same now"
ELSEWHERE = (
    "the role belongs to server {guild}; if that is wrong, end its timer there, and `/settime` in "
    "the right one"
)
PAST = "it has ended, so the next sweep takes the role"

Progress = Callable[[int, int], None]
Word = Literal["imported", "unchanged", "kept", "skipped", "failed"]


class Standing(Struct, frozen=True, kw_only=True, gc=False):
    """How a timer stands: when it ends, or if it is paused what is left; in milliseconds."""

    expires_at: int | None = None
    remaining_ms: int | None = None


class Imported(Struct, frozen=True, kw_only=True, gc=False):
    """What became of one timer: how it stands *there*, and if it is kept *here*."""

    timer: TimerId
    outcome: Word
    reason: str = ""
    there: Standing
    here: Standing | None = None


_Prepared = tuple[ImportedTimer, Append | Imported]
_Finish = Callable[[Sequence[_Prepared]], Awaitable[list[Imported]]]


class Importer:
    """Appends timers that were judged; a second run changes nothing."""

    def __init__(
        self,
        store: EventStore,
        *,
        now: int,
        warning_minutes: Sequence[int],
        skip_past: bool = False,
        managed: Mapping[str, str] | None = None,
    ) -> None:
        """Take *now* and the thresholds in force; with *skip_past* ended timers are left out.

        So are those of the roles that are *managed*, since nobody but what manages them can give
        and take them: by id, with what that is.
        """
        self._store = store
        self._now = now
        self._warning_minutes = tuple(warning_minutes)
        self._skip_past = skip_past
        self._managed = managed or {}

    async def run(self, judged: Judged, progress: Progress | None = None) -> list[Imported]:
        """Append *judged* in calls of 1,000 and return what became of each timer.

        A timer that has a history here is newer and is kept. Raise `ImportRefusedError` for an
        absurd time, before anything is written.
        """
        return await self._go_through(judged, self._append, progress)

    async def preview(self, judged: Judged, progress: Progress | None = None) -> list[Imported]:
        """Return what `run` would do, and write nothing."""
        return await self._go_through(judged, self._foretell, progress)

    async def _go_through(
        self, judged: Judged, finish: _Finish, progress: Progress | None
    ) -> list[Imported]:
        refuse_absurd(judged, now=self._now)
        results: list[Imported] = []
        timers = judged.timers
        try:
            prepared = await self._prepare(timers[:BATCH])
            while len(results) < len(timers):
                following = len(results) + BATCH
                done, prepared = await asyncio.gather(  # one is prepared while one is written
                    finish(prepared), self._prepare(timers[following : following + BATCH])
                )
                results += done
                if progress:
                    progress(len(results), len(timers))
        except DatabaseUnavailableError as error:
            raise DatabaseUnavailableError(
                f"{error} {len(results)} of {len(timers)} timers were done; "
                "run the same import again, and it does the rest."
            ) from error
        return results

    async def _prepare(self, batch: Sequence[ImportedTimer]) -> list[_Prepared]:
        if not batch:
            return []
        histories = await self._store.read_many([imported.timer for imported in batch])
        return [
            (imported, self._judge(imported, history))
            for imported, history in zip(batch, histories, strict=True)
        ]

    async def _foretell(self, prepared: Sequence[_Prepared]) -> list[Imported]:
        appends = [work for _, work in prepared if isinstance(work, Append)]
        known = await self._store.known([append.command_id for append in appends])
        return [
            self._foretold(imported, work, known) if isinstance(work, Append) else work
            for imported, work in prepared
        ]

    def _foretold(self, imported: ImportedTimer, work: Append, known: set[str]) -> Imported:
        # Known, and without a history here: the person was erased since.
        return self._result(imported, "unchanged" if work.command_id in known else "imported")

    async def _append(self, prepared: Sequence[_Prepared]) -> list[Imported]:
        appends = [work for _, work in prepared if isinstance(work, Append)]
        repeats = self._store.repeats
        outcomes = iter(await self._store.append(*appends) if appends else [])
        was_cut_off = self._store.repeats != repeats
        return [
            self._outcome(imported, next(outcomes), was_cut_off=was_cut_off)
            if isinstance(work, Append)
            else work
            for imported, work in prepared
        ]

    def _piece(self, imported: ImportedTimer, history: History) -> Append:
        events = events_of(imported, now=self._now, warning_minutes=self._warning_minutes)
        origin = Origin(command_id=command_id_of(imported), source="import")
        return piece(history, events, origin)

    def _judge(
        self, imported: ImportedTimer, history: History | UnknownEventError
    ) -> Append | Imported:
        """Return what is to be appended, or what is known without that."""
        match history:
            case UnknownEventError() as error:
                return self._result(imported, "failed", str(error))
            case History(guild_id=guild) if guild not in (None, imported.timer.guild_id):
                return self._result(imported, "failed", ELSEWHERE.format(guild=guild))
            case History() if history.of_command(command_id_of(imported)):
                return self._result(imported, "unchanged")
            case History() if history.version > 0:
                reason = OTHERWISE if _is_imported(history) else NEWER
                return self._result(imported, "kept", reason, standing(history.state))
            case _ if manager := self._managed.get(imported.timer.role_id):
                return self._result(imported, "skipped", f"{manager} alone can take the role")
            case _ if self._skip_past and self._is_past(imported):
                return self._result(imported, "skipped", "it has ended")
            case _:
                return self._piece(imported, history)

    def _outcome(self, imported: ImportedTimer, outcome: Outcome, *, was_cut_off: bool) -> Imported:
        match outcome:
            case Appended():
                return self._result(imported, "imported")
            case Repeated(timer=timer) if was_cut_off and timer == imported.timer:
                return self._result(imported, "imported")  # an attempt whose answer was lost
            case Repeated():
                return self._result(imported, "unchanged")
            case Failed(error=error):
                return self._result(imported, "failed", str(error))
            case Elsewhere(guild_id=guild):
                return self._result(imported, "failed", ELSEWHERE.format(guild=guild))
            case Conflict():  # somebody else was first, just now
                return self._result(imported, "kept", NEWER)

    def _result(
        self,
        imported: ImportedTimer,
        outcome: Word,
        reason: str = "",
        here: Standing | None = None,
    ) -> Imported:
        if outcome == "imported" and self._is_past(imported):
            reason = PAST
        there = Standing(expires_at=imported.expires_at, remaining_ms=imported.remaining_ms)
        return Imported(
            timer=imported.timer, outcome=outcome, reason=reason, there=there, here=here
        )

    def _is_past(self, imported: ImportedTimer) -> bool:
        return imported.expires_at is not None and imported.expires_at <= self._now


def command_id_of(imported: ImportedTimer) -> str:
    """Return the id that makes the import of *imported* count once."""
    timer = imported.timer
    parts = (imported.digest, timer.guild_id, timer.user_id, timer.role_id)
    return PREFIX + sha256(":".join(parts).encode()).hexdigest()


def standing(timer: Timer) -> Standing:
    """Return how *timer* stands; neither field is there when it has ended."""
    match timer:
        case Running(expires_at=end):
            return Standing(expires_at=end)
        case OnHold(remaining_ms=left):
            return Standing(remaining_ms=left)
        case NoTimer():
            return Standing()


def _is_imported(history: History) -> bool:
    return all(entry.command_id.startswith(PREFIX) for entry in history.recorded)
