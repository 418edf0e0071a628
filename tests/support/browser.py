"""A headless Chromium, and somebody who uses the sandbox's page in it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from tests.support.databases import world_folder

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
# A program that pip does not bring: .ci/run installs it, and who has it not sees the reason.
IN_A_BROWSER = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.asyncio(loop_scope="module"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 740}


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Start the browser of this machine."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        await started.close()


class Person:
    """Somebody with the page open; what the console complains of is kept."""

    def __init__(self, page: Page, pictures: Path) -> None:
        self.page, self._pictures = page, pictures
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def open(self, url: str) -> None:
        """Open the page and wait for the world to be there."""
        await self.page.goto(url)
        await expect(self.find("#place-title")).not_to_have_text("…")

    def find(self, selector: str, text: str | None = None) -> Locator:
        """Find something of the page."""
        found = self.page.locator(selector)
        return found.filter(has_text=text) if text else found

    @property
    def last(self) -> Locator:
        """The newest message."""
        return self.find("#message-list > li").last

    @property
    def focused(self) -> Locator:
        """What has the focus."""
        return self.page.locator(":focus")

    async def press(self, *keys: str) -> None:
        """Press keys."""
        for key in keys:
            await self.page.keyboard.press(key)

    async def type(self, text: str) -> None:
        """Type, key by key."""
        await self.page.keyboard.type(text)

    async def begin(self, command: str) -> None:
        """Type a command's name and begin to fill it in."""
        await self.find("#composer-text").click()
        await self.type(f"/{command}")
        await expect(self.find("#suggestions [aria-selected=true]")).to_contain_text(command)
        await self.press("Enter")

    async def give(self, command: str, *values: str) -> None:
        """Give a command as a person would: each value typed, its first suggestion taken."""
        await self.begin(command)
        for value in values:
            await self.type(value)
            await expect(self.find("#suggestions [aria-selected=true]")).to_contain_text(
                value, ignore_case=True
            )
            await self.press("Tab")
        await self.press("Enter")
        await expect(self.find("#composer-text")).to_be_focused()

    async def act_as(self, name: str) -> None:
        """Be somebody else."""
        option = self.find("#act-as option", name).first
        await self.find("#act-as").select_option(await option.get_attribute("value"))

    def member(self, name: str) -> Locator:
        """Find a member in the list."""
        return self.find(".member").filter(has=self.page.locator(".name", has_text=name))

    async def picture(self, name: str) -> None:
        """Keep a picture of the page as it is."""
        self._pictures.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=self._pictures / f"{name}.png")

    async def barriers(self) -> list[str]:
        """Name what keeps somebody from using the page, by axe-core's rules."""
        found = await Axe().run(self.page, options={"resultTypes": ["violations"]})
        return [f"{one['id']}: {one['nodes'][0]['target']}" for one in found.response["violations"]]


@asynccontextmanager
async def person(
    at: Browser,
    url: str,
    pictures: Path,
    *,
    viewport: dict[str, int] = WIDE,
    scheme: str = "dark",
    forgives: str = "nothing",
) -> AsyncIterator[Person]:
    """Open the page for somebody; nothing may be wrong in the console but what it *forgives*."""
    context = await at.new_context(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type] # plain dicts
    made = Person(await context.new_page(), pictures)
    await made.open(url)
    yield made
    await context.close()
    assert [one for one in made.complaints if forgives not in one] == []


@contextmanager
def demo_process() -> Iterator[str]:
    """Run `boostmon demo` until its story is told, and lend its address."""
    with world_folder() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "boostmon", "demo", "--no-browser", "--stay", "--speed", "3600"],
            env=os.environ | {"TMPDIR": str(folder), "COLUMNS": "120"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        try:
            told = ""
            for line in process.stdout:
                told += line
                if found := re.search(r"The page stays at (\S+)/\.", line):
                    yield found[1]
                    break
            else:
                raise AssertionError(told)
        finally:
            process.terminate()
            process.communicate()
