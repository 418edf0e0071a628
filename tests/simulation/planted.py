"""Bugs that can be planted, to see whether the oracle finds them."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from msgspec import structs

from boostmon.bot.discord.rest import DiscordApi
from boostmon.bot.members import agreement, evidence
from boostmon.bot.members.agreement import Agreement
from boostmon.bot.members.evidence import Agrees, Reopen
from boostmon.bot.relay import loop
from boostmon.bot.relay.notices import Notices
from boostmon.database.clocks import agreed_clock
from boostmon.database.clocks.witnesses import Judgement
from boostmon.projections.effects.kinds import TAKE_ROLE
from boostmon.projections.effects.lease import Lease, Sighting
from boostmon.projections.effects.queue import OwedEffects
from boostmon.projections.effects.standings import Standing, Standings
from boostmon.projections.sql import statement
from tests.simulation import settling_twins, twins, wiring

Bug = tuple[Any, str, Any]


def old_absence() -> list[Bug]:
    """Have an absence count that is older than the give, and at once."""

    async def of(self: Any, guild_id: str, user_id: str) -> None:
        reading = await self._read(guild_id, user_id)
        for standing in await self._standings.of_member(guild_id, user_id):
            await self._act(standing, reading)

    async def bears_out(*_: Any) -> bool:
        return True

    return [
        (Agreement, "of", of),
        (Agreement, "_bears_out", bears_out),
        (Agreement, "_may_act", lambda *_: True),
        (agreement, "PROVEN_AFTER", 0.0),
        (agreement, "TOLD_AFTER", 0.0),
    ]


def doubt_forgotten() -> list[Bug]:
    """Forget a role change that was given up."""
    of_member = Standings.of_member

    async def sure(self: Any, guild_id: str, user_id: str) -> list[Standing]:
        standings = await of_member(self, guild_id, user_id)
        return [structs.replace(standing, in_doubt=False) for standing in standings]

    async def nobody(*_: object) -> list[tuple[str, str]]:
        return []

    return [(Standings, "of_member", sure), (Standings, "in_doubt", nobody)]


def superseded_doubt() -> list[Bug]:
    """Have an effect that is superseded lose its doubt."""
    close, supersede = OwedEffects.close, settling_twins.supersede_effects

    async def forgetful(self: Any, effect: Any, state: Any, *more: Any, **doubt: Any) -> None:
        if state == "superseded":
            effect = structs.replace(effect, look_again_at=None)
        await close(self, effect, state, *more, **doubt)

    def and_forget(tables: Any, positions: Any, kinds: Any) -> Any:
        rows = supersede(tables, positions, kinds)
        for key in zip(positions, kinds, strict=True):
            tables.doubt(tables.effects[key], None, 0)
        return rows

    return [
        (OwedEffects, "close", forgetful),
        (twins, "PROJECTIONS", twins.PROJECTIONS | {"supersede_effects": and_forget}),
    ]


def lease_ignored() -> list[Bug]:
    """Look at the lease no more right before a request is sent."""
    return [(loop, "may_write", lambda *_: True), (wiring, "may_write", lambda *_: True)]


def clock_believed() -> list[Bug]:
    """Believe the database's clock, whatever the others say."""

    def judge(clocks: Any, **_: Any) -> Judgement:
        return Judgement(clocks=clocks, followed="database", offset=clocks["database"])

    return [(agreed_clock, "judge", judge)]


def lease_by_its_time() -> list[Bug]:
    """Take a lease because of what its row says of the time."""
    look = Lease._look  # noqa: SLF001 - a bug is planted there

    async def believe(self: Any) -> Sighting:
        seen = await look(self)
        row = (await self._database.fetch(LOOK_AT_LEASE, self._name))[0]
        return structs.replace(seen, since=-math.inf if row["ahead"] < 0 else math.inf)

    return [(Lease, "_look", believe)]


def gift_taken() -> list[Bug]:
    """Take a role that somebody else gave after the end."""

    def after_the_end(standing: Any) -> Any:
        taken = standing.change
        if taken is None or taken.kind != TAKE_ROLE:
            return Agrees()
        return Reopen(taken, "held_after_end")

    return [(evidence, "_after_the_end", after_the_end)]


def nonce_dropped() -> list[Bug]:
    """Send notices without a nonce, and without a look at what was sent before."""
    request = DiscordApi._request  # noqa: SLF001 - a bug is planted there

    async def forgetful(self: Any, route: Any, lane: str, **arguments: Any) -> Any:
        arguments.get("json", {}).pop("enforce_nonce", None)
        return await request(self, route, lane, **arguments)

    async def never(*_: object) -> None:
        return None

    return [(DiscordApi, "_request", forgetful), (Notices, "_sent_before", never)]


LOOK_AT_LEASE = statement("look_at_lease")
PLANTS: dict[str, Callable[[], list[Bug]]] = {
    "old-absence": old_absence,
    "doubt-forgotten": doubt_forgotten,
    "superseded-doubt": superseded_doubt,
    "lease-ignored": lease_ignored,
    "clock-believed": clock_believed,
    "lease-by-its-time": lease_by_its_time,
    "gift-taken": gift_taken,
    "nonce-dropped": nonce_dropped,
}


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Have the bug *name* in the bot meanwhile."""
    with ExitStack() as stack:
        for place, attribute, bug in PLANTS[name]() if name else ():
            stack.enter_context(patch.object(place, attribute, bug))
        yield
