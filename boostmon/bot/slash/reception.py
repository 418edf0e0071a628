"""Runs a slash command: check it, acknowledge it, carry it out, answer, record."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog
from disnake import Member, Role, User
from disnake.abc import GuildChannel
from disnake.interactions import ApplicationCommandInteraction, MessageInteraction
from msgspec import Struct

from boostmon import machine
from boostmon.bot.records.given import Given, given, given_by_menu, slash_name
from boostmon.bot.records.outcomes import Came
from boostmon.bot.records.tally import Tally
from boostmon.bot.servers.asking import AT_ONCE, Asking
from boostmon.bot.servers.guards import (
    BY_STANDING,
    Action,
    NotYourMenuError,
    check_member,
    check_role,
)
from boostmon.bot.servers.place import Place, roles_of
from boostmon.bot.slash import menus
from boostmon.bot.slash.answers import Answer
from boostmon.bot.slash.asked import Asked
from boostmon.bot.slash.conversation import Conversation
from boostmon.bot.slash.interaction_api import InteractionApi
from boostmon.bot.slash.timeleft import TimeLeft
from boostmon.bot.wording import replies
from boostmon.bot.wording.durations import parse
from boostmon.database.clocks.clock import Clock
from boostmon.errors import ClockDoubtError, RejectedError

ASKING = 0.5  # seconds, for what Discord is asked before a command is recorded
GRACE = 0.5  # seconds; twice that, and ASKING, is what a stop can take

log = structlog.get_logger()


class Options(Struct, frozen=True, kw_only=True):
    """What was typed into a command, as disnake gives it."""

    user: User | Member
    role: Role | None = None
    duration: str | None = None
    channel: GuildChannel | None = None


class Reception:
    """Receives commands and answers to menus."""

    def __init__(
        self,
        conversation: Conversation,
        time_left: TimeLeft,
        *,
        asking: Asking,
        clock: Clock,
        tally: Tally,
    ) -> None:
        self._conversation = conversation
        self._time_left = time_left
        self._asking = asking
        self._clock = clock
        self._tally = tally
        self._held: set[asyncio.Task[None]] = set()
        self._closed = False

    async def close(self) -> None:
        """Receive nothing more, and give those who are being answered a moment for an answer."""
        self._closed = True
        self._conversation.hurry()
        await self._ended(ASKING)
        self._asking.stop()
        await self._ended(GRACE)
        self._conversation.stop()
        await self._ended(GRACE)
        self.stop()

    def stop(self) -> None:
        """Drop everything at once."""
        self._closed = True
        for task in self._held:
            task.cancel()

    async def command(
        self, inter: ApplicationCommandInteraction, action: Action, options: Options
    ) -> None:
        """Carry out *action*, or refuse it at once where the interaction alone tells."""
        asked = given(inter, slash_name(action), user=options.user, role=options.role)
        read = partial(self._read, inter, action=action, options=options)
        await self._hold(asked, lambda: self._converse(inter, read, options.role))

    async def choice(self, inter: MessageInteraction) -> None:
        """Carry out the command whose menu was answered, however long ago it was asked."""
        read = partial(self._chosen, inter)
        await self._hold(given_by_menu(inter), lambda: self._converse(inter, read))

    async def time_left(
        self, inter: ApplicationCommandInteraction, *, user: User | Member, role: Role | None
    ) -> None:
        """Tell the caller alone when the timers of *user* end."""
        asked = given(inter, "timeleft", user=user, role=role)
        role_id = asked.role_id
        await self._hold(asked, lambda: self._tell_time_left(inter, str(user.id), role_id))

    async def _hold(self, asked: Given, converse: Callable[[], Coroutine[Any, Any, Came]]) -> None:
        """Keep a conversation until it has ended; disnake keeps nothing of what it starts."""
        if self._closed:
            return
        task = asyncio.create_task(self._see_through(asked, converse))
        self._held.add(task)
        task.add_done_callback(self._held.discard)
        await task

    async def _see_through(
        self, asked: Given, converse: Callable[[], Coroutine[Any, Any, Came]]
    ) -> None:
        """Converse, and tell what came of it."""
        began, came = machine.monotonic(), Came("stopped")
        try:
            came = await converse()
        except Exception:
            came = Came("failed")
            raise
        finally:
            self._tally.command(asked, came, machine.monotonic() - began)

    async def _ended(self, seconds: float) -> None:
        if self._held:
            await asyncio.wait(self._held, timeout=seconds)

    async def _converse(
        self,
        inter: ApplicationCommandInteraction | MessageInteraction,
        read: Callable[[Place], Asked],
        shown: Role | None = None,
    ) -> Came:
        answer = Answer(InteractionApi(inter))
        try:
            place = Place(inter, self._clock, shown)
            asked = await self._judged(place, read)
        except RejectedError as refusal:
            await answer.refuse_at_once(str(refusal))
            return Came("refused")
        except Exception:
            log.exception("interaction not understood", interaction_id=inter.id)
            await answer.refuse_at_once(replies.UNEXPECTED)
            return Came("failed")
        if not await answer.acknowledge():
            return Came("late")
        return await self._conversation.carry_out(answer, asked, place)

    async def _judged(self, place: Place, read: Callable[[Place], Asked]) -> Asked:
        """Return what is asked, or raise `RejectedError`.

        Nobody is refused for what the gateway alone has told, and nobody is let through for what
        it has not told: where that decides, Discord is asked.
        """
        try:
            asked = read(place)
        except BY_STANDING:
            pass
        else:
            if not place.is_doubtful:
                return asked
        place.learn(await self._asking.server(place.guild_id, within=AT_ONCE))
        return read(place)

    async def _tell_time_left(
        self, inter: ApplicationCommandInteraction, user_id: str, role_id: str | None
    ) -> Came:
        answer = Answer(InteractionApi(inter))
        try:
            place = Place(inter, self._clock)
        except RejectedError as refusal:
            await answer.refuse_at_once(str(refusal))
            return Came("refused")
        if not await answer.acknowledge(private=True):
            return Came("late")
        return await self._time_left.tell(answer, place, user_id=user_id, role_id=role_id)

    def _read(
        self,
        inter: ApplicationCommandInteraction,
        place: Place,
        *,
        action: Action,
        options: Options,
    ) -> Asked:
        user, role = options.user, options.role
        here = isinstance(user, Member)
        duration_ms = 0 if options.duration is None else parse(options.duration)
        if role is not None:
            check_role(place.role(str(role.id)), place.standing, action)
        check_member(str(user.id), action, here=here)
        self._check_clock(action)
        channel = options.channel
        is_open = channel is not None and place.can_post(channel)
        return Asked(
            action=action,
            now=self._clock.now(),
            command_id=str(inter.id),
            guild_id=place.guild_id,
            caller_id=place.caller_id,
            user_id=str(user.id),
            role_id=None if role is None else str(role.id),
            duration_ms=duration_ms,
            starts=here and role is not None,
            warn_channel_id=str(channel.id) if channel and is_open else None,
            closed_channel_id=str(channel.id) if channel and not is_open else None,
            here=here,
            held=role is not None and isinstance(user, Member) and str(role.id) in roles_of(user),
        )

    def _chosen(self, inter: MessageInteraction, place: Place) -> Asked:
        asked = menus.answered(
            inter.data.custom_id,
            inter.data.values or (),
            guild_id=place.guild_id,
            now=self._clock.now(),
        )
        if asked.caller_id != place.caller_id:
            raise NotYourMenuError
        role = place.role(asked.role_id) if asked.role_id else None
        check_role(role, place.standing, asked.action)
        self._check_clock(asked.action)
        return asked

    def _check_clock(self, action: Action) -> None:
        """Raise `ClockDoubtError` when nobody knows the time that *action* counts from."""
        if action != "clear" and not self._clock.trusted:
            raise ClockDoubtError
