"""The page in a real browser with BoostMon: a timer's life as a stranger sees it."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.browser import IN_A_BROWSER, WIDE, Person, browser, demo_process, person

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Lend a demonstration whose story is told; each test plays with members of its own."""
    with demo_process() as address:
        yield address


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
async def mona(url: str, at: Browser, pictures: Path) -> AsyncIterator[Person]:
    """Lend the page to mona, who moderates."""
    async with person(at, url, pictures) as opened:
        yield opened


async def skip_until(mona: Person, event: str, name: str) -> None:
    """Skip from one thing that is due to the next until the log has a new *event* of a member."""
    wanted = mona.find("#log summary", event).filter(has_text=name)
    before = await wanted.count()
    while await wanted.count() == before:
        newest = await mona.find("#log .position").first.inner_text()
        await mona.find("#skip").click()
        await expect(mona.find("#log .position").first).not_to_have_text(newest)


async def test_a_timer_is_set_by_typing_and_lives_its_life(mona: Person) -> None:
    jonas = mona.member("Jonas")
    await mona.give("settime", "jonas", "Raid", "1h")
    await expect(mona.last.locator(".embed .title")).to_have_text("Timed Role Activated")
    await expect(jonas).to_contain_text("Raid Team")
    await expect(jonas.locator(".left")).to_contain_text("59m")
    await expect(mona.find("#row-who")).to_contain_text("Jonas")
    await expect(mona.find("#rows li")).to_contain_text("Raid Team")
    await mona.picture("timer")
    await mona.give("addtime", "jonas", "30m")
    await expect(mona.last.locator(".embed .title")).to_have_text("Timed Role Extended")
    await mona.give("pausetime", "jonas")
    await expect(jonas.locator(".left")).to_have_text("paused")
    await mona.give("resumetime", "jonas")
    await expect(jonas.locator(".left")).not_to_have_text("paused")
    await skip_until(mona, "WarningSent", "Jonas")
    await mona.act_as("jonas")
    await mona.find("#inbox button").click()
    await expect(mona.last).to_contain_text("warning: your access for Raid Team expires in")
    await skip_until(mona, "Expired", "Jonas")
    await expect(jonas).not_to_contain_text("Raid Team")
    await expect(mona.last).to_contain_text("your access for Raid Team has expired.")
    await expect(mona.find("#no-rows")).to_be_visible()


async def test_the_hint_leads_a_stranger_to_each_step(mona: Person) -> None:
    tour = mona.find("#tour-text")
    await expect(tour).to_contain_text("You are Mona (moderator).")
    for step in ("/addtime", "/pausetime", "/resumetime", "let time pass"):
        await tour.locator("button").click()
        await expect(mona.find("#option-more")).to_be_focused()
        await mona.press("Enter")
        await expect(tour).to_contain_text(step)
    await skip_until(mona, "Expired", "Max")
    await expect(tour).to_contain_text("That was a whole life of a timer.")
    await mona.find("#tour-close").click()
    await mona.page.reload()
    await expect(mona.find("#message-list > li").last).to_be_visible()
    await expect(mona.find("#tour")).to_be_hidden()


async def test_the_hint_goes_on_with_whoever_has_the_timer(mona: Person) -> None:
    await mona.give("settime", "noor", "Raid", "1h")
    tour = mona.find("#tour-text")
    for step in ("/addtime", "/pausetime", "/resumetime"):
        await expect(tour).to_contain_text(step)
        await tour.locator("button").click()
        await expect(mona.find("#option-user")).to_have_value("Noor")
        await mona.press("Enter")
    await expect(tour).to_contain_text("let time pass")


async def test_a_warning_does_not_refill_the_bar(mona: Person) -> None:
    await mona.give("settime", "kim", "Raid", "2h")
    bar = mona.find("#rows .bar")
    await expect(mona.find("#row-who")).to_contain_text("Kim")
    await expect(bar).to_have_count(1)
    since = await bar.get_attribute("data-from")
    assert since
    await skip_until(mona, "WarningSent", "Kim")
    await expect(mona.find("#rows .timer-note")).to_contain_text("warned at")
    await expect(bar).to_have_attribute("data-from", since)
    await mona.page.reload()
    await mona.member("Kim").click()
    await expect(bar).to_have_attribute("data-from", since)


