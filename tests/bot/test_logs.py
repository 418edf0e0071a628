"""The lines that a real process logs: what they tell, and what they never do."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from boostmon.database.connections.pool import Database
from tests.cli.test_cli import PASSWORD, READY_WITHIN, stopped
from tests.support.databases import Gate
from tests.support.process import Running, at_work
from tests.support.sandbox_client import Client
from tests.support.town import Json

GIVE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
ORIGINAL = "^/webhooks/[0-9]+/[^/]+/messages/@original$"
POST = "/channels/{channel_id}/messages"
JSON = {"BOOSTMON_LOG_FORMAT": "json"}


def lines_of(err: str, event: str) -> list[Json]:
    """Return the lines *event* without what every line has; each line but one is JSON."""
    said = err.splitlines()
    lines = [json.loads(line) for line in said if not line.startswith("database: ")]
    assert len(said) == len(lines) + 1
    usual = {"event", "level", "logger", "timestamp"}
    assert all(usual <= set(line) for line in lines)
    found = [line for line in lines if line["event"] == event]
    return [{key: line[key] for key in line if key not in usual} for line in found]


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(READY_WITHIN):
        while not happened():  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.05)


async def ended(bot: Running) -> str:
    """Stop a bot, and return what it said."""
    return (await stopped(bot.process, signal.SIGTERM)).err


def ids_of(client: Client, user: str, role: str) -> Json:
    return {"guild": client.ids["guild"], "user": client.user(user), "role": client.role(role)}


async def test_a_command_has_one_line(database: Database, owner_url: str) -> None:
    async with at_work(database, owner_url, **JSON) as bot:
        town, client = bot.town, bot.town.client
        first = await town.say("olga", "settime", user="max", role="VIP", duration="1h")
        second = await town.say("mona", "pausetime", user="max")
        third = await town.say("olga", "settime", user="max", role="VIP", duration="soon")
        fourth = await town.say("max", "timeleft")
        lines = lines_of(await ended(bot), "command")

    took = [line.pop("duration_ms") for line in lines]
    assert all(0 < ms < 30_000 for ms in took)
    timer = ids_of(client, "max", "VIP")
    olga, mona, user = client.user("olga"), client.user("mona"), client.user("max")
    private = {"guild": timer["guild"], "user": user, "by": user, "command_id": fourth["id"]}
    assert lines == [
        {"name": "settime", "outcome": "recorded", **timer}
        | {"by": olga, "command_id": first["id"], "position": 1},
        {"name": "pausetime", "outcome": "recorded", **timer}
        | {"by": mona, "command_id": second["id"], "position": 2},
        {"name": "settime", "outcome": "refused", **timer}
        | {"by": olga, "command_id": third["id"]},
        {"name": "timeleft", "outcome": "answered", **private},
    ]


async def test_the_menu_and_the_choice_are_lines_of_one_command(
    database: Database, owner_url: str
) -> None:
    async with at_work(database, owner_url, **JSON) as bot:
        town, client = bot.town, bot.town.client
        for role in ("VIP", "Trial"):
            await town.say("olga", "settime", user="max", role=role, duration="1h")
        asked = await town.say("olga", "pausetime", user="max")
        stranger = await town.choose("mona", asked["message"], "Trial")
        await town.wait(stranger, "answered")
        chosen = await town.choose("olga", asked["message"], "Trial")
        await town.wait(chosen, "settled")
        lines = lines_of(await ended(bot), "command")[2:]

    shown = [(line["name"], line["outcome"], line.get("role"), line["by"]) for line in lines]
    olga, mona, trial = client.user("olga"), client.user("mona"), client.role("Trial")
    assert shown == [
        ("pausetime", "asked", None, olga),
        ("pausetime", "refused", trial, mona),
        ("pausetime", "recorded", trial, olga),
    ]
    assert {asked["id"]} == {line["command_id"] for line in lines}


async def test_an_effect_has_one_line(database: Database, owner_url: str) -> None:
    async with at_work(database, owner_url, **JSON) as bot:
        town, client = bot.town, bot.town.client
        given = await town.say("olga", "settime", user="max", role="VIP", duration="1h")
        await client.sim(
            "fault", {"path": GIVE, "method": "DELETE", "status": 403, "body": {"code": 50013}}
        )
        cleared = await town.say("olga", "cleartime", user="max")
        lines = lines_of(await ended(bot), "effect")

    took = [line.pop("duration_ms") for line in lines]
    assert all(0 < ms < 30_000 for ms in took)
    why = lines[1].pop("why")
    timer = ids_of(client, "max", "VIP")
    assert lines == [
        {"kind": "give_role", "outcome": "done", **timer}
        | {"command_id": given["id"], "position": 1},
        {"kind": "take_role", "outcome": "stuck", **timer}
        | {"command_id": cleared["id"], "position": 2},
    ]
    assert why.endswith(".")


async def test_an_effect_that_is_no_longer_true_has_its_line(
    database: Database, owner_url: str
) -> None:
    async with at_work(database, owner_url, **JSON) as bot:
        town = bot.town
        refused = {"path": GIVE, "method": "PUT", "status": 403, "body": {"code": 50013}}
        await town.client.sim("fault", refused)
        given = await town.say("olga", "settime", user="max", role="VIP", duration="1h")
        await town.say("olga", "cleartime", user="max")
        lines = lines_of(await ended(bot), "effect")

    (superseded,) = [line for line in lines if line["outcome"] == "superseded"]
    timer = ids_of(town.client, "max", "VIP")
    assert {**timer, "kind": "give_role", "position": 1}.items() <= superseded.items()
    assert given["id"] == superseded["command_id"]


async def test_no_line_holds_a_secret_or_what_was_written_whatever_happens(
    database: Database, owner_url: str
) -> None:
    loud = JSON | {"BOOSTMON_LOG_LEVEL": "debug", "BOOSTMON_COMMAND_TIMEOUT": "1"}
    async with Gate(owner_url) as gate, at_work(database, with_password(gate.url), **loud) as bot:
        town, client = bot.town, bot.town.client
        await town.say("olga", "settime", user="max", role="VIP", duration="61m", channel="general")
        await town.say("olga", "settime", user="max", role="VIP", duration="half an hour")
        await town.say("max", "timeleft")
        await client.sim("fault", {"path": ORIGINAL, "reset": True, "times": 1})
        await client.sim("fault", {"path": GIVE, "status": 500, "times": 1})
        await town.say("olga", "settime", user="vera", role="VIP", duration="61m")
        await client.sim("fault", {"path": POST, "status": 500, "times": 1})
        await town.expire("max", "VIP")
        await until(lambda: any(posted(client)))
        gate.freeze()
        held_up = await town.send("olga", "addtime", user="vera", duration="62m")
        await town.wait(held_up, "settled")
        gate.thaw()
        await client.sim("gateway", {"action": "close", "code": 4000})
        await town.reply(held_up)
        state, made = client.sandbox.state(), list(client.sandbox.discord.interactions)
        err = await ended(bot)

    written = [*posted(client), *texts_of(state["interactions"]), "half an hour", "61m", "62m"]
    tokens = [each.token for each in made]
    assert len(tokens) > 4
    assert len(written) > 8
    secrets = [client.sandbox.token, PASSWORD, *tokens, *written]
    assert [] == [secret for secret in secrets if secret in err]
    assert lines_of(err, "database lost")


def with_password(url: str) -> str:
    """Return *url* with a password, which a server that trusts us does not ask for."""
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    login = user if ":" in user else f"{user}:{PASSWORD}"
    return urlunsplit(parts._replace(netloc=f"{login}@{place}"))


def posted(client: Client) -> list[str]:
    """Return the text of every message in the server, and of every direct one."""
    state = client.sandbox.state()
    places = [*state["guilds"][0]["channels"], *state["dms"]]
    messages = [message["content"] for place in places for message in place["messages"]]
    return list(filter(None, messages))


def texts_of(shown: Any) -> Iterator[str]:
    """Yield what people read in replies and typed into commands, but ids and single words."""
    if isinstance(shown, list):
        for part in shown:
            yield from texts_of(part)
    elif isinstance(shown, dict):
        for key, part in shown.items():
            if key in ("content", "title", "value", "description") and isinstance(part, str):
                yield from [part] if len(part) > 6 and not part.isdigit() else []
            else:
                yield from texts_of(part)


RECONNECT = """
import logging
from boostmon.cli.terminal.logs import configure_logs
from boostmon.config import LogConfig

configure_logs(LogConfig(boostmon_log_level="LEVEL"))
try:
    raise OSError("nobody listens")
except OSError:
    logging.getLogger("disnake.client").exception("Attempting a reconnect in %.2fs", 13.48)
"""


@pytest.mark.parametrize(("level", "whole"), [("info", False), ("debug", True)])
def test_a_lost_connection_to_discord_is_told_in_a_line(level: str, *, whole: bool) -> None:
    code = RECONNECT.replace("LEVEL", level)
    command = [sys.executable, "-c", code]
    err = subprocess.run(command, capture_output=True, text=True, check=True).stderr  # noqa: S603 - ours

    assert whole == ("Traceback" in err)
    assert whole or "Attempting a reconnect in 13.48s (nobody listens)" in err
    assert whole or 1 == len(err.splitlines())
