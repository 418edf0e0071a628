"""The page in a real browser: with a bot of nobody's in the plain sandbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import FormData
from playwright.async_api import Browser, Route, expect

from boostmon.sandbox import Sandbox
from tests.support.browser import IN_A_BROWSER, PHONE, WIDE, Person, browser, person
from tests.support.sandbox_client import Client, sandbox

pytestmark = IN_A_BROWSER

REPLY, CHOICES, MODAL = 4, 8, 9
PRIVATE = 64
GREET: dict[str, Any] = {
    "name": "greet",
    "description": "Greets somebody",
    "options": [
        {"name": "who", "description": "Whom", "type": 6, "required": True},
        {"name": "words", "description": "In which words", "type": 3, "required": True},
        {"name": "times", "description": "How often", "type": 4, "min_value": 1, "max_value": 9},
        {"name": "loud", "description": "Whether to shout", "type": 5},
    ],
}
GREET["options"][1]["autocomplete"] = True


@pytest_asyncio.fixture(loop_scope="module")
async def client() -> AsyncIterator[Client]:
    """Give a sandbox whose bot has a command /greet."""
    async with sandbox() as running:
        await running.register(**GREET)
        await running.register(name="rule", default_member_permissions=str(1 << 28))
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at() -> AsyncIterator[Browser]:
    """Lend a browser."""
    async with browser() as started:
        yield started


@pytest.fixture
def pictures(pytestconfig: pytest.Config) -> Path:
    """Say where pictures of the page are kept."""
    assert pytestconfig.cache
    return pytestconfig.cache.mkdir("pictures")


@pytest_asyncio.fixture(loop_scope="module")
async def mona(client: Client, at: Browser, pictures: Path) -> AsyncIterator[Person]:
    """Lend the page as it opens: somebody acts as mona, who moderates."""
    async with person(at, client.sandbox.url, pictures) as opened:
        yield opened


@asynccontextmanager
async def bot(client: Client, answer: Any, choices: list[Any] | None = None) -> AsyncIterator[None]:
    """Let a bot answer each command with the same."""

    async def work() -> None:
        async with client.gateway() as socket:
            ready.set()
            while True:
                it = (await socket.event("INTERACTION_CREATE"))["d"]
                body = {"type": REPLY, "data": answer}
                if it["type"] == CHOICES // 2:
                    body = {"type": CHOICES, "data": {"choices": choices}}
                path = f"/interactions/{it['id']}/{it['token']}/callback"
                await client.api("POST", path, body, token=None)

    ready = asyncio.Event()
    working = asyncio.create_task(work())
    await ready.wait()
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def post(client: Client, **body: Any) -> Any:
    """Let the bot post in #general."""
    return (await client.api("POST", f"{client.channel()}/messages", body)).body


def uses(client: Client, kind: int) -> list[Any]:
    """Return what came to the bot, of a kind."""
    return [it["data"] for it in client.sandbox.state()["interactions"] if it["type"] == kind]


async def test_a_command_is_filled_in_by_keyboard_alone(client: Client, mona: Person) -> None:
    suggested = [{"name": "Good day", "value": "good day"}]
    async with bot(client, {"content": "Good day, **Max**!"}, suggested):
        await expect(mona.find(".member", "BoostMon")).to_contain_text("online")
        await mona.find("#composer-text").focus()
        await mona.type("/")
        await expect(mona.find("#suggestions [role=option]")).to_have_text(
            ["/greetGreets somebody", "/ruleA command"]
        )
        await mona.press("Enter")
        await expect(mona.focused).to_have_attribute("id", "option-who")
        await mona.type("ma")
        await expect(mona.find("#suggestions [aria-selected=true]")).to_contain_text("Max")
        await mona.press("Tab")
        await mona.type("go")
        await expect(mona.find("#suggestions [aria-selected=true]")).to_have_text("Good day")
        await mona.press("Enter", "ArrowDown", "Enter")
        await expect(mona.focused).to_have_attribute("id", "option-times")
        await mona.type("3")
        await mona.press("Enter")
        await expect(mona.last.locator(".text")).to_have_text("Good day, Max!")
        await expect(mona.last.locator(".asked")).to_have_text("MMona used /greet")
        await expect(mona.find("#announcer")).to_contain_text("BoostMon: Good day, Max!")
    assert uses(client, 2)[-1]["options"] == [
        {"name": "who", "type": 6, "value": client.user("max")},
        {"name": "words", "type": 3, "value": "good day"},
        {"name": "times", "type": 4, "value": 3},
    ]


