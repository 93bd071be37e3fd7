"""For everybody: screen readers, keyboards, small screens, dark rooms, three languages."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.fake_server import FakeServer
from tests.browser.fake_session import FakeTurn
from tests.browser.samples import TABLE_ANSWER

pytestmark = pytest.mark.system

DESKTOP = {"width": 1200, "height": 800}
MOBILE = {"width": 390, "height": 780}


async def violations(page: Page) -> list[str]:
    """What axe-core finds wrong, with the elements it means."""
    results = await Axe().run(page)
    found: list[dict[str, Any]] = results.response["violations"]
    return [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in found]


async def converse(chat: ChatPage, fake: FakeServer) -> FakeTurn:
    """One whole answer with everything in it, one that failed, one that is being written, one that waits."""
    await chat.ask("Receita por região?")
    turn = await fake.next_turn()
    turn.start(provider="offline", model="offline-demo")
    turn.call("c1", title="Vendas", arguments={"metrics": ["revenue"]})
    turn.called("c1", summary="3 regiões", result={"rows": 3})
    turn.call("c2", title="Câmbio")
    turn.call_failed("c2", message="Não respondeu.")
    turn.say(TABLE_ANSWER)
    turn.complete(provider="offline", model="offline-demo")
    await chat.ask("E agora?")
    failed = await fake.next_turn()
    failed.start(provider="offline")
    failed.fail()
    await chat.ask("E depois?")
    running = await fake.next_turn()
    running.start(provider="offline")
    running.call("c3", title="Vendas")
    running.say("Ainda escre")
    await chat.ask("E no fim?")
    await fake.next_turn()
    await expect(chat.questions).to_have_count(4)
    await expect(chat.rows.last.locator(".saidstate")).to_be_visible()
    return running


@pytest.mark.parametrize("size", [DESKTOP, MOBILE], ids=["desktop", "mobile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_the_page(
    browser: Browser, base_url: str, fake: FakeServer, scheme: Any, size: Any
) -> None:
    context = await browser.new_context(color_scheme=scheme, viewport=size, locale="pt-BR", reduced_motion="reduce")
    chat = ChatPage(await context.new_page())
    await chat.page.goto(base_url)
    await chat.wait_live()
    await expect(chat.starters.first).to_be_visible()
    empty = await violations(chat.page)
    await converse(chat, fake)
    await chat.tools.first.locator("summary").click()
    with_conversation = await violations(chat.page)
    fake.close_all(4506)
    await expect(chat.banner).to_be_visible()
    disconnected = await violations(chat.page)
    await context.close()

    assert (empty, with_conversation, disconnected) == ([], [], [])


@pytest.mark.parametrize("size", [DESKTOP, MOBILE], ids=["desktop", "mobile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_in_the_bubble(
    browser: Browser, base_url: str, fake: FakeServer, scheme: Any, size: Any
) -> None:
    context = await browser.new_context(color_scheme=scheme, viewport=size, reduced_motion="reduce")
    chat = ChatPage(await context.new_page())
    await chat.page.goto(f"{base_url}/host?title=Shop&accent=%23e8b500")
    await expect(chat.launcher).to_be_visible()
    closed = await _violations_of_the_widget(chat.page)
    await chat.launcher.click()
    await chat.wait_live()
    await converse(chat, fake)
    opened = await _violations_of_the_widget(chat.page)
    await context.close()

    assert (closed, opened) == ([], [])


async def _violations_of_the_widget(page: Page) -> list[str]:
    return [found for found in await violations(page) if "prosa-chat" in found]


async def test_everything_can_be_done_by_keyboard(chat: ChatPage, fake: FakeServer) -> None:
    keyboard = chat.page.keyboard
    await expect(chat.starters.first).to_be_visible()
    order = [await _press_tab_and_name(chat) for _ in range(6)]
    assert order == [
        "Colours: as the system",
        "Conversation",
        "What was the revenue by region?",
        "Who sold the most last quarter?",
        "Which deals are open?",
        "Write a message",
    ]
    await keyboard.type("One")
    await keyboard.press("Shift+Enter")
    await keyboard.type("Two")
    await keyboard.press("Enter")
    turn = await fake.next_turn()
    assert turn.question == "One\nTwo"
    turn.start()
    turn.say("Writing")
    await expect(chat.stop_button).to_be_visible()
    assert await _press_tab_and_name(chat) == "Stop the answer"
    await keyboard.press("Enter")
    await expect(chat.last_answer.locator(".fault")).to_contain_text("Stopped")

    assert await _focused_name(chat) == "Write a message"


async def _press_tab_and_name(chat: ChatPage) -> str:
    await chat.page.keyboard.press("Tab")
    return await _focused_name(chat)


async def _focused_name(chat: ChatPage) -> str:
    name: str = await chat.chat.evaluate(
        "e => { const a = e.shadowRoot.activeElement; return a?.getAttribute('aria-label') ?? a?.textContent ?? ''; }"
    )
    return name


async def test_the_enter_of_an_input_method_does_not_send(chat: ChatPage, fake: FakeServer) -> None:
    await chat.input.fill("にほん")
    await chat.input.evaluate(
        "e => e.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true}))"
    )
    await expect(chat.input).to_have_value("にほん")
    await chat.input.press("Enter")

    assert (await fake.next_turn()).question == "にほん"


async def test_a_screen_reader_hears_that_an_answer_begins_and_then_all_of_it_once(
    chat: ChatPage, fake: FakeServer
) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    await expect(chat.voice.locator("p")).to_have_text(["The answer is being written."])
    turn.say("One ", "two ", "three.\n\n", "- four\n")
    await expect(chat.last_text).to_contain_text("three")
    await expect(chat.voice.locator("p")).to_have_text(["The answer is being written."])
    turn.complete()

    await expect(chat.voice.locator("p")).to_have_text(["The answer is being written.", "One two three.. four"])


@pytest.mark.parametrize(
    ("locale", "greeting", "starter"),
    [
        ("pt-BR", "Como posso ajudar?", "Qual foi a receita por região?"),
        ("en-GB", "How can I help?", "What was the revenue by region?"),
        ("es-AR", "¿En qué puedo ayudar?", "¿Cuáles fueron los ingresos por región?"),
        ("fr-FR", "Como posso ajudar?", "Qual foi a receita por região?"),
    ],
)
async def test_the_interface_speaks_the_language_of_the_browser(
    browser: Browser, base_url: str, locale: str, greeting: str, starter: str
) -> None:
    context = await browser.new_context(locale=locale)
    chat = ChatPage(await context.new_page())
    await chat.page.goto(base_url)
    await expect(chat.chat.locator(".greeting")).to_have_text(greeting)
    await expect(chat.starters.first).to_have_text(starter)
    language = await chat.page.evaluate("() => document.documentElement.lang")
    await context.close()

    assert language[:2] == (locale[:2] if locale[:2] != "fr" else "pt")


async def test_the_colours_can_be_chosen_and_the_choice_is_kept(chat: ChatPage) -> None:
    await chat.theme_button.click()
    await chat.theme_button.click()
    await expect(chat.chat).to_have_attribute("data-theme", "dark")
    await chat.page.reload()

    await expect(chat.chat).to_have_attribute("data-theme", "dark")


async def test_on_a_phone_everything_fits_and_follows_the_keyboard(browser: Browser, base_url: str) -> None:
    context = await browser.new_context(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    chat = ChatPage(await context.new_page())
    await chat.page.goto(base_url)
    await chat.wait_live()
    await chat.page.set_viewport_size({"width": 360, "height": 340})
    await expect(chat.input).to_be_in_viewport(ratio=1)
    await expect(chat.send_button).to_be_in_viewport(ratio=1)
    wide = await chat.page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    await context.close()

    assert not wide


async def test_a_long_conversation_stays_quick_to_write_into(
    fake: FakeServer, context: BrowserContext, base_url: str
) -> None:
    session = fake.session("reader")
    for number in range(25):
        turn = session.accept(f"Question {number}", f"cid-{number}")
        turn.start()
        turn.say(TABLE_ANSWER * 3)
        turn.complete()
    page = await context.new_page()
    await page.goto(f"{base_url}/static/page.css")
    await page.evaluate("() => localStorage.setItem('prosa.user', 'reader')")
    chat = ChatPage(page)
    await page.goto(base_url)
    await expect(chat.questions).to_have_count(25)
    await chat.ask("More")
    turn = await fake.next_turn()
    turn.start()
    turn.say(*TABLE_ANSWER)
    turn.complete()

    await expect(chat.last_answer.locator(".foot")).to_be_visible()
    assert await chat.is_at_end()
    distant = chat.page.locator("prosa-chat article.distant")
    assert await distant.first.evaluate("e => getComputedStyle(e).contentVisibility") == "auto"
