"""Import of timers that another bot kept, as synthetic events."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Literal

from msgspec import Struct

from boostmon.commands.data_json import ImportedTimer, ImportFile, events_of
from boostmon.commands.decider import LONGEST
from boostmon.commands.handler import Origin, piece
from boostmon.errors import ImportRefusedError, UnknownEventError
from boostmon.events.store import Append, Appended, EventStore, Failed, History, Repeated
from boostmon.events.timer import TimerId

BATCH = 1_000

Progress = Callable[[int, int], None]


class Imported(Struct, frozen=True):
    """What became of one timer of the file."""

    timer: TimerId
    outcome: Literal["imported", "unchanged", "kept", "failed"]
    reason: str = ""


class Importer:
    """Appends the timers of a file that was judged; a second run changes nothing."""

    def __init__(self, store: EventStore, *, now: int, warning_minutes: Sequence[int]) -> None:
        self._store = store
        self._now = now
        self._warning_minutes = warning_minutes

    def refuse_absurd(self, file: ImportFile) -> None:
        """Raise `ImportRefusedError` for an end more than 5 years ahead."""
        for imported in file.timers:
            if imported.paused_at is None and imported.expires_at - self._now > LONGEST:
                where = f'"{imported.timer.user_id}".roles."{imported.timer.role_id}".expiresAt'
                raise ImportRefusedError(
                    f"{where} is more than 5 years ahead; nothing was written."
                )

    async def run(self, file: ImportFile, progress: Progress | None = None) -> list[Imported]:
        """Append *file* in calls of 1,000 and return what became of each timer.

        A timer that has a history here is newer than the file and is kept.
        """
        self.refuse_absurd(file)
        results: list[Imported] = []
        for start in range(0, len(file.timers), BATCH):
            results += await self._batch(file.digest, file.timers[start : start + BATCH])
            if progress:
                progress(len(results), len(file.timers))
        return results

    async def preview(self, file: ImportFile) -> list[Imported]:
        """Return what `run` would do, and write nothing."""
        self.refuse_absurd(file)
        results: list[Imported] = []
        for start in range(0, len(file.timers), BATCH):
            batch = file.timers[start : start + BATCH]
            histories = await self._store.read_many([imported.timer for imported in batch])
            for imported, history in zip(batch, histories, strict=True):
                settled = _settled(
                    imported.timer, history, _command_id(file.digest, imported.timer)
                )
                results.append(settled or Imported(imported.timer, "imported"))
        return results

    async def _batch(self, digest: str, batch: Sequence[ImportedTimer]) -> list[Imported]:
        histories = await self._store.read_many([imported.timer for imported in batch])
        results: dict[TimerId, Imported] = {}
        appends: list[Append] = []
        for imported, history in zip(batch, histories, strict=True):
            command_id = _command_id(digest, imported.timer)
            if settled := _settled(imported.timer, history, command_id):
                results[imported.timer] = settled
            elif isinstance(history, History):
                events = events_of(imported, now=self._now, warning_minutes=self._warning_minutes)
                origin = Origin(command_id=command_id, source="import")
                appends.append(piece(history, events, origin))
        outcomes = await self._store.append(*appends) if appends else []
        for append, outcome in zip(appends, outcomes, strict=True):
            match outcome:
                case Appended():
                    results[append.timer] = Imported(append.timer, "imported")
                case Repeated():
                    results[append.timer] = Imported(append.timer, "unchanged")
                case Failed(error=error):
                    results[append.timer] = Imported(append.timer, "failed", str(error))
                case _:
                    results[append.timer] = Imported(append.timer, "kept", "it is newer here")
        return [results[imported.timer] for imported in batch]


def _command_id(digest: str, timer: TimerId) -> str:
    parts = (digest, timer.guild_id, timer.user_id, timer.role_id)
    return "import:" + sha256(":".join(parts).encode()).hexdigest()


def _settled(
    timer: TimerId, history: History | UnknownEventError, command_id: str
) -> Imported | None:
    match history:
        case UnknownEventError() as error:
            return Imported(timer, "failed", str(error))
        case History(guild_id=guild) if guild not in (None, timer.guild_id):
            return Imported(timer, "failed", f"the role belongs to server {guild}")
        case History() if history.of_command(command_id):
            return Imported(timer, "unchanged")
        case History(version=version) if version > 0:
            return Imported(timer, "kept", "it is newer here")
    return None
