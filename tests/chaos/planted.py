"""`boostmon` with a bug planted in it, to see whether the oracle finds it.

The name of the bug stands in CHAOS_PLANT; the driver runs this instead of `boostmon`.
"""

import os
from collections.abc import Callable
from typing import Any

from msgspec import structs

from boostmon.bot import app
from boostmon.bot.discord.members import Membership
from boostmon.bot.discord.rest import DiscordApi
from boostmon.bot.members import agreement
from boostmon.bot.members.audit_log import AuditLog
from boostmon.bot.members.evidence import Conclusion, Missing, conclude
from boostmon.bot.relay.notices import Notices
from boostmon.cli import main
from boostmon.commands.sweeper import Sweeper
from boostmon.database.clocks import agreed_clock
from boostmon.database.clocks.witnesses import Judgement, Offsets
from boostmon.projections.effects.lease import Lease
from boostmon.projections.effects.standings import RoleChange, Standing, Standings

VARIABLE = "CHAOS_PLANT"


def role_before_event() -> None:
    """Have the sweeper take a role before its end is in the log."""
    apis: list[DiscordApi] = []
    connect, sweep_page = app._to_discord, Sweeper._sweep_page  # noqa: SLF001 - a bug is planted there

    def to_discord(*arguments: Any) -> Any:
        made = connect(*arguments)
        apis.append(made.api)
        return made

    async def sweep(self: Any, page: list[Any], now: int) -> int:
        for due in page:
            history = await self._store.read(due.timer)
            if getattr(history.state, "expires_at", now + 1) <= now:
                await apis[-1].take_role(due.timer, reason="planted")
        return await sweep_page(self, page, now)

    _plant(app, "_to_discord", to_discord)
    _plant(Sweeper, "_sweep_page", sweep)


def lease_ignored() -> None:
    """Have every process believe that it alone speaks to Discord."""

    async def claim(_: object) -> bool:
        return True

    _plant(Lease, "held", property(lambda _: True))
    _plant(Lease, "left", property(lambda _: 20.0))
    _plant(Lease, "claim", claim)


def nonce_dropped() -> None:
    """Send notices without a nonce, and without a look at what was sent before."""
    request = DiscordApi._request  # noqa: SLF001 - a bug is planted there

    async def forgetful(self: DiscordApi, route: Any, lane: str, **arguments: Any) -> Any:
        for name in ("nonce", "enforce_nonce"):
            arguments.get("json", {}).pop(name, None)
        return await request(self, route, lane, **arguments)

    async def never(*_: object) -> None:
        return None

    _plant(DiscordApi, "_request", forgetful)
    _plant(Notices, "_sent_before", never)


def doubt_forgotten() -> None:
    """Forget what was given up: nobody is read again for it, and no line of the log tells of it."""
    of_member = Standings.of_member

    async def sure(self: Standings, *member: str) -> list[Standing]:
        return [structs.replace(one, in_doubt=False) for one in await of_member(self, *member)]

    async def none(*_: object) -> list[object]:
        return []

    async def nobody(*_: object, **__: object) -> None:
        return None

    _plant(Standings, "of_member", sure)
    _plant(Standings, "in_doubt", none)
    _plant(AuditLog, "known_giver", lambda *_, **__: None)
    _plant(AuditLog, "taker", nobody)


def absence_believed() -> None:
    """Take a role that is missing once for a role that somebody took."""

    def gone(standing: Standing, seen: Membership) -> Conclusion:
        given, held = standing.given, standing.timer.role_id in seen.roles
        missing = standing.wanted and not held and not standing.is_open
        return Missing(given) if missing and given is not None else conclude(standing, seen)

    async def taken(self: Any, standing: Standing, given: RoleChange, _: object) -> Any:
        return await self._taken(standing, given, None)

    _plant(agreement, "conclude", gone)
    _plant(agreement.Agreement, "_missing", taken)


def step_believed() -> None:
    """Follow the database's clock, wherever it steps."""

    def believed(clocks: Offsets, **_: object) -> Judgement:
        return Judgement(clocks=clocks, followed="database", offset=clocks["database"])

    _plant(agreed_clock, "judge", believed)


def _plant(place: Any, name: str, bug: object) -> None:
    if not hasattr(place, name):
        raise LookupError(f"{place} has no {name} to plant a bug in")
    setattr(place, name, bug)


PLANTS: dict[str, Callable[[], None]] = {
    "role-before-event": role_before_event,
    "lease-ignored": lease_ignored,
    "nonce-dropped": nonce_dropped,
    "doubt-forgotten": doubt_forgotten,
    "absence-believed": absence_believed,
    "step-believed": step_believed,
}

if __name__ == "__main__":
    PLANTS[os.environ[VARIABLE]]()
    main()
