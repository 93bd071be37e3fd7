"""A conversation as it should go: answers stream, tools show, what a person presses does what it says."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.chat_page import ChatPage
from tests.browser.fake_server import FakeServer
from tests.browser.samples import FRAGMENTS, TABLE_ANSWER

pytestmark = pytest.mark.system


async def test_an_answer_streams_as_markdown(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Receita por região?")
    turn = await fake.next_turn()
    turn.start()
    turn.say("A região **Central** lide")
    await expect(chat.last_text.locator("strong")).to_have_text("Central")
    await expect(chat.last_text).to_have_text("A região Central lide")
    turn.say("rou.")
    turn.complete()
    await expect(chat.last_text).to_have_text("A região Central liderou.")


async def test_fragments_of_any_size_give_the_same_document_as_the_whole(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("em pedaços")
    turn = await fake.next_turn()
    turn.start()
    for fragment in FRAGMENTS:
        turn.say(fragment)
        await chat.page.evaluate("() => new Promise(requestAnimationFrame)")
    turn.complete()
    await expect(chat.last_answer.locator(".foot")).to_be_visible()
    streamed = await chat.last_text.inner_html()
    await chat.page.reload()
    await expect(chat.last_answer.locator(".foot")).to_be_visible()

    assert await chat.last_text.inner_html() == streamed


async def test_a_table_has_cells_and_scrolls_inside_the_page(chat: ChatPage, fake: FakeServer) -> None:
    await chat.page.set_viewport_size({"width": 380, "height": 700})
    await chat.ask("tabela")
    turn = await fake.next_turn()
    turn.start()
    turn.say(TABLE_ANSWER)
    turn.complete()
    table = chat.last_text.locator("table")
    await expect(table.locator("th")).to_have_count(6)
    await expect(table.locator("tbody tr")).to_have_count(3)
    await expect(table.locator("td").nth(1)).to_have_text("US$ 3.346.293")
    await expect(table.locator("td.number")).to_have_count(15)
    await expect(table.locator("th.number")).to_have_count(5)
    frame = chat.last_text.locator(".scrolls")

    assert await frame.evaluate("e => e.scrollWidth > e.clientWidth")
    assert await chat.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert await chat.scroller.evaluate("e => e.scrollWidth <= e.clientWidth")


async def test_dollars_and_underscores_stay_what_they_are(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("?")
    turn = await fake.next_turn()
    turn.start()
    turn.say("From $abc to $xyz$, sales_", "query_total, [1] and ", "`a_$b`.")
    turn.complete()

    await expect(chat.last_text).to_have_text("From $abc to $xyz$, sales_query_total, [1] and a_$b.")
    await expect(chat.last_text.locator("em")).to_have_count(0)


async def test_tools_show_while_they_run_and_what_they_gave(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("?")
    turn = await fake.next_turn()
    turn.start()
    turn.call("c1", title="Sales figures", arguments={"metrics": ["revenue"]})
    await expect(chat.tools.first).to_have_attribute("data-status", "running")
    turn.called("c1", summary="3 regions", result={"rows": 3})
    await expect(chat.tools.first).to_have_attribute("data-status", "completed")
    await expect(chat.tools.first).to_contain_text("3 regions")
    await chat.tools.first.locator("summary").click()
    await expect(chat.tools.first.locator("pre").first).to_contain_text('"revenue"')
    await expect(chat.tools.first.locator("pre").nth(1)).to_contain_text('"rows": 3')
    turn.call("c2", title="Exchange rate")
    turn.call_failed("c2", message="It did not answer in time.")
    await expect(chat.tools.nth(1)).to_have_attribute("data-status", "failed")
    await expect(chat.tools.nth(1)).to_contain_text("It did not answer in time.")
    await expect(chat.tools.first.locator("details")).to_have_attribute("open", "")


async def test_stop_ends_the_answer_and_keeps_what_was_said(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Tell me everything")
    turn = await fake.next_turn()
    turn.start()
    turn.say("It all began")
    await expect(chat.last_text).to_have_text("It all began")
    await chat.stop_button.click()
    await expect(chat.stop_button).to_be_hidden()

    await expect(chat.last_text).to_have_text("It all began")
    await expect(chat.last_answer.locator(".fault")).to_contain_text("Stopped")
    assert (await fake.command("turn.cancel"))["turn_id"] == turn.turn_id


async def test_a_failed_answer_says_what_to_do_and_can_be_tried_again(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.fail(code="provider_unavailable")
    await expect(chat.last_answer.locator(".fault")).to_contain_text("The language model cannot be reached.")
    await chat.last_answer.get_by_role("button", name="Try again").click()
    again = await fake.next_turn()
    again.start()
    again.say("Hi!")
    again.complete()

    await expect(chat.last_text).to_have_text("Hi!")
    await expect(chat.answers).to_have_count(1)
    await expect(chat.questions).to_have_count(1)
    assert (await fake.command("turn.retry"))["turn_id"] == turn.turn_id


async def test_answer_again_replaces_the_old_answer(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.say("First try")
    turn.complete()
    await chat.last_answer.get_by_role("button", name="Answer again").click()
    again = await fake.next_turn()
    again.start()
    again.say("Second try")
    again.complete()

    await expect(chat.last_text).to_have_text("Second try")
    await expect(chat.answers).to_have_count(1)


async def test_a_reset_takes_back_what_was_written_after_it(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.say("👋 kept, **dropped")
    await expect(chat.last_text).to_contain_text("dropped")
    turn.cut_back(6)
    turn.say(" and new.")
    turn.complete()

    await expect(chat.last_text).to_have_text("👋 kept and new.")


async def test_copy_puts_the_markdown_on_the_clipboard(
    chat: ChatPage, fake: FakeServer, context: BrowserContext
) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.say("It is **bold**.")
    turn.complete()
    await chat.last_answer.get_by_role("button", name="Copy", exact=True).click()
    await expect(chat.voice).to_contain_text("Copied")

    assert await chat.page.evaluate("() => navigator.clipboard.readText()") == "It is **bold**."


async def test_thumbs_send_feedback_and_show_it(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.say("Hi")
    turn.complete()
    bad = chat.last_answer.get_by_role("button", name="Bad answer")
    await bad.click()

    await expect(bad).to_have_attribute("aria-pressed", "true")
    command = await fake.command("feedback.create")
    assert (command["message_id"], command["score"]) == (turn.message_id, -1)


async def test_a_starter_is_asked_by_one_press(chat: ChatPage, fake: FakeServer) -> None:
    await expect(chat.starters).to_have_count(3)
    await chat.starters.first.click()

    assert (await fake.next_turn()).question == "What was the revenue by region?"
    await expect(chat.questions).to_have_text(["What was the revenue by region?"])
    await expect(chat.starters.first).to_be_hidden()


async def test_the_badge_tells_that_answers_come_from_the_offline_demo(chat: ChatPage, fake: FakeServer) -> None:
    await expect(chat.badge).to_be_hidden()
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start(provider="offline", model="offline-demo")

    await expect(chat.badge).to_have_text("offline demo")


async def test_the_badge_shows_before_the_first_answer_where_the_server_says_so(
    fake: FakeServer, context: BrowserContext, base_url: str
) -> None:
    fake.config["offline"] = True
    chat = ChatPage(await context.new_page())
    await chat.page.goto(base_url)

    await expect(chat.badge).to_be_visible()


async def test_what_an_answer_cost_is_shown_below_it(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.say("Hi")
    turn.complete()

    await expect(chat.last_answer.locator(".meta")).to_contain_text("1.8 sec · 1,244 tokens · $0.0021 · scripted-1")


async def test_a_question_asked_meanwhile_waits_and_can_be_taken_back(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("First")
    first = await fake.next_turn()
    first.start()
    first.say("Answer one")
    await chat.ask("Second")
    second = await fake.next_turn()
    await expect(chat.rows.last).to_contain_text("Waits for the answer above")
    await expect(chat.rows.nth(1)).to_contain_text("Answer one")
    await chat.rows.last.get_by_role("button", name="Take back").click()

    assert (await fake.command("turn.cancel"))["turn_id"] == second.turn_id
    await expect(chat.rows.last).to_contain_text("Stopped")


async def test_older_messages_come_in_above_without_a_jump(
    fake: FakeServer, context: BrowserContext, base_url: str
) -> None:
    session = fake.session("reader")
    for number in range(120):
        turn = session.accept(f"Question {number}", f"cid-{number}")
        turn.start()
        turn.say(f"Answer {number}. " * 12)
        turn.complete()
    chat = ChatPage(await context.new_page())
    await chat.page.goto(base_url)
    await chat.page.evaluate("() => localStorage.setItem('prosa.user', 'reader')")
    await chat.page.reload()
    await expect(chat.questions).to_have_count(25)
    assert await chat.is_at_end()
    first = chat.page.locator("prosa-chat article", has_text="Question 95").first
    await chat.scroller.evaluate("e => { e.scrollTop = 200; }")
    await chat.scroller.evaluate("e => { e.scrollTop = 100; }")
    await expect(chat.questions).to_have_count(50)
    box = await first.bounding_box()

    assert box is not None
    assert -150 < box["y"] < 300


async def test_reading_above_is_not_disturbed_and_a_button_leads_back(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Long")
    turn = await fake.next_turn()
    turn.start()
    turn.say("A line.\n\n" * 80)
    await expect(chat.last_text.locator("p")).to_have_count(80)
    assert await chat.is_at_end()
    await chat.scroller.evaluate("e => { e.scrollTop = 300; }")
    await expect(chat.jump).to_be_visible()
    turn.say("One more.\n\n" * 5)
    await expect(chat.last_text.locator("p")).to_have_count(85)
    await expect(chat.jump).to_contain_text("New messages")
    assert await chat.scroller.evaluate("e => e.scrollTop") == 300
    await chat.jump.click()

    await expect(chat.jump).to_be_hidden()
    assert await chat.is_at_end()


async def test_a_refused_message_says_why_and_can_be_given_back(chat: ChatPage, fake: FakeServer) -> None:
    fake.refuse_messages = {"code": "budget_exceeded", "message": "No.", "retryable": False}
    await chat.ask("Expensive question")
    await expect(chat.rows.last).to_contain_text("Not sent. The budget for answers is used up.")
    await chat.rows.last.get_by_role("button", name="Discard").click()

    await expect(chat.rows).to_have_count(0)
    await expect(chat.input).to_have_value("Expensive question")


async def test_a_message_over_the_limit_cannot_be_sent(chat: ChatPage, fake: FakeServer) -> None:
    await chat.input.fill("👋" * 16_001)
    await expect(chat.send_button).to_be_disabled()
    await expect(chat.chat.locator(".limit")).to_contain_text("16,001 of 16,000 characters")
    await chat.input.fill("👋" * 16_000)
    await chat.input.press("Enter")

    assert (await fake.next_turn()).question == "👋" * 16_000
