"""The backlog gives effects out in the order of a model that looks at all of them each time."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from boostmon.bot.backlog.order import Backlog
from boostmon.bot.backlog.places import lane_of
from boostmon.projections.effects.kinds import GIVE_ROLE, NOTICE, TAKE_ROLE, EffectKind
from boostmon.projections.effects.queue import Owed
from tests.support.backlog_before import BacklogBefore

SERVERS, USERS, CHANNELS = st.sampled_from("gh"), st.sampled_from("uvwx"), st.sampled_from("cd")
WAITS = st.sampled_from([0.0, 0.0, 2.0, 5.0])


class Orders(RuleBasedStateMachine):
    """Effects come, lanes close and open, effects are settled or put off; both must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog, self.model = Backlog(), BacklogBefore()
        self.now, self.numbers = 0.0, 0
        self.flying: list[Owed] = []
        self.closed: dict[str, float] = {}

    @rule(
        guild_id=SERVERS,
        user_id=USERS,
        channel_id=st.none() | CHANNELS,
        wait=WAITS,
        urgent=st.booleans(),
        kinds=st.sampled_from([(GIVE_ROLE,), (TAKE_ROLE, NOTICE), (NOTICE,)]),
    )
    def owe(
        self,
        guild_id: str,
        user_id: str,
        channel_id: str | None,
        wait: float,
        *,
        urgent: bool,
        kinds: tuple[EffectKind, ...],
    ) -> None:
        self.numbers += 1
        owed = [
            Owed(
                position=self.numbers,
                kind=kind,
                stream_id=self.numbers,
                guild_id=guild_id,
                user_id=user_id,
                role_id="r",
                command_id="i",
                channel_id=channel_id,
                urgent=urgent,
                due_in=wait,
            )
            for kind in kinds
        ]
        self.backlog.replace(owed, self.now)
        self.model.replace(owed, self.now)

    @rule()
    def take(self) -> None:
        """Which of two lanes that open in one moment comes first is left open."""
        taken = self.backlog.take(self.now, self._ready_at)
        lane = None if taken is None else lane_of(taken)
        if taken is not None and not taken.urgent:
            assert not self.model.has_urgent(self.now, self._is_ready)
        expected = self.model.take(
            self.now, lambda name: self._is_ready(name) and lane in (None, name)
        )
        assert expected == taken
        if taken is not None:
            self.flying.append(taken)

    @rule(index=st.integers(0, 20))
    def settle(self, index: int) -> None:
        if self.flying:
            owed = self.flying.pop(index % len(self.flying))
            self.backlog.settle(owed, self.now)
            self.model.settle(owed, self.now)

    @rule(index=st.integers(0, 20), wait=WAITS)
    def postpone(self, index: int, wait: float) -> None:
        if self.flying:
            owed = self.flying.pop(index % len(self.flying))
            self.backlog.postpone(owed, self.now + wait, self.now)
            self.model.postpone(owed, self.now + wait, self.now)

    @rule(guild_id=SERVERS)
    def hasten(self, guild_id: str) -> None:
        if all(owed.guild_id != guild_id for owed in self.flying):
            self.backlog.hasten(guild_id, self.now)
            self.model.hasten(guild_id, self.now)
            self.now += 0.001  # what is carried out from now on was begun later

    @rule(guild_id=SERVERS, seconds=st.sampled_from([1.0, 4.0]))
    def close(self, guild_id: str, seconds: float) -> None:
        lane = f"roles:{guild_id}"
        self.closed[lane] = max(self._ready_at(lane), self.now + seconds)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def each_timer_has_one_place(self) -> None:
        assert self.backlog.places <= 2 * len(self.backlog) + 64 * (3 + len(self.backlog.lanes))

    def _is_ready(self, lane: str) -> bool:
        return self._ready_at(lane) <= self.now

    def _ready_at(self, lane: str) -> float:
        return self.closed.get(lane, 0.0)


Orders.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestOrders = Orders.TestCase
