"""The second look at a command, once it is acknowledged and there is time to ask Discord."""

from collections.abc import Callable, Collection, Mapping

from msgspec import structs

from boostmon.bot.discord.command_settings import ruling
from boostmon.bot.records.given import slash_name
from boostmon.bot.servers.asking import Asking, UntoldError
from boostmon.bot.servers.guards import (
    STARTS_A_COUNTDOWN,
    NotAllowedError,
    check_member,
    check_role,
)
from boostmon.bot.servers.place import Place
from boostmon.bot.slash.asked import Asked
from boostmon.bot.wording import replies

# By the ids of a server and the name of a command, its id; None: it is not known.
CommandId = Callable[[str, str], str | None]


class Judgement:
    """Judges again, by what Discord says now, what was judged by what the gateway has told."""

    def __init__(self, asking: Asking, application_id: str, command_id: CommandId) -> None:
        self._asking = asking
        self._application_id = application_id
        self._command_id = command_id

    async def confirm(self, asked: Asked, place: Place, role_id: str) -> Asked:
        """Return what is *asked* of a role; raise `RejectedError` unless the caller may ask it now.

        A role that the interaction itself showed was judged by that, if it came at once. One that
        the log names was not, nor was a menu, which may be years old.
        """
        is_old = asked.chosen or place.is_late
        is_shown = asked.role_id is not None and not is_old
        if is_shown and (place.facts.anew or not place.by_ownership(role_id)):
            return asked
        if not place.facts.anew:
            place.learn(await self._asking.server(place.guild_id))
        if place.is_late:
            await self._look_at_caller(place)
        if is_old:
            await self._check_use(asked, place)
        check_role(place.role(role_id), place.standing, asked.action)
        return await self._with_user(asked) if is_old else asked

    async def again(self, asked: Asked, place: Place, role_id: str) -> Asked:
        """Return what is *asked* of a role, as it has waited; raise as `confirm` does."""
        place.learn(await self._asking.server(place.guild_id))
        await self._look_at_caller(place)
        await self._check_use(asked, place)
        check_role(place.role(role_id), place.standing, asked.action)
        return await self._with_user(asked)

    async def _look_at_caller(self, place: Place) -> None:
        caller = await self._asking.member(place.guild_id, place.caller_id)
        if caller is None:
            raise NotAllowedError
        place.learn_caller(caller.roles)

    async def _with_user(self, asked: Asked) -> Asked:
        """Return what is *asked* of a user who is a member now, or is not."""
        if asked.action not in STARTS_A_COUNTDOWN and not asked.starts:
            return asked
        here = await self._asking.member(asked.guild_id, asked.user_id) is not None
        check_member(asked.user_id, asked.action, here=here)
        return structs.replace(asked, here=here, starts=asked.starts and here)

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
