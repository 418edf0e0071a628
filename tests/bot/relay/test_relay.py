"""The relay over a real database and a Discord on loopback, without the gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import msgspec
import pytest
from disnake import HTTPException
from disnake.http import HTTPClient, Route
from structlog.testing import capture_logs

from boostmon import machine
from boostmon.bot.connection.client import count_invalid
from boostmon.bot.discord.pace import DIRECT, Limits, Pace, lane_of_roles
from boostmon.bot.discord.refusals import INVITE, SECURE, Passing, Stuck
from boostmon.bot.discord.rest import DiscordApi, NotLeadingError
from boostmon.bot.records.metrics import Metrics
from boostmon.bot.records.tally import Tally
from boostmon.bot.relay import loop as relaying
from boostmon.bot.relay import receipts
from boostmon.bot.relay.delivery import Delivery
from boostmon.bot.relay.loop import Relay, may_write
from boostmon.bot.relay.notices import Notices
from boostmon.commands.decider import AddTime, Clear, RemoveTime, SetTime
from boostmon.commands.sweeper import Sweeper
from boostmon.database.connections.pool import Database
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, MINUTE, TimerId
from boostmon.projections.effects.direct_channels import DirectChannels
from boostmon.projections.effects.kinds import EffectKind
from boostmon.projections.effects.lease import Lease
from boostmon.projections.effects.queue import LONGEST_WAIT, OwedEffect, OwedEffects
from boostmon.projections.role_timers import RoleTimers
from tests.commands.test_handler import StillClock
from tests.support.description import complaints_about
from tests.support.sandbox_client import Client, sandbox
from tests.support.timers import M, fresh_timer, handler_over, slash

ROLE_ROUTE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
MESSAGE_ROUTE = "/channels/{channel_id}/messages"


class Names:
    """A server of which the relay knows the roles' names."""

    def absence(self, guild_id: str) -> Stuck | Passing | None:
        assert guild_id
        return None

    def has_role(self, guild_id: str, role_id: str) -> bool:
        assert guild_id != role_id
        return True

    def name(self, guild_id: str) -> str:
        return f"Server {guild_id}"

    def role_name(self, guild_id: str, role_id: str) -> str:
        assert guild_id != role_id
        return "VIP *0*"

    def remedy(self, guild_id: str, role_id: str) -> str:
        return f"Move BoostMon's role above {role_id} in {guild_id}."


