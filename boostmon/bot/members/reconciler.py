"""Reconciler: compares members who have timers with the log, over the gateway, in quiet times."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from boostmon import machine
from boostmon.bot.discord.members import Membership
from boostmon.errors import BoostmonError
from boostmon.projections.effects.standings import Standings, TimedMember

PAGE = 100  # members by id in one request; gateway-events, "Request Guild Members"
# Discord takes 120 requests a minute and connection (topics/gateway, "Rate Limiting").
EVERY = 0.7  # seconds
PATIENCE = 10.0  # seconds that a busy relay holds up a request, which costs nothing of its limits
LOOK = 0.5  # seconds
BETWEEN_PASSES = 12 * 3600.0  # seconds, so that nobody is unread for 24 hours
TRIES = 3
AGAIN_AFTER = 600.0  # seconds; servers that did not answer

log = structlog.get_logger()

Memberships = Mapping[str, Membership]


class Speaker(Protocol):
    """The relay, as far as it tells when there is time."""

    @property
    def leads(self) -> bool:
        """Whether this process speaks to Discord."""

    @property
    def terms(self) -> int:
        """How often this process has begun to speak to Discord."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being carried out, or could be at once."""


class Members(Protocol):
    """The gateway, as far as it can be asked for members."""

    async def memberships(self, guild_id: str, user_ids: Collection[str]) -> Memberships | None:
        """Return those who are members, by id; None while the server cannot be asked.

        Raise `TimeoutError` when there is no answer.
        """


class Reader(Protocol):
    """Reads members again."""

    def want_in_time(self, guild_id: str, user_id: str) -> None:
        """Read a member when nobody waits for anything else."""


class RoleCheck(Protocol):
    """Looks for timed roles that were deleted."""

    async def roles_checked(self, guild_id: str) -> None:
        """End the timers of the roles that a server does not have any more."""


class CompareWatch(Protocol):
    """Is told how far the comparing has come."""

    def compared(self, members: int) -> None:
        """Take note that *members* were compared."""


class Reconciler:
    """Goes through all servers after a start, an outage or a takeover, and twice a day."""

    def __init__(
        self,
        *,
        standings: Standings,
        members: Members,
        roles: RoleCheck,
        looks: Reader,
        relay: Speaker,
        watch: CompareWatch,
    ) -> None:
        self._standings = standings
        self._members = members
        self._roles = roles
        self._looks = looks
        self._relay = relay
        self._watch = watch
        self._due = True
        self._servers: set[str] = set()
        self._unread: set[str] = set()
        self._again_at = 0.0
        self._term = 0
        self.ended: float | None = None  # the last whole pass; monotonic, in seconds

    def begin_anew(self) -> None:
        """Begin a pass soon: something may have happened unseen."""
        self._due = True

    def server_returned(self, guild_id: str) -> None:
        """Compare one server soon: it was out of sight."""
        self._servers.add(guild_id)

    async def run(self) -> None:
        """Compare until cancelled, while this process speaks to Discord."""
        while True:
            await self._until_due()
            whole, self._due = self._due, False
            servers, self._servers = self._servers, set()
            try:
                left = await self._pass(None if whole else servers)
            except BoostmonError as error:
                log.error("members not compared", reason=str(error))
                left = None
            except Exception:  # a part that falls silent would be found by its users
                log.exception("members not compared")
                left = None
            if left is None:
                self._due |= whole
                self._servers |= servers
                await asyncio.sleep(PATIENCE)
                continue
            self._unread |= set(left)
            self._again_at = machine.monotonic() + AGAIN_AFTER
            if whole:
                self.ended = machine.monotonic()
                log.info("members compared with the log", servers_not_read=len(left))

    async def _until_due(self) -> None:
        while True:
            if self._relay.terms != self._term:
                self._term = self._relay.terms
                self._due = True  # what was told while nobody spoke to Discord was heard by nobody
            if self.ended is not None and machine.monotonic() - self.ended > BETWEEN_PASSES:
                self._due = True
            if self._unread and machine.monotonic() > self._again_at:
                self._servers |= self._unread
                self._unread.clear()
            if self._relay.leads and (self._due or self._servers):
                return
            await asyncio.sleep(LOOK)

    async def _pass(self, servers: Collection[str] | None) -> list[str] | None:
        """Compare *servers* (None: all); return those that did not answer, None if cut short."""
        left = list(servers if servers is not None else await self._standings.servers())
        for _ in range(TRIES):
            left = [server for server in left if not await self._answered(server)]
            if not self._relay.leads:
                return None
            if not left:
                break
        return left

    async def _answered(self, guild_id: str) -> bool:
        """Compare one server, whose trouble keeps no other from being compared."""
        try:
            return await self._server(guild_id)
        except BoostmonError:
            raise  # the database has failed, for all of them
        except Exception:
            log.exception("members not compared", server=guild_id)
            return False

    async def _server(self, guild_id: str) -> bool:
        """Compare one server; tell whether it answered, or need not be asked."""
        await self._roles.roles_checked(guild_id)
        after = ""
        while page := await self._standings.members(guild_id, after=after, most=PAGE):
            await self._turn()
            if not self._relay.leads or not await self._compared(guild_id, page):
                return False
            after = page[-1].user_id
        return True

    async def _compared(self, guild_id: str, page: list[TimedMember]) -> bool:
        asked = machine.monotonic()
        try:
            seen = await self._members.memberships(guild_id, [m.user_id for m in page])
        except TimeoutError:
            log.info("members not read", server=guild_id, members=len(page))
            return False
        if seen is None:
            return True  # out of sight: it is compared when it is back
        held: dict[int, datetime | None] = {}
        for member in page:
            membership = seen.get(member.user_id)
            if membership is None:
                continue  # who is not there holds nothing, and is read when they are back
            if _differs(member, membership):
                self._looks.want_in_time(guild_id, member.user_id)
            elif member.role_ids <= membership.roles:
                held |= dict.fromkeys(member.never_given, membership.joined_at)
        if held:
            seconds = machine.monotonic() - asked
            await self._standings.owe_nothing(held, seconds_ago=seconds)
            await self._standings.decided(list(held))
        self._watch.compared(len(page))
        return True

    async def _turn(self) -> None:
        """Keep the gateway's pace, and let pass what people and ends wait for."""
        await asyncio.sleep(EVERY)
        end = machine.monotonic() + PATIENCE
        while not self._relay.is_idle and machine.monotonic() < end:  # noqa: ASYNC110 - it need not be prompt
            await asyncio.sleep(LOOK)


def _differs(member: TimedMember, seen: Membership) -> bool:
    """Tell whether a member is to be looked at; what was reported is not, unless they rejoined."""
    reported = member.reported
    if member.reported_at and seen.joined_at and seen.joined_at > member.reported_at:
        reported = frozenset()
    return member.held_back or not member.role_ids <= seen.roles | reported
