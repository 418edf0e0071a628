"""Agreement: reads one member, and acts on what the table of evidence says of each timed role."""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, Protocol

import structlog
from msgspec import Struct
from msgspec.structs import astuple

from boostmon import machine
from boostmon.bot.discord.members import Membership
from boostmon.bot.discord.refusals import NOT_THERE, passes
from boostmon.bot.discord.rest import DiscordApi, RefusedError, UnansweredError
from boostmon.bot.members.absences import PROVEN_AFTER, TOLD_AFTER, Absence, Absences
from boostmon.bot.members.audit_log import AuditLog
from boostmon.bot.members.evidence import (
    Agrees,
    Conclusion,
    Held,
    Left,
    Missing,
    Owe,
    Reopen,
    Unheld,
    conclude,
)
from boostmon.bot.servers.view import Server
from boostmon.commands.decider import Clear
from boostmon.commands.handler import CommandHandler, Origin
from boostmon.database.clocks.clock import Clock
from boostmon.errors import BoostmonError, RejectedError
from boostmon.projections.effects.standings import Found, RoleChange, Standing, Standings

AGAIN_AFTER = 30.0  # seconds; the member could not be read, or something changed meanwhile
REFUSED_AFTER = 300.0  # seconds; each refusal counts towards Discord's ban
BELIEVED_FOR = 20.0  # seconds from the question; a process may have been frozen since

log = structlog.get_logger()


class Speaker(Protocol):
    """The relay, as far as it tells who speaks to Discord, and must know what was opened again."""

    @property
    def leads(self) -> bool:
        """Whether this process speaks to Discord."""

    def recheck(self, stream_id: int) -> None:
        """Look anew at what a timer is owed."""

    def reload(self) -> None:
        """Look at everything that is owed anew."""


class Members(Protocol):
    """The gateway, as far as it can be asked for members."""

    async def memberships(
        self, guild_id: str, user_ids: Collection[str]
    ) -> Mapping[str, Membership] | None:
        """Return those who are members, by id; None while the server cannot be asked.

        Raise `TimeoutError` when there is no answer.
        """


class DifferenceWatch(Protocol):
    """Is told what was found to differ."""

    def difference(self, standing: Standing, found: Found, actor_id: str | None) -> None:
        """Take note that the role of *standing* was *found* so; *actor_id* did it, if known."""


class Reading(Struct, frozen=True, kw_only=True):
    """A member as *seen* (None: not a member), asked for at *asked* (monotonic, seconds)."""

    seen: Membership | None
    asked: float


