"""Queue of what Discord is owed, as the relay reads and settles it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
import structlog
from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.database.connections.pool import Database
from boostmon.errors import UnknownEventError, UnreadableEventError
from boostmon.events.append import Source
from boostmon.events.document import decode
from boostmon.events.timer import Expired, TimerEvent, TimerId, WarningSent
from boostmon.projections.effects import kinds
from boostmon.projections.effects.kinds import EffectKind
from boostmon.projections.effects.standings import FIRST_LOOK
from boostmon.projections.sql import statement

LONGEST_WAIT = 720.0  # seconds: no backoff is longer, but the database's clock may have gone back
log = structlog.get_logger()

REPLY_WAITS = 15.0  # seconds: a reply waits for 5, and whoever reads it a little more
NONCE_LENGTH = 25  # characters; resources/message, "Create Message"


class Owed(Struct, frozen=True, kw_only=True):
    """An open effect, as far as its place in the queue depends on it; *due_in* seconds.

    *moot*: the timer is not any more what the effect was decided for. *urgent*: a person waits for
    it. *tried*: Discord was asked before. *stuck_for*: what somebody must do before it is done.
    *opened*: there is a channel for direct messages with the user.
    """

    position: int
    kind: EffectKind
    stream_id: int
    guild_id: str
    user_id: str
    role_id: str
    command_id: str
    channel_id: str | None
    urgent: bool
    due_in: float
    moot: bool = False
    tried: bool = False
    stuck_for: str | None = None
    opened: bool = True


class OwedEffect(Struct, frozen=True, kw_only=True):
    """An open effect with all that carrying it out needs.

    *nonces*: the second is for when the first has led to a message that is another's.
    *role_name*: what the notice called the role when it was attempted last.
    *attempted_ago*: how many seconds ago it was attempted, while nobody knows what came of that.
    *look_again_at*: when the member is read again, after *looks* times, since Discord may still do
    what an earlier attempt asked for; None without such a doubt.
    *runs_until* is the end that the timer runs to at this moment; None when it does not run.
    *nearest_warned*: of how many minutes before its end it was warned last.
    """

    position: int
    kind: EffectKind
    attempts: int
    attempted_ago: float | None
    look_again_at: datetime | None
    looks: int
    recorded_at: datetime
    event: TimerEvent
    source: Source
    actor_id: str | None
    command_id: str
    nonces: tuple[str, str]
    timer: TimerId
    has_row: bool
    runs_until: int | None
    nearest_warned: int | None
    role_name: str | None

    @property
    def channel_id(self) -> str | None:
        """The channel that the notice goes to; None: by direct message."""
        event = self.event
        return event.warn_channel_id if isinstance(event, WarningSent | Expired) else None

    @property
    def still_true(self) -> bool:
        """Whether the timer is still what the effect was decided for."""
        is_overtaken = (
            isinstance(self.event, WarningSent)
            and self.nearest_warned is not None
            and self.nearest_warned < self.event.minutes
        )
        return not is_overtaken and _is_true(
            self.kind, self.event, has_row=self.has_row, runs_until=self.runs_until
        )


class OwedEffects:
    """Reads and settles what Discord is owed; every method may be repeated without harm."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._newer: set[str] = set()

    async def all(self) -> tuple[int, list[Owed]]:
        """Return the log's head and everything owed, oldest first, a role before its notice."""
        return await self._read("open_effects")

    async def since(self, position: int) -> tuple[int, list[Owed]]:
        """Return the head and what is owed for the timers with an event later than *position*."""
        return await self._read("open_effects_since", position)

    async def of_streams(self, numbers: Sequence[int]) -> list[Owed]:
        """Return what is owed for the streams *numbers*."""
        rows = await self._database.fetch(statement("open_effects_of_streams"), numbers)
        return self._known(rows)

    def _known(self, rows: Sequence[Record]) -> list[Owed]:
        """Leave to a newer release what only it knows to do, and say so once."""
        newer = {row["kind"] for row in rows} - {*kinds.KINDS, *self._newer}
        if newer:
            self._newer |= newer
            log.warning("effects left to a newer release", kinds=sorted(newer))
        return [_owed(row) for row in kinds.known(rows)]

    async def _read(self, name: str, *arguments: int) -> tuple[int, list[Owed]]:
        async def fetch(connection: Connection) -> tuple[int, list[Owed]]:
            head = await connection.fetchval(statement("head"))
            if (head,) == arguments:
                return head, []  # nothing was recorded since
            rows = await connection.fetch(statement(name), *arguments)
            return head, self._known(rows)

        return await self._database.run(fetch)

    async def supersede(self, moot: Sequence[Owed]) -> None:
        """Settle effects that are no longer true, all at once: Discord need not be asked."""
        await self._execute("supersede_effects", [o.position for o in moot], [o.kind for o in moot])

    async def hold(self, held: Sequence[Owed], why: str, *, seconds: float | None) -> None:
        """Note, all at once, *why* effects are not tried: somebody must act, for *seconds* yet.

        Without *seconds* they are not stuck, and wait for something that passes.
        """
        state = "owed" if seconds is None else "stuck"
        keys = [effect.position for effect in held], [effect.kind for effect in held]
        await self._execute("hold_effects", *keys, state, why, seconds)

    async def close_all(self, owed: Sequence[Owed], reason: str) -> None:
        """Settle effects of which nothing can come, for *reason*, without asking Discord."""
        keys = [effect.position for effect in owed], [effect.kind for effect in owed]
        await self._execute("close_effects", *keys, reason)

    async def tell_put_off(self, positions: Sequence[int]) -> None:
        """Tell all processes that the limits put off the effects of the events at *positions*."""
        await self._execute("tell_put_off", positions)

    async def find(self, position: int, kind: EffectKind) -> OwedEffect | None:
        """Return one effect as it stands now; None when it is owed no more.

        Raise `UnknownEventError` for an event of a newer version.
        """

        async def fetch(connection: Connection) -> OwedEffect | None:
            row = await connection.fetchrow(statement("owed_effect"), position, kind)
            return None if row is None else _owed_effect(row)

        return await self._database.run(fetch)

    async def attempting(self, effect: OwedEffect, *, role_name: str | None = None) -> bool:
        """Note, before Discord is asked, that *effect* is attempted; False: it is owed no more.

        A crash leaves a trace: of a notice the attempt, of a role change the doubt. *role_name* is
        what a notice calls the role, which may have another name later.
        """
        look = None if effect.kind == kinds.NOTICE else FIRST_LOOK
        arguments = (effect.position, effect.kind, role_name, look)
        return bool(await self._database.fetch(statement("attempt_effect"), *arguments))

    async def doubt(self, effect: OwedEffect) -> None:
        """Have the member read again: another process may have settled *effect* meanwhile."""
        arguments = (effect.position, effect.kind, FIRST_LOOK)
        await self._database.fetch(statement("doubt_effect"), *arguments)

    async def receipted(self, effect: OwedEffect, message_ids: Sequence[str]) -> set[str]:
        """Return which of *message_ids* are the receipts of other notices to the member."""

        async def fetch(connection: Connection) -> set[str]:
            rows = await connection.fetch(statement("receipted"), effect.position, message_ids)
            return {row["message_id"] for row in rows}

        return await self._database.run(fetch)

    async def close(
        self,
        effect: OwedEffect,
        state: Literal["done", "superseded"],
        receipt: dict[str, str] | None = None,
        *,
        in_doubt: bool = False,
    ) -> None:
        """Settle *effect*, with its *receipt*.

        *in_doubt*: Discord has not said that it changed a role, so its member is read again.
        """
        document = None if receipt is None else msgspec.json.encode(receipt).decode()
        key, doubt = (effect.position, effect.kind), (effect.look_again_at, effect.looks)
        look = FIRST_LOOK if in_doubt and effect.kind != kinds.NOTICE else None
        await self._execute("close_effect", *key, state, document, *doubt, look)

    async def postpone(
        self, effect: OwedEffect, *, stuck: bool, seconds: float, why: str, in_doubt: bool
    ) -> None:
        """Keep *effect* and have it tried again in *seconds*; *why* has the remedy if *stuck*.

        *in_doubt*: nobody knows whether this attempt took effect. An earlier doubt stays: what was
        asked before may still be on its way, and a notice must not be posted twice.
        """
        in_doubt = in_doubt or (effect.kind == kinds.NOTICE and effect.attempted_ago is not None)
        state = "stuck" if stuck else "owed"
        key = (effect.position, effect.kind)
        doubt = (in_doubt, effect.look_again_at, effect.looks, effect.attempts)
        await self._execute("postpone_effect", *key, state, seconds, why, *doubt)

    async def _execute(self, name: str, *arguments: object) -> None:
        async def execute(connection: Connection) -> None:
            await connection.execute(statement(name), *arguments)

        await self._database.run(execute)


