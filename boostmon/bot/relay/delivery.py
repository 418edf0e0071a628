"""Carrying out one effect in Discord: the role change or the notice, and what came of it."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from weakref import WeakValueDictionary

from boostmon import machine
from boostmon.bot.discord.members import Membership
from boostmon.bot.discord.refusals import (
    DELETED,
    MISSING_PERMISSIONS,
    NOT_THERE,
    TWO_FACTOR,
    UNKNOWN_ROLE,
    Final,
    Later,
    Passing,
    Receipt,
    Stuck,
    Verdict,
    judge_other,
    judge_role_change,
)
from boostmon.bot.discord.rest import (
    ATTEMPT_SECONDS,
    DiscordApi,
    NotLeadingError,
    RefusedError,
    UnansweredError,
)
from boostmon.bot.relay.notices import Notices
from boostmon.bot.servers.deleted_roles import deleted_of
from boostmon.bot.servers.view import Server
from boostmon.events.timer import (
    Cleared,
    Expired,
    Paused,
    Resumed,
    TimeAdded,
    TimeRemoved,
    TimerEvent,
    TimerId,
    TimerSet,
    WarningSent,
)
from boostmon.projections.effects.kinds import GIVE_ROLE
from boostmon.projections.effects.queue import OwedEffect, OwedEffects

HANDOVER = 5.0  # seconds
PATIENCE = 2.0  # seconds, for which roles a server has


class Delivery:
    """Does in Discord what an effect asks for, once."""

    def __init__(
        self, *, api: DiscordApi, owed: OwedEffects, notices: Notices, server: Server
    ) -> None:
        self._api = api
        self._owed = owed
        self._notices = notices
        self._server = server
        self._deleted: set[tuple[str, str]] = set()
        self._checking = WeakValueDictionary[str, asyncio.Lock]()

    def absence(self, guild_id: str) -> Stuck | Passing | None:
        """Say why nothing can be done in a server now; None when it is there."""
        return self._server.absence(guild_id)

    def late(self, effect: OwedEffect) -> float:
        """Tell by how many seconds a notice is late at this moment."""
        return self._notices.late(effect)

    def is_deleted(self, guild_id: str, role_id: str) -> bool:
        """Tell whether a server is known not to have a role any more; another one may have it."""
        return (guild_id, role_id) in self._deleted

    def note_deleted(self, guild_id: str, role_id: str) -> None:
        """Ask nothing more about a role that a server does not have: no id is used twice."""
        self._deleted.add((guild_id, role_id))

    async def carry_out(self, effect: OwedEffect, *, lane: str | None = None) -> Receipt | Verdict:
        """Do it, and return the receipt or what stands in the way.

        *lane* is whose turn was promised; that of direct messages: a notice goes by one, whatever
        its channel is.
        """
        if absence := self._server.absence(effect.timer.guild_id):
            return absence
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                match effect.kind:
                    case "give_role" | "take_role":
                        return await self._change_role(effect)
                    case "notice":
                        return await self._notices.send(effect, lane=lane)
        except RefusedError as error:
            return judge_other(error)
        except NotLeadingError:
            return Later(HANDOVER)
        except UnansweredError as error:
            return Passing(str(error), in_doubt=True)
        except TimeoutError:
            return Passing(f"Discord did not answer within {ATTEMPT_SECONDS} s", in_doubt=True)

    async def _change_role(self, effect: OwedEffect) -> Receipt | Verdict:
        timer, wanted = effect.timer, effect.kind == GIVE_ROLE
        if not self._server.has_role(timer.guild_id, timer.role_id):
            await self._look_for_role(timer)
        if self.is_deleted(timer.guild_id, timer.role_id):
            return Final(DELETED)
        change = self._api.give_role if wanted else self._api.take_role
        try:
            if effect.attempted_ago is not None:
                seen = await self._api.member(timer.guild_id, timer.user_id)
                if (timer.role_id in seen.roles) == wanted:  # the attempt whose answer was lost
                    return _read_back(seen)
            if not await self._owed.attempting(effect):
                raise NotLeadingError
            began = machine.monotonic()
            answered_at = await change(timer, reason=audit_reason(effect.event, effect.actor_id))
        except RefusedError as error:
            if error.code == UNKNOWN_ROLE:
                await self._look_for_role(timer)
                if not self.is_deleted(timer.guild_id, timer.role_id):
                    return Passing(f"{error}, and the server's roles do not bear that out")
            remedy = partial(self._server.remedy, timer.guild_id, timer.role_id)
            verdict = judge_role_change(error, remedy=remedy)
            is_theirs = not wanted and error.code in (MISSING_PERMISSIONS, TWO_FACTOR)
            if is_theirs or error.code in NOT_THERE:
                return await self._read_after(effect, error, verdict)
            return verdict
        took_ms = round((machine.monotonic() - began) * 1000)
        if answered_at is None:  # a second clock is needed, for the database's may be wrong
            answered_at = datetime.fromtimestamp(machine.wall(), UTC)
        return {"answered_at": answered_at.isoformat(), "took_ms": str(took_ms)}

    async def _read_after(
        self, effect: OwedEffect, refusal: RefusedError, verdict: Verdict
    ) -> Receipt | Verdict:
        """See what a member holds after a *refusal*: somebody else may have taken the role.

        Nor is one answer a proof that a member has left, who may be there.
        """
        timer, wanted = effect.timer, effect.kind == GIVE_ROLE
        try:
            seen = await self._api.member(timer.guild_id, timer.user_id)
        except RefusedError as error:
            left = error.code in NOT_THERE
            return judge_role_change(error, remedy=lambda: "") if left else verdict
        if (timer.role_id in seen.roles) == wanted:
            return _read_back(seen)
        is_there = refusal.code in NOT_THERE
        return Passing(f"{refusal}, and the member is there") if is_there else verdict

    async def _look_for_role(self, timer: TimerId) -> None:
        """Find out whether the server has a role, once for all that is owed for it."""
        lock = self._checking.setdefault(timer.guild_id, asyncio.Lock())
        with suppress(RefusedError, UnansweredError, TimeoutError):
            async with asyncio.timeout(PATIENCE), lock:
                if self.is_deleted(timer.guild_id, timer.role_id):
                    return
                if await deleted_of(self._api, timer.guild_id, [timer.role_id]):
                    self.note_deleted(timer.guild_id, timer.role_id)


def _read_back(seen: Membership) -> Receipt:
    """Say what was seen, and since when they are a member: leaving would have undone it."""
    receipt = {"confirmed": "read from the member"}
    if seen.joined_at is not None:
        receipt["joined_at"] = seen.joined_at.isoformat()
    return receipt


def audit_reason(event: TimerEvent, actor_id: str | None) -> str:
    """Say who asked for a role change, and with which command, for the server's audit log."""
    return f"BoostMon: {_command(event)}" + (f" by {actor_id}" if actor_id else "")


def _command(event: TimerEvent) -> str:
    match event:
        case TimerSet(added=False):
            return "/settime"
        case TimerSet() | TimeAdded():
            return "/addtime"
        case Resumed():
            return "/resumetime"
        case Expired():
            return "the timer has ended"
        case Cleared(reason="asked"):
            return "/cleartime"
        case Cleared(reason=reason):
            return f"the timer was cleared ({reason})"
        case (TimeRemoved() | Paused() | WarningSent()) as other:
            return type(other).__name__