async def test_what_is_wrong_is_said_before_it_is_sent(client: Client, mona: Person) -> None:
    error = mona.find("#composer-error")
    await mona.begin("greet")
    await mona.press("Escape", "Enter")
    await expect(error).to_have_text("who is required.")
    await mona.type("nobody")
    await expect(mona.find("#suggest-empty")).to_have_text("Nothing here is called “nobody”.")
    await mona.find("#option-words").fill("hello")
    await mona.press("Enter")
    await expect(error).to_have_text("Choose a member from the list for who.")
    await expect(mona.find("#option-who")).to_have_attribute("aria-invalid", "true")
    await mona.find("#option-who").fill("max")
    await mona.find("#option-more").focus()
    await mona.press("ArrowDown", "Enter")
    await mona.type("ten")
    await mona.press("Enter")
    await expect(error).to_have_text("times is a whole number.")
    await mona.find("#option-times").fill("10")
    await mona.press("Enter")
    await expect(error).to_have_text("times is at most 9.")
    assert uses(client, 2) == []


async def test_a_whole_command_can_be_pasted(client: Client, mona: Person) -> None:
    await mona.find("#composer-text").fill("/greet who:@vera words:good day times:2 loud:no")
    await expect(mona.find("#option-more")).to_be_focused()
    await mona.press("Enter")
    await expect(mona.last).to_contain_text("no bot is connected")
    assert [one["value"] for one in uses(client, 2)[0]["options"]] == [
        client.user("vera"),
        "good day",
        2,
        False,
    ]


async def test_backspace_and_escape_lead_out_of_a_command(mona: Person) -> None:
    await mona.begin("greet")
    await mona.press("Backspace")
    await expect(mona.find("#composer-text")).to_have_value("/greet")
    await mona.press("Enter", "Escape", "Escape")
    await expect(mona.find("#composer-text")).to_be_focused()
    await expect(mona.find("#command-line")).to_be_hidden()


async def test_a_command_that_somebody_may_not_use_is_not_offered_and_says_why(
    mona: Person,
) -> None:
    await mona.act_as("max")
    await mona.find("#composer-text").focus()
    await mona.type("/")
    await expect(mona.find("#suggestions [role=option] .label")).to_have_text(["/greet"])
    await mona.type("rule")
    await expect(mona.find("#suggest-empty")).to_have_text("/rule needs Manage Roles.")
    await mona.type(" @vera now")
    await expect(mona.find("#suggest-empty")).to_have_text("/rule needs Manage Roles.")
    await mona.press("Enter")
    await expect(mona.find("#composer-error")).to_have_text("/rule needs Manage Roles.")


async def test_a_private_reply_is_seen_by_one_person_and_can_be_dismissed(
    client: Client, mona: Person
) -> None:
    async with bot(client, {"content": "psst", "flags": PRIVATE}):
        await mona.begin("rule")
        await mona.press("Enter")
        await expect(mona.last).to_contain_text("Only you can see this")
    await mona.act_as("max")
    await expect(mona.find("#message-list > li")).to_have_count(0)
    await mona.act_as("mona")
    await mona.find("button", "Dismiss message").click()
    await expect(mona.find("#message-list > li")).to_have_count(0)


async def test_silence_of_the_bot_is_told_as_an_app_tells_it(client: Client, mona: Person) -> None:
    await mona.begin("rule")
    await mona.press("Enter")
    await expect(mona.last).to_contain_text("no bot is connected")
    assert len(uses(client, 2)) == 1


