"""Answers of Discord's that are lost, cut off or not its own: what took effect is not told wrongly.

The real bot, in a Discord whose answers to interactions go wrong.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from boostmon.bot.slash import answers
from boostmon.bot.slash.answers import Patience
from boostmon.database.connections.pool import Database
from tests.support.town import Json, Town
from tests.support.town import town as a_town
from tests.whole.test_commands_e2e import (
    CALLBACK,
    ORIGINAL,
    direct_messages,
    embed,
    public,
    recorded_are,
    taken_back,
)

SET = {"user": "max", "role": "VIP", "duration": "1h"}
PAGE = "<html><body>Bad Gateway</body></html>"
JSON = {"Content-Type": "application/json"}
FOLLOW_UP = "^/webhooks/[0-9]+/[^/]+$"
LOST: list[Any] = [
    pytest.param({"status": 502}, id="a page of 502"),
    pytest.param({"status": 500}, id="a 500 of Discord's"),
    pytest.param({"reset": True}, id="hung up"),
    pytest.param({"hang": 2.0}, id="silence"),
    pytest.param({"status": 403, "body": PAGE}, id="a page of 403"),
    pytest.param({"status": 200, "body": PAGE}, id="a page of 200"),
    pytest.param({"status": 200, "body": '{"id": "1', "headers": JSON}, id="cut off"),
    pytest.param({"status": 302, "headers": {"Location": "/"}}, id="sent elsewhere"),
]
UNCODED: list[Any] = [
    pytest.param({"status": 404, "body": PAGE}, id="a page of 404"),
    pytest.param({"status": 400, "body": {}}, id="a 400 without a code"),
    pytest.param({"status": 403, "body": '{"code": 5', "headers": JSON}, id="a 403 cut off"),
    pytest.param({"status": 401, "body": {"message": "401: Unauthorized", "code": 0}}, id="401"),
    pytest.param({"code": 10015}, id="unknown webhook, for a moment"),
    pytest.param({"reset": True}, id="hung up"),
]
CUT_OFF: list[Any] = [
    pytest.param({"status": 200, "body": '{"id": "1', "headers": JSON}, id="cut off"),
    pytest.param({"status": 200, "body": {}, "headers": JSON}, id="nothing in it"),
    pytest.param({"status": 200, "body": [], "headers": JSON}, id="no message"),
    pytest.param({"status": 200, "body": PAGE}, id="a page"),
    pytest.param({"status": 204}, id="empty"),
]


@pytest.fixture
async def town(database: Database, owner_url: str) -> AsyncIterator[Town]:
    """Lend a town in which the bot is at work."""
    async with a_town(database, owner_url) as made:
        yield made


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "FIRST_ROUND", 0.2)
    monkeypatch.setattr(answers, "EDIT", Patience(8.0, (0.1, 0.2)))
    monkeypatch.setattr(answers, "MORE", Patience(8.0, (0.1, 0.2), sure=True))


async def faults(town: Town, path: str, method: str, **fault: Any) -> None:
    await town.client.sim("fault", {"path": path, "method": method, **fault})


def edits(town: Town) -> int:
    """Count the edits of replies."""
    requests = town.client.sandbox.state()["requests"]
    return sum(r["method"] == "PATCH" and "@original" in r["path"] for r in requests)


# An acknowledgement that took effect, and whose answer was lost.


@pytest.mark.parametrize("how", LOST)
async def test_a_command_whose_acknowledgement_is_answered_by_nobody_goes_on(
    town: Town, how: Json
) -> None:
    await faults(town, CALLBACK, "POST", when="after", **how)

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]
    assert ["TimerSet"] == await town.events()


@pytest.mark.parametrize("how", LOST[:4])
async def test_a_choice_whose_acknowledgement_is_answered_by_nobody_goes_on(
    town: Town, how: Json
) -> None:
    for role in ("VIP", "Supporter"):
        await public(town, "mona", "settime", user="max", role=role, duration="1h")
    asked = await town.say("mona", "pausetime", user="max")
    await faults(town, CALLBACK, "POST", when="after", **how)

    await town.choose("mona", asked["message"], "VIP")

    await recorded_are(town, 3)
    assert "Paused" == (await town.events())[-1]


@pytest.mark.parametrize("how", LOST[:4])
async def test_a_question_whose_acknowledgement_is_answered_by_nobody_is_answered(
    town: Town, how: Json
) -> None:
    await faults(town, CALLBACK, "POST", when="after", **how)

    told = await town.say("max", "timeleft")

    assert "Timed Roles" == embed(told)["title"]


@pytest.mark.parametrize("how", LOST[:3])
async def test_what_is_typed_is_answered_though_the_first_answer_did_not_arrive(
    town: Town, how: Json
) -> None:
    await faults(town, CALLBACK, "POST", when="before", **how)

    typed = await town.type("mona", "addtime", user="max", duration="90")

    assert "90" == typed["90 → 1 hour 30 minutes more"]


@pytest.mark.parametrize("how", LOST[:3])
async def test_a_refusal_is_said_once_though_its_answer_was_lost(town: Town, how: Json) -> None:
    await faults(town, CALLBACK, "POST", when="after", **how)

    told = await town.say("mona", "settime", user="max", role="VIP", duration="1:30")

    assert "That is no duration" in told["message"]["content"]
    assert [] == told["followups"]
    assert [] == town.client.sandbox.state()["dms"]


async def test_an_acknowledgement_of_which_nobody_tells_within_its_time_is_looked_for(
    town: Town,
) -> None:
    await faults(town, CALLBACK, "POST", when="after", hang=4.0, times=None)

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]


async def test_one_that_was_not_carried_out_is_looked_for_and_not_decided(town: Town) -> None:
    await faults(town, CALLBACK, "POST", status=502, times=None)

    given = await town.send("mona", "settime", user="max", role="VIP", duration="1h")
    await asyncio.sleep(4)

    assert [] == await town.events()
    assert (await town.wait(given, "answered", seconds=0.1))["acknowledged_ms"] is None


async def test_what_another_process_has_acknowledged_is_left_to_it(town: Town) -> None:
    before = edits(town)

    sent = await town.send("mona", "settime", deliveries=2, user="max", role="VIP", duration="1h")
    await town.reply(sent)

    assert 1 == sum(r["code"] == 40060 for r in town.client.sandbox.state()["requests"])
    assert before + 1 == edits(town)


# Two processes receive one interaction, as when one takes over from the other.


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"when": "after"}, None),  # ours was carried out, and the other's is refused
        ({"when": "before"}, None),  # ours was not, and the other's is
        ({"when": "before"}, {"when": "after"}),  # nor is the answer to the other's here
        ({"when": "after"}, {"when": "after"}),
    ],
)
@pytest.mark.parametrize("command", ["settime", "pausetime", "cleartime"])
async def test_of_two_that_both_received_it_none_drops_it_or_says_something_else(
    town: Town, first: Json, then: Json | None, command: str
) -> None:
    given = dict(SET)
    if command != "settime":  # what is meant is found by the log, where the other is first
        await public(town, "mona", "settime", **SET)
        given = {"user": "max"}
    for fault in (first, then):
        if fault is not None:
            await faults(town, CALLBACK, "POST", status=502, **fault)

    body = town._body("mona", command, given) | {"deliveries": 2}  # noqa: SLF001 - as it sends one
    sent = (await town.client.sim("interaction", body))["id"]
    told = await town.reply(sent)
    await asyncio.sleep(1.5)
    told = await town.reply(sent)

    title = {"settime": "Activated", "pausetime": "Paused", "cleartime": "Cleared"}[command]
    assert (f"Timed Role {title}", False) == (embed(told)["title"], told["deleted"])
    assert [] == told["followups"]
    assert (1 if command == "settime" else 2) == len(await town.events())


async def test_what_both_refuse_is_refused(town: Town) -> None:
    await faults(town, CALLBACK, "POST", status=502, when="before")

    sent = await town.send("mona", "pausetime", deliveries=2, user="max")
    told = await town.reply(sent)

    assert "has no running timer here" in taken_back(told | {"followups": told["followups"][:1]})
    assert [] == await town.events()


# Edits whose answer is none of Discord's, or is cut off.


@pytest.mark.parametrize("how", UNCODED)
@pytest.mark.parametrize("times", [1, 2])
async def test_a_reply_whose_edit_fails_for_a_moment_is_edited_after_it(
    town: Town, how: Json, times: int
) -> None:
    await faults(town, ORIGINAL, "PATCH", times=times, **how)

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]
    assert [] == told["followups"]
    assert [] == town.client.sandbox.state()["dms"]


@pytest.mark.parametrize("how", UNCODED[:3])
async def test_a_reply_that_cannot_be_edited_is_said_in_a_new_message(
    town: Town, how: Json
) -> None:
    await faults(town, ORIGINAL, "PATCH", times=None, **how)

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]
    assert not told["loading"]


@pytest.mark.parametrize("how", UNCODED[:3])
async def test_a_reply_that_can_be_neither_comes_by_dm(town: Town, how: Json) -> None:
    await faults(town, ORIGINAL, "PATCH", times=None, **how)
    await faults(town, FOLLOW_UP, "POST", times=None, **how)

    await town.send("mona", "settime", user="max", role="VIP", duration="1h")

    (message,) = await direct_messages(town)
    assert "Timed Role Activated" == embed({"message": message})["title"]


async def test_where_nothing_goes_the_last_word_is_tried_again_and_again(town: Town) -> None:
    opening, page = "/users/@me/channels", {"status": 404, "body": PAGE}
    await faults(town, ORIGINAL, "PATCH", times=4, **page)
    await faults(town, FOLLOW_UP, "POST", times=3, **page)
    await faults(town, opening, "POST", status=400, body=PAGE, times=3)

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]
    assert [] == told["followups"]


@pytest.mark.parametrize("how", CUT_OFF)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_edit_whose_answer_is_cut_off_is_not_said_to_have_failed(
    town: Town, how: Json, when: str
) -> None:
    await faults(town, ORIGINAL, "PATCH", when=when, **how)

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]
    assert [] == told["followups"]
    assert [] == town.client.sandbox.state()["dms"]


@pytest.mark.parametrize("how", CUT_OFF[:3])
async def test_an_edit_whose_answers_are_all_cut_off_is_done(town: Town, how: Json) -> None:
    await faults(town, ORIGINAL, "PATCH", when="after", times=None, **how)

    told = await public(town, "mona", "settime", **SET)
    await asyncio.sleep(0.5)

    assert "Timed Role Activated" == embed(told)["title"]
    assert [] == (await town.reply(told["id"]))["followups"]


@pytest.mark.parametrize("how", UNCODED)
async def test_a_refusal_whose_reply_is_not_taken_back_at_once_is_told_alone(
    town: Town, how: Json
) -> None:
    await faults(town, ORIGINAL, "DELETE", **how)
    await faults(town, FOLLOW_UP, "POST", **how)

    told = await town.say("mona", "pausetime", user="max")

    assert "has no running timer here" in taken_back(told)


async def test_a_reply_that_was_taken_back_and_whose_answer_was_lost_is_taken_back(
    town: Town,
) -> None:
    await faults(town, ORIGINAL, "DELETE", when="after", status=502)

    told = await town.say("mona", "pausetime", user="max")

    assert "has no running timer here" in taken_back(told)
    assert [] == town.client.sandbox.state()["dms"]


async def test_a_reply_that_cannot_be_taken_back_does_not_load_for_ever(town: Town) -> None:
    await faults(town, ORIGINAL, "DELETE", status=404, body=PAGE, times=None)

    told = await town.say("mona", "pausetime", user="max")

    assert "was told why by direct message" in told["message"]["content"]
    (message,) = await direct_messages(town)
    assert "has no running timer here" in message["content"]


async def test_a_429_with_a_long_wait_is_not_asked_again_before_it_is_over(town: Town) -> None:
    slow = {"retry_after": 700.0, "global": False}
    await faults(town, ORIGINAL, "PATCH", status=429, body=slow, times=None)

    await town.send("mona", "settime", user="max", role="VIP", duration="1h")
    await asyncio.sleep(2)

    requests = town.client.sandbox.state()["requests"]
    assert 1 == sum(r["status"] == 429 for r in requests)