class Stage:
    """A process's relay, a sweeper, and what Discord and the database show."""

    def __init__(self, database: Database, client: Client, http: HTTPClient) -> None:
        self.database, self.client, self.http = database, client, http
        self.clock = StillClock(1_700_000_000_000)
        self.lease = Lease(database, name="relay", holder="here")
        self.pace = pace = Pace(Limits())
        owed = OwedEffects(database)
        self.api = api = DiscordApi(http, pace, partial(may_write, self.lease, pace))
        notices = Notices(
            api=api,
            owed=owed,
            direct_channels=DirectChannels(database),
            server=Names(),
            clock=self.clock,
            pace=pace,
        )
        delivery = Delivery(api=api, owed=owed, notices=notices, server=Names())
        self.metrics = Metrics()
        self.relay = Relay(
            owed=owed,
            lease=self.lease,
            delivery=delivery,
            pace=pace,
            tally=Tally(self.metrics),
        )
        self.sweeper = Sweeper(
            store=EventStore(database),
            timers=RoleTimers(database),
            clock=self.clock,
            interval=30,
        )

    def timer(self, user: str = "max", role: str = "VIP") -> TimerId:
        ids = self.client.ids
        return TimerId(ids["guild"], ids["users"][user], ids["roles"][role])

    async def give(self, timer: TimerId, command: Any) -> None:
        await handler_over(self.database).handle(timer, command, slash())
        self.relay.wake()

    async def set(self, timer: TimerId, ms: int = HOUR, channel: str | None = "general") -> None:
        channel_id = self.client.ids["channels"][channel] if channel else None
        await self.give(timer, SetTime(self.clock.time, ms, M, channel_id))

    async def pass_time(self, ms: int) -> None:
        self.clock.time += ms
        await self.sweeper.sweep(self.clock.time)
        self.relay.wake()

    async def effects(self) -> list[dict[str, Any]]:
        ask = "SELECT * FROM effects ORDER BY position, kind = 'notice'"
        rows = await self.database.run(lambda connection: connection.fetch(ask))
        return [dict(row) | {"receipt": _decoded(row["receipt"])} for row in rows]

    async def until(self, state: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Return the effects once they are as *state* wants them."""
        for _ in range(500):
            effects = await self.effects()
            if state(effects):
                return effects
            await asyncio.sleep(0.02)
        raise AssertionError(effects)

    async def settled(self) -> list[dict[str, Any]]:
        return await self.until(lambda effects: all(e["done_at"] for e in effects))

    def roles(self, user: str = "max") -> list[str]:
        members = self.client.sandbox.state()["guilds"][0]["members"]
        return next(list(m["role_names"]) for m in members if m["name"] == user)

    def posted(self) -> list[dict[str, Any]]:
        state = self.client.sandbox.state()
        rooms = [*state["guilds"][0]["channels"], *state["dms"]]
        return [message for room in rooms for message in room["messages"]]

    async def fault(self, **fault: Any) -> None:
        await self.client.sim("fault", fault)

    def asked(self, method: str, part: str) -> int:
        requests = self.client.sandbox.state()["requests"]
        return sum(r["method"] == method and part in r["path"] for r in requests)


def _decoded(receipt: str | None) -> Any:
    return None if receipt is None else msgspec.json.decode(receipt)


@pytest.fixture
async def stage(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Lend a stage whose relay is at work."""
    async with sandbox() as client:
        monkeypatch.setattr(Route, "BASE", client.sandbox.api)
        http = HTTPClient(loop=asyncio.get_running_loop())
        await http.static_login(client.sandbox.token)
        made = Stage(database, client, http)
        task = asyncio.create_task(made.relay.run())
        yield made
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await http.close()
        assert client.sandbox.state()["unknown"] == []
        assert complaints_about(client.sandbox.state()["requests"]) == set()
        assert sum(client.sandbox.state()["rate_limited"].values()) == 0


async def test_a_timer_gives_its_role_with_who_and_why(stage: Stage) -> None:
    await stage.set(stage.timer())
    (effect,) = await stage.settled()
    assert ("give_role", "done", 1) == (effect["kind"], effect["state"], effect["attempts"])
    assert ["VIP"] == stage.roles()
    log = stage.client.sandbox.state()["guilds"][0]["audit_log"]
    assert log[0]["reason"].startswith("BoostMon: /settime by ")


async def test_an_end_takes_the_role_and_then_says_so(stage: Stage) -> None:
    await stage.set(stage.timer())
    await stage.settled()
    await stage.pass_time(HOUR)
    effects = await stage.settled()
    assert [] == stage.roles()
    (message,) = stage.posted()
    user = stage.timer().user_id
    assert f"<@{user}> notice: your access for **VIP \\*0\\*** has expired." == message["content"]
    assert [user] == message["pinged"]
    took, told = effects[1:]
    assert took["done_at"] <= told["done_at"]
    receipt = {"channel_id": message["channel_id"], "message_id": message["id"]}
    assert receipt == told["receipt"]


async def test_a_warning_says_what_is_left_when_it_is_sent(stage: Stage) -> None:
    await stage.set(stage.timer())
    await stage.settled()
    await stage.pass_time(51 * MINUTE)
    await stage.settled()
    (message,) = stage.posted()
    assert "expires in **9 minutes**." in message["content"]


async def test_without_a_channel_notices_go_by_direct_message(stage: Stage) -> None:
    await stage.set(stage.timer(), channel=None)
    await stage.pass_time(HOUR)
    await stage.settled()
    (room,) = stage.client.sandbox.state()["dms"]
    assert stage.timer().user_id == room["user_id"]
    first, second = room["messages"][0]["content"].splitlines()
    assert first.endswith("has expired.")
    server, end = stage.timer().guild_id, (stage.clock.time) // 1000
    assert f"Server: Server {server} · ended <t:{end}:t>" == second


async def test_a_warning_by_direct_message_says_of_which_server_and_end(stage: Stage) -> None:
    await stage.set(stage.timer(), channel=None)
    end = stage.clock.time + HOUR
    await stage.pass_time(HOUR - 9 * MINUTE)
    await stage.settled()
    (room,) = stage.client.sandbox.state()["dms"]
    second = f"Server: Server {stage.timer().guild_id} · ends <t:{end // 1000}:t>"
    assert second == room["messages"][0]["content"].splitlines()[1]


async def test_a_channel_that_refuses_gives_way_to_a_direct_message(stage: Stage) -> None:
    await stage.set(stage.timer(), channel="staff")
    await stage.pass_time(HOUR)
    effects = await stage.settled()
    (room,) = stage.client.sandbox.state()["dms"]
    assert room["channel_id"] == effects[-1]["receipt"]["channel_id"]


async def test_many_notices_that_a_channel_refuses_keep_the_pace_of_direct_messages(
    stage: Stage,
) -> None:
    people = [(user, role) for user in ("max", "vera", "mona") for role in ("VIP", "Trial")]
    for user, role in people:
        await stage.set(stage.timer(user, role), channel="staff")
        await stage.set(stage.timer(user, "Supporter"), channel=None)
    await stage.settled()
    await stage.pass_time(50 * MINUTE)
    await stage.settled()
    posts = [r for r in stage.client.sandbox.state()["requests"] if _is_direct(r, stage)]
    moments = [post["at_ms"] for post in posts]
    assert len(moments) == 9
    assert all(late - early >= 4_900 for early, late in zip(moments, moments[5:], strict=False))


def _is_direct(request: dict[str, Any], stage: Stage) -> bool:
    rooms = {room["channel_id"] for room in stage.client.sandbox.state()["dms"]}
    return request["method"] == "POST" and request["path"].split("/")[-2] in rooms


async def test_a_channel_that_refuses_is_asked_once_for_a_notice(stage: Stage) -> None:
    await stage.set(stage.timer(), channel="staff")
    await stage.settled()
    await stage.pass_time(HOUR)
    await stage.fault(method="POST", path="/users/@me/channels", status=500, when="before", times=1)
    await stage.settled()
    staff = stage.client.ids["channels"]["staff"]
    asked = [r for r in stage.client.sandbox.state()["requests"] if f"/{staff}/" in r["path"]]
    assert [403] == [request["status"] for request in asked]


async def test_a_notice_that_cannot_arrive_is_closed_with_the_reason(stage: Stage) -> None:
    await stage.set(stage.timer("carl"), channel=None)
    await stage.pass_time(HOUR)
    effects = await stage.settled()
    assert "no direct messages" in effects[-1]["receipt"]["reason"]
    assert [] == stage.roles("carl")


async def test_what_only_a_newer_release_knows_to_do_is_left_to_it(
    stage: Stage, owner: asyncpg.Connection
) -> None:
    timer = stage.timer()
    await stage.set(timer, HOUR)
    await stage.settled()
    await owner.execute(
        "INSERT INTO effects (position, kind, stream_id, state, due_at) "
        "SELECT position, 'log_post', stream_id, 'owed', clock_timestamp() FROM effects"
    )

    with capture_logs() as logs:
        await stage.pass_time(HOUR)
        effects = await stage.until(
            lambda effects: all(e["done_at"] or e["kind"] == "log_post" for e in effects)
        )
        await stage.set(timer, HOUR)
        await stage.until(lambda effects: effects[-1]["done_at"] is not None)

    newer = [effect for effect in effects if effect["kind"] == "log_post"]
    assert ["owed"] == [effect["state"] for effect in newer]
    assert [0] == [effect["attempts"] for effect in newer]
    assert {"give_role", "take_role", "notice", "log_post"} == {e["kind"] for e in effects}
    assert [["log_post"]] == [e["kinds"] for e in logs if "newer release" in e["event"]]


async def test_a_member_who_left_is_owed_nothing_more(stage: Stage) -> None:
    await stage.set(stage.timer())
    await stage.settled()
    await stage.client.sim("member", {"user": "max", "action": "leave"})
    await stage.give(stage.timer(), Clear(stage.clock.time))
    effects = await stage.settled()
    assert "has left" in effects[-1]["receipt"]["reason"]


async def test_a_role_that_was_deleted_is_owed_no_more(stage: Stage) -> None:
    await stage.set(stage.timer())
    await stage.settled()
    await stage.client.sim("role", {"role": "VIP", "action": "delete"})
    await stage.give(stage.timer(), Clear(stage.clock.time))
    effects = await stage.settled()
    assert "role was deleted" in effects[-1]["receipt"]["reason"]


ROLES_ROUTE = "/guilds/{guild_id}/roles"


async def test_of_a_role_that_was_deleted_unheard_one_change_is_asked_for(stage: Stage) -> None:
    users = ["max", "vera", "carl", "mona", "olga"]
    for user in users:
        await stage.set(stage.timer(user))
    await stage.settled()
    await stage.client.sim("role", {"role": "VIP", "action": "delete"})

    for user in users:
        await stage.give(stage.timer(user), Clear(stage.clock.time))
        await stage.settled()

    reasons = [effect["receipt"].get("reason") for effect in (await stage.effects())[len(users) :]]
    assert ["the role was deleted"] * len(users) == reasons
    questions = stage.asked("GET", "/roles")  # for the list, and for the role that it lacks
    assert (1, 2) == (stage.asked("DELETE", "/roles/"), questions)


@pytest.mark.parametrize("fault", [{"code": 10011, "method": "DELETE"}, {"status": 503}])
async def test_a_role_counts_as_deleted_only_when_the_server_does_not_have_it(
    stage: Stage, fault: dict[str, Any]
) -> None:
    for user in ("max", "vera"):
        await stage.set(stage.timer(user))
    await stage.settled()
    if "code" in fault:
        await stage.fault(path=ROLE_ROUTE, **fault)
    else:
        await stage.fault(path=ROLES_ROUTE, **fault)
        await stage.client.sim("role", {"role": "VIP", "action": "delete"})

    for user in ("max", "vera"):
        await stage.give(stage.timer(user), Clear(stage.clock.time))
        await stage.settled()

    assert (3 if "code" in fault else 2) == stage.asked("DELETE", "/roles/")
    assert [] == stage.roles()


async def test_what_discord_forbids_is_stuck_with_its_remedy_until_it_is_allowed(
    stage: Stage,
) -> None:
    timer = stage.timer()
    await stage.client.sim("role", {"role": "BoostMon", "action": "move", "position": 1})
    await stage.set(timer)
    (effect,) = await stage.until(lambda effects: effects[0]["state"] == "stuck")
    assert f"Move BoostMon's role above {timer.role_id}" in effect["last_error"]
    assert [] == stage.roles()
    await stage.client.sim("role", {"role": "BoostMon", "action": "move", "position": 6})
    stage.relay.hasten(timer.guild_id)
    await stage.settled()
    assert ["VIP"] == stage.roles()


@pytest.mark.parametrize(("code", "remedy"), [(60003, SECURE), (50001, INVITE)])
async def test_what_stands_in_the_way_of_an_end_has_a_remedy_of_its_own(
    stage: Stage, code: int, remedy: str
) -> None:
    await stage.set(stage.timer())
    await stage.settled()
    await stage.fault(method="DELETE", path=ROLE_ROUTE, code=code, times=1)
    await stage.pass_time(HOUR)
    effects = await stage.until(lambda effects: effects[1]["state"] == "stuck")
    assert remedy == effects[1]["last_error"]


LIES = [{"status": 401}, *({"code": code} for code in (10004, 50001, 50013))]


@pytest.mark.parametrize("lie", LIES, ids=str)
async def test_a_refusal_that_passes_makes_no_end_late(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, lie: dict[str, int]
) -> None:
    monkeypatch.setattr(receipts, "FIRST_STUCK_RETRY", 0.2)
    users = ("max", "vera", "olga", "mona")
    for user in users:
        await stage.set(stage.timer(user))
    await stage.settled()
    await stage.fault(method="DELETE", path=ROLE_ROUTE, times=6, **lie)

    await stage.pass_time(HOUR)

    await stage.settled()
    assert [[]] * 4 == [[r for r in stage.roles(user) if r == "VIP"] for user in users]
    assert 6 + len(users) >= stage.asked("DELETE", "/roles/")  # one asks, and the rest wait


@pytest.mark.parametrize("code", [10004, 50001, 401])
async def test_what_is_refused_in_a_whole_server_is_asked_of_one_role_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(receipts, "FIRST_STUCK_RETRY", 0.2)
    for role in ("VIP", "Trial", "Supporter"):
        if role in stage.client.ids["roles"]:
            await stage.set(stage.timer(role=role))
    await stage.settled()
    roles = len(stage.roles())
    assert roles > 1
    lie = {"status": code} if code == 401 else {"code": code}
    await stage.fault(method="DELETE", path=ROLE_ROUTE, times=3, **lie)

    await stage.pass_time(HOUR)

    await stage.settled()
    assert [] == stage.roles()
    assert 3 + roles >= stage.asked("DELETE", "/roles/")


async def test_a_server_error_is_tried_again_until_it_goes_well(stage: Stage) -> None:
    await stage.fault(method="PUT", path=ROLE_ROUTE, status=500, when="before", times=2)
    await stage.set(stage.timer())
    (effect,) = await stage.settled()
    assert 3 == effect["attempts"]
    assert ["VIP"] == stage.roles()


async def test_a_notice_whose_answer_was_lost_is_posted_once(stage: Stage) -> None:
    await stage.fault(method="POST", path=MESSAGE_ROUTE, status=500, when="after", times=2)
    await stage.set(stage.timer())
    await stage.pass_time(HOUR)
    effects = await stage.settled()
    (message,) = stage.posted()
    assert message["id"] == effects[-1]["receipt"]["message_id"]


async def test_a_notice_whose_connection_broke_off_is_posted_once(stage: Stage) -> None:
    await stage.fault(method="POST", path=MESSAGE_ROUTE, reset=True, when="after", times=1)
    await stage.set(stage.timer())
    await stage.pass_time(HOUR)
    effects = await stage.settled()
    (message,) = stage.posted()
    assert message["id"] == effects[-1]["receipt"]["message_id"]


async def test_a_notice_that_arrived_is_not_said_to_be_refused(stage: Stage) -> None:
    await stage.set(stage.timer(), channel=None)
    await stage.settled()
    await stage.fault(method="POST", path=MESSAGE_ROUTE, status=500, when="after", times=1)
    await stage.pass_time(HOUR)
    await stage.until(lambda effects: effects[-1]["attempts"] == 1)
    await stage.client.sim("user", {"user": "max", "dms_open": False})
    effects = await stage.settled()
    (message,) = stage.posted()
    assert message["id"] == effects[-1]["receipt"]["message_id"]


@pytest.mark.parametrize("denied", ["SEND_MESSAGES", "READ_MESSAGE_HISTORY", "VIEW_CHANNEL"])
async def test_a_notice_that_arrived_in_a_channel_now_closed_is_not_sent_again(
    stage: Stage, denied: str
) -> None:
    await stage.set(stage.timer())
    await stage.settled()
    await stage.fault(method="POST", path=MESSAGE_ROUTE, status=500, when="after", times=1)
    await stage.pass_time(HOUR)
    await stage.until(lambda effects: effects[-1]["attempts"] == 1)
    forbidden = {"role": "@everyone", "deny": ["SEND_MESSAGES", denied]}
    await stage.client.sim(
        "channel", {"channel": "general", "action": "edit", "overwrites": [forbidden]}
    )
    effects = await stage.settled()
    (message,) = stage.posted()
    receipt = effects[-1]["receipt"]
    assert (message["channel_id"], message["id"]) == (receipt["channel_id"], receipt["message_id"])


async def test_an_answer_that_never_comes_is_given_up_and_asked_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boostmon.bot.relay.delivery.ATTEMPT_SECONDS", 0.3)
    await stage.fault(method="PUT", path=ROLE_ROUTE, hang=30, when="before", times=1)
    await stage.set(stage.timer())
    (effect,) = await stage.settled()
    assert ["VIP"] == stage.roles()
    assert 2 == effect["attempts"]


async def test_what_is_no_longer_true_is_not_carried_out(stage: Stage) -> None:
    timer = stage.timer()
    await stage.fault(method="PUT", path=ROLE_ROUTE, status=500, when="before", times=1)
    await stage.set(timer)
    await stage.until(lambda effects: effects[0]["attempts"] == 1)
    await stage.give(timer, Clear(stage.clock.time))
    give, take = await stage.settled()
    assert ("superseded", "done") == (give["state"], take["state"])
    assert [] == stage.roles()


async def test_a_warning_of_an_end_that_has_moved_is_not_sent(stage: Stage) -> None:
    timer = stage.timer()
    await stage.set(timer)
    await stage.settled()
    await stage.fault(method="POST", path=MESSAGE_ROUTE, status=500, when="before", times=1)
    await stage.pass_time(50 * MINUTE)
    await stage.until(lambda effects: effects[-1]["attempts"] == 1)
    await stage.give(timer, AddTime(stage.clock.time, HOUR, M))
    effects = await stage.settled()
    assert "superseded" in [effect["state"] for effect in effects]
    assert [] == stage.posted()


async def test_removing_all_time_takes_the_role_and_tells(stage: Stage) -> None:
    timer = stage.timer()
    await stage.set(timer)
    await stage.settled()
    await stage.give(timer, RemoveTime(stage.clock.time, 2 * HOUR, M))
    await stage.settled()
    assert [] == stage.roles()
    assert 1 == len(stage.posted())


async def make_older(owner: asyncpg.Connection) -> None:
    """Let five minutes pass since the last attempts, on the database's clock."""
    await owner.execute("UPDATE effects SET attempted_at = attempted_at - interval '5 min'")
    await owner.execute("UPDATE effects SET due_at = clock_timestamp() + interval '1 s'")


async def test_a_doubt_older_than_the_nonce_is_settled_by_reading_back(
    stage: Stage, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "SLOWEST_RETRY", 0.3)
    await stage.set(stage.timer())
    await stage.settled()
    await stage.fault(method="POST", path=MESSAGE_ROUTE, status=500, when="after", times=1)
    await stage.pass_time(HOUR)
    await stage.until(lambda effects: effects[-1]["attempts"] == 1)
    await make_older(owner)
    await stage.client.sim("role", {"role": "VIP", "action": "edit", "name": "Very"})
    await stage.client.sim("clock", {"advance_ms": 600_000})
    effects = await stage.settled()
    (message,) = stage.posted()
    assert message["id"] == effects[-1]["receipt"]["message_id"]
    assert effects[-1]["attempts"] == 1


async def test_a_doubt_is_settled_whatever_the_databases_clock_said_when_it_was_recorded(
    stage: Stage, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "SLOWEST_RETRY", 0.3)
    found = OwedEffects.find

    async def find(self: OwedEffects, position: int, kind: EffectKind) -> OwedEffect | None:
        effect = await found(self, position, kind)
        if effect is None:
            return None
        ahead = effect.recorded_at + timedelta(hours=2)
        return msgspec.structs.replace(effect, recorded_at=ahead)

    monkeypatch.setattr(OwedEffects, "find", find)
    await stage.set(stage.timer())
    await stage.settled()
    await stage.fault(method="POST", path=MESSAGE_ROUTE, status=500, when="after", times=1)
    await stage.pass_time(HOUR)
    await stage.until(lambda effects: effects[-1]["attempts"] == 1)
    await make_older(owner)
    await stage.client.sim("clock", {"advance_ms": 600_000})
    await stage.settled()
    assert 1 == len(stage.posted())


@pytest.mark.parametrize("moved", ["-5 min", "1 h"])
async def test_a_doubt_that_cannot_be_settled_is_given_up_whichever_way_a_clock_went(
    stage: Stage, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    """The nonce may be forgotten by now; only the database's clock knows of the attempt."""
    monkeypatch.setattr(receipts, "SLOWEST_RETRY", 0.3)
    await stage.set(stage.timer())
    await stage.settled()
    await stage.fault(method="POST", path=MESSAGE_ROUTE, status=500, when="after", times=1)
    unseen = {"code": 50001, "message": "Missing Access"}
    await stage.fault(method="GET", path=MESSAGE_ROUTE, status=403, body=unseen, times=9)
    await stage.pass_time(HOUR)
    await stage.until(lambda effects: effects[-1]["attempts"] == 1)
    shift = "UPDATE effects SET attempted_at = attempted_at + $1::text::interval"
    await owner.execute(f"{shift} WHERE kind = 'notice'", moved)
    await stage.client.sim("clock", {"advance_ms": 600_000})

    effects = await stage.settled()

    assert "cannot be read" in effects[-1]["receipt"]["reason"]
    assert 1 == len(stage.posted())


async def test_a_notice_that_did_not_arrive_is_sent_again_after_reading_back(
    stage: Stage, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "SLOWEST_RETRY", 0.3)
    timer = stage.timer()
    await stage.set(timer, 2 * HOUR)
    await stage.pass_time(HOUR)
    await stage.settled()
    await stage.fault(method="POST", path=MESSAGE_ROUTE, status=500, when="before", times=1)
    await stage.pass_time(50 * MINUTE)
    await stage.until(lambda effects: effects[-1]["attempts"] == 1)
    await make_older(owner)
    await stage.settled()
    assert ["60", "10"] == [m["content"].split("**")[3].split()[0] for m in stage.posted()]


async def test_a_removal_in_doubt_is_confirmed_by_reading_the_member(stage: Stage) -> None:
    await stage.set(stage.timer())
    await stage.settled()
    await stage.fault(method="DELETE", path=ROLE_ROUTE, status=500, when="after", times=1)
    await stage.give(stage.timer(), Clear(stage.clock.time))
    effects = await stage.settled()
    assert [] == stage.roles()
    assert "read from the member" == effects[-1]["receipt"]["confirmed"]


async def test_a_channel_of_direct_messages_is_opened_once(stage: Stage) -> None:
    for _ in range(2):
        await stage.set(stage.timer(), channel=None)
        await stage.pass_time(HOUR)
        await stage.settled()
    requests = stage.client.sandbox.state()["requests"]
    assert 1 == sum(request["path"].endswith("/users/@me/channels") for request in requests)


async def test_only_the_holder_of_the_lease_speaks_to_discord(
    stage: Stage, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "RENEW_EVERY", 0.05)
    await stage.settled()
    await stage.until(lambda _: stage.lease.held)
    await owner.execute(
        "UPDATE lease SET holder = 'elsewhere', expires_at = clock_timestamp() + interval '1 h'"
    )
    await stage.lease.claim()
    await stage.set(stage.timer())
    await asyncio.sleep(0.3)
    assert [] == stage.roles()
    await owner.execute("UPDATE lease SET holder = NULL, expires_at = '-infinity'")
    await stage.settled()
    assert ["VIP"] == stage.roles()


async def test_who_stands_by_asks_the_database_for_nothing_whatever_is_told(
    stage: Stage, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.execute(
        "UPDATE lease SET holder = 'elsewhere', expires_at = clock_timestamp() + interval '1 h'"
    )
    await stage.lease.claim()
    began = list[None]()
    sleep = stage.relay._sleep  # noqa: SLF001 - what it does without the lease shows nowhere else
    monkeypatch.setattr(stage.relay, "_sleep", partial(_noted, began, sleep))
    for _ in range(20):
        stage.relay.wake()
        stage.relay.hasten(stage.timer().guild_id)
        await asyncio.sleep(0)
    assert len(began) <= 1
    await owner.execute("UPDATE lease SET holder = NULL, expires_at = '-infinity'")
    await stage.set(stage.timer())
    await stage.settled()
    assert ["VIP"] == stage.roles()


async def _noted(began: list[None], sleep: Callable[[float], Any], seconds: float) -> None:
    began.append(None)
    await sleep(seconds)


@pytest.mark.parametrize("change", ["give", "take", "say"])
async def test_with_a_lease_about_to_end_discord_is_asked_for_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    async def ask() -> None:
        if change == "say":
            channel_id, mention = stage.client.ids["channels"]["general"], stage.timer().user_id
            said = {"mention": mention, "nonce": "n", "lane": f"channel:{channel_id}"}
            await stage.api.send(channel_id, lambda: "hello", **said)
        else:
            ask_for = stage.api.give_role if change == "give" else stage.api.take_role
            await ask_for(stage.timer(), reason="late or in time")

    await stage.until(lambda _: stage.lease.held)
    with monkeypatch.context() as patched:
        patched.setattr(Lease, "left", property(lambda _: 9.9))
        with pytest.raises(NotLeadingError):
            await ask()
    assert 0 == sum(stage.asked(method, "/") for method in ("PUT", "DELETE", "POST"))
    await ask()


HAVE_SETTLED = """
UPDATE effects SET state = 'done', done_at = now(), look_again_at = NULL WHERE state = 'owed'
"""


@pytest.mark.parametrize("kind", ["give_role", "take_role"])
@pytest.mark.parametrize("answer", [{}, {"status": 500}], ids=["done", "error"])
async def test_a_change_whose_answer_comes_when_the_lease_is_lost_is_in_doubt_again(
    stage: Stage, owner: asyncpg.Connection, kind: str, answer: dict[str, Any]
) -> None:
    """Another process may have settled it, and read the member, while this one was frozen."""
    await stage.until(lambda _: stage.lease.held)
    if kind == "take_role":
        await stage.set(stage.timer())
        await stage.settled()
    method = "PUT" if kind == "give_role" else "DELETE"
    await stage.fault(method=method, path=ROLE_ROUTE, hang=1.0, **answer)
    set_or_clear = SetTime(stage.clock.time, HOUR, M) if method == "PUT" else Clear(0)
    await stage.give(stage.timer(), set_or_clear)
    await stage.until(lambda effects: effects[-1]["attempted_at"] is not None)
    await owner.execute(HAVE_SETTLED)
    stage.lease._until = 0.0  # noqa: SLF001 - as after a freeze

    effects = await stage.until(lambda effects: effects[-1]["look_again_at"] is not None)

    assert (kind, "done", 0) == tuple(effects[-1][name] for name in ("kind", "state", "looks"))


async def ended(stage: Stage) -> str | None:
    """Stop the relay; return who holds the lease then."""
    (task,) = [
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "") == "Relay.run"
    ]
    task.cancel()
    await asyncio.wait([task])
    holder = "SELECT holder FROM lease WHERE name = 'relay'"
    name: str | None = await stage.database.run(lambda connection: connection.fetchval(holder))
    return name


async def test_a_stop_lets_go_of_the_lease(stage: Stage) -> None:
    await stage.until(lambda _: stage.lease.held)
    assert await ended(stage) is None
    assert not stage.lease.held


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_stop_keeps_the_lease_while_discord_may_still_be_at_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, is_late: bool
) -> None:
    await stage.until(lambda _: stage.lease.held)
    monkeypatch.setattr("boostmon.bot.relay.loop.FAREWELL", 0.1 if is_late else 5.0)
    await stage.fault(method="PUT", path=ROLE_ROUTE, hang=60.0 if is_late else 0.3)
    await stage.set(stage.timer())
    await stage.until(lambda effects: [e["attempted_at"] for e in effects] != [None])
    assert ("here" if is_late else None) == await ended(stage)
    (effect,) = await stage.effects()
    assert is_late is (effect["state"] == "owed")
    assert is_late is (effect["look_again_at"] is not None)


async def test_a_notice_in_doubt_stays_so_when_the_question_about_it_fails(
    stage: Stage, owner: asyncpg.Connection
) -> None:
    """Else it would be posted once more when the nonce has been forgotten."""
    stage.lease._until = -1.0  # noqa: SLF001 - nobody carries anything out meanwhile
    await owner.execute("UPDATE lease SET holder = 'elsewhere'")
    await stage.set(stage.timer())
    await stage.pass_time(HOUR - MINUTE)
    owed = OwedEffects(stage.database)
    notice = await owed.find(2, "notice")
    assert notice is not None
    assert await owed.attempting(notice, role_name="VIP")

    read = await owed.find(2, "notice")
    assert read is not None
    await owed.postpone(read, stuck=False, seconds=0.0, why="an outage", in_doubt=False)

    again = await owed.find(2, "notice")
    assert again is not None
    assert again.attempted_ago is not None


async def test_what_the_limits_put_off_is_told_to_the_other_processes(
    stage: Stage, owner: asyncpg.Connection
) -> None:
    told = list[str]()
    await owner.add_listener("boostmon_effects", lambda *heard: told.append(str(heard[-1])))
    await stage.until(lambda _: stage.lease.held)
    lane = lane_of_roles(stage.timer().guild_id)
    stage.pace.refused(lane, 5.0, everywhere=False, now=machine.monotonic())
    await stage.set(stage.timer())
    await stage.settled()
    assert "1 later" in told  # among what other tests tell: a channel is the whole database's


async def test_every_answer_that_counts_towards_a_ban_is_counted(stage: Stage) -> None:
    pace = Pace(Limits(invalid_requests=2, invalid_seconds=60.0))
    count_invalid(cast("Any", SimpleNamespace(http=stage.http)), pace)
    for status, counted in ((403, False), (404, False), (401, True)):
        await stage.fault(method="GET", path="/users/@me", status=status, times=1)
        with suppress(HTTPException):
            await stage.http.request(Route("GET", "/users/@me"))
        now = machine.monotonic()
        assert counted == (pace.ready_at(DIRECT, now) > now)


@pytest.mark.parametrize("state", ["owed", "stuck"])
@pytest.mark.parametrize("away", ["57 minutes", "2 hours", "10 years"])
async def test_nothing_waits_longer_than_the_longest_backoff_after_a_clock_went_back(
    database: Database, owner: asyncpg.Connection, state: str, away: str
) -> None:
    await handler_over(database).handle(fresh_timer(), SetTime(0, HOUR, M), slash())
    set_back = "UPDATE effects SET state = $1, due_at = now() + $2::text::interval"
    await owner.execute(set_back, state, away)

    _, [whole] = await OwedEffects(database).all()
    _, [since] = await OwedEffects(database).since(0)

    assert [LONGEST_WAIT] * 2 == [whole.due_in, since.due_in]
    assert LONGEST_WAIT == pytest.approx(1.2 * receipts.STUCK_RETRY)
    assert LONGEST_WAIT >= 1.2 * receipts.SLOWEST_RETRY


@pytest.mark.parametrize(
    ("ago", "urgent"),
    [("0 s", True), ("1 minute", False), ("-1 minute", False), ("-1 hour", False)],
)
async def test_what_was_tried_is_waited_for_for_seconds_whatever_a_clock_does(
    database: Database, owner: asyncpg.Connection, ago: str, *, urgent: bool
) -> None:
    await handler_over(database).handle(fresh_timer(), SetTime(0, HOUR, M), slash())
    await owner.execute("UPDATE effects SET attempts = 1")
    await owner.execute("ALTER TABLE events DISABLE TRIGGER ALL")
    await owner.execute("UPDATE events SET recorded_at = now() - $1::text::interval", ago)

    _, [owed] = await OwedEffects(database).all()

    assert urgent is owed.urgent


@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_429_is_waited_out_and_nothing_is_lost_or_done_twice(
    stage: Stage, method: str, *, everywhere: bool
) -> None:
    in_55_minutes = stage.clock.time + 55 * MINUTE
    await stage.set(stage.timer("vera", "Trial"), 60 * MINUTE)
    await stage.set(stage.timer("mona", "Trial"), 65 * MINUTE)
    await stage.pass_time(5 * MINUTE)
    await stage.settled()
    await stage.fault(
        method=method, status=429, body=too_many(2.0, everywhere=everywhere), path="*"
    )
    if method == "PUT":
        await stage.set(stage.timer("max"), 3 * HOUR)
    else:
        await stage.pass_time(45 * MINUTE)
    await stage.until(lambda effects: effects[-1]["attempts"] == 1)
    await stage.set(stage.timer("carl"), 3 * HOUR)
    await stage.pass_time(in_55_minutes - stage.clock.time)

    effects = await stage.settled()

    requests = [r for r in stage.client.sandbox.state()["requests"] if r["method"] != "GET"]
    (refused,) = [r for r in requests if r["status"] == 429]
    later = requests[requests.index(refused) + 1 :]
    held_up = [r for r in later if everywhere or r["method"] == method]
    assert len(held_up) >= 2
    assert all(r["at_ms"] - refused["at_ms"] >= 2000 for r in held_up)
    assert {"done"} == {effect["state"] for effect in effects}
    assert len(effects) == len(requests) - 1
    notices = [e["receipt"]["message_id"] for e in effects if e["kind"] == "notice"]
    assert sorted(notices) == sorted(message["id"] for message in stage.posted())


def too_many(seconds: float, *, everywhere: bool) -> dict[str, Any]:
    """Return what Discord says in a 429."""
    text = "You are being rate limited."
    return {"message": text, "retry_after": seconds, "global": everywhere}


async def test_a_429_of_one_lane_holds_up_no_other(stage: Stage) -> None:
    await stage.set(stage.timer("vera", "Trial"))
    await stage.settled()
    await stage.fault(
        method="PUT", path=ROLE_ROUTE, status=429, body=too_many(60.0, everywhere=False)
    )
    await stage.set(stage.timer())
    await stage.until(lambda effects: effects[-1]["attempts"] == 1)
    await stage.pass_time(50 * MINUTE)
    await stage.until(lambda effects: bool(stage.posted()) and effects[1]["done_at"] is None)
    assert [] == stage.roles()


async def test_more_than_the_limit_waits_rather_than_meet_a_429(stage: Stage) -> None:
    for user in ("max", "vera", "carl", "mona"):
        for role in ("VIP", "Trial", "Supporter"):
            await stage.set(stage.timer(user, role))
    effects = await stage.until(lambda effects: sum(bool(e["done_at"]) for e in effects) >= 10)
    assert {0, 1} == {effect["attempts"] for effect in effects}


async def test_two_notices_of_the_same_text_in_doubt_are_both_posted(stage: Stage) -> None:
    timers = [stage.timer(role="VIP"), stage.timer(role="Trial")]
    for timer in timers:
        await stage.set(timer, channel=None)
    await stage.settled()
    await stage.fault(method="POST", path=MESSAGE_ROUTE, status=500, when="after", times=1)
    await stage.fault(method="POST", path=MESSAGE_ROUTE, reset=True, when="before", times=1)
    await stage.pass_time(HOUR)
    effects = await stage.settled()
    receipts = {e["receipt"]["message_id"] for e in effects if e["kind"] == "notice"}
    assert receipts == {message["id"] for message in stage.posted()}
    assert len(receipts) == 2


async def test_what_is_no_longer_true_waits_for_no_turn(stage: Stage) -> None:
    timer = stage.timer()
    await stage.set(timer, channel=None)
    await stage.settled()
    stage.pace.refused(DIRECT, 60.0, everywhere=False, now=machine.monotonic())
    await stage.pass_time(50 * MINUTE)
    await stage.give(timer, Clear(stage.clock.time))
    effects = await stage.settled()
    assert ["done", "superseded", "done"] == [effect["state"] for effect in effects]
    assert [] == stage.roles()


async def test_a_warning_that_a_nearer_one_has_overtaken_is_not_sent(stage: Stage) -> None:
    await stage.set(stage.timer())
    await stage.settled()
    await stage.fault(method="POST", path=MESSAGE_ROUTE, status=503, when="before", times=1)
    await stage.pass_time(50 * MINUTE)
    await stage.until(lambda effects: effects[-1]["attempts"] == 1)
    await stage.pass_time(9 * MINUTE)

    effects = await stage.settled()

    assert ["superseded", "done"] == [e["state"] for e in effects if e["kind"] == "notice"]
    (message,) = stage.posted()
    assert "expires in **1 minute**." in message["content"]


async def test_a_channel_that_refuses_later_does_not_end_the_doubt_of_what_was_sent_before(
    stage: Stage, owner: asyncpg.Connection
) -> None:
    """What was given up may still be on its way, and the nonce holds for minutes only."""
    stage.lease._until = -1.0  # noqa: SLF001 - nobody carries anything out meanwhile
    await owner.execute("UPDATE lease SET holder = 'elsewhere'")
    await stage.set(stage.timer())
    await stage.pass_time(HOUR - MINUTE)
    owed = OwedEffects(stage.database)
    notice = await owed.find(2, "notice")
    assert notice is not None
    assert await owed.attempting(notice, role_name="VIP")
    doubted = await owed.find(2, "notice")
    assert doubted is not None
    assert await owed.attempting(doubted, role_name="VIP")

    await owed.postpone(doubted, stuck=False, seconds=0.0, why="403", in_doubt=False)

    again = await owed.find(2, "notice")
    assert again is not None
    assert again.attempted_ago is not None