async def test_buttons_and_menus_go_to_the_bot(client: Client, mona: Person) -> None:
    options = [{"label": name, "value": name, "description": "A letter"} for name in "abc"]
    menu = {"type": 3, "custom_id": "menu", "placeholder": "A letter", "options": options}
    several = {"type": 5, "custom_id": "people", "max_values": 3}
    button = {"type": 2, "style": 1, "custom_id": "go", "label": "Go"}
    rows = [{"type": 1, "components": [part]} for part in (button, menu, several)]
    async with bot(client, {"content": "thanks"}):
        await post(client, content="choose", components=rows)
        await mona.find("button", "Go").click()
        await expect(mona.last).to_contain_text("thanks")
        select = mona.find(".select", "A letter")
        await select.focus()
        await mona.press("Enter", "ArrowDown", "Enter")
        await expect(mona.find("#message-list > li")).to_have_count(3)
        await mona.find(".select", "Make a selection").click()
        for name in ("Max", "Vera"):
            await mona.find(".menu [role=option]", name).click()
        await mona.find("button", "Choose these").click()
        await expect(mona.find("#message-list > li")).to_have_count(4)
    assert [(it["custom_id"], it.get("values")) for it in uses(client, 3)] == [
        ("go", None),
        ("menu", ["b"]),
        ("people", [client.user("max"), client.user("vera")]),
    ]


async def test_foreign_text_stays_text_and_markdown_becomes_form(
    client: Client, mona: Person
) -> None:
    nasty = "<img src=x onerror=alert(1)> **bold** `<b>` <@{}> <t:0:F> [x](javascript:alert(1))"
    embed = {
        "title": "<script>alert(1)</script>",
        "color": 0x2ECC71,
        "fields": [{"name": "a", "value": "*b*", "inline": True}],
        "footer": {"text": "below"},
    }
    await post(client, content=nasty.format(client.user("max")), embeds=[embed])
    text = mona.last.locator(".text")
    await expect(text).to_contain_text("<img src=x onerror=alert(1)> bold <b> @Max")
    await expect(text).to_contain_text("Thursday, 1 January 1970")
    assert await mona.last.locator("img, script, a").count() == 0
    await expect(mona.last.locator("strong")).to_have_text("bold")
    await expect(mona.last.locator(".embed .title")).to_have_text("<script>alert(1)</script>")
    await expect(mona.last.locator(".embed em")).to_have_text("b")


async def test_direct_messages_are_an_inbox_with_marks(client: Client, mona: Person) -> None:
    channel = await client.api("POST", "/users/@me/channels", {"recipient_id": client.user("mona")})
    for content in ("one", "two"):
        path = f"/channels/{channel.body['id']}/messages"
        await client.api("POST", path, {"content": content})
    await expect(mona.find("#inbox .badge")).to_have_text("2 unread")
    await mona.find("#inbox button").click()
    await expect(mona.find("#message-list > li")).to_have_count(2)
    await expect(mona.find("#inbox .badge")).to_have_count(0)
    await mona.find("#composer-text").fill("three")
    await mona.press("Enter")
    await expect(mona.last).to_contain_text("three")
    await mona.act_as("max")
    await expect(mona.find("#inbox button")).to_have_count(0)


async def test_people_and_roles_change_under_the_hand(client: Client, mona: Person) -> None:
    vera = mona.member("Vera")
    await expect(vera).to_contain_text("Supporter")
    await vera.click()
    await mona.find("#toggle-dms").click()
    await expect(vera).to_contain_text("DMs closed")
    await mona.find("#doomed-role").select_option(label="Supporter")
    await mona.find("#delete-role").click()
    await expect(vera).not_to_contain_text("Supporter")
    await mona.find("#hand-role").select_option(label="VIP")
    await mona.find("#give-role").click()
    await expect(mona.find("#people-groups h3").first).to_have_text("VIP — 1")
    await mona.find("#toggle-member").click()
    await expect(vera).to_have_count(0)
    await mona.find("#toggle-member").click()
    await expect(vera).to_have_count(1)
    await mona.find("#sink-bot").click()
    await expect(mona.find("#role-order li").last).to_have_text("BoostMon")
    await mona.find("#arm").click()
    await expect(mona.find("#faults li")).to_have_text(
        ["Role changes answered with 500 · 0 of 1Stop"]
    )
    assert (await client.api("PUT", client.held("max", "Trial"))).status == 500
    await expect(mona.find("#no-faults")).to_be_visible()
    await mona.find("#tab-requests").click()
    await expect(mona.find("#requests li").first).to_contain_text("500PUT")


