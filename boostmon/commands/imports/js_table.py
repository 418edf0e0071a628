"""The JavaScript bot's own table `role_timers`, in another PostgreSQL: judged whole."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256

import asyncpg
import msgspec
from asyncpg import Connection

from boostmon.commands.imports.import_shapes import ImportedTimer, Judge, Judged
from boostmon.commands.imports.strict_json import decode
from boostmon.config import masked
from boostmon.database.connections.connection import session
from boostmon.errors import ImportRefusedError
from boostmon.events.timer import TimerId
from boostmon.projections.sql import statement

OPTION = "--from-database"
OLDEST = 10  # what is only read may be older than what BoostMon lives in
NEEDED = ("user_id", "role_id", "expires_at")
OURS = "next_due_at"
IDS = {"user_id", "role_id", "guild_id", "warn_channel_id"}
MOST_ROWS = 1_000_000
PAGE = 1_000


async def read_table(url: str, guild_id: str | None) -> Judged:
    """Judge the table at *url* whole, as it stands in one moment; it is only read.

    *guild_id* is the server of the rows that name none. Raise `ImportRefusedError`, or
    `DatabaseError` when the database cannot be used.
    """
    label = f"role_timers at {masked(url)}"
    rows = _Rows(Judge(label), guild_id)
    async with _snapshot(url, label) as connection:
        await rows.check(connection)
        async for row in connection.cursor(statement("javascript_rows"), prefetch=PAGE):
            rows.add(row["document"])
    return Judged(label, tuple(rows.timers.values()))


@asynccontextmanager
async def _snapshot(url: str, label: str) -> AsyncIterator[Connection]:
    async with session(url, variable=OPTION, oldest=OLDEST, is_ours=False) as connection:
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield connection
        except asyncpg.CharacterNotInRepertoireError as error:
            raise ImportRefusedError(
                f"{label} has text that is not UTF-8 ({error}), which a database of "
                "SQL_ASCII takes; correct it there. Nothing was written."
            ) from error
        except asyncpg.InsufficientPrivilegeError as error:
            raise ImportRefusedError(
                f"{label} may not be read ({error}); let {OPTION} name a role that may."
            ) from error


class _Rows:
    """Collects the rows of one table."""

    def __init__(self, judge: Judge, guild_id: str | None) -> None:
        self._judge = judge
        self._guild_id = guild_id
        self.timers: dict[TimerId, ImportedTimer] = {}

    async def check(self, connection: Connection) -> None:
        """Refuse a table that is not the JavaScript bot's."""
        columns = [row["name"] for row in await connection.fetch(statement("javascript_columns"))]
        if not columns:
            raise self._judge.refusal("the table", "is not there")
        if OURS in columns:
            raise self._judge.refusal("the table", "is BoostMon's own; move that with an export")
        if missing := [name for name in NEEDED if name not in columns]:
            raise self._judge.refusal("the table", f"has no column {', '.join(missing)}")

    def add(self, document: str) -> None:
        """Judge a row, given as JSON."""
        fields = dict(self._judge.fields(self._decoded(document), "a row"))
        for name in IDS & fields.keys():  # a table may have them as bigint or numeric
            if type(fields[name]) is int:
                fields[name] = str(fields[name])
        user = self._judge.snowflake(fields["user_id"], "a user_id")
        role = self._judge.snowflake(fields["role_id"], f"the role_id of user {user}")
        where = f"the row of user {user} and role {role}"
        timer = TimerId(self._server(fields, where), user, role)
        if timer in self.timers:
            raise self._judge.refusal(where, "is there twice")
        if len(self.timers) == MOST_ROWS:
            raise self._judge.refusal("the table", f"has more than {MOST_ROWS:,} rows")
        imported = self._judge.timer(timer, fields, where, shape="row", digest="")
        digest = sha256(msgspec.json.encode(imported)).hexdigest()
        self.timers[timer] = msgspec.structs.replace(imported, digest=digest)

    def _decoded(self, document: str) -> object:
        try:
            return decode(document)
        except RecursionError as error:
            raise self._judge.refusal("a row", "is nested too deeply") from error

    def _server(self, fields: Mapping[str, object], where: str) -> str:
        guild_id = fields.get("guild_id") or self._guild_id
        if guild_id is None:
            raise self._judge.refusal(where, "names no server; name it with --guild ID")
        return self._judge.snowflake(guild_id, f"{where}.guild_id")
