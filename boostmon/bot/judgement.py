"""The second look at a command, once it is acknowledged and there is time to ask Discord."""

from collections.abc import Callable, Collection, Mapping

from msgspec import structs

from boostmon.bot import replies
from boostmon.bot.asked import Asked
from boostmon.bot.asking import Asking, UntoldError
from boostmon.bot.command_settings import ruling
from boostmon.bot.given import slash_name
from boostmon.bot.guards import (
    STARTS_A_COUNTDOWN,
    NotAllowedError,
    check_member,
    check_role,
)
from boostmon.bot.place import Place

# By the ids of a server and the name of a command, its id; None: it is not known.
CommandId = Callable[[str, str], str | None]


class Judgement:
    """Judges again, by what Discord says now, what was judged by what the gateway has told."""

    def __init__(self, asking: Asking, application_id: str, command_id: CommandId) -> None:
        self._asking = asking
        self._application_id = application_id
        self._command_id = command_id

    async def confirm(self, asked: Asked, place: Place, role_id: str) -> None:
        """Raise `RejectedError` unless what is *asked* of a role is the caller's to ask now.

        A role that the interaction itself showed was judged by that. One that the log names was
        not, nor was a menu, which may be years old.
        """
        is_shown = asked.role_id is not None and not asked.chosen
        if is_shown and not (place.by_ownership(role_id) and not place.facts.anew):
            return
        if not place.facts.anew:
            place.learn(await self._asking.server(place.guild_id))
        if asked.chosen:
            await self._check_use(asked, place)
        check_role(place.role(role_id), place.standing, asked.action)
        if asked.chosen and asked.action in STARTS_A_COUNTDOWN:
            here = await self._asking.is_member(place.guild_id, asked.user_id)
            check_member(asked.user_id, asked.action, here=here)

    async def with_channel(self, asked: Asked) -> Asked:
        """Return what is *asked* with the channel that it named, or a note that it is closed."""
        channel_id = asked.closed_channel_id
        if channel_id is None:
            return asked
        if await self._asking.can_post(asked.guild_id, channel_id):
            return structs.replace(asked, warn_channel_id=channel_id)
        note = replies.CANNOT_POST.format(channel=f"<#{channel_id}>")
        return structs.replace(asked, notes=(*asked.notes, note))

    async def names(self, place: Place, role_ids: Collection[str]) -> Mapping[str, str]:
        """Return the names of the roles that there are; one of *role_ids* that is not is gone."""
        return await self._asking.names(place.facts, role_ids)

    async def _check_use(self, asked: Asked, place: Place) -> None:
        """Raise `NotAllowedError` when the command itself would not be the caller's to give now.

        Discord looks at that when a command is given, and not when a menu is answered.
        """
        if place.caller_is_administrator:
            return
        settings = await self._asking.settings(place.guild_id)
        command_id = self._command_id(place.guild_id, slash_name(asked.action))
        if command_id is None and settings.keys() - {self._application_id}:
            raise UntoldError
        keys = [key for key in (command_id, self._application_id) if key is not None]
        is_allowed = ruling(settings, keys, place.use)
        if not (place.caller_is_staff if is_allowed is None else is_allowed):
            raise NotAllowedError
