"""A tool that needs somebody's yes: the card says what is to be done, answers once, and goes when it is decided."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import OpenChat
from tests.browser.fake_server import FakeServer
from tests.browser.fake_session import FakeTurn

pytestmark = pytest.mark.system
ARGUMENTS = {"account": "Cancity", "note": "call about the renewal", "due_date": "2018-01-05", "is_urgent": True}


async def asked(chat: ChatPage, fake: FakeServer, **fields: str) -> tuple[FakeTurn, str]:
    """A turn that waits for an approval, and the approval's id."""
    await chat.ask("Create a follow-up")
    turn = await fake.next_turn()
    turn.start()
    approval_id = turn.ask("c1", arguments=ARGUMENTS, **fields)  # type: ignore[arg-type]
    await expect(chat.approvals).to_be_visible()
    return turn, approval_id


def go_on(turn: FakeTurn, approval_id: str, *, by: str) -> None:
    """The approval was not given: the model is told, and answers."""
    turn.answered(approval_id, approved=False, by=by)  # type: ignore[arg-type]
    turn.call("c1", title="Create a follow-up", arguments=ARGUMENTS)
    turn.call_failed("c1", message="Do not repeat it; tell the user.", code="not_approved")
    turn.say("It was not created.")
    turn.complete()


async def test_the_card_says_what_is_to_be_done_and_until_when(chat: ChatPage, fake: FakeServer) -> None:
    await asked(chat, fake)

    await expect(chat.approvals.locator("dt")).to_have_text(["Customer", "What to do", "Due date", "Is urgent"])
    await expect(chat.approvals.locator("dd")).to_have_text(
        ["Cancity", "call about the renewal", "January 5, 2018", "yes"]
    )
    await expect(chat.approvals).to_contain_text("Needs your yes by November")
    await expect(chat.last_answer.locator(".progresslabel")).to_have_text("Waiting for approval")
    await expect(chat.voice).to_contain_text("Create a follow-up. This action needs approval")


async def test_a_yes_is_sent_once_and_the_card_goes_when_it_is_decided(chat: ChatPage, fake: FakeServer) -> None:
    fake.approval_reply = None
    turn, approval_id = await asked(chat, fake)
    yes = chat.approvals.get_by_role("button", name="Approve")
    await yes.click()
    await expect(yes).to_have_attribute("aria-disabled", "true")
    await expect(chat.approvals).to_contain_text("Sending")
    await yes.dispatch_event("click")
    await chat.approvals.get_by_role("button", name="Decline").dispatch_event("click")
    command = await fake.command("approval.respond")
    turn.answered(approval_id, approved=True)
    await expect(chat.approvals).to_have_count(0)
    await expect(chat.input).to_be_focused()

    assert (command["approval_id"], command["approved"]) == (approval_id, True)
    assert len(fake.commands_of("approval.respond")) == 1


async def test_an_answer_that_the_server_could_not_take_may_be_given_again(chat: ChatPage, fake: FakeServer) -> None:
    fake.approval_reply = {"type": "error", "code": "internal", "message": "Redis is away.", "retryable": True}
    await asked(chat, fake)
    no = chat.approvals.get_by_role("button", name="Decline")
    await no.click()
    await expect(chat.notice).to_contain_text("Something went wrong on our side")
    await expect(no).to_have_attribute("aria-disabled", "false")
    await no.click()

    assert (await fake.command("approval.respond", count=2))["approved"] is False


async def test_an_answer_given_in_another_tab_takes_the_card_away(
    chat: ChatPage, open_chat: OpenChat, fake: FakeServer
) -> None:
    turn, approval_id = await asked(chat, fake)
    other = await open_chat()
    await expect(other.approvals).to_be_visible()
    fake.approval_reply = {"type": "ok", "state": "declined"}
    await other.approvals.get_by_role("button", name="Approve").click()
    await expect(other.notice).to_contain_text("That had been decided already")
    go_on(turn, approval_id, by="user")

    await expect(chat.approvals).to_have_count(0)
    await expect(other.approvals).to_have_count(0)
    await expect(chat.tools).to_contain_text("Declined, so it was not done.")


@pytest.mark.parametrize(
    ("by", "sentence"),
    [
        ("timeout", "Nobody answered in time, so it was not done."),
        ("superseded", "Another message came instead, so it was not done."),
        ("operator", "The team declined it, so it was not done."),
    ],
)
async def test_why_a_call_was_not_done_is_said_to_people(
    chat: ChatPage, fake: FakeServer, by: str, sentence: str
) -> None:
    """What the model is told about it once stood there."""
    turn, approval_id = await asked(chat, fake)
    go_on(turn, approval_id, by=by)

    await expect(chat.approvals).to_have_count(0)
    await expect(chat.tools.locator(".outcome")).to_have_text(sentence)
    await expect(chat.last_text).to_have_text("It was not created.")


async def test_a_reload_shows_the_card_again_and_it_can_be_answered(chat: ChatPage, fake: FakeServer) -> None:
    _, approval_id = await asked(chat, fake)
    await chat.page.reload()
    await chat.wait_live()
    await chat.approvals.get_by_role("button", name="Approve").click()

    assert (await fake.command("approval.respond"))["approval_id"] == approval_id


async def test_what_an_operator_decides_has_no_buttons(chat: ChatPage, fake: FakeServer) -> None:
    await asked(chat, fake, approver="operator")

    await expect(chat.approvals).to_contain_text("Waits for somebody of the team until")
    await expect(chat.approvals.get_by_role("button")).to_have_count(0)


async def test_axe_finds_nothing_in_the_card(chat: ChatPage, fake: FakeServer) -> None:
    await asked(chat, fake)
    results = await Axe().run(chat.page)

    assert results.violations_count == 0, results.generate_report()
