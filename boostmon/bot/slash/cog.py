"""The seven slash commands, and the menu that some of them end in."""

import structlog
from disnake import InteractionContextTypes, Member, Permissions, Role, User
from disnake.abc import GuildChannel
from disnake.ext import commands
from disnake.interactions import ApplicationCommandInteraction, MessageInteraction

from boostmon.bot.records.given import given
from boostmon.bot.records.outcomes import Came
from boostmon.bot.records.tally import Tally
from boostmon.bot.servers.asking import Asking
from boostmon.bot.servers.place import POSTABLE
from boostmon.bot.slash import autocomplete, menus
from boostmon.bot.slash.answers import Answer
from boostmon.bot.slash.conversation import Conversation
from boostmon.bot.slash.interaction_api import InteractionApi
from boostmon.bot.slash.judgement import Judgement
from boostmon.bot.slash.reception import Options, Reception
from boostmon.bot.slash.role_changes import EffectWatch, RoleChanges
from boostmon.bot.slash.settling import Settling
from boostmon.bot.slash.timeleft import TimeLeft
from boostmon.bot.wording import replies
from boostmon.commands.handler import CommandHandler
from boostmon.database.clocks.clock import Clock
from boostmon.projections.effects.kinds import Effects
from boostmon.projections.role_timers import RoleTimers

IN_SERVERS = InteractionContextTypes(guild=True)
STAFF = Permissions(manage_roles=True)
# In an order of its own: a union's changes from start to start, and Discord would be told again.
POSTABLE_CHANNEL = commands.Param(default=None, channel_types=list(POSTABLE))

log = structlog.get_logger()


