"""`boostmon` with a bug planted in it, to see whether the oracle finds it.

The name of the bug stands in CHAOS_PLANT; the driver runs this instead of `boostmon`.
"""

import os
from collections.abc import Callable
from typing import Any

from boostmon.bot import app
from boostmon.bot.discord_api import DiscordApi
from boostmon.bot.notices import Notices
from boostmon.cli import main
from boostmon.commands.sweeper import Sweeper
from boostmon.projections.lease import Lease

VARIABLE = "CHAOS_PLANT"


def role_before_event() -> None:
    """Have the sweeper take a role before its end is in the log."""
    apis: list[DiscordApi] = []
    connect, sweep_page = app._to_discord, Sweeper._sweep_page  # noqa: SLF001 - a bug is planted there

    def to_discord(*arguments: Any) -> Any:
        made = connect(*arguments)
        apis.append(made[1])
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


def _plant(place: Any, name: str, bug: object) -> None:
    if not hasattr(place, name):
        raise LookupError(f"{place} has no {name} to plant a bug in")
    setattr(place, name, bug)


PLANTS: dict[str, Callable[[], None]] = {
    "role-before-event": role_before_event,
    "lease-ignored": lease_ignored,
    "nonce-dropped": nonce_dropped,
}

if __name__ == "__main__":
    PLANTS[os.environ[VARIABLE]]()
    main()