@pytest.mark.parametrize(
    ("route", "way", "told"),
    [
        ("Role changes", "Done 12 s later", "Role changes done 12 s later"),
        ("Reading a member", "Answer of 5 s ago", "Reading a member with the answer of 5 s ago"),
        ("Everything", "Dated 2 h ahead", "Everything dated 2 h ahead"),
        ("Everything", "A page, 502", "Everything answered with 502"),
    ],
)
async def test_answers_go_wrong_in_the_ways_of_the_list(
    client: Client, mona: Person, route: str, way: str, told: str
) -> None:
    await mona.find("#fault-route").select_option(label=route)
    await mona.find("#fault-way").select_option(label=way)
    await mona.find("#fault-times").select_option(label="Always")
    await mona.find("#arm").click()
    await expect(mona.find("#faults li")).to_have_text([f"{told} · 0 so farStop"])
    await mona.find("#faults button").click()
    await expect(mona.find("#no-faults")).to_be_visible()
    assert [] == client.sandbox.discord.faults.all


@pytest.mark.parametrize(
    ("event", "way", "told"),
    [
        ("Role changes", "Lost", "Role changes lost"),
        ("Lists of members", "5 s late", "Lists of members 5 s late"),
        ("Commands", "Twice, 5 s apart", "Commands twice"),
        ("Audit log, the event", "Lost", "Audit log, the event lost"),
        ("Audit log, everywhere", "Lost", "Audit log, everywhere lost"),
    ],
)
async def test_events_go_wrong_in_the_ways_of_the_list(
    client: Client, mona: Person, event: str, way: str, told: str
) -> None:
    await mona.find("#event-name").select_option(label=event)
    await mona.find("#event-way").select_option(label=way)
    await mona.find("#arm-events").click()
    await expect(mona.find("#faults li")).to_have_text([f"{told} · 0 of 1Stop"])
    (fault,) = client.sandbox.discord.faults.all
    assert (1, 0) == (fault.times, fault.used)


async def test_what_has_gone_wrong_often_enough_leaves_the_list(
    client: Client, mona: Person
) -> None:
    await client.sim("bot", {"privileged_intents": ["members"]})
    await mona.find("#event-name").select_option(label="Role changes")
    await mona.find("#arm-events").click()
    await expect(mona.find("#faults li")).to_have_count(1)
    async with client.gateway(intents=3):
        await client.sim("member", {"user": "max", "action": "give", "role": "VIP"})
        await expect(mona.find("#no-faults")).to_be_visible()
    async with client.gateway(intents=3) as socket:
        await client.sim("member", {"user": "max", "action": "take", "role": "VIP"})
        assert await socket.event("GUILD_MEMBER_UPDATE")


async def test_an_entry_of_the_audit_log_cannot_be_doubled(mona: Person) -> None:
    await mona.find("#event-way").select_option(label="Twice, 5 s apart")
    await mona.find("#event-name").select_option(label="Audit log, everywhere")
    await expect(mona.find("#event-way")).to_have_value("lose")


async def test_a_server_asks_for_two_factor_and_no_longer(client: Client, mona: Person) -> None:
    button = mona.find("#two-factor")
    await button.click()
    await expect(button).to_have_text("No longer ask for two-factor")
    assert 60003 == (await client.api("PUT", client.held("max", "Trial"))).code
    await button.click()
    await expect(button).to_have_text("Ask for two-factor")
    assert 204 == (await client.api("PUT", client.held("max", "Trial"))).status


async def test_who_writes_nothing_may_write_nothing(client: Client, mona: Person) -> None:
    deny = [{"role": "@everyone", "deny": ["SEND_MESSAGES"]}]
    await client.sim("channel", {"channel": "general", "action": "edit", "overwrites": deny})
    await expect(mona.find("#composer-text")).to_be_disabled()
    await expect(mona.find("#channels li")).to_have_count(3)
    await mona.act_as("max")
    await expect(mona.find("#channels li")).to_have_count(2)


async def test_many_messages_leave_the_page_small(client: Client, mona: Person) -> None:
    for number in range(300):
        body = {"user": "max", "channel": "general", "content": f"message {number}"}
        await client.sim("message", body)
    await expect(mona.last).to_contain_text("message 299")
    await expect(mona.find("#message-list > li")).to_have_count(200)


async def test_a_page_that_lost_the_sandbox_comes_back(at: Browser, pictures: Path) -> None:
    async with Sandbox() as first:
        url = first.url
        opened = person(at, url, pictures, forgives="WebSocket connection")
        mona = await opened.__aenter__()
    await expect(mona.find("#offline")).to_be_visible()
    async with Sandbox(port=int(url.rsplit(":", 1)[1])):
        await expect(mona.find("#offline")).to_be_hidden(timeout=10_000)
        await expect(mona.member("Max")).to_be_visible()
        await opened.__aexit__(None, None, None)


