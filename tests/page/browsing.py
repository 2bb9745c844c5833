"""A headless Chromium with people in it: each in a context of their own, whose console has to stay silent."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Route, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE, DESKTOP = (390, 844), (1280, 900)
PASSWORD = "correct horse"
WITHIN_MS = 15_000


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser of the machine; without one the test fails and says what to install."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "no Chromium on PATH: install Debian's package `chromium` (apt-get install chromium)"
    async with async_playwright() as playwright:
        # Its own sandbox needs rights that a container may not give; it only sees our own pages.
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


class Someone:
    """A person at a page, and everything that the page complained of."""

    def __init__(self, page: Page, shots: Path, name: str) -> None:
        self.page = page
        self.name = name
        self.complaints: list[str] = []
        self._shots = shots
        page.set_default_timeout(WITHIN_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location.get('url')})")

    async def sign_up(self, url: str, at: str = "") -> None:
        await self.page.goto(f"{url}/{at}")
        await self.page.get_by_label("Username").fill(self.name)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.shoot("sign-up")
        await self.page.get_by_role("button", name="Sign up").click()
        await self.online()

    async def online(self) -> None:
        await self.page.wait_for_selector("body[data-connection=online]")

    async def go(self, where: str) -> None:
        await self.page.get_by_role("navigation").locator(f"[data-to='{where}']").click()

    async def visit(self, name: str) -> None:
        """Open somebody's profile as a link does."""
        await self.page.evaluate("name => { location.hash = `#/@${name}`; }", name)
        await self.page.get_by_role("heading", name=name).wait_for()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def press(self, name: str) -> None:
        await self.button(name).click()

    async def me(self) -> str:
        """Their user id."""
        return str(await self.page.evaluate("JSON.parse(sessionStorage.getItem('tidings.login')).user"))

    async def ask(self, method: str, url: str, **body: object) -> Any:
        """A request beside the page, as who is signed in there."""
        token = await self.page.evaluate("JSON.parse(sessionStorage.getItem('tidings.login')).access_token")
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.page.request.fetch(url, method=method, headers=headers, data=body)
        assert answer.ok, await answer.text()
        return await answer.json()

    async def share(self, pictures: Sequence[Path], caption: str) -> None:
        """Upload photos and post them."""
        await self.page.get_by_role("navigation").get_by_role("button").click()
        dialog = self.page.get_by_role("dialog")
        await dialog.locator("input[type=file]").set_input_files(pictures)
        await dialog.get_by_label("Caption").fill(caption)
        await self.shoot("compose")
        await dialog.get_by_role("button", name="Share").click()
        await dialog.wait_for(state="detached")

    async def tell_story(self, picture: Path) -> None:
        await self.page.get_by_role("button", name="Your story").click()
        dialog = self.page.get_by_role("dialog")
        await dialog.locator("input[type=file]").set_input_files(picture)
        await dialog.get_by_role("button", name="Share story").click()
        await dialog.wait_for(state="detached")

    async def say(self, text: str) -> None:
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.get_by_role("button", name="Send").click()

    async def see(self, text: str) -> Locator:
        """Wait until it is on the page."""
        found = self.page.get_by_text(text).first
        await found.wait_for()
        return found

    async def shoot(self, what: str) -> None:
        """A picture of the page, and nothing wider than the screen on it."""
        await self.page.screenshot(path=self._shots / f"{self.name}-{what}.png")
        wide = await self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{what} is {wide} px wider than the screen"


async def cut(route: Route) -> None:
    """As if nobody were there."""
    await route.abort()


@asynccontextmanager
async def someone(
    browser: Browser, shots: Path, name: str, size: tuple[int, int], dark: bool = False
) -> AsyncIterator[Someone]:
    """Somebody with a window of that size; it is closed in the end."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    try:
        yield Someone(await context.new_page(), shots, name)
    finally:
        await context.close()
