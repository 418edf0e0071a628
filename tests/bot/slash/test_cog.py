"""The front end's parts: what is registered, the menu, the open outcome, the wait for the role."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from disnake import Embed
from disnake.ui.select import StringSelect
from structlog.testing import capture_logs

from boostmon.bot.discord.rest import RefusedError
from boostmon.bot.records.metrics import Metrics
from boostmon.bot.records.outcomes import StoppedError
from boostmon.bot.records.tally import Tally
from boostmon.bot.relay.effect_signal import EffectSignal
from boostmon.bot.servers.guards import Action, OutsideServerError, ServerUnseenError
from boostmon.bot.servers.place import Place
from boostmon.bot.slash import menus, role_changes, settling
from boostmon.bot.slash.answers import Answer
from boostmon.bot.slash.asked import Asked, applies, command, timer_of
from boostmon.bot.slash.cog import TimerCog
from boostmon.bot.slash.role_changes import RoleChanges
from boostmon.bot.slash.settling import Settling, soon
from boostmon.bot.wording import replies
from boostmon.commands.decider import (
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    TimerCommand,
)
from boostmon.commands.handler import Again, CommandHandler, Handled, Origin
from boostmon.errors import DatabaseUnavailableError, TimerPausedError
from boostmon.events.timer import (
    HOUR,
    INITIAL,
    MINUTE,
    Expired,
    Paused,
    TimerEvent,
    TimerId,
    TimerSet,
)
from boostmon.projections.effects.kinds import EffectProgress, Effects
from boostmon.projections.role_timers import RoleTimers, TimerRow
from tests.commands.test_handler import StillClock

NOW = 1_000_000_000
LONGEST_ID = str(2**64 - 1)
TIMER = TimerId("1", "20", "30")
ORIGIN = Origin(command_id="5", source="slash", actor_id="10")
SET = TimerSet(NOW, HOUR, NOW + HOUR, ())
HANDLED = Handled(TIMER, INITIAL, (SET,), 7)


def asked(action: Action = "pause", **more: Any) -> Asked:
    given = {"command_id": "5", "guild_id": "1", "caller_id": "10", "user_id": "20"} | more
    return Asked(action=action, now=NOW, **given)


def row(role_id: str, *, ends: int = NOW + HOUR, paused: bool = False) -> TimerRow:
    return TimerRow(
        timer=TimerId("1", "20", role_id),
        expires_at=ends,
        paused=paused,
        paused_remaining_ms=HOUR if paused else 0,
        warn_channel_id=None,
    )


class Heard(Answer):
    """An answer that keeps what it was to say."""

    def __init__(self) -> None:
        self.said: list[str | None] = []
        self.spoke = asyncio.Event()

    async def show(
        self,
        text: str | None = None,
        *,
        embed: Embed | None = None,
        menu: StringSelect | None = None,
        last: bool = True,
    ) -> None:
        assert (embed, menu, last) == (None, None, False)
        self.said.append(text)
        self.spoke.set()


class Scripted(CommandHandler):
    """A write side that does in turn what it is told; the last one for good."""

    def __init__(self, *script: Handled | Exception | None) -> None:
        self.script = list(script)
        self.origins: list[Origin] = []

    async def handle(
        self,
        timer: TimerId,
        command: TimerCommand,
        origin: Origin,
        *,
        at_version: int | None = None,
        again: Again | None = None,
    ) -> Handled:
        assert again is None
        assert (timer, command, at_version) == (TIMER, Pause(NOW), None)
        self.origins.append(origin)
        match self.script.pop(0) if len(self.script) > 1 else self.script[0]:
            case None:
                await asyncio.Event().wait()
                raise AssertionError("what nobody sets was set")
            case Exception() as error:
                raise error
            case handled:
                return handled


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PATIENCE", 0.05)
    monkeypatch.setattr(settling, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(role_changes, "WITHIN", 0.3)
    monkeypatch.setattr(role_changes, "LOOK_AGAIN", 0.05)


async def settle(handler: Scripted, answer: Heard) -> Handled:
    return await Settling(handler).settled(answer, TIMER, command=Pause(NOW), origin=ORIGIN)


async def test_a_prompt_outcome_needs_no_word() -> None:
    answer = Heard()

    assert await settle(Scripted(HANDLED), answer) == HANDLED
    assert answer.said == []


async def test_a_refusal_is_passed_on() -> None:
    with pytest.raises(TimerPausedError):
        await settle(Scripted(TimerPausedError()), Heard())


async def test_an_open_outcome_is_told_and_asked_for_until_it_is_known() -> None:
    handler = Scripted(DatabaseUnavailableError(), DatabaseUnavailableError(), HANDLED)
    answer = Heard()

    assert await settle(handler, answer) == HANDLED
    assert answer.said == [replies.OPEN]
    assert handler.origins == [ORIGIN] * 3


async def test_an_open_outcome_may_turn_out_a_refusal() -> None:
    answer = Heard()

    with pytest.raises(TimerPausedError):
        await settle(Scripted(DatabaseUnavailableError(), TimerPausedError()), answer)
    assert answer.said == [replies.OPEN]


@pytest.mark.parametrize("outcome", [None, DatabaseUnavailableError()])
async def test_who_waits_when_the_bot_stops_is_told_to_look(outcome: Exception | None) -> None:
    answer, parts = Heard(), Settling(Scripted(outcome))
    waiting = asyncio.create_task(parts.settled(answer, TIMER, command=Pause(NOW), origin=ORIGIN))
    await answer.spoke.wait()

    parts.stop()

    with pytest.raises(StoppedError, match="/timeleft"):
        await waiting


async def test_a_question_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(DatabaseUnavailableError):
        await soon(asyncio.Event().wait())


class Told(Effects):
    """Effects that are in one state after another; the last one for good."""

    def __init__(self, *states: EffectProgress | Exception) -> None:
        self.states = list(states)
        self.looks = 0

    async def of_event(self, position: int) -> list[EffectProgress]:
        assert position == 7
        self.looks += 1
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return [state, EffectProgress(kind="notice", state="owed", last_error=None)]


class Silent:
    """A watch that misses all the news."""

    async def changed(self, position: int, timeout: float) -> None:  # noqa: ASYNC109 - the protocol's
        assert position == 7
        await asyncio.sleep(timeout)

    def is_put_off(self, position: int) -> bool:
        assert position == 7
        return False

    def delay(self, guild_id: str) -> float:
        assert guild_id
        return 0.0


class Busy(Silent):
    """A watch that knows of a server whose limits are used up."""

    def delay(self, guild_id: str) -> float:
        assert guild_id
        return 7.0


OWED = EffectProgress(kind="give_role", state="owed", last_error=None)
DONE = EffectProgress(kind="give_role", state="done", last_error=None)
STUCK = EffectProgress(kind="give_role", state="stuck", last_error="Move it.")


async def test_a_role_change_that_the_limits_put_off_is_not_waited_for() -> None:
    effects = Told(OWED)

    assert OWED == await RoleChanges(effects, Busy()).of(HANDLED)
    assert effects.looks == 0


async def test_a_role_change_that_another_process_puts_off_is_waited_for_no_longer() -> None:
    signal = EffectSignal(lambda _: 0.0)
    waiting = asyncio.create_task(RoleChanges(Told(OWED), signal).of(HANDLED))
    await asyncio.sleep(0)

    signal.tell("7 later")

    async with asyncio.timeout(role_changes.LOOK_AGAIN / 2):
        assert OWED == await waiting
        assert OWED == await RoleChanges(Told(OWED), signal).of(HANDLED)


async def test_what_is_done_is_said_though_it_was_put_off_before() -> None:
    signal = EffectSignal(lambda _: 0.0)
    signal.tell("7 later")

    assert DONE == await RoleChanges(Told(DONE), signal).of(HANDLED)


@pytest.mark.parametrize("end", [DONE, STUCK])
async def test_the_role_change_is_waited_for_even_when_the_news_is_missed(
    end: EffectProgress,
) -> None:
    effects = Told(OWED, OWED, end)

    assert end == await RoleChanges(effects, Silent()).of(HANDLED)
    assert effects.looks == 3


@pytest.mark.parametrize("state", [OWED, DatabaseUnavailableError()])
async def test_a_role_change_that_takes_long_is_still_owed(
    state: EffectProgress | Exception,
) -> None:
    assert OWED == await RoleChanges(Told(state), Silent()).of(HANDLED)


@pytest.mark.parametrize("events", [(Paused(NOW, HOUR),), ()])
async def test_nothing_is_waited_for_where_no_role_changes(events: tuple[TimerEvent, ...]) -> None:
    handled = Handled(TIMER, INITIAL, events, 7 if events else None)
    effects = Told(OWED)

    assert await RoleChanges(effects, Silent()).of(handled) is None
    assert effects.looks == 0


async def test_when_the_bot_stops_a_role_change_is_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(role_changes, "LOOK_AGAIN", 60)
    monkeypatch.setattr(role_changes, "WITHIN", 60)
    changes = RoleChanges(Told(OWED), Silent())
    waiting = asyncio.create_task(changes.of(HANDLED))
    await asyncio.sleep(0)

    changes.stop()

    assert OWED == await waiting
    assert OWED == await changes.of(HANDLED)


async def test_the_role_is_waited_for_and_not_the_notice() -> None:
    taken = EffectProgress(kind="take_role", state="done", last_error=None)
    handled = Handled(TIMER, INITIAL, (Expired(NOW),), 7)

    assert taken == await RoleChanges(Told(taken), Silent()).of(handled)


class TooLate:
    """An interaction that Discord has given up before it was acknowledged."""

    id, user_id = 1, 2

    async def acknowledge(self, *, private: bool) -> None:
        assert not private
        raise RefusedError(404, {"code": 10062}, {})


async def test_a_command_that_discord_has_given_up_is_no_trouble_of_ours() -> None:
    with capture_logs() as logs:
        assert not await Answer(cast("Any", TooLate())).acknowledge()
    assert ["debug"] == [entry["log_level"] for entry in logs]


def test_each_action_becomes_its_command() -> None:
    minutes = (60, 10)
    amount = {"duration_ms": HOUR}
    assert [
        SetTime(NOW, HOUR, minutes, "40"),
        AddTime(NOW, HOUR, minutes, starts=True),
        RemoveTime(NOW, HOUR, minutes),
        Pause(NOW),
        Resume(NOW, minutes),
        Clear(NOW),
    ] == [
        command(it, minutes)
        for it in (
            asked("set", warn_channel_id="40", **amount),
            asked("add", starts=True, **amount),
            asked("remove", **amount),
            asked("pause"),
            asked("resume"),
            asked("clear"),
        )
    ]


def test_a_command_is_the_callers_and_counts_under_the_interaction() -> None:
    assert asked().origin == ORIGIN
    assert timer_of(asked(), "30") == TIMER


@pytest.mark.parametrize(
    ("action", "meant"),
    [
        ("pause", ["30"]),
        ("resume", ["31"]),
        ("add", ["30", "31"]),
        ("remove", ["30", "31"]),
        ("clear", ["30", "31"]),
    ],
)
def test_only_timers_to_which_the_command_applies_are_meant(
    action: Action, meant: list[str]
) -> None:
    rows = [row("30"), row("31", paused=True)]

    assert meant == [it.timer.role_id for it in rows if applies(asked(action), it)]


@pytest.mark.parametrize("action", ["add", "remove", "pause", "resume", "clear"])
def test_a_menu_carries_the_whole_question(action: Action) -> None:
    it = asked(
        action,
        command_id=LONGEST_ID,
        guild_id=LONGEST_ID,
        caller_id=LONGEST_ID,
        user_id=LONGEST_ID,
        duration_ms=5 * 365 * 24 * HOUR,
    )
    custom_id = menus.custom_id(it)

    assert len(custom_id) <= 100
    assert menus.is_ours(custom_id)
    chosen = menus.answered(custom_id, ["30"], guild_id=LONGEST_ID, now=NOW + MINUTE)
    assert chosen.role_id == "30"
    assert chosen.now == NOW + MINUTE
    assert menus.custom_id(chosen) == custom_id


@pytest.mark.parametrize(
    ("custom_id", "chosen"),
    [
        ("which:pause:5:10:20:0", ["everyone"]),
        ("which:pause:5:10:20:0", []),
        ("which:steal:5:10:20:0", ["30"]),
        ("which:pause:5", ["30"]),
    ],
)
def test_a_menu_that_is_not_understood_is_an_error(custom_id: str, chosen: list[str]) -> None:
    with pytest.raises(ValueError, match="which"):
        menus.answered(custom_id, chosen, guild_id="1", now=NOW)


def test_menus_of_others_are_left_alone() -> None:
    assert not menus.is_ours("another:menu")


def test_a_menu_lists_25_timers_and_asks_for_the_role_beyond() -> None:
    rows = [row(str(number)) for number in range(100, 130)]
    menu = menus.menu(asked(), rows, names={"100": "V" * 100})

    assert [option.value for option in menu.options] == [it.timer.role_id for it in rows[:25]]
    assert menu.options[0].label == "V" * 100
    assert menu.options[1].label == "Deleted role 101"
    assert "name the `role`" in menus.question(asked(), 26)
    assert "name the `role`" not in menus.question(asked(), 25)


def test_a_menu_tells_when_each_timer_ends() -> None:
    rows = [row("30"), row("31", paused=True), row("32", ends=NOW - 1)]
    menu = menus.menu(asked(), rows, names={})

    assert ["ends in 1 hour", "paused, 1 hour left", "ends in 0 minutes"] == [
        option.description for option in menu.options
    ]


def test_outside_a_server_there_is_no_place() -> None:
    direct = cast("Any", SimpleNamespace(guild_id=None))
    unseen = cast("Any", SimpleNamespace(guild_id=1, guild=None, author=None))

    with pytest.raises(OutsideServerError):
        Place(direct, StillClock())
    with pytest.raises(ServerUnseenError):
        Place(unseen, StillClock())


@pytest.fixture
def registered() -> dict[str, dict[str, Any]]:
    cog = TimerCog(
        handler=Scripted(None),
        timers=cast("RoleTimers", None),
        effects=Told(OWED),
        clock=cast("Any", SimpleNamespace(now=lambda: NOW)),
        warning_minutes=(60, 10, 1),
        watch=Silent(),
        tally=Tally(Metrics()),
        asking=cast("Any", None),
        judgement=cast("Any", None),
    )
    bodies = [cast("Any", it.body.to_dict()) for it in cog.get_slash_commands()]
    return {body["name"]: body for body in bodies}


def test_the_seven_commands_have_the_options_of_the_contract(
    registered: dict[str, dict[str, Any]],
) -> None:
    shown = {
        name: " ".join(
            option["name"] if option.get("required") else f"[{option['name']}]"
            for option in body["options"]
        )
        for name, body in registered.items()
    }

    assert shown == {
        "settime": "user role duration [channel]",
        "addtime": "user duration [role]",
        "removetime": "user duration [role]",
        "pausetime": "user [role]",
        "resumetime": "user [role]",
        "cleartime": "user [role]",
        "timeleft": "[user] [role]",
    }


def test_all_but_timeleft_need_manage_roles_and_all_a_server(
    registered: dict[str, dict[str, Any]],
) -> None:
    for name, body in registered.items():
        wanted = None if name == "timeleft" else str(1 << 28)
        assert body.get("default_member_permissions") == wanted
        assert body["contexts"] == [0]


def test_every_option_is_typed_and_explained(registered: dict[str, dict[str, Any]]) -> None:
    types = {"user": 6, "role": 8, "duration": 3, "channel": 7}
    for body in registered.values():
        assert 1 < len(body["description"]) <= 100
        for option in body["options"]:
            assert option["type"] == types[option["name"]]
            assert 1 < len(option["description"]) <= 100
            assert option.get("autocomplete", False) == (option["name"] == "duration")
            if option["name"] == "channel":
                assert option["channel_types"] == [0, 5]
