"""A bot of discord.py: does what it is told by commands, and says on stdout what it hears."""

import asyncio
import io
import json
import signal
import sys
from typing import Any

import discord
import yarl
from discord import app_commands


def say(event: str, **what: Any) -> None:
    """Tell the test one thing, as a line of JSON."""
    print(json.dumps({"event": event, **what}), flush=True)


class Name(discord.ui.Modal, title="Your name"):
    """Asks for a name."""

    name = discord.ui.TextInput(label="Name", custom_id="name")

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Answer with the name."""
        await interaction.response.send_message(f"Hello, {self.name.value}", ephemeral=True)


class Bot(discord.Client):
    """Listens to members and to messages."""

    def __init__(self) -> None:
        intents = discord.Intents(guilds=True, members=True, guild_messages=True)
        super().__init__(intents=intents, chunk_guilds_at_startup=True)
        self.tree = app_commands.CommandTree(self)

    async def setup_hook(self) -> None:
        """Register the commands."""
        await self.tree.sync()
        say("registered")

    async def on_ready(self) -> None:
        say("ready", guilds=[guild.name for guild in self.guilds])
        say("members", count=sum(len(guild.members) for guild in self.guilds))

    async def on_resumed(self) -> None:
        say("resumed")

    async def on_member_join(self, member: discord.Member) -> None:
        say("join", user=str(member.id))

    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        say("leave", user=str(payload.user.id))

    async def on_member_update(self, _: discord.Member, after: discord.Member) -> None:
        say("update", user=str(after.id), roles=[str(r.id) for r in after.roles])

    async def on_guild_role_create(self, role: discord.Role) -> None:
        say("role", name=role.name)

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        say("error", error=f"{event_method}: {sys.exc_info()[1]!r}")


bot = Bot()


@bot.tree.command(description="Give a role")
@app_commands.guild_only()
@app_commands.default_permissions(manage_roles=True)
async def give(
    interaction: discord.Interaction, user: discord.Member, role: discord.Role, text: str = ""
) -> None:
    await interaction.response.defer()
    await user.add_roles(role, reason="für /give")
    embed = discord.Embed(title="Given", description=text, colour=0x2ECC71)
    await interaction.edit_original_response(embed=embed)
    channel = bot.get_partial_messageable(interaction.channel_id)
    for _ in range(2):
        await channel.send("Once", nonce="give-1")
    await interaction.followup.send("Done", ephemeral=True, file=note())


@give.autocomplete("text")
async def complete(_: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=f"{typed}!", value=typed)]


def note() -> discord.File:
    """Return a file to send."""
    return discord.File(io.BytesIO(b"a note"), "note.txt")


@bot.tree.command(description="Ask for a name")
async def ask(interaction: discord.Interaction) -> None:
    await interaction.response.send_modal(Name())


@bot.tree.context_menu(name="Greet")
async def greet(interaction: discord.Interaction, user: discord.User) -> None:
    await interaction.response.send_message(f"Hello, {user.name}")


@bot.tree.context_menu(name="Quote")
async def quote(interaction: discord.Interaction, message: discord.Message) -> None:
    await interaction.response.send_message(f"> {message.content}")


@bot.tree.error
async def failed(_: discord.Interaction, error: app_commands.AppCommandError) -> None:
    say("error", error=repr(error))


async def main(api: str, token: str) -> None:
    """Run until told to end."""
    discord.http.Route.BASE = api
    gateway = api.replace("http", "ws", 1).replace("/api/v10", "/gateway")
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    discord.utils.setup_logging()
    async with bot:
        task = asyncio.create_task(bot.start(token))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        await bot.close()
        await task


asyncio.run(main(*sys.argv[1:]))
