"""What happens when the network or the server misbehaves: nothing is lost, nothing is shown twice."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import OpenChat
from tests.browser.fake_server import FakeServer
from tests.browser.samples import TABLE_ANSWER
from tests.browser.tcp_proxy import TcpProxy

pytestmark = pytest.mark.system

HALF = len(TABLE_ANSWER) // 2


async def test_a_cut_in_the_middle_of_an_answer_goes_on_exactly(
    chat: ChatPage, fake: FakeServer, proxy: TcpProxy
) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.say("One 👋 two ")
    await expect(chat.last_text).to_have_text("One 👋 two ")
    proxy.cut()
    turn.say("three ", "four ")
    opened = await fake.command("session.open", count=2)
    turn.say("five.")
    turn.complete()

    await expect(chat.last_text).to_have_text("One 👋 two three four five.")
    assert opened["resume"]["epoch"] == "epoch-1"
    await expect(chat.answers).to_have_count(1)


async def test_cut_again_and_again_the_answer_is_still_whole(chat: ChatPage, fake: FakeServer, proxy: TcpProxy) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    for number in range(4):
        turn.say(f"part {number}, ")
        proxy.cut()
        turn.say(f"rest {number}. ")
        await chat.page.evaluate("() => dispatchEvent(new Event('online'))")
        await fake.command("session.open", count=2 + number)
    turn.complete()

    await expect(chat.last_text).to_have_text("".join(f"part {n}, rest {n}. " for n in range(4)))


async def test_doubled_frames_arrays_and_garbage_change_nothing(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.say("Hello ")
    log = [payload.decode() for payload in turn.session.log]
    fake.send_raw(f"[{','.join(log)}]")
    fake.send_raw("this is no JSON")
    fake.send_raw('[[], null, 7, {"type": 7}, {"type": "moon.rose", "phase": "full"}]')
    fake.send_raw(log[-1])
    turn.say("world")
    turn.complete()

    await expect(chat.last_text).to_have_text("Hello world")
    assert len(fake.commands_of("session.open")) == 1


async def test_a_missing_event_is_fetched(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.say("one ")
    await expect(chat.last_text).to_have_text("one ")
    listeners = turn.session.listeners
    listeners, turn.session.listeners = list(listeners), []
    turn.say("two ")
    turn.session.listeners = listeners
    turn.say("three")
    turn.complete()

    await expect(chat.last_text).to_have_text("one two three")
    assert len(fake.commands_of("session.open")) == 2


async def test_a_new_epoch_replaces_all_and_the_answer_goes_on(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Hello")
    turn = await fake.next_turn()
    turn.start()
    turn.say("before ")
    await expect(chat.last_text).to_have_text("before ")
    fake.begin_epoch(turn.session, "epoch-2")
    turn.say("after")
    turn.complete()

    await expect(chat.last_text).to_have_text("before after")
    await expect(chat.rows).to_have_count(2)


async def test_a_message_that_a_new_epoch_lacks_is_sent_again_with_its_cid(chat: ChatPage, fake: FakeServer) -> None:
    await chat.ask("Do not lose me")
    turn = await fake.next_turn()
    await expect(chat.answers).to_have_count(1)
    session = turn.session
    session.replies.clear()
    session.view.queue = []
    fake.begin_epoch(session, "epoch-2", forget_last_messages=1)
    again = await fake.next_turn()
    again.start()
    again.say("Found")
    again.complete()

    assert fake.commands_of("message.send")[0]["cid"] == fake.commands_of("message.send")[1]["cid"]
    await expect(chat.questions).to_have_text(["Do not lose me"])
    await expect(chat.last_text).to_have_text("Found")


async def test_messages_written_while_away_are_sent_once_and_in_order(
    chat: ChatPage, fake: FakeServer, proxy: TcpProxy
) -> None:
    proxy.refusing = True
    proxy.cut()
    await expect(chat.state).to_have_attribute("data-state", "reconnecting")
    await chat.ask("First")
    await chat.ask("Second")
    await expect(chat.rows.first).to_contain_text("Will be sent when you are back online")
    proxy.refusing = False
    await chat.page.evaluate("() => dispatchEvent(new Event('online'))")
    questions = [(await fake.next_turn()).question, (await fake.next_turn()).question]

    assert questions == ["First", "Second"]
    await expect(chat.questions).to_have_text(["First", "Second"])
    assert len(fake.commands_of("message.send")) == 2


async def test_an_unsent_message_survives_a_reload(chat: ChatPage, fake: FakeServer) -> None:
    fake.silent = True
    await chat.ask("Keep me")
    sent = await fake.command("message.send")
    fake.silent = False
    await chat.page.reload()
    turn = await fake.next_turn()

    assert turn.question == "Keep me"
    assert (await fake.command("message.send", count=2))["cid"] == sent["cid"]
    await expect(chat.questions).to_have_text(["Keep me"])


async def test_a_message_whose_ok_was_lost_is_answered_once(chat: ChatPage, fake: FakeServer, proxy: TcpProxy) -> None:
    fake.silent = True
    await chat.ask("Once")
    command = await fake.command("message.send")
    session = next(iter(fake.sessions.values()))
    turn = session.accept("Once", command["cid"])
    session.replies[command["cid"]] = {"type": "ok", "re": command["cid"], "turn_id": turn.turn_id, "seq": turn.seq}
    fake.silent = False
    proxy.cut()
    await fake.command("message.send", count=2)
    turn.start()
    turn.say("Here")
    turn.complete()

    await expect(chat.last_text).to_have_text("Here")
    await expect(chat.questions).to_have_text(["Once"])


async def test_two_tabs_stay_in_step(open_chat: OpenChat, fake: FakeServer) -> None:
    left = await open_chat()
    right = await open_chat()
    await left.ask("Hello from the left")
    turn = await fake.next_turn()
    turn.start()
    turn.say("Hello ")
    await expect(right.last_text).to_have_text("Hello ")
    await right.stop_button.click()
    await expect(left.last_answer.locator(".fault")).to_contain_text("Stopped")
    await right.ask("Hello from the right")
    second = await fake.next_turn()
    second.start()
    second.say("Hi again")
    second.complete()

    await expect(left.last_text).to_have_text("Hi again")
    assert await left.questions.all_inner_texts() == await right.questions.all_inner_texts()
    assert await left.last_text.inner_text() == await right.last_text.inner_text()


@pytest.mark.parametrize("code", [1012, 4002, 4003, 4005, 4006])
async def test_a_close_that_says_come_back_is_followed_by_a_resume(chat: ChatPage, fake: FakeServer, code: int) -> None:
    fake.close_all(code)
    opened = await fake.command("session.open", count=2)
    await chat.wait_live()

    assert opened["resume"] == {"epoch": "epoch-1", "seq": 0}


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (4501, "This assistant only answers people it knows."),
        (4503, "This page may not use the chat."),
        (4504, "This conversation was deleted."),
        (4506, "The chat is open in too many windows."),
    ],
)
async def test_a_close_that_forbids_it_says_what_to_do(
    chat: ChatPage, fake: FakeServer, code: int, sentence: str
) -> None:
    fake.close_all(code)
    await expect(chat.banner).to_contain_text(sentence)
    await expect(chat.state).to_have_attribute("data-state", "disconnected")
    await chat.banner.get_by_role("button", name="Try now").click()

    await chat.wait_live()
    await expect(chat.banner).to_be_hidden()


async def test_a_dead_connection_is_noticed_when_the_page_comes_back(
    fake: FakeServer, context: BrowserContext, base_url: str
) -> None:
    page = await context.new_page()
    await page.clock.install()
    chat = ChatPage(page)
    await page.goto(base_url)
    await page.clock.run_for(100)
    await chat.wait_live()
    fake.silent = True
    await page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    await fake.command("ping")
    fake.silent = False
    fake.connections[0]._session = None
    await page.clock.run_for(3_200)

    assert (await fake.command("session.open", count=2))["resume"]["epoch"] == "epoch-1"


async def test_a_long_absence_is_said_and_ends_by_itself(
    fake: FakeServer, context: BrowserContext, base_url: str, proxy: TcpProxy
) -> None:
    page = await context.new_page()
    await page.clock.install()
    chat = ChatPage(page)
    await page.goto(base_url)
    await page.clock.run_for(100)
    await chat.wait_live()
    proxy.refusing = True
    proxy.cut()
    await page.clock.run_for(1_000)
    await expect(chat.state).to_have_attribute("data-state", "reconnecting")
    await _run_until_shown(chat)
    await expect(chat.banner).to_contain_text("No connection. Your messages wait")
    proxy.refusing = False
    await chat.banner.get_by_role("button", name="Try now").click()
    await page.clock.run_for(100)

    await chat.wait_live()
    await page.clock.run_for(100)
    await expect(chat.banner).to_be_hidden()


async def _run_until_shown(chat: ChatPage) -> None:
    """Let the page's clock run until the banner is there, at most 2 minutes of its time."""
    for _ in range(120):
        await chat.page.clock.run_for(1_000)
        if await chat.banner.is_visible():
            return


async def test_ping_is_answered(chat: ChatPage, fake: FakeServer) -> None:
    fake.send_raw(json.dumps({"type": "ping", "t": 99}))

    assert (await fake.command("pong"))["t"] == 99
