"""The bubble on somebody else's page, whose style sheets are rude."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.chat_page import ChatPage
from tests.browser.fake_server import FakeServer

pytestmark = pytest.mark.system


async def test_the_bubble_opens_chats_and_closes(fake: FakeServer, context: BrowserContext, base_url: str) -> None:
    chat = ChatPage(await context.new_page())
    await chat.page.goto(f"{base_url}/host?title=Shop&agent=support&user=ana")
    await expect(chat.panel).to_be_hidden()
    await chat.launcher.click()
    await expect(chat.input).to_be_focused()
    await expect(chat.chat.locator(".title")).to_have_text("Shop")
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.say("Hi")
    turn.complete()
    await expect(chat.last_text).to_have_text("Hi")
    await chat.page.keyboard.press("Escape")

    await expect(chat.panel).to_be_hidden()
    await expect(chat.launcher).to_be_focused()
    assert (await fake.command("message.send"))["agent"] == "support"
    assert (await fake.command("session.open"))["user_id"] == "ana"


async def test_an_answer_that_came_while_closed_is_marked(
    fake: FakeServer, context: BrowserContext, base_url: str
) -> None:
    chat = ChatPage(await context.new_page())
    await chat.page.goto(f"{base_url}/host?user=ana")
    await chat.launcher.click()
    await chat.wait_live()
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    await chat.page.keyboard.press("Escape")
    await expect(chat.launcher).to_have_attribute("aria-label", "Open chat")
    turn.say("Hi")
    turn.complete()
    await expect(chat.launcher).to_have_attribute("aria-label", "Open chat, new answer")
    await chat.launcher.click()
    await chat.page.keyboard.press("Escape")

    await expect(chat.launcher).to_have_attribute("aria-label", "Open chat")


async def test_rude_style_sheets_do_not_reach_it_and_it_does_not_reach_the_page(
    context: BrowserContext, base_url: str
) -> None:
    chat = ChatPage(await context.new_page())
    await chat.page.goto(f"{base_url}/host")
    await chat.launcher.click()
    look = await chat.input.evaluate(
        "e => { const s = getComputedStyle(e); return [s.fontStyle, s.textTransform, s.letterSpacing, s.fontSize]; }"
    )
    own = await chat.page.locator("h1").evaluate("e => getComputedStyle(e).textTransform")
    launcher = await chat.launcher.bounding_box()

    assert look == ["normal", "none", "normal", "16px"]
    assert own == "uppercase"
    assert launcher is not None
    assert (launcher["width"], launcher["height"]) == (58, 58)


async def test_each_connection_asks_for_its_own_ticket(
    fake: FakeServer, context: BrowserContext, base_url: str
) -> None:
    page = await context.new_page()
    served: list[str] = []

    async def give_ticket(route: object) -> None:
        served.append(f"ticket-{len(served) + 1}")
        await route.fulfill(json={"ticket": served[-1], "user_id": "ana", "visitor_token": "v1", "expires_in_s": 30})  # type: ignore[attr-defined]

    await page.route("**/tickets", give_ticket)
    chat = ChatPage(page)
    await page.goto(f"{base_url}/host?ticket-url=%2Ftickets")
    first = await fake.command("session.open")
    await chat.launcher.click()
    await chat.wait_live()
    fake.close_all(4005)
    second = await fake.command("session.open", count=2)

    assert (first["ticket"], second["ticket"]) == ("ticket-1", "ticket-2")
    assert "user_id" not in first


async def test_a_refused_ticket_stops_the_chat_with_a_sentence(context: BrowserContext, base_url: str) -> None:
    page = await context.new_page()
    await page.route("**/tickets", lambda route: route.fulfill(status=403))
    chat = ChatPage(page)
    await page.goto(f"{base_url}/host?ticket-url=%2Ftickets&lang=es")
    await chat.launcher.click()

    await expect(chat.banner).to_contain_text("Este asistente solo atiende a quien conoce.")


async def test_on_a_phone_the_panel_fills_the_screen(context: BrowserContext, base_url: str) -> None:
    page = await context.new_page()
    await page.set_viewport_size({"width": 390, "height": 780})
    chat = ChatPage(page)
    await page.goto(f"{base_url}/host")
    await chat.launcher.click()
    box = await chat.panel.bounding_box()

    assert box == {"x": 0, "y": 0, "width": 390, "height": 780}
    await chat.chat.get_by_role("button", name="Close chat").click()
    await expect(chat.panel).to_be_hidden()
