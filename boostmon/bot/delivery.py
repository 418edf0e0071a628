"""Carrying out one effect in Discord: the role change or the notice, and what came of it."""

import asyncio
import time
from typing import Protocol

from boostmon.bot import replies
from boostmon.bot.discord_api import (
    ATTEMPT_SECONDS,
    Answer,
    DiscordApi,
    RefusedError,
    UnansweredError,
)
from boostmon.bot.pace import Pace, lane_of_channel, lane_of_roles
from boostmon.bot.refusals import (
    TOO_MANY_REQUESTS,
    Passing,
    Verdict,
    closes_channel,
    judge_direct_message,
    judge_role_change,
)
from boostmon.database.clock import Clock
from boostmon.events.timer import (
    MINUTE,
    Cleared,
    Expired,
    Resumed,
    TimeAdded,
    TimerEvent,
    TimerSet,
    WarningSent,
)
from boostmon.projections.effects import GIVE_ROLE, TAKE_ROLE
from boostmon.projections.owed import OwedEffect

Receipt = dict[str, str]


class Server(Protocol):
    """What the relay wants to know of a server, from what the gateway has told."""

    def role_name(self, guild_id: str, role_id: str) -> str:
        """Name a role; a deleted one by its id."""

    def remedy(self, guild_id: str, role_id: str) -> str:
        """Say what must be done before BoostMon may give or take a role."""


class Delivery:
    """Does in Discord what an effect asks for, once, keeping the pace."""

    def __init__(self, *, api: DiscordApi, server: Server, clock: Clock, pace: Pace) -> None:
        self._api = api
        self._server = server
        self._clock = clock
        self._pace = pace

    async def carry_out(self, effect: OwedEffect) -> Receipt | Verdict:
        """Do it, and return the receipt or what stands in the way."""
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                if effect.kind in (GIVE_ROLE, TAKE_ROLE):
                    return await self._change_role(effect)
                return await self._notify(effect)
        except (RefusedError, UnansweredError) as error:
            return Passing(str(error))
        except TimeoutError:
            return Passing(f"Discord did not answer within {ATTEMPT_SECONDS} s")

    async def _change_role(self, effect: OwedEffect) -> Receipt | Verdict:
        timer = effect.timer
        change = self._api.give_role if effect.kind == GIVE_ROLE else self._api.take_role
        lane = lane_of_roles(timer.guild_id)
        reason = audit_reason(effect.event, effect.actor_id)
        try:
            answer = await change(timer.guild_id, timer.user_id, timer.role_id, reason=reason)
        except RefusedError as error:
            self._note_refusal(lane, error)
            remedy = self._server.remedy(timer.guild_id, timer.role_id)
            return judge_role_change(error, remedy=remedy)
        self._note_answer(lane, answer)
        return {}

    async def _notify(self, effect: OwedEffect) -> Receipt | Verdict:
        """Send a notice to the timer's channel, or by direct message where that fails."""
        channel_id = getattr(effect.event, "warn_channel_id", None)
        if channel_id is not None:
            try:
                return await self._send(effect, channel_id, lane_of_channel(channel_id))
            except RefusedError as error:
                if not closes_channel(error):
                    raise
        try:
            direct = await self._api.open_direct_channel(effect.timer.user_id)
            self._pace.count(time.monotonic())
            return await self._send(effect, direct, lane_of_channel(None))
        except RefusedError as error:
            return judge_direct_message(error)

    async def _send(self, effect: OwedEffect, channel_id: str, lane: str) -> Receipt:
        user_id = effect.timer.user_id
        try:
            answer = await self._api.send(
                channel_id, self._text(effect), mention=user_id, nonce=effect.nonce
            )
        except RefusedError as error:
            self._note_refusal(lane, error)
            raise
        self._note_answer(lane, answer)
        return {"channel_id": channel_id, "message_id": str(answer.body["id"])}

    def _text(self, effect: OwedEffect) -> str:
        timer = effect.timer
        role_name = self._server.role_name(timer.guild_id, timer.role_id)
        match effect.event:
            case WarningSent(expires_at=end):
                minutes_left = -((self._clock.now() - end) // MINUTE)
                return replies.warning(timer.user_id, role_name, max(1, minutes_left))
            case Expired():
                return replies.expiry(timer.user_id, role_name)
            case event:
                raise ValueError(f"no notice is owed for {type(event).__name__}")

    def _note_answer(self, lane: str, answer: Answer) -> None:
        self._pace.answered(lane, answer.headers, time.monotonic())

    def _note_refusal(self, lane: str, error: RefusedError) -> None:
        if error.status == TOO_MANY_REQUESTS:
            now = time.monotonic()
            self._pace.refused(lane, error.retry_after, everywhere=error.everywhere, now=now)


def audit_reason(event: TimerEvent, actor_id: str | None) -> str:
    """Say who asked for a role change, and with which command, for the server's audit log."""
    return f"BoostMon: {_command(event)}" + (f" by {actor_id}" if actor_id else "")


def _command(event: TimerEvent) -> str:
    match event:
        case TimerSet(added=False):
            return "/settime"
        case TimerSet() | TimeAdded():
            return "/addtime"
        case Resumed():
            return "/resumetime"
        case Expired():
            return "the timer has ended"
        case Cleared(reason="asked"):
            return "/cleartime"
        case Cleared(reason=reason):
            return f"the timer was cleared ({reason})"
        case other:
            return type(other).__name__