async def test_a_change_of_the_whole_picture_does_not_disturb_who_is_writing(
    client: Client, mona: Person
) -> None:
    await mona.begin("greet")
    await mona.type("ma")
    await client.sim("user", {"user": "max", "dms_open": False})
    await expect(mona.member("Max")).to_contain_text("DMs closed")
    await expect(mona.find("#option-who")).to_be_focused()
    await expect(mona.find("#option-who")).to_have_value("ma")


async def test_what_was_suggested_for_less_is_not_taken_for_more(
    client: Client, mona: Person
) -> None:
    async with bot(client, {"content": "done"}, [{"name": "g for good", "value": "good"}]):
        await mona.begin("greet")
        await mona.type("max")
        await mona.press("Tab")
        await mona.type("g")
        await expect(mona.find("#suggestions [aria-selected=true]")).to_have_text("g for good")
        await mona.type("o")
        await mona.press("Enter")
        await expect(mona.last).to_contain_text("done")
    assert uses(client, 2)[-1]["options"][1]["value"] == "go"


async def test_without_a_demo_its_panels_are_hidden(mona: Person) -> None:
    for part in ("#clock", "#tab-timers", "#bot-power"):
        await expect(mona.find(part)).to_be_hidden()
    await expect(mona.find("#empty")).to_contain_text("BoostMon is not connected")


async def test_fifty_commands_a_second_are_answered(client: Client, mona: Person) -> None:
    async with bot(client, {"content": "pong"}):
        rush = """async (body) => {
          const { rush } = await import("/web/rush.js");
          return rush(body, () => {}, { rate: 50, seconds: 2 });
        }"""
        body = {"type": 2, "user_id": client.user("mona"), "name": "rule"}
        body["guild_id"] = client.ids["guild"]
        came = await mona.page.evaluate(rush, body)
    assert (came["sent"], came["answered"], came["failed"]) == (100, 100, 0)
    await expect(mona.find("#message-list > li")).to_have_count(100)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_on_the_page_is_a_barrier(
    client: Client, at: Browser, pictures: Path, scheme: str
) -> None:
    options = [{"label": name, "value": name} for name in "ab"]
    menu = {"type": 3, "custom_id": "menu", "placeholder": "A letter", "options": options}
    button = {"type": 2, "style": 4, "custom_id": "go", "label": "Go"}
    rows = [{"type": 1, "components": [part]} for part in (button, menu)]
    async with person(at, client.sandbox.url, pictures, scheme=scheme) as mona:
        await post(client, content="<@{}> `code`".format(client.user("mona")), components=rows)
        await mona.find(".select").click()
        assert await mona.barriers() == []
        await mona.begin("greet")
        assert await mona.barriers() == []
        for tab in ("requests", "audit", "trouble"):
            await mona.find(f"#tab-{tab}").click()
            assert await mona.barriers() == []
        for arm in ("#arm", "#arm-events"):
            await mona.find(arm).click()
        await expect(mona.find("#faults li")).to_have_count(2)
        assert await mona.barriers() == []
        await mona.picture(f"plain-{scheme}")


async def test_on_a_phone_the_sides_are_drawers(
    client: Client, at: Browser, pictures: Path
) -> None:
    async with person(at, client.sandbox.url, pictures, viewport=PHONE) as mona:
        assert await mona.page.evaluate("document.documentElement.scrollWidth") == 360
        box = await mona.find("#composer-text").bounding_box()
        assert box
        assert box["height"] < 40
        await expect(mona.find("#people")).to_be_hidden()
        await mona.find("#open-people").click()
        await expect(mona.member("Max")).to_be_visible()
        await mona.press("Escape")
        await expect(mona.find("#people")).to_be_hidden()
        await expect(mona.find("#open-people")).to_be_focused()
        await mona.find("#open-places").click()
        await mona.find("#channels button", "announcements").click()
        await expect(mona.find("#place-title")).to_have_text("announcements")
        await expect(mona.find("#places")).to_be_hidden()
        assert await mona.barriers() == []
        await mona.picture("phone")


