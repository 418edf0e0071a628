"""Erasing a person: nothing keeps their id, nothing else is lost."""

import asyncio
import json
import os
import pty
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from boostmon.cli.terminal.ids import Id
from boostmon.commands import erase
from boostmon.commands.decider import AddTime, Clear, SetTime, Sweep
from boostmon.commands.erase import end_timers, is_known, replace, settled
from boostmon.commands.handler import Origin
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database
from boostmon.errors import EraseRefusedError, TimerNotFoundError
from boostmon.events.names import is_pseudonym, new_pseudonym
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, NoTimer, TimerId, is_snowflake
from boostmon.projections.effects.direct_channels import DirectChannels
from boostmon.projections.effects.standings import RoleChange, Standings
from boostmon.projections.replay.run import check
from boostmon.projections.reports.history import history
from tests.cli.test_cli import boostmon
from tests.support.timers import ACTOR, CHANNEL, GUILD, M, fresh_timer, handler_over, slash
from tests.support.town import Town
from tests.support.town import town as a_town

NOW = 1_700_000_000_000
DIRECT = "1500000000000000001"
MESSAGE = "1500000000000000002"
ALL_TEXT = """
SELECT string_agg(line, E'\\n') FROM (
    SELECT people::text AS line FROM people
    UNION ALL SELECT streams::text FROM streams
    UNION ALL SELECT (position, stream_id, data::text, actor, source, command_id)::text FROM events
    UNION ALL SELECT effects::text FROM effects
    UNION ALL SELECT direct_channels::text FROM direct_channels
    UNION ALL SELECT role_timers::text FROM role_timers
) AS everything
"""


@pytest.fixture
async def timer(database: Database) -> TimerId:
    """Have a member with a running timer."""
    made = fresh_timer()
    await handler_over(database).handle(made, SetTime(NOW, 2 * HOUR, M, CHANNEL), slash())
    return made


async def pay(owner: asyncpg.Connection) -> None:
    """Do all that Discord is owed, as a relay would."""
    await owner.execute(
        "UPDATE effects SET state = 'done', done_at = now() - interval '1 hour', receipt = '{}'"
        " WHERE state IN ('owed', 'stuck')"
    )


async def erased(owner: asyncpg.Connection, database: Database, user_id: str) -> str:
    await end_timers(owner, handler_over(database), user_id, NOW)
    await pay(owner)
    return await replace(owner, user_id)


# The write side.