class TimerCog(commands.Cog):
    """The slash commands of BoostMon."""

    def __init__(
        self,
        *,
        handler: CommandHandler,
        timers: RoleTimers,
        effects: Effects,
        clock: Clock,
        warning_minutes: tuple[int, ...],
        watch: EffectWatch,
        tally: Tally,
        asking: Asking,
        judgement: Judgement,
    ) -> None:
        self._clock = clock
        self._tally = tally
        conversation = Conversation(
            timers=timers,
            settling=Settling(handler),
            role_changes=RoleChanges(effects, watch),
            judgement=judgement,
            warning_minutes=warning_minutes,
        )
        time_left = TimeLeft(timers, effects, clock, asking)
        self._reception = Reception(
            conversation, time_left, asking=asking, clock=clock, tally=tally
        )

    async def close(self) -> None:
        """Answer those who wait, and receive no more; call it while Discord still listens."""
        await self._reception.close()

    def cog_unload(self) -> None:
        """Drop what is under way."""
        self._reception.stop()

    @commands.slash_command(name="settime", default_member_permissions=STAFF, contexts=IN_SERVERS)
    async def set_time(
        self,
        inter: ApplicationCommandInteraction,
        user: User | Member,
        role: Role,
        duration: str,
        channel: GuildChannel | None = POSTABLE_CHANNEL,
    ) -> None:
        """Give a member a role for some time.

        Parameters
        ----------
        user: Who gets the role
        role: Which role
        duration: How long: minutes, or units such as 1h30m, 2 days, 1w2d3h4m
        channel: Where warnings are posted; without one they go by DM
        """
        options = Options(user=user, role=role, duration=duration, channel=channel)
        await self._reception.command(inter, "set", options)

    @commands.slash_command(name="addtime", default_member_permissions=STAFF, contexts=IN_SERVERS)
    async def add_time(
        self,
        inter: ApplicationCommandInteraction,
        user: User | Member,
        duration: str,
        role: Role | None = None,
    ) -> None:
        """Let a timed role last longer; with a role and no timer, start one.

        Parameters
        ----------
        user: Whose timer
        duration: How much longer: minutes, or units such as 1h30m, 2 days, 1w2d3h4m
        role: Which role; needed when there are several timers
        """
        await self._reception.command(
            inter, "add", Options(user=user, role=role, duration=duration)
        )

    @commands.slash_command(
        name="removetime", default_member_permissions=STAFF, contexts=IN_SERVERS
    )
    async def remove_time(
        self,
        inter: ApplicationCommandInteraction,
        user: User | Member,
        duration: str,
        role: Role | None = None,
    ) -> None:
        """Let a timed role end sooner; down to nothing ends it now.

        Parameters
        ----------
        user: Whose timer
        duration: How much sooner: minutes, or units such as 1h30m, 2 days, 1w2d3h4m
        role: Which role; needed when there are several timers
        """
        await self._reception.command(
            inter, "remove", Options(user=user, role=role, duration=duration)
        )

    @commands.slash_command(name="pausetime", default_member_permissions=STAFF, contexts=IN_SERVERS)
    async def pause_time(
        self,
        inter: ApplicationCommandInteraction,
        user: User | Member,
        role: Role | None = None,
    ) -> None:
        """Stop the countdown of a timed role; the member keeps the role.

        Parameters
        ----------
        user: Whose timer
        role: Which role; needed when there are several running timers
        """
        await self._reception.command(inter, "pause", Options(user=user, role=role))

    @commands.slash_command(
        name="resumetime", default_member_permissions=STAFF, contexts=IN_SERVERS
    )
    async def resume_time(
        self,
        inter: ApplicationCommandInteraction,
        user: User | Member,
        role: Role | None = None,
    ) -> None:
        """Let the countdown of a paused timed role go on.

        Parameters
        ----------
        user: Whose timer
        role: Which role; needed when there are several paused timers
        """
        await self._reception.command(inter, "resume", Options(user=user, role=role))

    @commands.slash_command(name="cleartime", default_member_permissions=STAFF, contexts=IN_SERVERS)
    async def clear_time(
        self,
        inter: ApplicationCommandInteraction,
        user: User | Member,
        role: Role | None = None,
    ) -> None:
        """End a timed role now and take the role away.

        Parameters
        ----------
        user: Whose timer
        role: Which role; needed when there are several timers
        """
        await self._reception.command(inter, "clear", Options(user=user, role=role))

    @commands.slash_command(name="timeleft", contexts=IN_SERVERS)
    async def time_left(
        self,
        inter: ApplicationCommandInteraction,
        user: User | Member | None = None,
        role: Role | None = None,
    ) -> None:
        """See when timed roles end; only you see the answer.

        Parameters
        ----------
        user: Whose timers; yours when left out
        role: Only this role
        """
        await self._reception.time_left(inter, user=user or inter.author, role=role)

    @set_time.autocomplete("duration")
    async def suggest_end(
        self, inter: ApplicationCommandInteraction, typed: str, **_options: object
    ) -> None:
        """Show when a timer of the duration *typed* would end."""
        meaning = autocomplete.ending(self._clock.now())
        await Answer(InteractionApi(inter)).suggest(autocomplete.choices(typed, meaning))

    @add_time.autocomplete("duration")
    async def suggest_more(
        self, inter: ApplicationCommandInteraction, typed: str, **_options: object
    ) -> None:
        """Show how much the duration *typed* adds."""
        await Answer(InteractionApi(inter)).suggest(autocomplete.choices(typed, autocomplete.more))

    @remove_time.autocomplete("duration")
    async def suggest_less(
        self, inter: ApplicationCommandInteraction, typed: str, **_options: object
    ) -> None:
        """Show how much the duration *typed* removes."""
        await Answer(InteractionApi(inter)).suggest(autocomplete.choices(typed, autocomplete.less))

    @commands.Cog.listener("on_dropdown")
    async def choose(self, inter: MessageInteraction) -> None:
        """Carry out the command whose menu was answered."""
        if menus.is_ours(inter.data.custom_id):
            await self._reception.choice(inter)

    async def cog_slash_command_error(
        self, inter: ApplicationCommandInteraction, error: Exception
    ) -> None:
        """Log what nobody expected, and never leave the caller without an answer."""
        if not isinstance(error, commands.CommandInvokeError):  # the reception knows nothing of it
            asked = given(inter, inter.data.name, user=None, role=None)
            self._tally.command(asked, Came("failed"), 0.0)
        log.error("command failed", interaction_id=inter.id, exc_info=error.__cause__ or error)
        answer = Answer(InteractionApi(inter))
        if inter.response.is_done():
            await answer.refuse(replies.UNEXPECTED)
        else:
            await answer.refuse_at_once(replies.UNEXPECTED)
