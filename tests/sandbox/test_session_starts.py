"""The session starts that Discord allows in a day."""

from boostmon.sandbox import Sandbox
from tests.cli.test_cli import QUIET, boostmon


async def test_without_a_session_start_left_the_bot_says_so_and_ends(owner_url: str) -> None:
    async with Sandbox() as sandbox:
        for bot in sandbox.discord.world.bots.values():
            bot.starts_left = 0
        environ = {"DISCORD_TOKEN": sandbox.token, "BOOSTMON_DISCORD_API": sandbox.api}

        ended = await boostmon("run", DATABASE_URL=owner_url, **environ, **QUIET)

        assert "Discord allows this application no more starts today; wait until tomorrow." == (
            ended.sentence
        )
        assert [] == list(sandbox.discord.sessions)