class Agreement:
    """Brings what Discord shows of a member and what the log says to agree."""

    def __init__(
        self,
        *,
        standings: Standings,
        api: DiscordApi,
        audit_log: AuditLog,
        members: Members,
        server: Server,
        handler: CommandHandler,
        relay: Speaker,
        clock: Clock,
        role_taken: Literal["end", "restore"],
        watch: DifferenceWatch,
    ) -> None:
        self._standings = standings
        self._api = api
        self._audit_log = audit_log
        self._members = members
        self._server = server
        self._handler = handler
        self._relay = relay
        self._clock = clock
        self._role_taken = role_taken
        self._watch = watch
        self._absences = Absences()
        self._reopened: set[int] = set()

    async def of(self, guild_id: str, user_id: str) -> float | None:
        """Read a member and act; return in how many seconds they are to be read again, if so.

        What is read counts only if the timers stand before and after it as they did: a command,
        a sweep or a give may have been on its way. Raise `DatabaseError` when the database fails.
        """
        before = await self._standings.of_member(guild_id, user_id)
        if not before:
            return None
        if not self._relay.leads:
            return AGAIN_AFTER  # the lease may have gone while the database was silent
        if self._server.absence(guild_id):
            return await self._put_off(before, REFUSED_AFTER)
        try:
            reading = await self._read(guild_id, user_id)
        except (RefusedError, UnansweredError, TimeoutError) as error:
            log.info("member not read", member=user_id, server=guild_id, reason=str(error))
            is_refused = isinstance(error, RefusedError) and not passes(error)
            return await self._put_off(before, REFUSED_AFTER if is_refused else AGAIN_AFTER)
        in_doubt = [standing.number for standing in before if standing.in_doubt]
        if in_doubt and reading.seen is None and await self._told(guild_id, user_id):
            log.info("a member is away by REST alone", member=user_id, server=guild_id)
            return await self._put_off(before, AGAIN_AFTER)
        stands_still = await self._standings.of_member(guild_id, user_id) == before
        if not stands_still or not self._may_act(reading):
            return AGAIN_AFTER
        try:
            pauses = [await self._act(standing, reading) for standing in before]
            await self._standings.looked(in_doubt)
        finally:
            self._recheck(before)
        return min((pause for pause in pauses if pause is not None), default=None)

    async def _put_off(self, standings: Iterable[Standing], seconds: float) -> float:
        """Have members who cannot be read keep nobody else's doubt waiting; return *seconds*."""
        await self._standings.put_off([s.number for s in standings if s.in_doubt], seconds)
        return seconds

    async def _read(self, guild_id: str, user_id: str) -> Reading:
        asked = machine.monotonic()
        try:
            return Reading(seen=await self._api.member(guild_id, user_id), asked=asked)
        except RefusedError as error:
            if error.code not in NOT_THERE:
                raise
            return Reading(seen=None, asked=asked)

    async def _act(self, standing: Standing, reading: Reading) -> float | None:
        if reading.seen is None:
            return None  # who is not there holds nothing, and gets it when they are back
        conclusion = self._concluded(standing, reading.seen)
        if not isinstance(conclusion, Missing):
            self._absences.forget(standing.number)
        match conclusion:
            case Agrees():
                if standing.held_back:
                    await self._standings.decided([standing.number])
            case Held():
                seconds = machine.monotonic() - reading.asked
                held = {standing.number: reading.seen.joined_at}
                await self._standings.owe_nothing(held, seconds_ago=seconds)
                await self._standings.decided([standing.number])
            case Left(change=change):
                await self._standings.confirm_take(change)
            case Owe(found=found):
                if await self._standings.owe_roles(standing.timer.guild_id, standing.timer.user_id):
                    await self._found(standing, found)
                    self._relay.reload()
            case Unheld():
                await self._found(standing, "import_not_held")
            case Reopen(change=change, found=found):
                await self._reopen(standing, change, found)
            case Missing(given=given):
                return await self._missing(standing, given, reading)
        return None

    def _concluded(self, standing: Standing, seen: Membership) -> Conclusion:
        """Conclude, and take again what the audit log shows to be a late give of our own."""
        conclusion, taken = conclude(standing, seen), standing.change
        if not isinstance(conclusion, Agrees) or standing.wanted or standing.is_open:
            return conclusion
        if taken is not None and standing.timer.role_id in seen.roles:
            giver = self._audit_log.known_giver(standing.timer, since=taken.given_before)
            if giver == self._api.own_id:
                return Reopen(taken, "held_after_end")
        return conclusion

    async def _reopen(
        self, standing: Standing, change: RoleChange, found: Found, actor_id: str | None = None
    ) -> None:
        self._absences.forget(standing.number)
        if await self._standings.reopen(change, standing.timer.user_id):
            await self._found(standing, found, actor_id)
            self._reopened.add(standing.number)

    def _recheck(self, looked_at: Iterable[Standing]) -> None:
        """Have the relay do what was opened again: now, since an attempt carries the looks on."""
        for number in self._reopened & {standing.number for standing in looked_at}:
            self._reopened.discard(number)
            self._relay.recheck(number)

    async def _told(self, guild_id: str, user_id: str) -> Mapping[str, Membership] | None:
        """Return the member as the gateway tells of them; None when it does not tell."""
        try:
            return await self._members.memberships(guild_id, [user_id])
        except TimeoutError:
            return None

    async def _missing(
        self, standing: Standing, given: RoleChange, reading: Reading
    ) -> float | None:
        """Find out who took a role; without evidence, see whether it stays away."""
        now, guild_id = machine.monotonic(), standing.timer.guild_id
        absence = self._absences.note(standing, given, now)
        if standing.held_back:
            return None
        if self._absences.too_many(guild_id, now):
            await self._hold_back(self._absences.of_server(guild_id))
            return None
        try:
            taker = await self._audit_log.taker(standing.timer, since=given.given_before)
        except (RefusedError, UnansweredError, TimeoutError) as error:
            log.info("audit log not read", server=guild_id, reason=str(error))
            return AGAIN_AFTER  # what it would have told is not known
        if not self._may_act(reading):
            return AGAIN_AFTER
        if taker == self._api.own_id:
            await self._reopen(standing, given, "not_held", taker)
            return None
        left = (PROVEN_AFTER if taker is None else TOLD_AFTER) - (now - absence.since)
        if left > 0:
            return left
        is_borne_out = taker is not None or await self._bears_out(standing)
        too_many = self._absences.too_many(guild_id, machine.monotonic())
        if too_many or not is_borne_out or not self._may_act(reading):
            return AGAIN_AFTER
        return await self._taken(standing, given, taker)

    async def _bears_out(self, standing: Standing) -> bool:
        """Ask the gateway, too, for a member who lacks a role that nobody is known to have taken.

        What REST shows alone may be cut short, or be of somewhere that lags behind.
        """
        guild_id, user_id, role_id = astuple(standing.timer)
        member = (await self._told(guild_id, user_id) or {}).get(user_id)
        is_missing = member is not None and role_id not in member.roles
        if not is_missing:
            log.info("a role is missing by REST alone", timer=standing.timer)
        return is_missing

    async def _taken(
        self, standing: Standing, given: RoleChange, taker: str | None
    ) -> float | None:
        """Do what BOOSTMON_ROLE_TAKEN says about a role that was taken by hand."""
        if self._role_taken == "restore":
            await self._reopen(standing, given, "taken_by_hand", taker)
            return None
        origin = Origin(
            command_id=f"discord:taken_by_hand:{standing.number}:{standing.version}",
            source="discord",
            actor_id=taker,
        )
        command = Clear(self._clock.now(), "taken_by_hand")
        try:
            handled = await self._handler.handle(
                standing.timer, command, origin, at_version=standing.version
            )
        except RejectedError:
            return None  # it has ended meanwhile
        if handled.position is None:
            return AGAIN_AFTER  # something was recorded meanwhile
        self._absences.forget(standing.number)
        await self._found(standing, "taken_by_hand", taker)
        return None

    async def _hold_back(self, absences: Iterable[Absence]) -> None:
        for absence in absences:
            is_first = self._absences.forget(absence.standing.number)  # others look as well
            if not is_first or absence.standing.held_back:
                continue
            try:
                await self._found(absence.standing, "too_many_taken")
            except BoostmonError:
                self._absences.keep(absence)
                raise

    def _may_act(self, reading: Reading) -> bool:
        """Tell whether *reading* may be believed still, and acted on by this process."""
        is_old = machine.monotonic() - reading.asked > BELIEVED_FOR
        return self._relay.leads and not is_old

    async def _found(self, standing: Standing, found: Found, actor_id: str | None = None) -> None:
        await self._standings.note(standing, found)
        self._watch.difference(standing, found, actor_id)
