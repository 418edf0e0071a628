"""`boostmon invite`: the link that Discord's own page understands, and where its id comes from."""

import base64
import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from disnake import Permissions

from boostmon.bot.discord.rest import id_in
from boostmon.bot.doctor.invitation import NEEDED
from boostmon.sandbox import Sandbox
from boostmon.sandbox.core.faults import Fault
from tests.cli.test_cli import TOKEN, boostmon, discord
from tests.support.places import ROOT

QUICKSTART = ROOT / "docs" / "quickstart.md"
NOBODY = "http://127.0.0.1:1/api/v10"
ID = "1100000000000000001"  # which TOKEN begins with
RIGHTS = {
    "manage_roles",
    "view_channel",
    "send_messages",
    "embed_links",
    "read_message_history",
    "view_audit_log",
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Lend a simulated Discord."""
    async with Sandbox() as opened:
        yield opened


def asked_for(link: str) -> dict[str, str]:
    parts = urlsplit(link.strip())
    assert "https://discord.com/oauth2/authorize" == parts._replace(query="").geturl()
    return {name: value for name, [value] in parse_qs(parts.query).items()}


async def test_the_link_is_for_this_bot_and_asks_for_its_rights_alone(sandbox: Sandbox) -> None:
    outcome = await boostmon("invite", **discord(sandbox))

    asked = asked_for(outcome.out)
    assert (0, "") == (outcome.code, outcome.err)
    assert sandbox.state()["ids"]["bot"] == asked["client_id"]
    assert "bot applications.commands" == asked["scope"]
    granted = {name for name, is_granted in Permissions(int(asked["permissions"])) if is_granted}
    assert RIGHTS == granted


async def test_when_discord_does_not_answer_the_token_tells_whose_link_it_is() -> None:
    environ = {"DISCORD_TOKEN": TOKEN, "BOOSTMON_DISCORD_API": NOBODY}

    outcome = await boostmon("invite", **environ)

    assert 0 == outcome.code
    assert ID == asked_for(outcome.out)["client_id"]
    assert outcome.err.startswith(f"warning: Discord at {NOBODY} does not answer")


async def test_a_stumbling_discord_is_as_good_as_a_silent_one(sandbox: Sandbox) -> None:
    fault = Fault(method="GET", path="/oauth2/applications/@me", status=500)
    sandbox.discord.faults.armed.append(fault)

    outcome = await boostmon("invite", **discord(sandbox))

    assert sandbox.state()["ids"]["bot"] == asked_for(outcome.out)["client_id"]
    assert outcome.err.startswith("warning: Discord answered 500")


async def test_a_token_that_names_nobody_is_said_to_be_no_help() -> None:
    environ = {"DISCORD_TOKEN": "nonsense", "BOOSTMON_DISCORD_API": NOBODY}

    sentence = (await boostmon("invite", **environ)).sentence

    assert "DISCORD_TOKEN does not begin with an application's id; try again later" in sentence
    assert "nonsense" not in sentence


async def test_a_refused_token_is_not_used_for_a_link(sandbox: Sandbox) -> None:
    environ = {"DISCORD_TOKEN": TOKEN, "BOOSTMON_DISCORD_API": sandbox.api}

    sentence = (await boostmon("invite", **environ)).sentence

    assert sentence.startswith("Discord refuses DISCORD_TOKEN; copy it again")


async def test_without_a_token_there_is_no_link_but_the_remedy() -> None:
    sentence = (await boostmon("invite")).sentence

    assert sentence.startswith("DISCORD_TOKEN is not set; it must be the bot's token")


@pytest.mark.parametrize("token", ["", "x.y.z", "AAAA.y", "ß", "////.a"])
def test_a_token_without_an_id_has_none(token: str) -> None:
    assert id_in(token) is None


def test_the_id_in_a_token_is_read_with_and_without_padding() -> None:
    for number in ("17", "110", "1100000000000000001"):
        whole = base64.b64encode(number.encode()).decode()
        assert [number, number] == [id_in(f"{whole}.a.b"), id_in(f"{whole.rstrip('=')}.a.b")]


def test_the_quickstart_names_the_same_rights() -> None:
    page = QUICKSTART.read_text(encoding="utf-8")
    listed = re.findall(r"^\| ([A-Z][A-Za-z ]+) \| to ", page, re.MULTILINE)

    names = {name.lower().replace(" ", "_").replace("channels", "channel") for name in listed}
    assert names == RIGHTS == {name for name, is_needed in NEEDED if is_needed}
    assert [str(NEEDED.value)] == re.findall(r"permissions=(\d+)", page)
