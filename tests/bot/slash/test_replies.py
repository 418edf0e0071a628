"""Replies: the embeds that the contract names, the sentences beside them, the notices."""

import re
from typing import Literal

import pytest
from disnake import Embed
from hypothesis import given
from hypothesis import strategies as st

from boostmon.bot.slash import timeleft
from boostmon.bot.slash.timeleft import Reader, listing
from boostmon.bot.wording import replies
from boostmon.bot.wording.replies import Told, outcome, role_change, role_shown
from boostmon.commands.handler import Handled
from boostmon.events.timer import (
    DAY,
    HOUR,
    INITIAL,
    MINUTE,
    Cleared,
    Expired,
    OnHold,
    Paused,
    Resumed,
    Running,
    TimeAdded,
    Timer,
    TimeRemoved,
    TimerEvent,
    TimerId,
    TimerSet,
)
from boostmon.projections.effects.kinds import EffectKind, EffectProgress, StuckEffect
from boostmon.projections.role_timers import TimerRow

State = Literal["owed", "stuck", "done", "superseded"]

NOW = 1_000_000_000
TIMER = TimerId("1", "20", "30")
RUNNING = Running(since=0, at=0, expires_at=NOW + HOUR)
ON_HOLD = OnHold(since=0, at=0, paused_at=0, remaining_ms=HOUR)
WHO = ["Command Run By", "Target User", "Role"]
IN_AN_HOUR = "<t:1003600:F> (<t:1003600:R>)"


def reply(before: Timer, *events: TimerEvent, change: EffectProgress | None = None) -> Embed:
    told = Told(caller_id="10", role="<@&30>", change=change)
    return outcome(Handled(TIMER, before, events, 1), told)


def change(kind: EffectKind, state: State, error: str | None = None) -> EffectProgress:
    return EffectProgress(kind=kind, state=state, last_error=error)


def names(embed: Embed) -> list[str | None]:
    return [field.name for field in embed.fields]


def value(embed: Embed, name: str) -> str | None:
    return next(field.value for field in embed.fields if field.name == name)


def looks(embed: Embed) -> tuple[str | None, str | None, int]:
    assert embed.colour is not None
    return embed.author.name, embed.title, embed.colour.value


def test_set() -> None:
    embed = reply(INITIAL, TimerSet(NOW, HOUR, NOW + HOUR, (10,), "40"))

    assert ("BoostMon", "Timed Role Activated", 0x2ECC71) == looks(embed)
    assert [
        "Command Run By",
        "Target User",
        "Role Assigned",
        "Duration",
        "Expires",
        "Warning Channel",
        "Notes",
    ] == names(embed)
    assert [
        "<@10>",
        "<@20>",
        "<@&30>",
        "1 hour",
        IN_AN_HOUR,
        "<#40>",
        "None",
    ] == [field.value for field in embed.fields]


def test_set_without_a_channel_says_that_notices_go_by_dm() -> None:
    embed = reply(INITIAL, TimerSet(NOW, HOUR, NOW + HOUR, ()))

    assert value(embed, "Warning Channel") == "DMs"


def test_the_notes_of_set_tell_what_became_of_the_role_and_what_was_noted() -> None:
    told = Told(
        caller_id="10",
        role="<@&30>",
        change=change("give_role", "done"),
        notes=(replies.HELD_BEFORE,),
    )
    events = (TimerSet(NOW, HOUR, NOW + HOUR, ()),)
    embed = outcome(Handled(TIMER, RUNNING, events, 1), told)

    assert f"<@20> has the role.\n{replies.HELD_BEFORE}\n{replies.REPLACED}" == value(
        embed, "Notes"
    )
    assert embed.description is None


def test_added() -> None:
    embed = reply(RUNNING, TimeAdded(NOW, 30 * MINUTE, NOW + HOUR))

    assert ("BoostMon", "Timed Role Extended", 0x2ECC71) == looks(embed)
    assert [*WHO, "Time Added", "New Expiry"] == names(embed)
    assert value(embed, "Time Added") == "30 minutes"
    assert value(embed, "New Expiry") == IN_AN_HOUR