async def test_a_form_is_filled_in_and_sent_off(client: Client, mona: Person) -> None:
    name = {"type": 4, "custom_id": "name", "style": 1, "label": "Your name", "max_length": 20}
    options = [{"label": one, "value": one} for one in ("red", "blue")]
    menu = {"type": 3, "custom_id": "colour", "options": options}
    parts = [{"type": 1, "components": [name]}, {"type": 18, "label": "Colour", "component": menu}]
    modal = {"custom_id": "form", "title": "About you", "components": parts}
    async with client.gateway() as socket:
        await mona.begin("rule")
        await mona.press("Enter")
        it = (await socket.event("INTERACTION_CREATE"))["d"]
        path = f"/interactions/{it['id']}/{it['token']}/callback"
        await client.api("POST", path, {"type": MODAL, "data": modal}, token=None)
        await expect(mona.find("dialog h2")).to_have_text("About you")
        assert await mona.barriers() == []
        await mona.page.get_by_label("Your name").fill("Mona")
        await mona.page.get_by_label("Colour").select_option("blue")
        await mona.find("dialog button", "Submit").click()
        it = (await socket.event("INTERACTION_CREATE"))["d"]
        path = f"/interactions/{it['id']}/{it['token']}/callback"
        said = {"content": "Nice to meet you"}
        await client.api("POST", path, {"type": REPLY, "data": said}, token=None)
    await expect(mona.find("dialog")).to_have_count(0)
    await expect(mona.last).to_contain_text("Nice to meet you")
    (sent,) = uses(client, 5)
    assert "Mona" in str(sent["components"])
    assert "['blue']" in str(sent["components"])


async def test_context_menus_belong_to_messages_and_people(client: Client, mona: Person) -> None:
    await client.register(name="Quote", type=3, description="")
    await client.register(name="Wave", type=2, description="")
    message = await post(client, content="something to quote")
    async with bot(client, {"content": "done"}):
        await mona.last.hover()
        await mona.page.get_by_label("Apps for this message of BoostMon").click()
        await mona.press("Enter")
        await expect(mona.find("#message-list > li")).to_have_count(2)
        await mona.member("Max").click()
        await mona.page.get_by_label("Apps for Max").click()
        assert await mona.barriers() == []
        await mona.press("Enter")
        await expect(mona.find("#message-list > li")).to_have_count(3)
    assert [(one["name"], one["target_id"]) for one in uses(client, 2)] == [
        ("Quote", message["id"]),
        ("Wave", client.user("max")),
    ]


async def test_it_is_seen_that_the_bot_types(client: Client, mona: Person) -> None:
    assert (await client.api("POST", f"{client.channel()}/typing")).status == 204
    await expect(mona.find("#typing")).to_have_text("BoostMon is typing…")
    await post(client, content="here")
    await expect(mona.find("#typing")).to_have_text("")


async def test_a_file_is_offered_and_cannot_act_on_the_page(client: Client, mona: Person) -> None:
    form = FormData()
    form.add_field("payload_json", '{"content": "a file"}', content_type="application/json")
    form.add_field("files[0]", b"<script>1</script>", filename="x.html", content_type="text/html")
    url = f"{client.sandbox.api}{client.channel()}/messages"
    headers = {"Authorization": f"Bot {client.ids['token']}"}
    async with client.http.post(url, data=form, headers=headers) as answer:
        assert answer.status == 200
    link = mona.last.locator(".file a")
    await expect(link).to_have_text("x.html")
    path = await link.get_attribute("href")
    async with client.http.get(f"{client.sandbox.url}{path}") as answer:
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


