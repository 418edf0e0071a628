"""The real disnake client, unmodified, against the sandbox."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import disnake
import pytest
from disnake.ext import commands
from disnake.http import Route
from disnake.interactions import ApplicationCommandInteraction, MessageInteraction
from disnake.ui.select import StringSelect

from boostmon.sandbox import Limits
from tests.support.sandbox_client import Client, sandbox


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """Give a sandbox that disnake takes for Discord."""
    async with sandbox() as running:
        monkeypatch.setattr(Route, "BASE", running.sandbox.api)
        yield running


class Bot(commands.InteractionBot):
    """Keeps what went wrong, and what events came."""

    def __init__(self, intents: disnake.Intents) -> None:
        super().__init__(intents=intents, guild_ready_timeout=0.05)
        self.failures: list[Any] = []
        self.came: dict[str, asyncio.Event] = {}

    async def on_gateway_error(self, event: str, _: Any, __: Any, error: Exception, /) -> None:
        """Keep an event that disnake could not read."""
        self.failures.append((event, error))

    async def on_error(self, event_method: str, *_: Any, **__: Any) -> None:
        """Keep an event of which a listener failed."""
        self.failures.append(event_method)

    def dispatch(self, event: str, *args: Any, **kwargs: Any) -> None:  # type: ignore[override] # its two bases disagree on the name
        """Note that an event came."""
        self.came.setdefault(event, asyncio.Event()).set()
        super().dispatch(event, *args, **kwargs)

    async def seen(self, event_name: str) -> None:
        """Wait for an event since the last time."""
        event = self.came.setdefault(event_name, asyncio.Event())
        async with asyncio.timeout(10):
            await event.wait()
        event.clear()


@asynccontextmanager
async def running(
    client: Client, prepare: Callable[[Bot], None] = lambda _: None, *, intents: Any = None
) -> AsyncIterator[Bot]:
    """Run a bot with its commands registered; at the end nothing must have failed."""
    bot = Bot(intents or disnake.Intents(guilds=True))
    prepare(bot)
    task = asyncio.create_task(bot.start(client.ids["token"]))
    try:
        await bot.seen("ready")
        for _ in range(100):
            if len(client.sandbox.state()["bots"][0]["commands"].get("global", ())) == len(
                bot.slash_commands
            ):
                break
            await asyncio.sleep(0.01)
        yield bot
    finally:
        await bot.close()
        await asyncio.gather(task, return_exceptions=True)
    assert bot.failures == []
    assert client.sandbox.state()["unknown"] == []


def give(bot: Bot) -> None:
    """Add a command as the product has them: deferred, a role, an embed, a private follow-up."""

    @bot.slash_command(
        name="give", default_member_permissions=disnake.Permissions(manage_roles=True)
    )
    async def _give(
        inter: ApplicationCommandInteraction,
        user: disnake.User,
        role: disnake.Role,
        text: str = "",
        channel: disnake.TextChannel | None = None,
    ) -> None:
        """Give a role."""
        await inter.response.defer()
        assert inter.guild_id is not None
        await bot.http.add_role(inter.guild_id, user.id, role.id, reason="für /give")
        embed = disnake.Embed(title="Given", description=text, colour=0x2ECC71)
        await inter.edit_original_response(embed=embed)
        await inter.followup.send(str(channel), ephemeral=True)

    @_give.autocomplete("text")
    async def _complete(_: ApplicationCommandInteraction, typed: str) -> dict[str, str]:
        return {f"{typed}!": typed}


async def test_a_command_of_disnake_does_all_its_work(client: Client) -> None:
    async with running(client, give):
        options = [
            {"name": "user", "type": 6, "value": client.user("max")},
            {"name": "role", "type": 8, "value": client.role("VIP")},
            {"name": "channel", "type": 7, "value": client.ids["channels"]["general"]},
        ]
        used = await client.use("mona", "give", options=options)
        record = await used.record("?wait=followed")
    assert record["callback_type"] == 5
    assert record["acknowledged_ms"] < 1000
    assert record["message"]["embeds"][0]["title"] == "Given"
    assert (record["loading"], record["ephemeral"]) == (False, False)
    assert (record["followups"][0]["content"], record["followups"][0]["flags"]) == ("general", 64)
    guild = client.sandbox.state()["guilds"][0]
    assert {m["name"]: m["role_names"] for m in guild["members"]}["max"] == ["VIP"]
    assert guild["audit_log"][0]["reason"] == "für /give"


async def test_disnake_completes_what_is_typed(client: Client) -> None:
    async with running(client, give):
        options = [{"name": "text", "type": 3, "value": "1h", "focused": True}]
        used = await client.use("mona", "give", type=4, options=options)
        record = await used.record("?wait=answered")
    assert record["choices"] == [{"name": "1h!", "value": "1h"}]


async def test_a_second_start_registers_nothing_anew(client: Client) -> None:
    for _ in range(2):
        async with running(client, give):
            await asyncio.sleep(0.1)
    puts = [r for r in client.sandbox.state()["requests"] if r["method"] == "PUT"]
    assert [r["route"] for r in puts] == ["/applications/{application_id}/commands"]


def choose(bot: Bot) -> None:
    """Add a command that shows a menu, and what happens on a choice."""

    @bot.slash_command(name="choose")
    async def _choose(inter: ApplicationCommandInteraction) -> None:
        """Choose."""
        menu: StringSelect[None] = StringSelect(custom_id="menu", options=["a", "b"])
        await inter.response.send_message("Choose", components=menu, ephemeral=True)

    @bot.listen("on_dropdown")
    async def _chosen(inter: MessageInteraction) -> None:
        assert inter.values
        await inter.response.edit_message(inter.values[0], components=None)


async def test_a_menu_of_disnake_is_used(client: Client) -> None:
    async with running(client, choose):
        used = await client.use("max", "choose")
        shown = (await used.record("?wait=settled"))["message"]
        click = {"type": 3, "user_id": client.user("max"), "message_id": shown["id"]}
        made = await client.sim("interaction", click | {"custom_id": "menu", "values": ["b"]})
        clicked = await client.sim(f"interaction/{made['id']}?wait=answered", method="GET")
    assert clicked["callback_type"] == 7
    assert (clicked["message"]["content"], clicked["message"]["components"]) == ("b", [])
    assert clicked["message"]["flags"] == 64


async def test_refusals_reach_disnake_with_their_codes(client: Client) -> None:
    async with running(client) as bot:
        guild = int(client.ids["guild"])
        for user, role, code in (("max", "Admin", 50013), ("max", "@everyone", 10011)):
            with pytest.raises(disnake.HTTPException) as refused:
                await bot.http.add_role(guild, int(client.user(user)), int(client.role(role)))
            assert refused.value.code == code
        carl = await bot.fetch_user(int(client.user("carl")))
        with pytest.raises(disnake.Forbidden) as closed:
            await carl.send("x")
        assert closed.value.code == 50007


async def test_disnake_waits_out_a_429_and_then_succeeds(client: Client) -> None:
    await client.sim("limits", {"roles": [1, 0.2]})
    async with running(client) as bot:
        await client.api("PUT", client.held("vera", "VIP"))
        ids = [int(client.ids["guild"]), int(client.user("max")), int(client.role("VIP"))]
        await bot.http.add_role(*ids)
    assert client.sandbox.state()["rate_limited"] == {"roles": 1}


@pytest.mark.parametrize(
    ("change", "event"),
    [
        ({"action": "drop"}, "resumed"),
        ({"action": "close", "code": 4000}, "resumed"),
        ({"action": "reconnect"}, "resumed"),
    ],
)
async def test_disnake_resumes_and_hears_what_it_missed(
    client: Client, change: dict[str, Any], event: str
) -> None:
    async with running(client) as bot:
        await client.sim("gateway", change)
        await client.sim("role", {"role": "New", "action": "create"})
        await bot.seen(event)
        await bot.seen("guild_role_create")
        (session,) = client.sandbox.state()["bots"][0]["sessions"]
        assert session["connected"]


async def test_disnake_reads_every_event_that_the_sandbox_sends(client: Client) -> None:
    await client.sim("bot", {"privileged_intents": ["members", "message_content"]})
    # disnake asks for all members when a server comes back, and waits for them without an answer.
    await client.sim("limits", {"all_members": [10, 1.0]})
    intents = disnake.Intents(
        guilds=True, members=True, guild_messages=True, dm_messages=True, moderation=True
    )
    bits = ["MANAGE_ROLES", "VIEW_AUDIT_LOG"]
    await client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": bits})
    async with running(client, intents=intents) as bot:
        assert bot.guilds[0].member_count == len(bot.guilds[0].members) == 6
        for path, body, event in (
            ("role", {"role": "New", "action": "create"}, "guild_role_create"),
            ("role", {"role": "New", "action": "edit", "color": 5}, "guild_role_update"),
            ("role", {"role": "New", "action": "delete"}, "guild_role_delete"),
            ("member", {"user": "max", "action": "give", "role": "VIP"}, "raw_member_update"),
            ("member", {"user": "max", "action": "take", "role": "VIP"}, "audit_log_entry_create"),
            ("member", {"user": "max", "action": "leave"}, "raw_member_remove"),
            ("member", {"user": "max", "action": "join"}, "member_join"),
            ("message", {"user": "max", "channel": "general", "content": "x"}, "message"),
            ("message", {"user": "max", "content": "x"}, "message"),
            ("channel", {"channel": "new", "action": "create"}, "guild_channel_create"),
            ("channel", {"channel": "general", "action": "edit", "overwrites": []}, None),
            ("channel", {"channel": "new", "action": "delete"}, "guild_channel_delete"),
            ("guild", {"action": "rename", "name": "Other"}, "guild_update"),
            ("guild", {"action": "outage"}, "guild_unavailable"),
            ("guild", {"action": "back"}, "guild_available"),
            ("guild", {"action": "remove_bot"}, "guild_remove"),
            ("guild", {"action": "add_bot"}, "guild_join"),
        ):
            bot.came.clear()
            await client.sim(path, body)
            if event:
                await bot.seen(event)


async def test_disnake_is_told_of_a_bad_token_and_of_intents_that_are_off(
    client: Client,
) -> None:
    bot = Bot(disnake.Intents(guilds=True))
    with pytest.raises(disnake.LoginFailure):
        await bot.start("MQ.wrong.token")
    await bot.close()
    bot = Bot(disnake.Intents(guilds=True, members=True))
    with pytest.raises(disnake.PrivilegedIntentsRequired):
        await bot.start(client.ids["token"])
    await bot.close()


async def test_heartbeats_keep_disnake_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sandbox(limits=Limits(heartbeat_ms=200)) as client:
        monkeypatch.setattr(Route, "BASE", client.sandbox.api)
        async with running(client) as bot:
            await asyncio.sleep(0.8)
            assert not bot.came.get("disconnect", asyncio.Event()).is_set()
