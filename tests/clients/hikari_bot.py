"""A bot of hikari: does what it is told by commands, and says on stdout what it hears."""

import asyncio
import json
import signal
import sys
from typing import Any

import hikari


def say(event: str, **what: Any) -> None:
    """Tell the test one thing, as a line of JSON."""
    print(json.dumps({"event": event, **what}), flush=True)


async def register(event: hikari.StartedEvent) -> None:
    """Register the commands."""
    rest = event.app.rest
    application = await rest.fetch_application()
    option, kind = hikari.CommandOption, hikari.OptionType
    give = (
        rest.slash_command_builder("give", "Give a role")
        .set_default_member_permissions(hikari.Permissions.MANAGE_ROLES)
        .set_context_types([hikari.ApplicationContextType.GUILD])
        .add_option(option(type=kind.USER, name="user", description="U", is_required=True))
        .add_option(option(type=kind.ROLE, name="role", description="R", is_required=True))
        .add_option(option(type=kind.STRING, name="text", description="T", autocomplete=True))
    )
    await rest.set_application_commands(
        application,
        [
            give,
            rest.slash_command_builder("ask", "Ask for a name"),
            rest.context_menu_command_builder(hikari.CommandType.USER, "Greet"),
            rest.context_menu_command_builder(hikari.CommandType.MESSAGE, "Quote"),
        ],
    )
    say("registered")
    guilds = event.app.cache.get_guilds_view().values()
    say("ready", guilds=[guild.name for guild in guilds])


async def on_command(event: hikari.CommandInteractionCreateEvent) -> None:
    it = event.interaction
    response = hikari.ResponseType.MESSAGE_CREATE
    if it.command_name == "give":
        await give(event)
    elif it.command_name == "ask":
        row = it.app.rest.build_modal_action_row().add_text_input("name", "Name")
        await it.create_modal_response("Your name", "name", component=row)
    elif it.command_name == "Greet":
        (user,) = it.resolved.users.values()
        await it.create_initial_response(response, f"Hello, {user.username}")
    else:
        (message,) = it.resolved.messages.values()
        await it.create_initial_response(response, f"> {message.content}")


async def give(event: hikari.CommandInteractionCreateEvent) -> None:
    it = event.interaction
    given = {one.name: one.value for one in it.options}
    await it.create_initial_response(hikari.ResponseType.DEFERRED_MESSAGE_CREATE)
    rest = event.app.rest
    await rest.add_role_to_member(it.guild_id, given["user"], given["role"], reason="für /give")
    embed = hikari.Embed(title="Given", description=given.get("text"), colour=0x2ECC71)
    await it.edit_initial_response(embed=embed)
    route = hikari.internal.routes.POST_CHANNEL_MESSAGES.compile(channel=it.channel_id)
    for _ in range(2):
        body = {"content": "Once", "nonce": "give-1", "enforce_nonce": True}
        await rest._request(route, json=body)  # noqa: SLF001 -- it has no way to enforce a nonce
    await it.execute("Done", flags=hikari.MessageFlag.EPHEMERAL, attachment=note())


def note() -> hikari.Bytes:
    """Return a file to send."""
    return hikari.Bytes(b"a note", "note.txt")


async def on_typing(event: hikari.AutocompleteInteractionCreateEvent) -> None:
    typed = next(one.value for one in event.interaction.options if one.is_focused)
    choice = hikari.impl.AutocompleteChoiceBuilder(f"{typed}!", typed)
    await event.interaction.create_response([choice])


async def on_modal(event: hikari.ModalInteractionCreateEvent) -> None:
    name = event.interaction.components[0].components[0].value
    response = hikari.ResponseType.MESSAGE_CREATE
    flags = hikari.MessageFlag.EPHEMERAL
    await event.interaction.create_initial_response(response, f"Hello, {name}", flags=flags)


async def on_join(event: hikari.MemberCreateEvent) -> None:
    say("join", user=str(event.user_id))


async def on_leave(event: hikari.MemberDeleteEvent) -> None:
    say("leave", user=str(event.user_id))


async def on_update(event: hikari.MemberUpdateEvent) -> None:
    say("update", user=str(event.user_id), roles=[str(one) for one in event.member.role_ids])


async def on_role(event: hikari.RoleCreateEvent) -> None:
    say("role", name=event.role.name)


async def on_resumed(_: hikari.ShardResumedEvent) -> None:
    say("resumed")


async def on_failure(event: hikari.ExceptionEvent) -> None:
    say("error", error=repr(event.exception))


async def on_chunk(event: hikari.MemberChunkEvent) -> None:
    say("members", count=len(event.members))


async def main(api: str, token: str) -> None:
    """Run until told to end."""
    intents = hikari.Intents.GUILDS | hikari.Intents.GUILD_MEMBERS | hikari.Intents.GUILD_MESSAGES
    bot = hikari.GatewayBot(token, intents=intents, rest_url=api, banner=None, logs=None)
    for listener in (
        register,
        on_command,
        on_typing,
        on_modal,
        on_join,
        on_leave,
        on_update,
        on_role,
    ):
        bot.subscribe(next(iter(listener.__annotations__.values())), listener)
    bot.subscribe(hikari.ShardResumedEvent, on_resumed)
    bot.subscribe(hikari.ExceptionEvent, on_failure)
    bot.subscribe(hikari.MemberChunkEvent, on_chunk)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await bot.start(check_for_updates=False)
    await stopping.wait()
    await bot.close()


asyncio.run(main(*sys.argv[1:]))
