"""The oracle of the chaos runs, over evidence made by hand; and the clock that it makes step."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from boostmon.database.embedded.postgres import EmbeddedPostgres
from tests.chaos.before import UNBEARABLE
from tests.chaos.blows import ROUND
from tests.chaos.evidence import Effect, Event, Evidence
from tests.chaos.oracle import judge
from tests.chaos.oracle_roles import EPOCH_MS
from tests.chaos.oracle_time import judge_time
from tests.chaos.steps import SteppedClock
from tests.support.databases import world_folder

BOT, GREETER, MAX = "1", "2", "3"
GUILD, VIP, TRIAL = "10", "20", "21"
TIMER = (GUILD, MAX, VIP)
START = 1_900_000_000.0  # seconds since 1970


class Story:
    """What the log, the effects and Discord show, put together line by line."""

    def __init__(self, tmp_path: Path) -> None:
        self.events: list[Event] = []
        self.effects: list[Effect] = []
        self.held: list[str] = []
        self.audit_log: list[Any] = []
        self.messages: list[Any] = []
        self.requests: list[Any] = []
        self.left: dict[Any, float] = {}
        self.given: dict[Any, float] = {}
        self.clock = SteppedClock(tmp_path)

    def event(
        self,
        at: float,
        kind: str,
        source: str = "sweeper",
        *,
        decided: float | None = None,
        until: float | None = None,
    ) -> int:
        """Record an event; return its position."""
        position = len(self.events) + 1
        moment = datetime.fromtimestamp(START + at, UTC)
        event = Event(
            position=position,
            timer=TIMER,
            type=kind,
            command_id=f"c{position}",
            source=source,
            recorded_at=moment,
            decided_at=ms(at if decided is None else decided),
            expires_at=None if until is None else ms(until),
        )
        self.events.append(event)
        return position

    def effect(self, position: int, kind: str, **more: Any) -> None:
        """Note what was owed for an event, and what became of it."""
        usual: dict[str, Any] = {"state": "done", "attempts": 1, "last_error": None, "receipt": {}}
        self.effects.append(Effect(position=position, kind=kind, **(usual | more)))

    def change(self, at: float, key: str, by: str = BOT, role: str = VIP) -> None:
        """Let a role be given or taken in Discord."""
        changes = [{"key": key, "new_value": [{"id": role}]}]
        entry = {"id": snowflake(at), "action_type": 25, "user_id": by, "target_id": MAX}
        self.audit_log.insert(0, entry | {"changes": changes})

    def notice(self, at: float, text: str = "warning", role: str = "VIP") -> str:
        """Let a notice stand in a channel; return its id."""
        content = f"<@{MAX}> {text}: your access for **{role}** expires in **3 minutes**."
        message = {"id": snowflake(at), "content": content, "channel_id": "30"}
        self.messages.append(message | {"author": {"id": BOT}})
        return snowflake(at)

    @property
    def evidence(self) -> Evidence:
        """What can be found out of it all."""
        world: Any = SimpleNamespace(
            state=lambda: self._state, bot_id=BOT, left=self.left, given=self.given
        )
        return Evidence(self.events, self.effects, world, self.clock)

    @property
    def broken(self) -> list[str]:
        """Say which promises were broken."""
        return [f"{violation.kind}: {violation.text}" for violation in judge(self.evidence)]

    @property
    def late(self) -> list[str]:
        """Say which promises about time were broken."""
        return [f"{one.kind}: {one.text}" for one in judge_time(self.evidence)]

    @property
    def _state(self) -> Any:
        return {
            "interactions": [],
            "guilds": [
                {
                    "id": GUILD,
                    "roles": [{"id": VIP, "name": "VIP"}, {"id": TRIAL, "name": "Trial"}],
                    "members": [{"user_id": MAX, "roles": self.held}],
                    "channels": [{"messages": self.messages}],
                    "audit_log": self.audit_log,
                }
            ],
            "dms": [],
            "requests": self.requests,
            "unknown": [],
            "crashes": [],
        }


def ms(at: float) -> int:
    return int((START + at) * 1000)


def snowflake(at: float) -> str:
    return str((int((START + at) * 1000) - EPOCH_MS) << 22)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Begin a story."""
    return Story(tmp_path)


def test_a_running_timer_without_its_role_is_lost_even_for_who_left(story: Story) -> None:
    story.event(0, "TimerSet")
    story.left[GUILD, MAX] = START + 1
    assert [f"lost: the timer {TIMER} runs, and the role is gone"] == story.broken
    story.held = [VIP]
    assert [] == story.broken


@pytest.mark.parametrize(("given", "broken"), [(None, 1), (5, 1), (15, 0)])
def test_a_role_after_the_end_is_right_where_another_bot_has_given_it_since(
    story: Story, given: float | None, broken: int
) -> None:
    story.event(0, "TimerSet")
    story.effect(story.event(10, "Expired"), "notice", receipt={"reason": "no DMs"})
    story.held = [VIP]
    if given is not None:
        story.given[TIMER] = START + given
    assert broken == len(story.broken)