def test_added_while_paused_tells_what_is_left() -> None:
    embed = reply(ON_HOLD, TimeAdded(NOW, HOUR, remaining_ms=2 * HOUR))

    assert value(embed, "New Expiry") == "Paused, 2 hours left"


def test_removed() -> None:
    embed = reply(RUNNING, TimeRemoved(NOW, 30 * MINUTE, NOW + HOUR))

    assert ("BoostMon", "Timed Role Reduced", 0x2ECC71) == looks(embed)
    assert [*WHO, "Time Removed", "Remaining", "Expires"] == names(embed)
    assert value(embed, "Remaining") == "1 hour"
    assert value(embed, "Expires") == IN_AN_HOUR


def test_removed_to_nothing() -> None:
    embed = reply(
        RUNNING,
        TimeRemoved(NOW, 2 * HOUR, NOW),
        Expired(NOW),
        change=change("take_role", "done"),
    )

    assert ("BoostMon", "Timed Role Reduced (Expired)", 0xE74C3C) == looks(embed)
    assert [*WHO, "Time Removed", "Result"] == names(embed)
    assert f"{replies.ENDED}\nThe role was taken away." == value(embed, "Result")


def test_paused() -> None:
    embed = reply(RUNNING, Paused(NOW, HOUR))

    assert ("BoostMon", "Timed Role Paused", 0xF1C40F) == looks(embed)
    assert [*WHO, "Remaining"] == names(embed)
    assert value(embed, "Remaining") == "1 hour"


def test_resumed() -> None:
    embed = reply(ON_HOLD, Resumed(NOW, NOW + HOUR, ()))

    assert ("BoostMon", "Timed Role Resumed", 0x2ECC71) == looks(embed)
    assert [*WHO, "Remaining", "New Expiry"] == names(embed)
    assert value(embed, "New Expiry") == IN_AN_HOUR


def test_cleared() -> None:
    embed = reply(RUNNING, Cleared(NOW, HOUR), change=change("take_role", "owed"))

    assert ("BoostMon", "Timed Role Cleared", 0x95A5A6) == looks(embed)
    assert [*WHO, "Remaining"] == names(embed)
    assert value(embed, "Remaining") == "1 hour"
    assert embed.description == "The role is being taken away."


@pytest.mark.parametrize(
    ("kind", "state", "error", "said"),
    [
        ("give_role", "owed", None, "The role is being given."),
        ("give_role", "owed", "503", "The role is being given."),
        ("give_role", "done", None, "<@20> has the role."),
        ("give_role", "done", "the member left", "The role could not be given: the member left."),
        ("take_role", "owed", None, "The role is being taken away."),
        ("take_role", "done", None, "The role was taken away."),
        ("take_role", "superseded", None, "A later change has overtaken this one."),
    ],
)
def test_says_what_became_of_the_role(
    kind: EffectKind, state: State, error: str | None, said: str
) -> None:
    assert said == role_change(change(kind, state, error), "20")


def test_a_stuck_role_change_names_both_the_record_and_the_remedy() -> None:
    said = role_change(change("give_role", "stuck", "Move BoostMon's role above **VIP**."), "20")

    assert said == (
        "This is recorded, but Discord does not let BoostMon give the role: "
        "Move BoostMon's role above **VIP**. BoostMon keeps trying."
    )


def test_a_long_reason_is_cut() -> None:
    said = role_change(change("give_role", "stuck", "x" * 5000), "20")

    assert said is not None
    assert len(said) < 500


def test_a_deleted_role_is_shown_by_its_id() -> None:
    assert role_shown("30", exists=True) == "<@&30>"
    assert role_shown("30", exists=False) == "deleted role `30`"


def test_the_open_outcome_asks_not_to_repeat() -> None:
    assert replies.OPEN == (
        "The database does not answer. I will finish this or tell you here; "
        "please do not repeat it."
    )


@pytest.mark.parametrize(("minutes", "left"), [(1, "1 minute"), (10, "10 minutes")])
def test_a_warning_says_what_is_left(minutes: int, left: str) -> None:
    notice = f"<@20> warning: your access for **VIP** expires in **{left}**."

    assert notice == replies.warning("20", "VIP", minutes)


