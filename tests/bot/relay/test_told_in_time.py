"""Many members without a channel, whose time ends in the same minute: told in time, or not at all.

In virtual time, with the whole bot and Discord's limits, as the simulation has them.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from boostmon.bot.discord.refusals import OPENING_TOO_FAST
from boostmon.bot.relay.openings import STOPPED_FOR
from tests.simulation import wiring
from tests.simulation.book import Word
from tests.simulation.discord import Member
from tests.simulation.orders import Order
from tests.simulation.plan import CALLER, GUILDS, Plan, person_of, role_of
from tests.simulation.rest import Refusal
from tests.simulation.trace import Trace
from tests.simulation.universe import Universe

GUILD, ROLE = GUILDS[0], role_of(GUILDS[0], 1)
SET_AT = 10_030.0  # seconds; the first moment is 10,000
HOUR = 3600.0
PEOPLE = [person_of(500 + number) for number in range(180)]


@pytest.fixture
def universe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Universe]:
    """Lend a world in which one process is at work, and nothing goes wrong."""
    monkeypatch.setattr(wiring, "WARNINGS", (60, 10, 1))
    with Universe(Plan(seed=1, moments=(), seconds=10_000.0, processes=1), Trace()) as made:
        members = made.discord.guilds[GUILD].members
        members.update({user_id: Member(user_id) for user_id in PEOPLE})
        made.start()
        made.run(SET_AT)
        yield made


def serve(universe: Universe, minutes: int, *, channel_id: str | None = None) -> None:
    """Have a timer set for each, within a minute."""
    (process,) = universe.processes
    for number, user_id in enumerate(PEOPLE):
        order = Order(
            command_id=str(1_000_000 + number),
            name="settime",
            guild_id=GUILD,
            user_id=user_id,
            role_id=ROLE,
            caller_id=CALLER,
            minutes=minutes,
            channel_id=channel_id,
        )
        universe.book.words[order.command_id] = Word(order)
        made_at = round((universe.discord.clock() + number / 3) * 1000)
        universe.timeline.after(
            number / 3,
            lambda order=order, made_at=made_at: process.serve(order, made_at),  # type: ignore[misc]
        )


def messages(universe: Universe, part: str) -> list[Any]:
    """Return the direct messages that say *part*."""
    discord = universe.discord
    return [
        message
        for channel_id in discord.direct.values()
        for message in discord.channels[channel_id]
        if part in message.content
    ]


def opened(universe: Universe) -> list[Any]:
    """Return the lines of the trace about openings."""
    return list(universe.discord.direct)


def test_a_hundred_and_eighty_are_told_within_four_minutes(universe: Universe) -> None:
    serve(universe, 60)
    universe.run(SET_AT + 40 * 60)
    assert len(opened(universe)) == 180  # before the first of them is told

    universe.run(SET_AT + HOUR + 60 + 240)

    ends = messages(universe, "has expired")
    assert 180 == len(ends)
    assert max(message.at for message in ends) <= SET_AT + HOUR + 60 + 240
    assert [] == universe.wire.too_fast
    members = universe.discord.guilds[GUILD].members
    assert not any(ROLE in members[user_id].roles for user_id in PEOPLE)


def test_no_warning_comes_when_the_end_has(universe: Universe) -> None:
    serve(universe, 60)
    universe.run(SET_AT + HOUR + 600)
    number = {user_id: count for count, user_id in enumerate(PEOPLE)}
    late = [
        message
        for user_id, channel_id in universe.discord.direct.items()
        for message in universe.discord.channels[channel_id]
        if "expires in" in message.content
        and message.at > SET_AT + number[user_id] / 3 + HOUR + 1.0
    ]
    assert [] == late
    assert 180 <= len(messages(universe, "expires in")) < 360


def test_openings_ahead_are_ten_a_minute_at_most(universe: Universe) -> None:
    serve(universe, 60)
    counts = []
    for minute in range(1, 12):
        universe.run(SET_AT + minute * 60)
        counts.append(len(opened(universe)))
    assert all(later - earlier <= 10 for earlier, later in zip([0, *counts], counts, strict=False))
    assert counts[-1] >= 80


@pytest.mark.parametrize("why", ["the first notice is near", "there is a channel", "imported"])
def test_no_channel_is_opened_ahead_when(universe: Universe, why: str) -> None:
    channel_id = universe.discord.guilds[GUILD].channels[0] if "channel" in why else None
    serve(universe, 19 if "near" in why else 60, channel_id=channel_id)
    if why == "imported":
        universe.run(SET_AT + 70)
        for event in universe.server.tables.events:
            event.source = "import"
        universe.run(SET_AT + 100)  # what was read before
        before = len(opened(universe))
        universe.run(SET_AT + 1000)
        assert before == len(opened(universe))
    else:
        universe.run(SET_AT + 500)
        assert [] == opened(universe)


def test_a_refusal_to_open_stops_all_openings_for_an_hour_and_nothing_else(
    universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ten openings Discord answers 40003 for a while."""
    refused = list[float]()
    carry_out, discord = universe.discord.open_direct, universe.discord

    def open_direct(user_id: str) -> str:
        if len(discord.direct) >= 10 and discord.timeline.now < SET_AT + HOUR:
            refused.append(discord.timeline.now)
            raise Refusal(400, OPENING_TOO_FAST, "You are opening direct messages too fast")
        return carry_out(user_id)

    monkeypatch.setattr(discord, "open_direct", open_direct)
    serve(universe, 40)

    universe.run(SET_AT + 55 * 60)

    assert 1 == len(refused)  # nobody was asked again
    told = {m.channel_id for m in messages(universe, "has expired")}
    assert len(told) == 10
    members = discord.guilds[GUILD].members
    assert not any(ROLE in members[user_id].roles for user_id in PEOPLE)

    universe.run(refused[0] + STOPPED_FOR + 25 * 60)

    assert 180 == len(messages(universe, "has expired"))
    assert 1 == len(refused)
