"""Asking Discord in time for an answer to a command."""

import asyncio
from typing import Any, cast

import pytest

from boostmon.bot.discord.members import Membership
from boostmon.bot.discord.rest import RefusedError, UnansweredError
from boostmon.bot.servers import asking
from boostmon.bot.servers.asking import Asking, UntoldError
from boostmon.bot.servers.facts import ServerFacts, facts_asked
from boostmon.bot.servers.guards import Rank, ServerUnseenError
from boostmon.bot.slash.judgement import Judgement
from tests.bot.slash.test_cog import asked

EVERYONE, VIP, ADMIN = "1", "30", "40"
GUILD: dict[str, Any] = {
    "id": "1",
    "owner_id": "9",
    "roles": [
        {"id": EVERYONE, "name": "@everyone", "position": 0, "managed": False, "permissions": "0"},
        {"id": VIP, "name": "VIP", "position": 2, "managed": False, "permissions": "0"},
        {"id": ADMIN, "name": "Admin", "position": 5, "managed": True, "permissions": "8"},
    ],
}


class Api:
    """Answers as it is told to; *stumbles* come first."""

    own_id = "5"

    def __init__(self, *stumbles: Exception) -> None:
        self.stumbles = list(stumbles)
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def server(self, guild_id: str) -> dict[str, Any]:
        assert guild_id == "1"
        self.asked += 1
        await self.open.wait()
        if self.stumbles:
            raise self.stumbles.pop(0)
        return GUILD | {"owner_id": str(self.asked)}

    async def member(self, guild_id: str, user_id: str) -> Membership:
        assert guild_id == "1"
        if user_id != self.own_id and self.stumbles:
            raise self.stumbles.pop(0)
        return Membership(frozenset({ADMIN}), None)

    async def channels(self, guild_id: str) -> list[dict[str, Any]]:
        assert guild_id == "1"
        return [{"id": "60", "type": 0, "permission_overwrites": []}]

    async def command_settings(self, guild_id: str) -> list[dict[str, Any]]:
        assert guild_id == "1"
        return [{"id": "77", "permissions": []}]


def refusal(status: int, code: int = 0) -> RefusedError:
    return RefusedError(status, {"code": code}, {})


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_PAUSE", 0.001)


async def test_what_passes_is_asked_again() -> None:
    api = Api(refusal(503), UnansweredError(), refusal(429), TimeoutError())

    assert (await Asking(api).server("1")).anew
    assert 5 == api.asked


@pytest.mark.parametrize(("code", "status"), [(10004, 404), (50001, 403)])
async def test_a_server_without_the_bot_is_told_as_such(code: int, status: int) -> None:
    with pytest.raises(ServerUnseenError):
        await Asking(Api(refusal(status, code))).server("1")


async def test_what_is_refused_otherwise_stays_untold() -> None:
    with pytest.raises(UntoldError):
        await Asking(Api(refusal(401))).server("1")


async def test_what_is_not_told_in_time_stays_untold() -> None:
    api = Api()
    api.open.clear()

    with pytest.raises(UntoldError):
        await Asking(api).server("1", within=0.01)


async def test_a_stop_ends_every_wait() -> None:
    api = Api()
    api.open.clear()
    asking = Asking(api)
    waiting = asyncio.create_task(asking.server("1"))
    await asyncio.sleep(0)

    asking.stop()

    for question in (waiting, asking.server("1")):
        with pytest.raises(UntoldError):
            await question


async def test_who_asks_at_the_same_time_shares_a_later_question() -> None:
    api, told = Api(), list[ServerFacts]()
    api.open.clear()
    together = Asking(api)

    async def ask() -> None:
        told.append(await together.server("1"))

    first = asyncio.create_task(ask())
    while not api.asked:  # noqa: ASYNC110 - a turn is all that is waited for
        await asyncio.sleep(0)
    others = [asyncio.create_task(ask()) for _ in range(20)]
    await asyncio.sleep(0)
    api.open.set()
    await asyncio.gather(first, *others)

    assert 2 == api.asked
    assert ["1", *["2"] * 20] == [facts.owner_id for facts in told]


@pytest.mark.parametrize("code", [10007, 10013])
async def test_who_is_no_member_is_not_there(code: int) -> None:
    assert await Asking(Api(refusal(404, code))).member("1", "7") is None
    assert await Asking(Api()).member("1", "7") is not None
    with pytest.raises(UntoldError):
        await Asking(Api(refusal(403, 50001))).member("1", "7")


async def test_a_channel_that_nobody_tells_of_is_closed() -> None:
    assert await Asking(Api()).can_post("1", "60")
    assert not await Asking(Api()).can_post("1", "61")
    assert not await Asking(Api(refusal(403, 50001))).can_post("1", "60")


async def test_roles_are_named_and_those_that_nobody_tells_of_by_their_ids() -> None:
    old = ServerFacts(guild_id="1", owner_id="9", roles={}, bot_id="5", bot_roles=frozenset())

    assert "VIP" == (await Asking(Api()).names(old, [VIP, "99"]))[VIP]
    assert "99" not in await Asking(Api()).names(old, [VIP, "99"])
    assert {"99": "Role 99"} == await Asking(Api(refusal(401))).names(old, ["99"])


async def test_a_command_whose_id_is_not_known_is_judged_by_no_settings_of_others() -> None:
    place: Any = cast("Any", _Place())
    judge = Judgement(Asking(Api()), "5", lambda *_: None)

    with pytest.raises(UntoldError):
        await judge.confirm(asked("pause", chosen=True, role_id=VIP), place, VIP)


class _Place:
    guild_id, caller_is_administrator, is_late = "1", False, False
    facts = facts_asked(GUILD, "5", [ADMIN])


def test_the_facts_of_a_server_say_who_stands_where() -> None:
    facts = facts_asked(GUILD, "5", [ADMIN])

    standing = facts.standing("9", [VIP, "unknown"])

    assert (Rank(2, 30), Rank(5, 40)) == (standing.caller, standing.bot)
    assert (True, True) == (standing.caller_owns, standing.bot_manages_roles)
    assert Rank(0, 1) == facts.standing("8", []).caller
    assert (True, False) == (facts.may_manage("8", [ADMIN]), facts.may_manage("8", [VIP]))
    assert not facts_asked(GUILD, "5", [VIP]).standing("8", []).bot_manages_roles
    assert facts_asked(GUILD | {"owner_id": "5"}, "5", []).standing("8", []).bot_manages_roles
    assert facts.roles[ADMIN].managed
    assert facts.roles[EVERYONE].everyone
