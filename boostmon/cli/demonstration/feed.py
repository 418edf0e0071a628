"""Follows the database for the demonstration's pages: once, however many there are."""

import asyncio
from contextlib import suppress

from boostmon.cli.demonstration.board import KEPT, Board
from boostmon.cli.demonstration.tempo import Tempo
from boostmon.cli.terminal.places import Place
from boostmon.config import PoolConfig
from boostmon.database.connections.listen import listen
from boostmon.database.connections.pool import Database, connect
from boostmon.events.following import LogEntry, entries_after
from boostmon.projections.reports.standing import RowDocument, Standing, read_standing

CHANNELS = ["boostmon_log", "boostmon_effects"]
POLL = 5.0  # seconds; a hint may be missed, and a row changed by hand gives none
PAUSE = 0.1  # between two looks: hints come in bursts
POOL = PoolConfig(boostmon_pool_min=1, boostmon_pool_max=2)


class Feed:
    """Puts on the board what the database has."""

    def __init__(self, board: Board, tempo: Tempo) -> None:
        self._board = board
        self._tempo = tempo
        self._database: Database | None = None  # not there yet
        self._looking = asyncio.Lock()
        self._rows: dict[tuple[str, str], RowDocument] = {}
        board.post("effects", body={"waiting": 0, "stuck": []})

    async def follow(self, place: Place) -> None:
        """Keep the board in step with the database at *place*, until cancelled."""
        news = asyncio.Event()
        listening = asyncio.create_task(
            listen(place.owner_url, CHANNELS, lambda *_: news.set()), name="listen"
        )
        try:
            async with await connect(place.url, pool=POOL) as self._database:
                while True:
                    news.clear()
                    await self._look(self._database)
                    await asyncio.sleep(PAUSE)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL):
                            await news.wait()
        finally:
            self._database = None
            listening.cancel()
            await asyncio.wait([listening])

    async def entries_after(self, position: int) -> list[LogEntry]:
        """Return the next events after *position*: from the board, or from further back."""
        entries = self._board.entries
        if not entries or entries[0].position <= position + 1 or self._database is None:
            return [entry for entry in entries if entry.position > position]
        return await self._database.run(lambda one: entries_after(one, position, KEPT))

    async def refresh(self) -> None:
        """Put on the board what the database has at this moment."""
        if self._database is not None:
            await self._look(self._database)

    async def _look(self, database: Database) -> None:
        async with self._looking:  # so that no event comes twice
            after = self._board.head
            self._post(await database.run(lambda one: read_standing(one, after=after, limit=KEPT)))

    def _post(self, standing: Standing) -> None:
        if standing.entries:
            self._board.extend(standing.entries)
        rows = {(row.user_id, row.role_id): row for row in standing.rows}
        for key in self._rows.keys() - rows.keys():
            self._post_row(self._rows[key], is_gone=True)
        for row in standing.rows:
            self._post_row(row)
        self._rows = rows
        self._board.post("effects", body=standing.owed)
        self._tempo.note_dues(row.next_due_at for row in standing.rows if row.next_due_at)

    def _post_row(self, row: RowDocument, *, is_gone: bool = False) -> None:
        body = {
            "user_id": row.user_id,
            "role_id": row.role_id,
            "guild_id": row.guild_id,
            "row": None if is_gone else row.document,
        }
        self._board.post("row", row.user_id, row.role_id, body=body, is_gone=is_gone)
