"""Notices: to the timer's channel, or by direct message where that fails; each once."""

import re
from datetime import UTC, datetime, timedelta
from functools import partial

from boostmon import machine
from boostmon.bot.discord.pace import DIRECT, OPENING, Pace, lane_of_channel
from boostmon.bot.discord.refusals import (
    Directly,
    Final,
    Later,
    Over,
    Receipt,
    Verdict,
    closes_channel,
    is_no_longer_ours,
    judge_direct_message,
)
from boostmon.bot.discord.rest import DiscordApi, NotLeadingError, RefusedError
from boostmon.bot.relay.openings import Openings
from boostmon.bot.servers.guards import escaped
from boostmon.bot.servers.view import Server
from boostmon.bot.wording import replies
from boostmon.database.clocks.clock import Clock
from boostmon.errors import DiscordError
from boostmon.events.timer import (
    MINUTE,
    Cleared,
    Expired,
    Paused,
    Resumed,
    TimeAdded,
    TimeRemoved,
    TimerSet,
    WarningSent,
)
from boostmon.projections.effects.direct_channels import DirectChannels
from boostmon.projections.effects.queue import OwedEffect, OwedEffects

NONCE_HOLDS = 60.0  # seconds; Discord says "the past few minutes"
SKEW = timedelta(seconds=10)  # between Discord's clock and ours
OPENING_PATIENCE = 0.5  # seconds
MINUTES = re.compile(r"[0-9]+\\ minutes?")  # as re.escape leaves it


class OverError(DiscordError):
    """Discord was not asked: the end has come of which a notice warns."""


