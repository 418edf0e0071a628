"""A command after its acknowledgement: which timer is meant, and the last word."""

from collections.abc import Sequence

import structlog
from msgspec import structs

from boostmon.bot import asked as asking
from boostmon.bot import menus, replies
from boostmon.bot.answers import Answer
from boostmon.bot.asked import Asked
from boostmon.bot.guards import Action, NothingToDoError, gone
from boostmon.bot.judgement import Judgement
from boostmon.bot.outcomes import Came, came_of, came_of_error
from boostmon.bot.place import Place
from boostmon.bot.role_changes import RoleChanges
from boostmon.bot.settling import Settling, soon
from boostmon.commands.handler import Handled
from boostmon.errors import BoostmonError, DatabaseUnavailableError, TimerNotFoundError
from boostmon.events.timer import NoTimer, TimerId, TimerSet
from boostmon.projections.role_timers import RoleTimers, TimerRow

KIND: dict[Action, str] = {"pause": "running timer", "resume": "paused timer"}

log = structlog.get_logger()


class Conversation:
    """Takes an acknowledged command to its last word."""

    def __init__(
        self,
        *,
        timers: RoleTimers,
        settling: Settling,
        role_changes: RoleChanges,
        judgement: Judgement,
        warning_minutes: tuple[int, ...],
    ) -> None:
        self._timers = timers
        self._judgement = judgement
        self._settling = settling
        self._role_changes = role_changes
        self._warning_minutes = warning_minutes

    async def carry_out(self, answer: Answer, asked: Asked, place: Place) -> Came:
        """Carry out what was *asked* once it is clear of which timer; say what became of it."""
        try:
            meant = await self._meant(answer, asked, place)
            if meant is None:
                return Came("asked")
            timer, asked = meant
            asked = await self._judgement.with_channel(asked)
            handled = await self._settling.settled(
                answer,
                timer,
                command=asking.command(asked, self._warning_minutes),
                origin=asked.origin,
            )
            await self._report(answer, handled, asked, place)
            return came_of(handled)
        except TimerNotFoundError as refusal:
            missed = asked.action == "add" and not asked.here
            await answer.refuse(str(gone(asked.user_id) if missed else refusal))
            return Came("refused")
        except BoostmonError as refusal:
            await answer.refuse(str(refusal))
            return came_of_error(refusal)
        except Exception:
            log.exception("command failed", asked=structs.asdict(asked))
            await answer.refuse(replies.UNEXPECTED)
            return Came("failed")

    def hurry(self) -> None:
        """Wait no longer for changes of roles."""
        self._role_changes.stop()

    def stop(self) -> None:
        """Give up what the database has not answered; the callers are told."""
        self._settling.stop()

    async def _meant(
        self, answer: Answer, asked: Asked, place: Place
    ) -> tuple[TimerId, Asked] | None:
        """Return the timer that is meant, and what is asked; None when the caller is to choose."""
        if asked.role_id is not None:
            confirmed = await self._judgement.confirm(asked, place, asked.role_id)
            return asking.timer_of(asked, asked.role_id), confirmed
        candidates = await self._candidates(asked)
        if not candidates:
            kind = KIND.get(asked.action, "timer")
            raise NothingToDoError(f"<@{asked.user_id}> has no {kind} here; see `/timeleft`.")
        if len(candidates) > 1:
            names = await self._judgement.names(place, [row.timer.role_id for row in candidates])
            menu = menus.menu(asked, candidates, names=names)
            await answer.show(menus.question(asked, len(candidates)), menu=menu)
            return None
        timer = candidates[0].timer
        return timer, await self._judgement.confirm(asked, place, timer.role_id)

    async def _candidates(self, asked: Asked) -> list[TimerRow]:
        try:
            rows = await soon(self._timers.of_member(asked.guild_id, asked.user_id))
        except DatabaseUnavailableError as error:
            raise DatabaseUnavailableError(replies.NOTHING_RECORDED) from error
        return [row for row in rows if asking.applies(asked, row)]

    async def _report(self, answer: Answer, handled: Handled, asked: Asked, place: Place) -> None:
        role_id = handled.timer.role_id
        told = replies.Told(
            caller_id=asked.caller_id,
            role=replies.role_shown(role_id, exists=place.role(role_id) is not None),
            change=await self._role_changes.of(handled),
            notes=(*asked.notes, *_notes(handled, asked)),
        )
        await answer.show(embed=replies.outcome(handled, told))


def _notes(handled: Handled, asked: Asked) -> Sequence[str]:
    if not isinstance(handled.before, NoTimer) or not isinstance(handled.events[-1], TimerSet):
        return ()
    started = [replies.STARTED] if asked.action == "add" else []
    return [*started, replies.HELD_BEFORE] if asked.held else started
