"""The checker sees what is wrong with erased and merged sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.chaos.cast import AGAIN
from tests.chaos.checker import Rule, judge_entries
from tests.chaos.checker_story import Story
from tests.chaos.history import BridgeFrame, Connected, Entry, Erased, Merged, ModelCall, Plan, Received, Remains

INTO = "ses_bob"


@pytest.fixture
def story() -> Story:
    return Story().begin()


def rules(entries: Sequence[Entry]) -> set[Rule]:
    return set(judge_entries(entries).rules)


# ---------------------------------------------------------------- erasure


@pytest.fixture
def leaver(story: Story) -> Story:
    """Bob, who was answered once in the same run, and is to be erased."""
    story.write(Plan(at_ns=story.tick(), seed=1, profile="story", sessions={}, leavers=["bob"]))
    leaver = Story(session="bob", entries=story.entries, at_ns=story.at_ns, calls=100)
    leaver.open("bob.phone")
    leaver.answer(leaver.ask("bob.c1", device="bob.phone"), "bob.c1")
    return leaver


def erase(leaver: Story, *, told: bool = True, **remains: Any) -> None:
    leaver.write(Erased(at_ns=leaver.tick(), session="bob", session_id=leaver.session_id, began_ns=leaver.at_ns))
    if told:
        leaver.receive("bob.phone", {"type": "session.erased", "session_id": leaver.session_id})
    left: dict[str, Any] = {"redis": [], "sql": [], "to_be_swept": True} | remains
    leaver.write(Remains(at_ns=leaver.tick(), session="bob", **left))


def come_back(leaver: Story, messages: list[dict[str, Any]]) -> None:
    at: dict[str, Any] = {"device": "bob.laptop", "session": "bob" + AGAIN, "node": 0, "connection": 1}
    leaver.write(Connected(at_ns=leaver.tick(), up=True, **at))
    frame = {"type": "session.snapshot", "session_id": "ses_new", "epoch": "new", "seq": 0, "messages": messages}
    leaver.write(Received(at_ns=leaver.tick(), frame=frame | {"queue": [], "more": False}, **at))


def test_a_user_who_is_erased_and_comes_back_to_nothing_breaks_no_rule(story: Story, leaver: Story) -> None:
    erase(leaver, sql=["messages"])
    come_back(leaver, [])

    assert rules(story.finish()) == set()


def test_another_who_is_erased_later_is_not_taken_for_the_first(story: Story, leaver: Story) -> None:
    erase(leaver)
    story.at_ns = leaver.at_ns
    story.open("ana.phone")
    story.tick(20_000)
    turn_id = story.ask("ana.c7")
    story.answer(turn_id, "ana.c7")
    story.write(Erased(at_ns=story.tick(), session="ana", session_id=story.session_id, began_ns=story.at_ns))
    story.receive("ana.phone", {"type": "session.erased", "session_id": story.session_id})
    story.receive("ana.laptop", {"type": "session.erased", "session_id": story.session_id})

    assert Rule.ERASED not in rules(story.finish())


def test_a_user_who_is_not_erased_is_seen(story: Story, leaver: Story) -> None:
    assert Rule.ERASED in rules([*story.finish(), leaver.shown("bob.phone")])


def test_a_device_that_is_not_told_is_seen(story: Story, leaver: Story) -> None:
    erase(leaver, told=False)

    assert rules(story.finish()) == {Rule.ERASED}


@pytest.mark.parametrize("code", [4504, None])
def test_a_device_may_be_told_by_the_close_or_when_it_comes_back(story: Story, leaver: Story, code: int | None) -> None:
    erase(leaver, told=False)
    leaver.write(
        Connected(at_ns=leaver.tick(), device="bob.phone", session="bob", node=0, connection=1, up=False, code=code)
    )
    frame = {"type": "error", "re": "o", "code": "not_found" if code is None else "internal"}
    leaver.receive("bob.phone", frame)

    assert rules(story.finish()) == set()


def test_an_event_after_the_end_is_seen(story: Story, leaver: Story) -> None:
    erase(leaver)
    leaver.happen()

    assert rules(story.finish()) == {Rule.ERASED}


def test_a_session_that_can_be_opened_after_its_end_is_seen(story: Story, leaver: Story) -> None:
    erase(leaver)
    leaver.open("bob.phone")

    assert rules(story.finish()) == {Rule.ERASED}


def test_a_word_that_is_left_in_redis_is_seen(story: Story, leaver: Story) -> None:
    erase(leaver, redis=["prosa:{p0}:d:dlv_1"])

    assert rules(story.finish()) == {Rule.ERASED}


def test_a_word_in_sql_that_nobody_will_sweep_is_seen(story: Story, leaver: Story) -> None:
    erase(leaver, sql=["messages"], to_be_swept=False)

    assert rules(story.finish()) == {Rule.ERASED}


def test_who_comes_back_to_old_messages_is_seen(story: Story, leaver: Story) -> None:
    old = leaver.snapshot_frame()["messages"]
    erase(leaver)
    come_back(leaver, old)

    assert Rule.ERASED in rules(story.finish())


def test_an_erased_answer_that_a_bridge_gets_is_seen(story: Story, leaver: Story) -> None:
    erase(leaver)
    at: dict[str, Any] = {"bridge": "bridge-1", "connection": 1}
    ready = {"type": "delivery.ready", "delivery_id": "dlv_1", "session_id": leaver.session_id, "message_id": "m"}
    leaver.write(BridgeFrame(at_ns=leaver.tick(), by="bridge", frame={"type": "delivery.take", "cid": "b1"}, **at))
    leaver.write(BridgeFrame(at_ns=leaver.tick(), by="server", frame=ready, **at))

    assert rules(story.finish()) == {Rule.ERASED}


def test_a_model_that_is_asked_on_is_seen(story: Story, leaver: Story) -> None:
    erase(leaver)
    leaver.tick(20_000)
    leaver.said(leaver.call("bob.c2"), 3)

    assert rules(story.finish()) == {Rule.ERASED}


def test_an_erasure_that_redis_took_back_is_not_judged(story: Story, leaver: Story) -> None:
    erase(leaver, redis=["prosa:{p0}:d:dlv_1"])
    story.at_ns = leaver.at_ns
    story.begin_anew()

    assert rules(story.finish()) == set()


# ---------------------------------------------------------------- merging


@pytest.fixture
def source(story: Story) -> Story:
    """Ana, whose session is to go on in Bob's."""
    story.write(Plan(at_ns=story.tick(), seed=1, profile="story", sessions={}, merges={"ana": "bob"}))
    return story


