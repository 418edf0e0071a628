"""A process that looks at members, over REST alone; the test calls each pass."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import asyncpg
import pytest
from disnake.http import HTTPClient, Route

from boostmon import machine
from boostmon.bot.discord.members import Membership
from boostmon.bot.discord.pace import Limits as Expected
from boostmon.bot.discord.pace import Pace
from boostmon.bot.discord.refusals import Passing, Stuck
from boostmon.bot.discord.rest import DiscordApi
from boostmon.bot.members.agreement import Agreement
from boostmon.bot.members.audit_log import AuditLog
from boostmon.bot.relay.delivery import Delivery
from boostmon.bot.relay.notices import Notices
from boostmon.bot.relay.receipts import Again, put_down
from boostmon.commands.decider import Clear, SetTime
from boostmon.commands.imports.import_shapes import ImportedTimer, Judged
from boostmon.commands.imports.importer import Importer
from boostmon.commands.sweeper import Sweeper
from boostmon.database.connections.pool import Database
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.effects.direct_channels import DirectChannels
from boostmon.projections.effects.queue import OwedEffects
from boostmon.projections.effects.standings import Found, Standing, Standings
from boostmon.projections.role_timers import RoleTimers
from boostmon.sandbox import Limits
from tests.bot.members.test_observer import until
from tests.commands.test_handler import StillClock
from tests.support.description import complaints_about
from tests.support.sandbox_client import Client, sandbox
from tests.support.timers import M, handler_over, slash

MEMBER_ROUTE = "/guilds/{guild_id}/members/{user_id}"
ROLE_ROUTE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
AUDIT_ROUTE = "/guilds/{guild_id}/audit-logs"
MANY = (10_000, 1.0)


class Server:
    """What the gateway has told of a server: *away* says why it cannot be asked."""

    away: Stuck | Passing | None = None

    def absence(self, guild_id: str) -> Stuck | Passing | None:
        assert guild_id
        return self.away

    def has_role(self, guild_id: str, role_id: str) -> bool:
        assert guild_id != role_id
        return True

    def name(self, guild_id: str) -> str:
        return f"Server {guild_id}"

    def role_name(self, guild_id: str, role_id: str) -> str:
        assert guild_id != role_id
        return "VIP"

    def remedy(self, guild_id: str, role_id: str) -> str:
        return f"Move BoostMon's role above {role_id} in {guild_id}."


class Speaker:
    """A relay that notes what it is told, and carries nothing out by itself."""

    def __init__(self) -> None:
        self.leads, self.is_idle = True, True
        self.rechecked: list[int] = []
        self.reloads = 0
        self.hastened: list[str] = []
        self.deleted: list[tuple[str, str]] = []

    def recheck(self, stream_id: int) -> None:
        self.rechecked.append(stream_id)

    def reload(self) -> None:
        self.reloads += 1

    def hasten(self, guild_id: str) -> None:
        self.hastened.append(guild_id)

    def role_deleted(self, guild_id: str, role_id: str) -> None:
        self.deleted.append((guild_id, role_id))


class Differences:
    """Notes what was found, and who did it."""

    def __init__(self) -> None:
        self.found: list[tuple[Found, str | None]] = []

    def difference(self, standing: Standing, found: Found, actor_id: str | None) -> None:
        assert standing.number
        self.found.append((found, actor_id))


class Members:
    """The gateway, as far as it tells of members: the truth, or what it is made to tell."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.asked = 0
        self.tells: Callable[[dict[str, Membership]], Mapping[str, Membership] | None] = dict

    async def memberships(
        self, guild_id: str, user_ids: Collection[str]
    ) -> Mapping[str, Membership] | None:
        self.asked += 1
        guild = next(g for g in self._client.sandbox.state()["guilds"] if g["id"] == guild_id)
        return self.tells(
            {
                member["user_id"]: Membership(frozenset(member["roles"]), None)
                for member in guild["members"]
                if member["user_id"] in user_ids
            }
        )