def test_a_timer_that_ended_for_what_discord_did_is_lost(story: Story) -> None:
    story.event(0, "TimerSet")
    story.event(5, "Cleared", source="discord")
    (said,) = story.broken
    assert said.startswith("lost: Cleared of")
    assert said.endswith("nobody in Discord did that")


def test_a_change_before_its_event_is_wrong(story: Story) -> None:
    story.held = [VIP]
    story.event(10, "TimerSet")
    story.change(5, "$add")
    assert 1 == len(story.broken)


@pytest.mark.parametrize(
    ("role", "late", "broken"), [(VIP, {"late": {}}, 0), (TRIAL, {"late": {}}, 1), (VIP, {}, 1)]
)
def test_after_a_write_that_came_late_the_bot_may_do_it_again(
    story: Story, role: str, late: dict[str, Any], broken: int
) -> None:
    story.held = [VIP]
    story.event(0, "TimerSet")
    story.change(1, "$add")
    path = f"/guilds/{GUILD}/members/{MAX}/roles/{role}"
    story.requests = [{"at_ms": (START + 2) * 1000, "method": "DELETE", "path": path} | late]
    story.change(5, "$add")
    assert broken == len(story.broken)


def test_a_clock_that_stepped_makes_no_change_early(story: Story) -> None:
    story.held = [VIP]
    story.clock.steps = [(0.0, 0.0), (START + 5, 7200.0), (START + 20, 0.0)]
    story.event(7210, "TimerSet")
    story.change(11, "$add")
    assert [] == story.broken


def test_a_notice_is_twice_unless_a_doubt_of_its_kind_explains_it(story: Story) -> None:
    story.held = [VIP]
    story.event(0, "TimerSet")
    sent = story.notice(5)
    receipt = {"message_id": sent, "channel_id": "30"}
    story.effect(story.event(4, "WarningSent"), "notice", receipt=receipt)
    assert [] == story.broken
    story.notice(9)
    assert ["twice"] == [said[:5] for said in story.broken]
    story.effect(story.event(8, "WarningSent"), "notice", state="superseded")
    assert [] == story.broken
    story.notice(10)
    assert ["twice"] == [said[:5] for said in story.broken]


def test_a_doubt_explains_no_notice_of_another_kind_or_from_before(story: Story) -> None:
    story.held = [VIP]
    story.event(0, "TimerSet")
    story.effect(story.event(8, "WarningSent"), "notice", state="superseded")
    for posted in (story.notice(5), story.notice(9, "notice"), story.notice(9, role="Trial")):
        assert any(posted in said for said in story.broken)


def test_a_receipt_that_names_a_notice_of_something_else_is_wrong(story: Story) -> None:
    story.held = [VIP]
    story.event(0, "TimerSet")
    receipt = {"message_id": story.notice(5, role="Trial"), "channel_id": "30"}
    story.effect(story.event(4, "WarningSent"), "notice", receipt=receipt)
    (said,) = story.broken
    assert said.startswith("wrong: the receipt of the notice of event 2")


def test_an_end_before_its_time_is_lost_whatever_the_servers_clock_said(story: Story) -> None:
    story.clock.steps = [(0.0, 0.0), (START + 5, 7200.0)]
    story.event(0, "TimerSet", until=3600)
    story.event(7210, "Expired", decided=10)
    assert [f"lost: {TIMER} ended at 2, 3590 s before its time"] == story.late


def test_an_end_in_its_time_is_right_whatever_the_servers_clock_said(story: Story) -> None:
    story.clock.steps = [(0.0, 0.0), (START + 5, 7200.0)]
    story.event(0, "TimerSet", until=60)
    story.event(7261, "Expired", decided=60)
    assert [] == story.late


def test_what_is_decided_by_a_wrong_clock_is_wrong(story: Story) -> None:
    story.event(10, "TimerSet", decided=-7190, until=-3590)
    assert [f"wrong: TimerSet of {TIMER} at 1 by a clock 7200 s off"] == story.late


async def test_the_clock_of_a_server_is_set_and_nobody_elses() -> None:
    with world_folder() as folder:
        clock = SteppedClock(folder)
        if not clock.can_step:
            pytest.skip("there is no C compiler here")
        with clock.installed():
            async with EmbeddedPostgres(folder / "database") as server:
                connection = await asyncpg.connect(server.url)
                try:
                    for ahead in (0.0, 7200.0, -600.0, 0.0):
                        clock.set(ahead)
                        told = await connection.fetchval("SELECT clock_timestamp()")
                        off = (told - datetime.now(UTC)).total_seconds()
                        assert abs(off - ahead) < 2
                        assert clock.told_at(told.timestamp()) < told.timestamp() - off + 2
                finally:
                    await connection.close()


def test_what_the_release_before_cannot_bear_is_trouble_that_there_is() -> None:
    assert UNBEARABLE.keys() < ROUND.keys()