def merge(source: Story, *, log: bool = True, name_stands_for: str = INTO) -> None:
    if log:
        source.append("session.merged", into=INTO)
    source.write(Merged(at_ns=source.tick(), session="ana", into="bob", into_id=INTO, name_stands_for=name_stands_for))


def refuse(source: Story, cid: str = "ana.c7", into: str = INTO) -> None:
    source.send("ana.phone", {"type": "message.send", "cid": cid, "content": "?"})
    error = {"type": "error", "re": cid, "code": "moved", "message": "", "retryable": False, "session_id": into}
    source.receive("ana.phone", error)


def test_a_session_that_is_merged_and_refuses_what_comes_later_breaks_no_rule(source: Story) -> None:
    merge(source)
    refuse(source)

    assert rules(source.finish()) == set()


def test_a_session_that_is_not_merged_is_seen(source: Story) -> None:
    assert rules(source.finish()) == {Rule.MERGED}


def test_a_log_that_does_not_end_with_the_merge_is_seen(source: Story) -> None:
    merge(source, log=False)
    refuse(source)

    assert rules(source.finish()) == {Rule.MERGED}


def test_an_event_after_the_merge_is_seen(source: Story) -> None:
    merge(source)
    source.happen()
    refuse(source)

    assert rules(source.finish()) == {Rule.MERGED}


def test_an_epoch_that_goes_on_after_the_merge_is_seen(source: Story) -> None:
    merge(source)
    refuse(source)
    source.begin_anew()
    source.happen()

    assert rules(source.finish()) == {Rule.MERGED}


def test_a_message_that_is_accepted_after_the_merge_is_seen(source: Story) -> None:
    merge(source)
    refuse(source)
    source.send("ana.phone", {"type": "message.send", "cid": "ana.c8", "content": "?"})
    source.accept("ana.c8", "turn_ana1")

    assert Rule.MERGED in rules(source.finish())


def test_a_refusal_with_another_address_is_seen(source: Story) -> None:
    merge(source)
    refuse(source, into="ses_carla")

    assert rules(source.finish()) == {Rule.MERGED}


def test_a_merged_session_that_nobody_asked_anything_says_nothing(source: Story) -> None:
    merge(source)

    assert rules(source.finish()) == {Rule.MERGED}


def test_a_name_that_leads_elsewhere_is_seen(source: Story) -> None:
    merge(source, name_stands_for="ses_ana")
    refuse(source)

    assert rules(source.finish()) == {Rule.MERGED}


# ---------------------------------------------------------------- what the model is told


def ask_model(story: Story, session: str, words: list[str]) -> None:
    question = f"[{session}] {session}.c9 #say"
    story.write(ModelCall(at_ns=story.tick(), call=99, session=session, question=question, step=1, words=words))


def test_a_model_that_is_sent_anothers_words_is_seen(story: Story) -> None:
    ask_model(story, "bob", ["Plum", "Kiwi"])

    assert rules(story.finish()) == {Rule.FOREIGN}


def test_a_model_is_sent_the_words_of_the_merged_session(source: Story) -> None:
    merge(source)
    refuse(source)
    ask_model(source, "bob", ["Plum", "Kiwi"])

    assert rules(source.finish()) == set()
