"""A command after its acknowledgement: which timer is meant, and the last word."""

from collections.abc import Sequence

import structlog
from msgspec import structs

from boostmon import machine
from boostmon.bot.records.outcomes import Came, came_of, came_of_error
from boostmon.bot.servers.guards import Action, NothingToDoError, gone
from boostmon.bot.servers.place import Place
from boostmon.bot.slash import asked as asking
from boostmon.bot.slash import menus
from boostmon.bot.slash.answers import Answer
from boostmon.bot.slash.asked import Asked
from boostmon.bot.slash.judgement import Judgement
from boostmon.bot.slash.role_changes import RoleChanges
from boostmon.bot.slash.settling import Settling, soon
from boostmon.bot.wording import replies
from boostmon.commands.decider import TimerCommand
from boostmon.commands.handler import Handled
from boostmon.errors import (
    BoostmonError,
    DatabaseUnavailableError,
    RejectedError,
    TimerNotFoundError,
)
from boostmon.events.timer import NoTimer, TimerId, TimerSet
from boostmon.projections.role_timers import RoleTimers, TimerRow

JUDGED_FOR = 3.0  # seconds; what waited longer is judged again before it is recorded
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
            done = await self._done(answer, asked, place)
            if done is None:
                return Came("asked")
            handled, asked = done
            await self._report(answer, handled, asked, place)
            return came_of(handled)
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

    async def _done(
        self, answer: Answer, asked: Asked, place: Place
    ) -> tuple[Handled, Asked] | None:
        """Return what the command did and what was asked in the end; None: it is to be chosen.

        What stands in its way may be what it has done itself: another process may have received
        the same interaction.
        """
        try:
            meant = await self._meant(answer, asked, place)
            return None if meant is None else await self._settled(answer, *meant, place)
        except RejectedError:
            recorded = await self._settling.recorded(asked.command_id)
            if recorded is None:
                raise
            return recorded, asked

    async def _settled(
        self, answer: Answer, timer: TimerId, asked: Asked, place: Place
    ) -> tuple[Handled, Asked]:
        """Carry out what is *asked*, judged again where it had to wait."""
        age = answer.age  # what Discord takes to tell of a channel is no wait
        asked = await self._judgement.with_channel(asked)
        judged_at = machine.monotonic() - age

        def meant() -> TimerCommand:
            return asking.command(asked, self._warning_minutes)

        async def again() -> TimerCommand:
            nonlocal asked, judged_at
            if machine.monotonic() - judged_at > JUDGED_FOR:
                asked = await self._judgement.again(asked, place, timer.role_id)
                judged_at = machine.monotonic()
            return meant()

        try:
            handled = await self._settling.settled(
                answer, timer, command=meant(), origin=asked.origin, again=again
            )
        except TimerNotFoundError as refusal:
            if asked.action == "add" and not asked.here:
                raise gone(asked.user_id) from refusal
            raise
        return handled, asked

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
            if recorded := await self._settling.recorded(asked.command_id):
                return recorded.timer, asked
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
