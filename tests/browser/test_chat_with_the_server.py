"""The page against the real server, as a user has it after `make run`."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import OpenChat
from tests.server.server_process import ServerProcess, server_process
from tests.server.slow_model import SlowModel

pytestmark = [pytest.mark.system, pytest.mark.slow]
QUESTION = "Quais foram as vendas do mês passado?"


@pytest.fixture
async def model() -> AsyncIterator[SlowModel]:
    """A model whose answers the test writes; the offline demo answers where a test does not ask for it."""
    async with SlowModel() as model:
        yield model


@pytest.fixture
async def settings(request: pytest.FixtureRequest, model: SlowModel) -> dict[str, str]:
    """The server's settings."""
    if request.node.get_closest_marker("keyed") is not None:
        return {"BOOTSTRAP_API_KEYS": "acme=acme-secret-0123456789"}
    if request.node.get_closest_marker("offline") is not None:
        return {}
    return {"OPENAI_BASE_URL": model.url, "LLM_MODEL": "openai:slow"}


@pytest.fixture
async def server(tmp_path: Path, settings: dict[str, str]) -> AsyncIterator[ServerProcess]:
    """The server as a process."""
    async with server_process(tmp_path, **settings) as server:
        yield server


@pytest.fixture
async def server_port(server: ServerProcess) -> int:
    """Where it listens: the page's other fixtures follow."""
    return int(server.settings["PORT"])


@pytest.mark.offline
async def test_a_stranger_asks_and_sees_the_tool_and_the_answer_from_the_data(
    context: BrowserContext, chat: ChatPage
) -> None:
    await chat.ask(QUESTION)
    await expect(chat.last_text).to_contain_text("938.943", timeout=15_000)
    await expect(chat.tools).to_have_count(1)
    await expect(chat.badge).to_be_visible()
    await chat.ask("e no mês anterior?")
    await expect(chat.last_text).to_contain_text("731.980", timeout=15_000)
    results = await Axe().run(chat.page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.offline
async def test_a_name_with_digits_is_not_set_like_an_amount(chat: ChatPage) -> None:
    """`GTK 500` was once taken for five hundred of a currency GTK."""
    await chat.ask("receita por produto em novembro de 2017")
    await expect(chat.last_text.get_by_role("cell", name="GTK 500")).not_to_have_class("number", timeout=15_000)
    await expect(chat.last_text.locator("td.number")).to_have_count(7)


@pytest.mark.offline
async def test_two_tabs_of_a_user_are_in_step_and_a_reload_shows_the_same(open_chat: OpenChat) -> None:
    one, two = await open_chat(), await open_chat()
    await one.ask(QUESTION)
    await expect(one.last_text).to_contain_text("938.943", timeout=15_000)
    await expect(two.last_text).to_contain_text("938.943", timeout=15_000)
    await two.page.reload()
    await two.wait_live()
    await expect(two.questions).to_have_text([QUESTION])
    await expect(two.last_text).to_contain_text("938.943")


@pytest.mark.offline
async def test_a_follow_up_is_created_again_only_after_a_yes(chat: ChatPage, tmp_path: Path) -> None:
    await chat.ask("Create a follow-up for Cancity: call about the renewal, by 2018-01-15")
    again = await chat.action("Answer again")
    await again.click(timeout=15_000)
    await expect(chat.approvals).to_contain_text("January 15, 2018", timeout=15_000)
    assert _follow_ups(tmp_path) == 1
    await chat.page.reload()
    await chat.wait_live()
    await chat.approvals.get_by_role("button", name="Approve").click()
    await expect(chat.last_text).to_contain_text("Follow-up created for Cancity", timeout=15_000)
    await expect(chat.approvals).to_have_count(0)
    assert _follow_ups(tmp_path) == 2

    await again.click(timeout=15_000)
    await chat.approvals.get_by_role("button", name="Decline").click(timeout=15_000)
    await expect(chat.last_text).to_contain_text("was not created", timeout=15_000)
    await expect(chat.tools.last).to_contain_text("Declined, so it was not done.")
    assert _follow_ups(tmp_path) == 2


def _follow_ups(folder: Path) -> int:
    """How many rows there are beside the sales data."""
    with closing(sqlite3.connect(folder / "data" / "sales.db")) as database:
        return int(database.execute("SELECT count(*) FROM follow_ups").fetchone()[0])


async def test_the_page_goes_on_after_the_server_was_killed_in_the_middle_of_an_answer(
    chat: ChatPage, model: SlowModel, server: ServerProcess
) -> None:
    await chat.ask("conte até cinco")
    await model.say("um dois ")
    await expect(chat.last_text).to_have_text("um dois", timeout=15_000)
    await server.end(signal.SIGKILL)
    await expect(chat.state).not_to_have_attribute("data-state", "online", timeout=15_000)
    await server.start()
    await chat.page.evaluate("() => dispatchEvent(new Event('online'))")
    await model.next_call()
    await model.say("um dois três ")
    await model.say("quatro cinco")
    await model.finish()
    await expect(chat.last_text).to_have_text("um dois três quatro cinco", timeout=20_000)
    await expect(chat.questions).to_have_count(1)
    await expect(chat.answers).to_have_count(1)


async def test_stop_closes_the_models_stream_and_keeps_what_was_said(chat: ChatPage, model: SlowModel) -> None:
    await chat.ask("conte até mil")
    await model.say("um dois três")
    await expect(chat.last_text).to_have_text("um dois três", timeout=15_000)
    await chat.stop_button.click()
    await asyncio.wait_for(model.hung_up(), 15)
    await expect(chat.last_text).to_have_text("um dois três")
    await expect(chat.send_button).to_be_visible()


@pytest.mark.keyed
async def test_where_keys_are_configured_the_page_says_once_that_it_answers_only_people_it_knows(
    context: BrowserContext, base_url: str
) -> None:
    chat = ChatPage(await context.new_page())
    await chat.page.goto(base_url)
    await expect(chat.banner).to_contain_text("only answers people it knows", timeout=15_000)
    await expect(chat.notice).to_be_hidden()