def _owed(row: Record) -> Owed:
    is_stuck = row["state"] == "stuck"
    return Owed(
        position=row["position"],
        kind=row["kind"],
        stream_id=row["stream_id"],
        guild_id=row["guild_id"],
        user_id=row["user_id"],
        role_id=row["role_id"],
        command_id=row["command_id"],
        channel_id=row["channel_id"],
        urgent=not is_stuck and _is_waited_for(row),
        due_in=min(row["due_in"], LONGEST_WAIT),
        moot=_is_moot(row),
        tried=row["attempts"] > 0,
        stuck_for=row["last_error"] if is_stuck else None,
        opened=row["opened"],
    )


def _is_waited_for(row: Record) -> bool:
    """Tell whether a person waits for an effect, who was told nothing of it yet."""
    # A clock that went back makes nothing new again.
    is_new: bool = row["attempts"] == 0 or abs(row["recorded_ago"]) < REPLY_WAITS
    return is_new and row["source"] == "slash"


def _owed_effect(row: Record) -> OwedEffect:
    return OwedEffect(
        position=row["position"],
        kind=row["kind"],
        attempts=row["attempts"],
        attempted_ago=row["attempted_ago"],
        look_again_at=row["look_again_at"],
        looks=row["looks"],
        recorded_at=row["recorded_at"],
        event=decode(row["data"]),
        source=row["source"],
        actor_id=row["actor_id"],
        command_id=row["command_id"],
        nonces=(row["hash"][:NONCE_LENGTH], row["hash"][NONCE_LENGTH : 2 * NONCE_LENGTH]),
        timer=TimerId(row["guild_id"], row["user_id"], row["role_id"]),
        has_row=row["has_row"],
        runs_until=row["runs_until"],
        nearest_warned=row["nearest_warned"],
        role_name=row["role_name"],
    )


def _is_moot(row: Record) -> bool:
    facts = {"has_row": row["has_row"], "runs_until": row["runs_until"]}
    try:
        event = decode(row["data"])
    except UnreadableEventError:  # of which nothing can be told
        return row["kind"] == kinds.NOTICE or not _is_true(row["kind"], None, **facts)
    except UnknownEventError:
        return False  # a newer version knows
    return not _is_true(row["kind"], event, **facts)


def _is_true(
    kind: EffectKind, event: TimerEvent | None, *, has_row: bool, runs_until: int | None
) -> bool:
    match kind:
        case "give_role":
            return has_row
        case "take_role":
            return not has_row
        case "notice" if isinstance(event, WarningSent):
            return runs_until == event.expires_at
        case "notice":
            return not has_row
