"""Somebody who uses nothing but a keyboard."""

from playwright.async_api import Page, expect

TABS = 80
"""How often one presses Tab before one gives up."""


class Keyboard:
    """Keys pressed in a page, one after the other; the mouse is never touched."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def press(self, *keys: str) -> None:
        """Press keys."""
        for key in keys:
            await self._page.keyboard.press(key)

    async def write(self, text: str) -> None:
        """Type a text."""
        await self._page.keyboard.type(text)

    async def to(self, selector: str) -> None:
        """Press Tab until something that fits the selector has the focus, and can be seen to have it."""
        for _ in range(TABS):
            await self.press("Tab")
            if await self._page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
                await expect(self._page.locator(":focus")).to_be_in_viewport()
                return
        raise AssertionError(f"Tab never leads to {selector} on {self._page.url}")

    async def follow(self, selector: str) -> None:
        """Go to a link or button with Tab and press Enter, and wait for the page that it leads to."""
        await self.to(selector)
        async with self._page.expect_navigation():
            await self.press("Enter")
