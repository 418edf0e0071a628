"""Removals: decides what was held back because too many roles were missing at once."""

from boostmon.commands.decider import Clear
from boostmon.commands.handler import CommandHandler, Origin
from boostmon.errors import RejectedError
from boostmon.projections.standings import Standing, Standings, Undecided


async def end_all(standings: Standings, handler: CommandHandler, guild_id: str, *, now: int) -> int:
    """End the timers of a server that are held back, at *now* (timer time); return how many."""
    ended = 0
    for held in await _held_back(standings, guild_id):
        standing = await _standing(standings, held)
        if standing is None or not standing.held_back:
            continue
        origin = Origin(command_id=f"resolve:{held.number}:{standing.version}", source="cli")
        try:
            await handler.handle(
                held.timer, Clear(now, "taken_by_hand"), origin, at_version=standing.version
            )
        except RejectedError:
            continue  # it has ended meanwhile
        await standings.decided([held.number])
        ended += 1
    return ended


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
