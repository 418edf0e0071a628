"""Standings made up for tests: how a timed role stands, with as little said as a claim needs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from boostmon.bot.discord.members import Membership
from boostmon.events.timer import TimerId
from boostmon.projections.effects.kinds import GIVE_ROLE, TAKE_ROLE, EffectKind
from boostmon.projections.effects.standings import RoleChange, Standing
from tests.support.timers import GUILD, ROLE

USER = "1200000000000000001"
NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return the moment *seconds* after noon."""
    return NOON + timedelta(seconds=seconds)


def change(kind: EffectKind, position: int = 5, **more: Any) -> RoleChange:
    """Make a role change that Discord confirmed at noon, but for what *more* says."""
    confirmed = RoleChange(
        position=position,
        kind=kind,
        state="done",
        done_at=NOON,
        unfulfilled=False,
        given_after=at(-1),
        given_before=at(1),
    )
    return structs.replace(confirmed, **more)


def standing(**more: Any) -> Standing:
    """Make a timer that lives, whose give was confirmed at noon, but for what *more* says."""
    good = Standing(
        timer=TimerId(GUILD, USER, ROLE),
        number=1,
        version=1,
        position=5,
        ended=0,
        begun_at=at(-2),
        wanted=True,
        change=change(GIVE_ROLE),
        is_open=False,
        in_doubt=False,
        held_back=False,
    )
    return structs.replace(good, **more)


def over(**more: Any) -> Standing:
    """Make a timer that has ended, whose take was confirmed at noon, but for what *more* says."""
    ended: dict[str, Any] = {"wanted": False, "ended": 5, "change": change(TAKE_ROLE)}
    return standing(**ended | more)


def holding(*, joined: float | None = -3600.0, also: frozenset[str] = frozenset()) -> Membership:
    """Show a member with the role, who joined *joined* seconds after noon."""
    return Membership(also | {ROLE}, None if joined is None else at(joined))


def lacking(*, joined: float | None = -3600.0, also: frozenset[str] = frozenset()) -> Membership:
    """Show a member without the role, who joined *joined* seconds after noon."""
    return Membership(also, None if joined is None else at(joined))