class Process:
    """One process of the bot, as far as it carries out effects and looks at members."""

    def __init__(
        self,
        database: Database,
        http: HTTPClient,
        members: Members,
        *,
        role_taken: Literal["end", "restore"] = "end",
    ) -> None:
        self.members = members
        self.clock, self.pace = StillClock(1_700_000_000_000), Pace(Expected())
        self.api = DiscordApi(http, self.pace)
        self.owed, self.standings = OwedEffects(database), Standings(database)
        self.server, self.speaker, self.differences = Server(), Speaker(), Differences()
        notices = Notices(
            api=self.api,
            owed=self.owed,
            direct_channels=DirectChannels(database),
            server=self.server,
            clock=self.clock,
            pace=self.pace,
        )
        self.delivery = Delivery(api=self.api, owed=self.owed, notices=notices, server=self.server)
        self.audit_log = AuditLog(self.api)
        self.agreement = Agreement(
            standings=self.standings,
            api=self.api,
            audit_log=self.audit_log,
            members=members,
            server=self.server,
            handler=handler_over(database),
            relay=self.speaker,
            clock=self.clock,
            role_taken=role_taken,
            watch=self.differences,
        )

    @property
    def found(self) -> list[Found]:
        """What this process has found to differ."""
        return [found for found, _ in self.differences.found]

    async def carry_out(self, *kinds: str) -> None:
        """Do once what Discord is owed (of *kinds*, if given), of each timer in order."""
        _, owed = await self.owed.all()
        await self.owed.supersede([each for each in owed if each.moot])
        waiting: set[int] = set()
        for each in owed:
            effect = await self.owed.find(each.position, each.kind)
            if effect is None or each.stream_id in waiting or (kinds and each.kind not in kinds):
                continue
            verdict = await self.delivery.carry_out(effect)
            if isinstance(await put_down(self.owed, effect, verdict), Again):
                waiting.add(each.stream_id)