async def test_suggestions_that_do_not_fit_never_replace_what_is_typed(
    client: Client, mona: Person
) -> None:
    presets = [{"name": "1 hour", "value": "60m"}, {"name": "Banana bread", "value": "yellow"}]
    async with bot(client, {"content": "done"}, presets):
        await mona.begin("greet")
        await mona.type("max")
        await mona.press("Tab")
        await mona.type("nana")
        suggested = mona.find("#suggestions [role=option]")
        await expect(suggested).to_have_text(["1 hour", "Banana bread"])
        await expect(mona.find("#suggestions [aria-selected=true]")).to_have_count(0)
        await mona.press("Tab")
        await expect(mona.find("#option-words")).to_have_value("nana")
        await mona.find("#option-words").fill("yel")
        await expect(mona.find("#suggestions [aria-selected=true]")).to_have_text("Banana bread")
        await mona.find("#option-words").fill("nonsense")
        await expect(suggested).to_have_count(2)
        await mona.press("Enter")
        await expect(mona.last).to_contain_text("done")
    assert uses(client, 2)[-1]["options"][1]["value"] == "nonsense"


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_a_long_suggestion_leaves_the_send_button_in_its_place(
    client: Client, at: Browser, pictures: Path, viewport: dict[str, int]
) -> None:
    name = "1h → ends Wednesday, 17 November 2026 at 12:00"
    async with (
        bot(client, {"content": "done"}, [{"name": name, "value": "1h"}]),
        person(at, client.sandbox.url, pictures, viewport=viewport) as mona,
    ):
        before = await mona.find("#send").bounding_box()
        await mona.begin("greet")
        await mona.type("max")
        await mona.press("Tab")
        await mona.type("1h")
        await expect(mona.find("#suggestions [aria-selected=true]")).to_have_text(name)
        await mona.press("Tab")
        words = mona.find("#option-words")
        await expect(words).to_have_value(name)
        after = await mona.find("#send").bounding_box()
        assert before
        assert after
        assert after["x"] == before["x"]
        if viewport == WIDE:
            assert await words.evaluate("field => field.scrollWidth <= field.clientWidth")
        await mona.picture(f"long-{viewport['width']}")


async def test_messages_sent_fast_come_one_by_one_and_in_order(mona: Person) -> None:
    async def hold(route: Route) -> None:
        await free.wait()
        await route.continue_()

    free = asyncio.Event()
    await mona.page.route("**/_sim/message", hold)
    await mona.find("#composer-text").focus()
    for number in range(5):
        await mona.type(f"msg {number}")
        await mona.press("Enter")
        await expect(mona.find("#composer-text")).to_have_value("")
    free.set()
    await expect(mona.find("#message-list .text")).to_have_text([f"msg {n}" for n in range(5)])


async def test_a_message_that_was_not_sent_comes_back_into_the_box(
    client: Client, at: Browser, pictures: Path
) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=400, json={"message": "Not today."})

    async with person(at, client.sandbox.url, pictures, forgives="status of 400") as mona:
        box = mona.find("#composer-text")
        await mona.page.route("**/_sim/message", refuse)
        await box.fill("hello")
        await mona.press("Enter")
        await expect(mona.find("#composer-error")).to_have_text("Not today.")
        await expect(box).to_have_value("hello")


async def test_a_message_that_is_too_long_stays_whole_and_the_page_says_so(mona: Person) -> None:
    box, error = mona.find("#composer-text"), mona.find("#composer-error")
    await box.fill("x" * 2001)
    await mona.press("Enter")
    said = "Your message has 2001 characters; at most 2000 can be sent."
    await expect(error).to_have_text(said)
    await expect(box).to_have_value("x" * 2001)
    await mona.press("Backspace", "Enter")
    await expect(error).to_have_text("")
    await expect(mona.last.locator(".text")).to_have_text("x" * 2000)
    await expect(box).to_have_value("")


async def test_shift_and_enter_make_a_new_line(mona: Person) -> None:
    box = mona.find("#composer-text")
    await box.focus()
    low = await box.bounding_box()
    await mona.type("one")
    await mona.press("Shift+Enter")
    await mona.type("two")
    await expect(box).to_have_value("one\ntwo")
    high = await box.bounding_box()
    assert low
    assert high
    assert high["height"] > low["height"]
    await mona.picture("two-lines")
    await mona.press("Enter")
    await expect(mona.last.locator(".text")).to_contain_text("two")
    assert await mona.last.locator(".text").inner_text() == "one\ntwo"


async def test_a_command_entered_twice_is_sent_once(client: Client, mona: Person) -> None:
    async def hold(route: Route) -> None:
        came.append(route)
        await free.wait()
        await route.continue_()

    free = asyncio.Event()
    came: list[Route] = []
    await mona.page.route("**/_sim/interaction", hold)
    await mona.begin("rule")
    await mona.press("Enter", "Enter")
    free.set()
    await expect(mona.last).to_contain_text("no bot is connected")
    assert (len(came), len(uses(client, 2))) == (1, 1)