def test_an_expiry_says_so() -> None:
    assert replies.expiry("20", "VIP") == "<@20> notice: your access for **VIP** has expired."


@given(st.text())
def test_no_role_name_breaks_a_notice(name: str) -> None:
    for notice in (replies.expiry("20", name), replies.warning("20", name, 1)):
        bare = re.sub(r"\\.", "", notice)
        assert bare.count("<@") == 1
        assert bare.count("**") == (2 if "expired" in notice else 4)


def row(role_id: str, *, ends: int = NOW + HOUR, paused_ms: int | None = None) -> TimerRow:
    return TimerRow(
        timer=TimerId("1", "20", role_id),
        expires_at=ends,
        paused=paused_ms is not None,
        paused_remaining_ms=paused_ms or 0,
        warn_channel_id=None,
    )


def stuck(role_id: str, kind: EffectKind) -> StuckEffect:
    return StuckEffect(
        timer=TimerId("1", "20", role_id), kind=kind, last_error="Move BoostMon's role up."
    )


STAFF, MEMBER = Reader(staff=True, now=NOW), Reader(staff=False, now=NOW)


def test_timeleft_lists_running_and_paused_timers() -> None:
    rows = [row("30"), row("31", ends=NOW), row("32", paused_ms=90 * MINUTE)]
    embed = listing("20", rows, [], names={"30": "VIP", "31": "a*b"}, reader=MEMBER)

    assert [
        ("VIP", f"Ends {IN_AN_HOUR}"),
        (r"a\*b", "ending now"),
        ("Deleted role 32", "**Paused**, 1 hour 30 minutes left"),
    ] == [(field.name, field.value) for field in embed.fields]
    assert embed.description == "<@20> has 3 timed roles here."


def test_timeleft_says_that_there_is_none() -> None:
    embed = listing("20", [], [], names={}, reader=MEMBER)

    assert embed.description == "<@20> has no timed role here."


def test_a_member_is_told_that_a_stuck_end_waits_for_the_staff() -> None:
    embed = listing("20", [], [stuck("30", "take_role")], names={"30": "VIP"}, reader=MEMBER)

    assert [("VIP", "ended; waiting for the server's staff")] == [
        (field.name, field.value) for field in embed.fields
    ]


def test_staff_are_told_the_remedy() -> None:
    held_up = [stuck("30", "take_role"), stuck("31", "give_role"), stuck("32", "notice")]
    embed = listing("20", [row("31")], held_up, names={"30": "VIP", "31": "B"}, reader=STAFF)

    assert [
        (
            "VIP",
            "ended; Discord does not let BoostMon take away the role: Move BoostMon's role up.",
        ),
        (
            "B",
            (
                f"Ends {IN_AN_HOUR}\nThe role is missing; "
                "Discord does not let BoostMon give the role: Move BoostMon's role up."
            ),
        ),
    ] == [(field.name, field.value) for field in embed.fields]


def test_timeleft_counts_what_it_does_not_show() -> None:
    rows = [row(str(number)) for number in range(100, 132)]
    embed = listing("20", rows, [], names={}, reader=MEMBER)

    assert len(embed.fields) == 25
    assert embed.description == "<@20> has 32 timed roles here; 7 more are not shown."


@given(
    number=st.integers(0, 40),
    name=st.text(max_size=100),
    reason=st.text(max_size=2000),
    ended=st.booleans(),
)
def test_timeleft_stays_within_the_limits(
    number: int, name: str, reason: str, *, ended: bool
) -> None:
    ids = [str(role_id) for role_id in range(10**18, 10**18 + number)]
    troubles = [
        StuckEffect(timer=TimerId("1", "20", i), kind="take_role", last_error=reason) for i in ids
    ]
    rows = [] if ended else [row(i, ends=NOW + 5 * DAY) for i in ids]
    embed = listing("20", rows, troubles, names=dict.fromkeys(ids, name), reader=STAFF)

    assert len(embed) <= timeleft.MOST_CHARACTERS
    assert len(embed.fields) <= timeleft.MOST_FIELDS
    for field in embed.fields:
        assert 1 <= len(field.name or "") <= 256
        assert 1 <= len(field.value or "") <= 1024