async def test_what_may_not_be_is_refused_with_the_remedy(mona: Person) -> None:
    await mona.give("settime", "lena", "Admin", "1h")
    await expect(mona.last).to_contain_text("Move BoostMon's role above Admin")
    await expect(mona.last).to_contain_text("Only you can see this")
    await expect(mona.member("Lena")).not_to_contain_text("Admin")
    await mona.act_as("lena")
    await expect(mona.find("#message-list")).not_to_contain_text("above Admin")
    await mona.find("#composer-text").fill("/settime")
    await expect(mona.find("#suggest-empty")).to_have_text("/settime needs Manage Roles.")


async def test_a_stuck_removal_is_shown_and_its_remedy_works(mona: Person) -> None:
    pavel = mona.member("Pavel")
    await mona.give("settime", "pavel", "Beta", "30m")
    await expect(pavel).to_contain_text("Beta Tester")
    await mona.find("#tab-trouble").click()
    await mona.find("#sink-bot").click()
    await expect(mona.find("#role-order li").last).to_have_text("BoostMon")
    await mona.find("#tab-timers").click()
    await skip_until(mona, "Expired", "Pavel")
    await expect(mona.find("#effects")).to_contain_text("Move BoostMon's role above Beta Tester")
    await expect(pavel).to_contain_text("Beta Tester")
    await mona.picture("stuck")
    await mona.find("#tab-trouble").click()
    await mona.find("#raise-bot").click()
    await expect(pavel).not_to_contain_text("Beta Tester")
    await mona.find("#tab-timers").click()
    await expect(mona.find("#effects")).to_be_hidden()


async def test_a_menu_asks_which_timer_is_meant(mona: Person) -> None:
    await mona.give("settime", "yuki", "Trial", "2h")
    await mona.give("settime", "yuki", "VIP", "3h")
    await expect(mona.member("Yuki").locator(".left")).to_have_count(2)
    await mona.give("pausetime", "yuki")
    await mona.last.locator(".select").click()
    await mona.find(".menu [role=option]", "VIP").click()
    await expect(mona.last.locator(".embed .title")).to_have_text("Timed Role Paused")
    await expect(mona.find(".timer.paused")).to_contain_text("VIP")


async def test_reloading_keeps_who_acts_and_what_was_said(mona: Person) -> None:
    await mona.act_as("noor")
    await mona.find("#channels button", "events").click()
    await mona.find("#composer-text").fill("still **here**")
    await mona.press("Enter")
    await expect(mona.last).to_contain_text("still here")
    said = await mona.find("#log li").count()
    await mona.page.reload()
    await expect(mona.last).to_contain_text("still here")
    await expect(mona.find("#place-title")).to_have_text("events")
    await expect(mona.find("#act-as option:checked")).to_have_text("noor · member")
    await expect(mona.find("#log li")).to_have_count(said)


async def test_time_runs_as_fast_as_it_is_told_to(mona: Person) -> None:
    time = mona.find("#clock-time")
    hour = (await time.inner_text())[:3]
    await mona.find("#speed-3600").click()
    await expect(mona.find("#speed-3600")).to_have_attribute("aria-pressed", "true")
    await expect(time).not_to_have_text(re.compile(f"^{hour}"))
    await mona.find("#pause").click()
    await expect(mona.find("#pause")).to_have_attribute("aria-pressed", "true")
    await mona.find("#speed-1").click()
    await expect(mona.find("#speed-1")).to_have_attribute("aria-pressed", "true")


async def test_the_bot_can_be_stopped_and_started(mona: Person) -> None:
    await mona.find("#tab-trouble").click()
    await mona.find("#bot-power").click()
    await expect(mona.member("BoostMon")).to_contain_text("offline")
    await expect(mona.find("#clock-next")).to_contain_text("; the bot is stopped")
    await expect(mona.find("#skip")).to_be_disabled()
    await mona.find("#bot-power", "Start the bot").click()
    await expect(mona.find("#bot-state")).to_have_text("BoostMon is running.", timeout=30_000)
    await expect(mona.find("#clock-next")).not_to_contain_text("stopped")
    await mona.give("timeleft")
    await expect(mona.last.locator(".embed")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_of_the_demo_is_a_barrier(
    url: str, at: Browser, pictures: Path, scheme: str
) -> None:
    async with person(at, url, pictures, viewport=WIDE, scheme=scheme) as mona:
        await mona.member("Vera").click()
        await mona.find("#rows summary").first.click()
        await mona.find("#log summary").first.click()
        assert await mona.barriers() == []
        await mona.find("#tour-close").click()
        await mona.picture(f"rows-{scheme}")
