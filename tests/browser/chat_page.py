"""The chat as a test sees it: what a person would look for, press and read. Works against any server."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect


class ChatPage:
    """Page object of `<prosa-chat>`, as a page or as an opened bubble. Locators reach into its open shadow root."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.chat = page.locator("prosa-chat")
        self.input = self.chat.locator("textarea")
        self.send_button = self.chat.locator("button.send")
        self.stop_button = self.chat.locator("button.stop")
        self.state = self.chat.locator(".state")
        self.banner = self.chat.locator(".banner")
        self.notice = self.chat.locator(".notice")
        self.badge = self.chat.locator(".badge")
        self.rows = self.chat.locator("article.row")
        self.questions = self.chat.locator("article.user .bubble")
        self.answers = self.chat.locator("article.answer")
        self.tools = self.chat.locator("li.tool")
        self.approvals = self.chat.locator(".approval")
        self.starters = self.chat.locator("button.starter")
        self.scroller = self.chat.locator(".scroller")
        self.jump = self.chat.locator("button.jump")
        self.launcher = self.chat.locator("button.launcher")
        self.panel = self.chat.locator(".panel")
        self.voice = self.chat.locator("[aria-live=polite]")
        self.theme_button = self.chat.locator("header button").first

    @property
    def last_answer(self) -> Locator:
        """The newest answer's article."""
        return self.answers.last

    @property
    def last_text(self) -> Locator:
        """The newest answer's text."""
        return self.answers.last.locator(".markdown")

    async def wait_live(self) -> None:
        """Until the connection stands and all was caught up."""
        await expect(self.state).to_have_attribute("data-state", "online", timeout=15_000)

    async def ask(self, text: str) -> None:
        """Write and press Enter."""
        await self.input.fill(text)
        await self.input.press("Enter")

    async def action(self, name: str) -> Locator:
        """A button below the newest answer, by its label."""
        return self.last_answer.get_by_role("button", name=name)

    async def is_at_end(self) -> bool:
        """Whether the end of the conversation is in sight."""
        return bool(await self.scroller.evaluate("e => e.scrollHeight - e.scrollTop - e.clientHeight < 50"))
