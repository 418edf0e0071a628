"""Removals: decides what was held back because too many roles were missing at once."""

from collections.abc import Awaitable, Callable

import msgspec

from boostmon.commands.decider import Clear
from boostmon.commands.handler import CommandHandler, Origin
from boostmon.errors import DiscordError, RejectedError
from boostmon.events.timer import TimerId
from boostmon.projections.effects.standings import Standing, Standings, Undecided

Holds = Callable[[TimerId], Awaitable[bool]]


class Ends(msgspec.Struct):
    """How many timers *ended*, and were not ended as the role is *back* or nobody could tell.

    *doubt* says why nobody could.
    """

    ended: int = 0
    back: int = 0
    untold: int = 0
    doubt: str = ""


async def end_all(
    standings: Standings, handler: CommandHandler, guild_id: str, *, now: int, holds: Holds | None
) -> Ends:
    """End the timers of a server that are held back, at *now* (timer time).

    *holds* tells whether a role is there again, or raises `DiscordError`; None: nobody can tell.
    """
    ends = Ends()
    for held in await _held_back(standings, guild_id):
        try:
            is_back = holds is not None and await holds(held.timer)
        except DiscordError as error:
            ends.untold, ends.doubt = ends.untold + 1, str(error)
            continue
        standing = await _standing(standings, held)
        if standing is None or not standing.held_back:
            continue
        if is_back:
            ends.back += 1
        elif await _end(handler, standing, now):
            ends.ended += 1
        else:
            continue
        await standings.decided([held.number])
    return ends


async def _end(handler: CommandHandler, standing: Standing, now: int) -> bool:
    origin = Origin(command_id=f"resolve:{standing.number}:{standing.version}", source="cli")
    command = Clear(now, "taken_by_hand")
    try:
        await handler.handle(standing.timer, command, origin, at_version=standing.version)
    except RejectedError:
        return False  # it has ended meanwhile
    return True


async def restore_all(standings: Standings, guild_id: str) -> int:
    """Owe the roles of a server that are held back again; return how many."""
    restored = 0
    for held in await _held_back(standings, guild_id):
        standing = await _standing(standings, held)
        given = standing.given if standing is not None and standing.held_back else None
        if given is not None and await standings.reopen(given, held.timer.user_id):
            await standings.decided([held.number])
            restored += 1
    await standings.tell_reopened()
    return restored


async def _held_back(standings: Standings, guild_id: str) -> list[Undecided]:
    undecided = await standings.undecided(guild_id)
    return [each for each in undecided if each.found == "too_many_taken"]


async def _standing(standings: Standings, held: Undecided) -> Standing | None:
    of_member = await standings.of_member(held.timer.guild_id, held.timer.user_id)
    return next((each for each in of_member if each.number == held.number), None)
