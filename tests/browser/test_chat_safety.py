"""Nothing that a user, a model or a tool writes becomes part of the page; the strict policy holds."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.chat_page import ChatPage
from tests.browser.fake_server import FakeServer
from tests.browser.samples import HOSTILE_ANSWER, TABLE_ANSWER

pytestmark = pytest.mark.system

ALLOWED_TAGS = {
    *("DIV", "P", "H3", "STRONG", "EM", "S", "A", "CODE", "PRE", "SPAN", "BUTTON", "UL", "OL", "LI", "BLOCKQUOTE"),
    *("BR", "HR", "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "svg", "path"),
}


async def test_hostile_markdown_makes_only_harmless_elements(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("?")
    turn = await fake.next_turn()
    turn.start()
    turn.say(*HOSTILE_ANSWER)
    turn.complete()
    await expect(chat.last_answer.locator(".foot")).to_be_visible()
    tags = set(await chat.last_text.evaluate("e => [...e.querySelectorAll('*')].map(x => x.tagName)"))
    links = await chat.last_text.evaluate("e => [...e.querySelectorAll('[href]')].map(x => x.getAttribute('href'))")

    assert tags <= ALLOWED_TAGS
    assert sorted(links) == [
        "https://example.com/?q=%22%3E%3Cscript%3Ewindow.pwned=7%3C/script%3E",
        "https://tracker.example/pixel.png",
    ]
    assert await chat.page.evaluate("() => window.pwned") is None
    await expect(chat.last_text).to_contain_text("<script>window.pwned=2</script>")


async def test_links_open_apart_and_tell_nothing(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("?")
    turn = await fake.next_turn()
    turn.start()
    turn.say("[site](https://example.com/a) and https://example.com/b ")
    turn.complete()
    link = chat.last_text.locator("a[href]")

    await expect(link).to_have_count(2)
    await expect(link.first).to_have_attribute("rel", "noopener noreferrer nofollow")
    await expect(link.first).to_have_attribute("target", "_blank")


async def test_user_text_tool_texts_and_titles_are_text(chat: ChatPage, fake: FakeServer) -> None:
    evil = '<img src=x onerror="window.pwned=1">'
    await chat.ask(evil)
    turn = await fake.next_turn()
    turn.start(model=evil)
    turn.call("c1", title=evil, arguments={evil: evil})
    turn.called("c1", summary=evil, result=evil)
    turn.call("c2", title=evil)
    turn.call_failed("c2", message=evil)
    turn.say("done")
    turn.complete(model=evil)
    await expect(chat.questions.last).to_have_text(evil)
    await expect(chat.tools.first.locator(".outcome")).to_have_text(evil)

    assert await chat.chat.locator("img").count() == 0
    assert await chat.page.evaluate("() => window.pwned") is None


async def test_the_page_keeps_the_strict_policy_and_its_console_is_quiet(
    fake: FakeServer, context: BrowserContext, base_url: str
) -> None:
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    chat = ChatPage(page)
    await page.goto(base_url)
    await chat.wait_live()
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.call("c1", title="Tool", arguments={})
    turn.called("c1", summary="ok")
    turn.say(TABLE_ANSWER, HOSTILE_ANSWER)
    turn.complete()
    await expect(chat.last_answer.locator(".foot")).to_be_visible()

    assert complaints == []
    assert {url for url in requests if not url.startswith(base_url)} == set()


async def test_a_very_deep_and_broken_markdown_does_not_stop_the_chat(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("?")
    turn = await fake.next_turn()
    turn.start()
    turn.say("> " * 60 + "deep\n\n" + "".join(f"{'  ' * level}- {level}\n" for level in range(60)) + "**_~~`[![" * 40)
    turn.complete()
    await chat.ask("Still there?")
    second = await fake.next_turn()
    second.start()
    second.say("Yes.")
    second.complete()

    await expect(chat.last_text).to_have_text("Yes.")
