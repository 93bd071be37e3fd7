"""Answers that were done again are marked at once, before the books know of the retry."""

from __future__ import annotations

from typing import Literal

from core.messages import Message
from server.replaced import replacing


def said(message_id: str, turn_id: str, role: Literal["user", "assistant"], replaced_by: str | None = None) -> Message:
    return Message(
        message_id=message_id,
        turn_id=turn_id,
        role=role,
        content=message_id,
        channel="web",
        ts=0,
        status="complete",
        replaced_by=replaced_by,
    )


def marks(ordered: list[Message], shown: list[Message]) -> list[str | None]:
    return [message.replaced_by for message in replacing(ordered, shown)]


QUESTION, OLD, NEW = said("q", "new", "user"), said("old", "first", "assistant"), said("new", "new", "assistant")


def test_an_answer_that_left_the_view_names_the_one_in_its_place() -> None:
    assert marks([QUESTION, OLD, NEW], [QUESTION, NEW]) == [None, "new", None]


def test_all_answers_that_were_done_again_name_the_newest_where_the_books_do_not_say() -> None:
    older = said("older", "before", "assistant", replaced_by="old")
    assert marks([QUESTION, older, OLD, NEW], [QUESTION, NEW]) == [None, "old", "new", None]


def test_a_retry_without_a_message_yet_leaves_the_old_answer_as_it_is() -> None:
    assert marks([QUESTION, OLD], [QUESTION]) == [None, None]


def test_what_lies_before_the_view_is_as_the_books_say() -> None:
    before = [said("q0", "t0", "user"), said("a0", "t0", "assistant")]
    assert marks([*before, QUESTION, NEW], [QUESTION, NEW]) == [None, None, None, None]


def test_the_answer_of_an_earlier_turn_whose_question_came_before_a_waiting_one_is_not_marked() -> None:
    first, waiting = said("q1", "t1", "user"), said("q2", "t2", "user")
    answers = [said("a1", "t1", "assistant"), said("a2", "t2", "assistant")]
    shown = [first, waiting, *answers]
    assert marks(shown, shown) == [None, None, None, None]