class Notices:
    """Sends the notices that are owed, and finds out about those that may have been sent."""

    def __init__(
        self,
        *,
        api: DiscordApi,
        owed: OwedEffects,
        direct_channels: DirectChannels,
        server: Server,
        clock: Clock,
        pace: Pace,
    ) -> None:
        self._api = api
        self._owed = owed
        self._direct_channels = direct_channels
        self._server = server
        self._clock = clock
        self._pace = pace
        self._openings = Openings(api, direct_channels, pace)
        self._refused: dict[str, RefusedError] = {}

    async def send(self, effect: OwedEffect, *, lane: str | None) -> Receipt | Verdict:
        """Send the notice that is *effect*, in the *lane* whose turn was promised.

        In that of direct messages its channel is not tried.

        Raise as `DiscordApi` does for what may pass.
        """
        if effect.attempted_ago is not None:
            settled = await self._settle_doubt(effect, effect.attempted_ago)
            if settled is not None:
                return settled
        elif self._is_over(effect):
            return Over()
        channel_id = effect.channel_id
        if channel_id is not None and lane not in (DIRECT, OPENING):
            try:
                return await self._post(effect, channel_id, lane_of_channel(channel_id))
            except RefusedError as error:
                if not closes_channel(error):
                    raise
                return Directly(str(error))
            except OverError:
                return Over()
        try:
            return await self._send_directly(effect, is_promised=lane == OPENING)
        except RefusedError as error:
            return judge_direct_message(error)
        except OverError:
            return Over()

    def late(self, effect: OwedEffect) -> float:
        """Tell by how many seconds a notice is late at this moment."""
        event, due_at = effect.event, effect.event.at
        if isinstance(event, WarningSent):
            due_at = event.expires_at - event.minutes * MINUTE
        return max(0.0, (self._clock.now() - due_at) / 1000)

    def _is_over(self, effect: OwedEffect) -> bool:
        """Tell whether it warns of an end that has come."""
        event = effect.event
        return isinstance(event, WarningSent) and event.expires_at <= self._clock.now()

    async def _send_directly(self, effect: OwedEffect, *, is_promised: bool) -> Receipt | Verdict:
        """Send it to the channel that is remembered; where that refuses, open the channel anew.

        A channel belongs to an application, and the bot may be another one's by now.
        """
        user_id = effect.timer.user_id
        remembered = await self._direct_channels.find(user_id)
        if remembered is not None and remembered not in self._refused:
            try:
                return await self._post(effect, remembered, DIRECT)
            except RefusedError as error:
                if not is_no_longer_ours(error):
                    raise
                self._refused[remembered] = error
        now = machine.monotonic()
        ready_at = self._pace.free_at if is_promised else self._pace.ready_at
        wait = ready_at(OPENING, now) - now
        if wait > OPENING_PATIENCE:
            return Later(wait)
        channel_id = await self._openings.open(user_id)
        if isinstance(channel_id, Later):
            return channel_id
        refusal = self._refused.pop(remembered, None) if remembered else None
        if channel_id == remembered and refusal is not None:
            raise refusal  # it is still ours, and has answered
        await self._direct_channels.note(user_id, channel_id)
        return await self._post(effect, channel_id, DIRECT)

    async def _post(self, effect: OwedEffect, channel_id: str, lane: str) -> Receipt:
        timer = effect.timer
        role_name = self._server.role_name(timer.guild_id, timer.role_id)
        if not await self._owed.attempting(effect, role_name=role_name):
            raise NotLeadingError  # another process has settled it meanwhile
        for nonce in effect.nonces:
            stands_in, message_id = await self._api.send(
                channel_id,
                partial(self._text_in_time, effect, role_name, is_direct=lane == DIRECT),
                mention=timer.user_id,
                nonce=nonce,
                lane=lane,
            )
            if not await self._is_anothers(effect, message_id):
                break
        return {"channel_id": stands_in, "message_id": message_id}

    async def _is_anothers(self, effect: OwedEffect, message_id: str) -> bool:
        """Tell whether a doubt about another notice was settled with this one's first message.

        Both had the same text, so it was right in number; this one needs a message of its own.
        """
        if effect.attempted_ago is None:
            return False
        return message_id in await self._owed.receipted(effect, [message_id])

    async def _settle_doubt(self, effect: OwedEffect, ago: float) -> Receipt | Final | None:
        """Find out whether an earlier attempt has posted the notice; None: it has not.

        Within a minute, where nothing can be read, the nonce sees to it that it is posted once.
        """
        unreadable = False
        for channel_id in (effect.channel_id, await self._direct_channels.find(_user(effect))):
            if channel_id is None:
                continue
            try:
                found = await self._sent_before(effect, channel_id)
            except RefusedError as error:
                if not closes_channel(error):
                    raise
                unreadable = True
            else:
                if found is not None:
                    return found
        if unreadable and not 0 <= ago <= NONCE_HOLDS:  # an attempt of the future: the clock jumped
            return Final("an attempt may have sent it, and the channel cannot be read")
        return None

    async def _sent_before(self, effect: OwedEffect, channel_id: str) -> Receipt | Final | None:
        # By the database's clock, or by the one that was followed, if that was earlier.
        since = min(effect.recorded_at, datetime.fromtimestamp(effect.event.at / 1000, UTC))
        own = await self._api.own_messages_since(channel_id, since - SKEW)
        if own is None:
            return Final("an attempt may have sent it; too much was said since to find out")
        text = self._text(effect, effect.role_name or "")
        # A direct message tells servers apart by the end; those of 0.1.0 have no second line.
        end = re.escape(_end(effect))
        same = re.compile(f"{MINUTES.sub('[0-9]+ minutes?', re.escape(text))}(?:\n.*{end})?")
        alike = [message_id for message_id, content in own.items() if same.fullmatch(content)]
        others = await self._owed.receipted(effect, alike)
        mine = [message_id for message_id in alike if message_id not in others]
        return {"channel_id": channel_id, "message_id": min(mine, key=int)} if mine else None

    def _text_in_time(self, effect: OwedEffect, role_name: str, *, is_direct: bool) -> str:
        """Say what there is to say when its turn has come; raise `OverError` when that is late."""
        if self._is_over(effect):
            raise OverError
        text = self._text(effect, role_name)
        if not is_direct:
            return text
        return f"{text}\nServer: {escaped(self._server.name(effect.timer.guild_id))}{_end(effect)}"

    def _text(self, effect: OwedEffect, role_name: str) -> str:
        user_id = _user(effect)
        match effect.event:
            case WarningSent(expires_at=end):
                minutes_left = -((self._clock.now() - end) // MINUTE)
                return replies.warning(user_id, role_name, max(1, minutes_left))
            case Expired():
                return replies.expiry(user_id, role_name)
            case (
                TimerSet() | TimeAdded() | TimeRemoved() | Paused() | Resumed() | Cleared()
            ) as event:
                raise ValueError(f"no notice is owed for {type(event).__name__}")


def _end(effect: OwedEffect) -> str:
    """Say when the timer ends or has ended, behind the name of its server."""
    event = effect.event
    if isinstance(event, WarningSent):
        return f" · ends {replies.time_of_day(event.expires_at)}"
    return f" · ended {replies.time_of_day(event.at)}"


def _user(effect: OwedEffect) -> str:
    return effect.timer.user_id