class Scene(Process):
    """A process, the Discord that it speaks to, and what people do there."""

    def __init__(
        self,
        database: Database,
        owner: asyncpg.Connection,
        client: Client,
        http: HTTPClient,
        *,
        patch: pytest.MonkeyPatch,
        role_taken: Literal["end", "restore"],
    ) -> None:
        super().__init__(database, http, Members(client), role_taken=role_taken)
        self.database, self.owner, self.client, self._http = database, owner, client, http
        self.patch = patch
        self._apart, self._ahead, monotonic = 0.0, 0.0, machine.monotonic
        patch.setattr(machine, "monotonic", lambda: monotonic() + self._ahead)
        self._sweeper = Sweeper(
            store=EventStore(database),
            timers=RoleTimers(database),
            clock=self.clock,
            interval=30,
        )

    @property
    def guild_id(self) -> str:
        """The server."""
        return str(self.client.ids["guild"])

    def another(self, *, role_taken: Literal["end", "restore"] = "end") -> Process:
        """Start another process beside this one, or after it."""
        return Process(self.database, self._http, self.members, role_taken=role_taken)

    # What people do.

    def timer(self, user: str = "max", role: str = "VIP") -> TimerId:
        """Name a timer."""
        return TimerId(self.guild_id, self.client.user(user), self.client.role(role))

    async def command(self, command: Any, user: str = "max", role: str = "VIP") -> None:
        """Give a slash command."""
        await handler_over(self.database).handle(self.timer(user, role), command, slash())

    async def set(self, user: str = "max", role: str = "VIP", *, ms: int = HOUR) -> None:
        """Give a member a role for some time; it is not carried out yet."""
        channel_id = self.client.ids["channels"]["general"]
        await self.command(SetTime(self.clock.time, ms, M, channel_id), user, role)

    async def given(self, user: str = "max", role: str = "VIP", *, ms: int = HOUR) -> None:
        """Give a member a role for some time, and have it confirmed some seconds ago."""
        await self.set(user, role, ms=ms)
        await self.carry_out()
        await self.later(5)

    async def clear(self, user: str = "max", role: str = "VIP") -> None:
        """End a timer by a command."""
        await self.command(Clear(self.clock.time), user, role)

    async def expire(self) -> None:
        """Let the time of every timer pass, and sweep."""
        await self.sweep(365 * 24 * HOUR)

    async def sweep(self, ms: int) -> None:
        """Let *ms* pass, and sweep."""
        self.clock.time += ms
        await self._sweeper.sweep(self.clock.time)

    async def imports(self, user: str = "max", role: str = "VIP") -> None:
        """Import a timer, whose member holds the role or does not."""
        imported = ImportedTimer(
            timer=self.timer(user, role),
            shape="member",
            digest=f"{user}{role}{time.monotonic_ns()}",
            expires_at=self.clock.time + HOUR,
        )
        importer = Importer(EventStore(self.database), now=self.clock.time, warning_minutes=M)
        await importer.run(Judged("f", (imported,)))

    async def member(self, action: str, user: str = "max", role: str | None = None) -> None:
        """Let the owner do something with a member, or the member come or go."""
        more = {"role": role, "by": "olga"} if role else {}
        await self.client.sim("member", {"user": user, "action": action, **more})

    async def ours(self, method: str, user: str = "max", role: str = "VIP") -> None:
        """Let Discord carry out late what BoostMon asked for and has given up."""
        answer = await self.client.api(method, self.client.held(user, role))
        assert 204 == answer.status

    # What goes wrong.

    async def fault(self, **fault: Any) -> None:
        """Let Discord stumble."""
        await self.client.sim("fault", fault)

    async def disarm(self) -> None:
        """Let Discord stumble no more."""
        await self.client.sim("fault", method="DELETE")

    async def given_up(self, method: str) -> None:
        """Let the next role change not be carried out before it is given up."""
        await self.fault(method=method, path=ROLE_ROUTE, effect="never")

    async def killed(self, method: str) -> None:
        """Kill a process that has sent a role change and has no answer yet."""
        await self.fault(method=method, path=ROLE_ROUTE, hang=60)
        carrying_out = asyncio.create_task(self.carry_out())
        await until(self.in_doubt)
        carrying_out.cancel()
        await asyncio.gather(carrying_out, return_exceptions=True)

    async def later(self, seconds: float) -> None:
        """Let Discord's time of day go on."""
        self._apart += seconds
        await self.client.sim("clock", {"apart_ms": round(self._apart * 1000)})

    def wait(self, seconds: float) -> None:
        """Let machine time pass."""
        self._ahead += seconds

    async def doubts_due(self) -> None:
        """Let the time pass until the next look at each member in doubt."""
        await self.owner.execute(
            "UPDATE effects SET look_again_at = clock_timestamp() WHERE look_again_at IS NOT NULL"
        )

    # What is seen of it.

    async def look(self, user: str = "max", *, by: Process | None = None) -> float | None:
        """Read a member once, as this process or another would."""
        return await (by or self).agreement.of(self.guild_id, self.client.user(user))

    async def decided(self, user: str = "max") -> None:
        """Look at a member until no further look is wanted."""
        for _ in range(10):
            again = await self.look(user)
            if again is None:
                return
            self.wait(again + 0.1)
        raise AssertionError(user)

    async def agree(self, *, by: Process | None = None) -> int:
        """Look until nothing is in doubt or owed any more; return how many looks that took."""
        process, looks = by or self, 0
        await process.carry_out()
        while doubts := await self.in_doubt():
            await self.doubts_due()
            for guild_id, user_id in doubts:
                assert await process.agreement.of(guild_id, user_id) is None
                looks += 1
            await process.carry_out()
            assert looks < 50
        return looks

    async def in_doubt(self) -> Sequence[tuple[str, str]]:
        """Return who is in doubt, whether their time has come or not."""
        rows = await self.owner.fetch(
            "SELECT DISTINCT guild_id, user_id FROM effects JOIN streams USING (stream_id)"
            " JOIN people USING (person_id) WHERE look_again_at IS NOT NULL"
        )
        return [(row["guild_id"], row["user_id"]) for row in rows]

    def roles(self, user: str = "max") -> list[str]:
        """Name the roles that a member holds."""
        members = self.client.sandbox.state()["guilds"][0]["members"]
        return next(list(m["role_names"]) for m in members if m["name"] == user)

    async def log(self) -> list[str]:
        """Return the types of all events, and why a timer was cleared."""
        ask = "SELECT concat_ws(' ', type, data ->> 'reason') FROM event_log ORDER BY position"
        return [row[0] for row in await self.owner.fetch(ask)]

    async def effects(self) -> list[tuple[str, str]]:
        """Return kind and state of all effects, oldest first."""
        ask = "SELECT kind, state FROM effects ORDER BY position, kind = 'notice'"
        return [tuple(row) for row in await self.owner.fetch(ask)]

    async def open(self) -> list[str]:
        """Return the kinds of what Discord is owed."""
        return [kind for kind, state in await self.effects() if state in ("owed", "stuck")]

    async def standing(self, user: str = "max", role: str = "VIP") -> Standing:
        """Return how a timed role stands."""
        wanted = self.timer(user, role)
        of_member = await self.standings.of_member(self.guild_id, wanted.user_id)
        return next(each for each in of_member if each.timer == wanted)

    def asked(self, method: str, part: str) -> int:
        """Count the requests whose path has *part*."""
        requests = self.client.sandbox.state()["requests"]
        return sum(r["method"] == method and part in r["path"] for r in requests)


@asynccontextmanager
async def scene(
    database: Database,
    owner: asyncpg.Connection,
    patch: pytest.MonkeyPatch,
    *,
    role_taken: Literal["end", "restore"] = "end",
) -> AsyncIterator[Scene]:
    """Lend a scene, in which nothing has happened yet."""
    # A test that lets machine time pass makes the pace believe that limits are over.
    async with sandbox(limits=Limits(roles=MANY, other=MANY, everything=MANY)) as client:
        patch.setattr(Route, "BASE", client.sandbox.api)
        http = HTTPClient(loop=asyncio.get_running_loop())
        await http.static_login(client.sandbox.token)
        try:
            yield Scene(database, owner, client, http, patch=patch, role_taken=role_taken)
        finally:
            await http.close()
        assert client.sandbox.state()["unknown"] == []
        assert complaints_about(client.sandbox.state()["requests"]) == set()
        assert sum(client.sandbox.state()["rate_limited"].values()) == 0