async def test_the_timers_end_and_the_roles_are_owed_back(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    other = TimerId(GUILD, timer.user_id, "1400000000000000002")
    await handler_over(database).handle(other, SetTime(NOW, HOUR, M), slash())
    await handler_over(database).handle(other, Clear(NOW), slash())

    assert 1 == await end_timers(owner, handler_over(database), timer.user_id, NOW + HOUR)

    last = await owner.fetchrow("SELECT * FROM event_log ORDER BY position DESC LIMIT 1")
    assert ("Cleared", timer.role_id) == (last["type"], last["role_id"])
    assert {"reason": "erased", "remaining_ms": HOUR}.items() <= json.loads(last["data"]).items()
    assert {"source": "cli", "actor_id": None} == json.loads(last["metadata"])
    assert ["take_role"] == [
        row["kind"]
        for row in await owner.fetch(
            "SELECT kind FROM effects WHERE position = $1", last["position"]
        )
    ]


async def test_a_second_run_ends_nothing_again(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    for expected in (1, 0):
        assert expected == await end_timers(owner, handler_over(database), timer.user_id, NOW)
    assert 2 == await owner.fetchval("SELECT count(*) FROM events")


async def test_no_table_holds_the_id_any_more_as_target_or_as_actor(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    """The member had a notice by DM, was an actor, and is named in another's receipt."""
    gone, store = timer.user_id, handler_over(database)
    by_them = Origin(command_id="1600000000000000001", source="slash", actor_id=gone)
    other = fresh_timer()
    await store.handle(other, SetTime(NOW, HOUR, M, CHANNEL), by_them)
    await DirectChannels(database).note(gone, DIRECT)
    await end_timers(owner, store, gone, NOW)
    await pay(owner)
    receipt = json.dumps({"channel_id": DIRECT, "message_id": MESSAGE, "joined_at": "2020"})
    await owner.execute("UPDATE effects SET receipt = $1 WHERE stream_id = 1", receipt)
    await owner.execute("UPDATE effects SET last_error = $1", f"no {gone}!")
    await owner.execute(
        "INSERT INTO role_timers (user_id, role_id, expires_at, guild_id, version)"
        " VALUES ($1, '2', 3, '4', 5)",
        gone,
    )

    name = await replace(owner, gone)

    text = await owner.fetchval(ALL_TEXT)
    assert gone not in text
    assert name in text
    assert MESSAGE not in text
    assert DIRECT not in text
    assert f"no {name}!" in text
    own = await owner.fetchval("SELECT receipt FROM effects ORDER BY position LIMIT 1")
    assert {"channel_id": name} == json.loads(own)


async def test_a_notice_in_a_channel_keeps_its_place_but_not_the_message_that_names_them(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    handler = handler_over(database)
    expire = Origin(command_id="sweep", source="sweeper")
    await handler.handle(timer, Sweep(NOW + 2 * HOUR), expire)
    await pay(owner)
    receipt = json.dumps({"channel_id": CHANNEL, "message_id": MESSAGE})
    await owner.execute("UPDATE effects SET receipt = $1 WHERE kind = 'notice'", receipt)

    await replace(owner, timer.user_id)

    kept = await owner.fetchval("SELECT receipt FROM effects WHERE kind = 'notice'")
    assert {"channel_id": CHANNEL} == json.loads(kept)


async def test_an_id_within_another_id_is_left_alone(
    owner: asyncpg.Connection, database: Database
) -> None:
    short, longer = TimerId(GUILD, "12345", "77"), TimerId(GUILD, "991234500", "77")
    for timer in (short, longer):
        await handler_over(database).handle(timer, SetTime(NOW, HOUR, M), slash())
    await owner.execute("UPDATE effects SET last_error = 'of 991234500'")

    await erased(owner, database, short.user_id)

    rows = await owner.fetch("SELECT last_error FROM effects WHERE last_error IS NOT NULL")
    assert ["of 991234500"] * 2 == [row["last_error"] for row in rows]


async def test_the_chain_stays_valid_and_the_history_shows_the_pseudonym(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    before = (await check(owner)).events
    name = await erased(owner, database, timer.user_id)
    moderator = await erased(owner, database, ACTOR)

    report = await check(owner)
    assert report.clean
    assert before + 1 == report.events
    first, last = await history(owner, name, guild_id=None, role_id=None)
    assert (name, moderator) == (first.timer.user_id, first.actor_id)
    assert last.actor_id is None
    assert is_pseudonym(name)
    assert not is_snowflake(name)
    read = await EventStore(database).read(TimerId(GUILD, name, timer.role_id))
    assert 2 == read.version


async def test_nothing_is_replaced_while_discord_is_owed_something(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    await end_timers(owner, handler_over(database), timer.user_id, NOW)

    with pytest.raises(EraseRefusedError, match=r"still owed the role .*start `boostmon run`"):
        await replace(owner, timer.user_id)
    assert timer.user_id in await owner.fetchval(ALL_TEXT)


async def test_nothing_is_replaced_when_a_timer_was_started_meanwhile(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    await end_timers(owner, handler_over(database), timer.user_id, NOW)
    await handler_over(database).handle(timer, AddTime(NOW, HOUR, M, starts=True), slash())
    await pay(owner)

    with pytest.raises(EraseRefusedError, match="A timer of theirs was started meanwhile"):
        await replace(owner, timer.user_id)
    assert timer.user_id in await owner.fetchval(ALL_TEXT)


async def test_who_comes_back_is_a_new_person(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    name = await erased(owner, database, timer.user_id)
    await handler_over(database).handle(timer, SetTime(NOW, HOUR, M), slash())

    again = await history(owner, timer.user_id, guild_id=None, role_id=None)
    assert [1] == [happening.version for happening in again]
    assert 2 == len(await history(owner, name, guild_id=None, role_id=None))
    assert (await check(owner)).clean


async def test_a_command_that_read_before_and_appends_after_starts_a_new_life(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    handler, store = handler_over(database), EventStore(database)
    read = await store.read(timer)
    assert 1 == read.version
    await erased(owner, database, timer.user_id)

    handled = await handler.handle(timer, AddTime(NOW, HOUR, M, starts=True), slash())

    assert handled.position == 3
    assert 1 == (await store.read(timer)).version


async def newest_change(database: Database, timer: TimerId) -> RoleChange:
    """Return the newest change of a timer's role."""
    (standing,) = await Standings(database).of_member(GUILD, timer.user_id)
    assert standing.change is not None
    return standing.change


async def test_a_member_who_returns_reopens_nothing_of_the_erased_one(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    await pay(owner)
    given = await newest_change(database, timer)
    await erased(owner, database, timer.user_id)

    assert not await Standings(database).reopen(given, timer.user_id)
    assert [] == await Standings(database).of_member(GUILD, timer.user_id)


async def test_reopening_waits_for_the_erasing_and_then_finds_nobody(
    owner: asyncpg.Connection, owner_url: str, database: Database, timer: TimerId
) -> None:
    await end_timers(owner, handler_over(database), timer.user_id, NOW)
    await pay(owner)
    taken = await newest_change(database, timer)
    async with session(owner_url) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE effects IN SHARE ROW EXCLUSIVE MODE")
            reopening = asyncio.create_task(Standings(database).reopen(taken, timer.user_id))
            while not await owner.fetchval(  # noqa: ASYNC110 - it waits in the server
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'effects'::regclass"
            ):
                await asyncio.sleep(0.01)
            await other.execute(
                "UPDATE people SET user_id = $1 WHERE user_id = $2", new_pseudonym(), timer.user_id
            )
        assert not await reopening


async def test_a_table_that_others_hold_is_a_refusal_and_keeps_nobody_waiting(
    owner: asyncpg.Connection, owner_url: str, database: Database, timer: TimerId
) -> None:
    await end_timers(owner, handler_over(database), timer.user_id, NOW)
    await pay(owner)
    async with session(owner_url) as other, other.transaction():
        await other.execute("LOCK TABLE effects IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(EraseRefusedError, match="at work on the tables; nothing was replaced"):
            await replace(owner, timer.user_id)
    assert is_pseudonym(await replace(owner, timer.user_id))


async def doubted(owner: asyncpg.Connection, ago: str) -> None:
    """Have a request that was not answered, and an effect that was settled some time *ago*."""
    await owner.execute(
        "UPDATE effects SET look_again_at = now() + interval '30 s',"
        " done_at = now() - $1::text::interval WHERE position = 1",
        ago,
    )


@pytest.mark.parametrize("state", ["done", "superseded"])
async def test_nothing_is_replaced_while_discord_may_still_do_what_was_given_up(
    owner: asyncpg.Connection, database: Database, timer: TimerId, state: str
) -> None:
    await end_timers(owner, handler_over(database), timer.user_id, NOW)
    await pay(owner)
    await doubted(owner, "5 minutes")
    await owner.execute("UPDATE effects SET state = $1 WHERE position = 1", state)

    with pytest.raises(EraseRefusedError) as refusal:
        await replace(owner, timer.user_id)
    assert (
        f"Discord is still owed a look at the role {timer.role_id} in server {GUILD}, ten minutes "
        "after a request that was not answered; nothing was replaced."
    ) == str(refusal.value).partition(" Their")[0]

    await owner.execute("UPDATE effects SET look_again_at = NULL")
    assert is_pseudonym(await replace(owner, timer.user_id))


@pytest.mark.parametrize("ago", ["61 minutes", "-61 minutes"])
async def test_a_doubt_that_nobody_could_settle_within_an_hour_is_not_waited_for(
    owner: asyncpg.Connection, database: Database, timer: TimerId, ago: str
) -> None:
    """Nobody can be read in a server that the bot has left."""
    await end_timers(owner, handler_over(database), timer.user_id, NOW)
    await pay(owner)
    await doubted(owner, ago)

    await replace(owner, timer.user_id)

    await owner.execute("UPDATE effects SET look_again_at = look_again_at - interval '1 h'")
    assert [] == await Standings(database).in_doubt(9)


async def test_the_doubts_of_others_stay(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    other = fresh_timer()
    await handler_over(database).handle(other, SetTime(NOW, HOUR, M), slash())
    await end_timers(owner, handler_over(database), timer.user_id, NOW)
    await pay(owner)
    await owner.execute("UPDATE effects SET look_again_at = now()")
    await owner.execute("UPDATE effects SET last_error = $1", f"no {timer.user_id}!")

    await replace(owner, timer.user_id)

    assert [(GUILD, other.user_id)] == await Standings(database).in_doubt(9)


async def test_what_is_stuck_is_told_at_once_with_the_remedy(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    await end_timers(owner, handler_over(database), timer.user_id, NOW)
    await owner.execute(
        "UPDATE effects SET state = 'superseded' WHERE position = 1;"
        "UPDATE effects SET state = 'stuck', due_at = now() + interval '10 min',"
        " last_error = 'Move the role up.' WHERE position = 2;"
        "UPDATE lease SET holder = 'bot', expires_at = now() + interval '1 min'"
    )

    with pytest.raises(EraseRefusedError) as refusal:
        await settled(owner, timer.user_id, seconds=600, progress=print)
    assert (
        f"Discord is still owed the loss of the role {timer.role_id} in server {GUILD} "
        "(stuck: Move the role up); nothing was replaced. Their timers have ended; when that is "
        "done, run it again."
    ) == str(refusal.value)


async def test_it_waits_for_the_relay_and_tells_how_much_is_owed(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    await end_timers(owner, handler_over(database), timer.user_id, NOW)
    told: list[int] = []
    waiting = asyncio.create_task(settled(owner, timer.user_id, seconds=60, progress=told.append))
    async with asyncio.timeout(30):
        while not told:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
    await database.run(lambda connection: connection.execute("UPDATE effects SET state = 'done'"))
    await waiting

    assert 2 == told[0]


async def test_a_timer_that_ends_meanwhile_is_nobodys_trouble(
    owner: asyncpg.Connection,
    database: Database,
    timer: TimerId,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = handler_over(database)

    async def too_late(*_: object) -> None:
        raise TimerNotFoundError

    monkeypatch.setattr(handler, "handle", too_late)

    assert await is_known(owner, timer.user_id)
    assert 0 == await end_timers(owner, handler, timer.user_id, NOW)


async def test_many_debts_are_counted(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    for number in range(4):
        other = TimerId(GUILD, timer.user_id, f"140000000000000000{number}")
        await handler_over(database).handle(other, SetTime(NOW, HOUR, M), slash())

    with pytest.raises(EraseRefusedError, match=" and 2 more; nothing was replaced"):
        await settled(owner, timer.user_id, seconds=0, progress=print)


def test_pseudonyms_are_no_ids_and_never_the_same() -> None:
    names = {new_pseudonym() for _ in range(1000)}

    assert 1000 == len(names)
    assert all(map(is_pseudonym, names))
    assert not any(map(is_snowflake, names))
    assert not is_pseudonym("erased-0123456789abc")
    assert "17" == Id()("17")


# The command line.


async def test_an_unknown_person_needs_no_erasing(owner_url: str) -> None:
    outcome = await boostmon("erase", "17", "--yes", DATABASE_URL=owner_url)

    assert (0, "BoostMon knows no person 17; nothing is to be erased\n") == outcome[:2]


async def test_without_a_terminal_a_yes_is_needed(owner_url: str) -> None:
    outcome = await boostmon("erase", "17", DATABASE_URL=owner_url)

    assert 2 == outcome.code
    assert "add --yes" in outcome.err


async def test_a_pseudonym_or_a_name_is_wrong_usage() -> None:
    for user in ("erased-0123456789ab", "max"):
        assert 2 == (await boostmon("erase", user, "--yes")).code


async def test_it_ends_refuses_and_finishes_when_it_is_run_again(
    owner: asyncpg.Connection, owner_url: str, bot_url: str, timer: TimerId
) -> None:
    urls = {"DATABASE_URL": bot_url, "BOOSTMON_OWNER_DATABASE_URL": owner_url}
    first = await boostmon("erase", timer.user_id, "--yes", "--wait", "0", **urls)
    assert "Discord is still owed" in first.sentence
    await pay(owner)

    second = await boostmon("erase", timer.user_id, "--yes", **urls)
    third = await boostmon("erase", timer.user_id, "--yes", **urls)

    assert re.fullmatch(
        r"erased, 0 timers ended; the person is now erased-[0-9a-f]{12}\n", second.out
    )
    assert timer.user_id not in second.out + second.err
    assert "knows no person" in third.out
    assert (await check(owner)).clean


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"y\n", 0)])
async def test_on_a_terminal_it_asks_first(owner_url: str, answer: bytes, code: int) -> None:
    mine, theirs = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "boostmon", "erase", "17"],
            env=os.environ | {"DATABASE_URL": owner_url},
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        os.write(mine, answer)
        out, err = await process.communicate()
    finally:
        os.close(mine)
        os.close(theirs)

    assert code == process.returncode
    assert b"This cannot be undone. Go on?" in err
    assert (code == 0) == (b"knows no person 17" in out)


# With the bot at work.


@pytest.fixture
async def town(database: Database, owner_url: str) -> AsyncIterator[Town]:
    """Lend a town in which the bot is at work."""
    async with a_town(database, owner_url) as made:
        yield made


async def test_the_running_bot_takes_the_roles_and_then_the_id_is_gone(
    town: Town, owner: asyncpg.Connection, owner_url: str
) -> None:
    for role in ("VIP", "Trial"):
        await town.say("mona", "settime", user="max", role=role, duration="1h")
    max_id = town.id_of("user", "max")
    assert {"VIP", "Trial"} <= set(town.roles_of("max"))

    outcome = await boostmon("erase", max_id, "--yes", DATABASE_URL=owner_url)

    assert outcome.out.startswith("erased, 2 timers ended; the person is now erased-"), outcome
    assert not {"VIP", "Trial"} & set(town.roles_of("max"))
    assert max_id not in await owner.fetchval(ALL_TEXT)
    assert (await check(owner)).clean

    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    assert ["TimerSet", "TimerSet", "Cleared", "Cleared", "TimerSet"] == await town.events()
    assert "VIP" in town.roles_of("max")


async def test_a_stuck_role_keeps_the_person_until_the_remedy_was_done(
    town: Town, owner: asyncpg.Connection, owner_url: str
) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    max_id, guild = town.id_of("user", "max"), town.client.ids["guild"]
    await town.client.sim("role", {"role": "BoostMon", "action": "move", "position": 1})

    refused = await boostmon("erase", max_id, "--yes", DATABASE_URL=owner_url)
    assert (
        f"the loss of the role {town.id_of('role', 'VIP')} in server {guild} (stuck: Move "
        "BoostMon's role above **VIP**" in refused.sentence
    )
    assert refused.sentence.endswith("when that is done, run it again.")
    assert max_id in await owner.fetchval(ALL_TEXT)

    await town.client.sim("role", {"role": "BoostMon", "action": "move", "position": 6})
    done = await boostmon("erase", max_id, "--yes", DATABASE_URL=owner_url)
    assert done.out.startswith("erased, 0 timers ended")
    assert "VIP" not in town.roles_of("max")
    assert max_id not in await owner.fetchval(ALL_TEXT)


async def test_a_wait_that_never_ends_is_no_wait() -> None:
    outcome = await boostmon("erase", "11", "--yes", "--wait", "nan")

    assert 2 == outcome.code
    assert "nan is no number of seconds" in outcome.err


class Between:
    """A connection on which something happens behind the first answer."""

    def __init__(self, connection: asyncpg.Connection, happening: Any) -> None:
        self._connection, self._happening = connection, happening

    async def fetch(self, query: str, *arguments: object) -> Any:
        rows = await self._connection.fetch(query, *arguments)
        happening, self._happening = self._happening, None
        if happening is not None:
            await happening
        return rows


async def test_erasing_ends_a_timer_that_begins_while_it_looks(
    database: Database, owner: asyncpg.Connection
) -> None:
    one, handler = fresh_timer(), handler_over(database)
    other = TimerId(one.guild_id, one.user_id, "1100000000000000044")
    await handler.handle(one, SetTime(0, HOUR, M), slash())
    begins = handler.handle(other, SetTime(0, HOUR, M), slash())
    connection: Any = Between(owner, begins)
    assert await erase.end_timers(connection, handler, one.user_id, 5) == 2
    states = [(await EventStore(database).read(timer)).state for timer in (one, other)]
    assert [NoTimer(), NoTimer()] == states
