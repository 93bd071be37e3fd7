"""The checker sees what is wrong with deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.chaos.checker import Rule, judge_entries
from tests.chaos.checker_bridges import LEASE_NS, TAKEN_BACK_NS
from tests.chaos.checker_story import Frame, Story
from tests.chaos.history import LEASES_RUN_OUT, BridgeFrame, Entry, Plan


class Bridges:
    """Tells what bridges of `whatsapp`, by which Ana talks, would have written down."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._cids = 0

    def take(self, message_id: str, *, bridge: str = "bridge-1", content: str | None = None) -> str:
        """An answer is taken; gives the delivery's id."""
        cid = self.ask(bridge, type="delivery.take", channel="whatsapp", limit=3)
        ready: Frame = {
            "type": "delivery.ready",
            "delivery_id": f"dlv_{message_id}",
            "session_id": self._story.session_id,
            "user_id": "ana",
            "message_id": message_id,
            "content": self._story.text(message_id) if content is None else content,
            "attempt": 1,
        }
        self.hear(bridge, **ready)
        self.hear(bridge, type="ok", re=cid, result={"count": 1})
        return str(ready["delivery_id"])

    def report(self, delivery_id: str, status: str, *, bridge: str = "bridge-1", log: str | None = None) -> None:
        """A delivery is reported; `log`: the status that the log gets, by default the same; empty: none."""
        cid = self.ask(bridge, type="delivery.report", delivery_id=delivery_id, status=status)
        logged = status if log is None else log
        if logged:
            self._story.append(
                "delivery.updated", message_id=delivery_id.removeprefix("dlv_"), channel="whatsapp", status=logged
            )
        self.hear(bridge, type="ok", re=cid, result={"state": status})

    def ask(self, bridge: str, **frame: Any) -> str:
        self._cids += 1
        cid = f"{bridge}.b{self._cids}"
        self._write(bridge, "bridge", {**frame, "cid": cid})
        return cid

    def hear(self, bridge: str, **frame: Any) -> None:
        self._write(bridge, "server", frame)

    def _write(self, bridge: str, by: Any, frame: Frame) -> None:
        self._story.write(BridgeFrame(at_ns=self._story.tick(), bridge=bridge, connection=1, by=by, frame=frame))


@pytest.fixture
def story() -> Story:
    """Ana talks by a channel of bridges, and one more question waits to be answered."""
    story = Story().begin()
    story.write(Plan(at_ns=story.tick(), seed=1, profile="story", sessions={}, channels={"ana": "whatsapp"}))
    return story


@pytest.fixture
def bridges(story: Story) -> Bridges:
    """All answers of the beginning are delivered."""
    bridges = Bridges(story)
    for number in range(1, 7):
        bridges.report(bridges.take(f"answer_turn_ana{number}"), "sent")
    return bridges


def rules(entries: Sequence[Entry]) -> set[Rule]:
    return set(judge_entries(entries).rules)


def test_answers_that_are_taken_and_reported_once_break_no_rule(story: Story, bridges: Bridges) -> None:
    delivery_id = bridges.take(story.answer(story.ask("ana.c7"), "ana.c7"), bridge="bridge-2")
    bridges.report(delivery_id, "sent", bridge="bridge-2")
    bridges.report(delivery_id, "delivered", bridge="bridge-2")

    assert rules(story.finish()) == set()


@pytest.mark.usefixtures("bridges")
def test_an_answer_that_no_bridge_got_is_seen(story: Story) -> None:
    story.answer(story.ask("ana.c7"), "ana.c7")

    assert rules(story.finish()) == {Rule.DELIVERED}


def test_a_delivery_that_its_bridge_lost_and_none_got_again_is_seen(story: Story, bridges: Bridges) -> None:
    bridges.take(story.answer(story.ask("ana.c7"), "ana.c7"))

    assert rules(story.finish()) == {Rule.DELIVERED}


@pytest.mark.usefixtures("bridges")
def test_an_end_that_redis_took_back_need_not_be_delivered(story: Story) -> None:
    story.answer(story.ask("ana.c7"), "ana.c7")
    story.begin_anew()

    assert Rule.DELIVERED not in rules(story.finish())


@pytest.mark.usefixtures("bridges")
def test_an_answer_of_another_channel_needs_no_bridge(story: Story) -> None:
    other = Story(session="bob", entries=story.entries, at_ns=story.at_ns, calls=100)
    other.open("bob.phone")
    other.answer(other.ask("bob.c1", device="bob.phone"), "bob.c1")

    assert Rule.DELIVERED not in rules(story.finish())


def test_a_delivery_that_two_bridges_have_at_once_is_seen(story: Story, bridges: Bridges) -> None:
    message_id = story.answer(story.ask("ana.c7"), "ana.c7")
    bridges.take(message_id)
    bridges.report(bridges.take(message_id, bridge="bridge-2"), "sent", bridge="bridge-2")

    assert rules(story.finish()) == {Rule.LEASED}


def test_a_delivery_whose_lease_is_over_may_be_taken_again(story: Story, bridges: Bridges) -> None:
    message_id = story.answer(story.ask("ana.c7"), "ana.c7")
    bridges.take(message_id)
    story.tick(LEASE_NS // 1_000_000)
    bridges.report(bridges.take(message_id, bridge="bridge-2"), "sent", bridge="bridge-2")

    assert rules(story.finish()) == set()


def test_leases_that_the_run_let_run_out_may_be_taken_again(story: Story, bridges: Bridges) -> None:
    message_id = story.answer(story.ask("ana.c7"), "ana.c7")
    bridges.take(message_id)
    story.fault(LEASES_RUN_OUT)
    bridges.report(bridges.take(message_id, bridge="bridge-2"), "sent", bridge="bridge-2")

    assert rules(story.finish()) == set()


def test_a_lease_that_redis_took_back_may_be_taken_again(story: Story, bridges: Bridges) -> None:
    message_id = story.answer(story.ask("ana.c7"), "ana.c7")
    bridges.take(message_id)
    story.begin_anew()
    bridges.report(bridges.take(message_id, bridge="bridge-2"), "sent", bridge="bridge-2")

    assert rules(story.finish()) == set()


def test_a_reported_delivery_that_is_given_again_is_seen(story: Story, bridges: Bridges) -> None:
    story.tick(LEASE_NS // 1_000_000)
    bridges.take("answer_turn_ana1", bridge="bridge-2")

    assert rules(story.finish()) == {Rule.LEASED}


def test_a_partial_answer_that_is_given_to_a_bridge_is_seen(story: Story, bridges: Bridges) -> None:
    turn_id = story.ask("ana.c7")
    call, message_id = story.partial_answer(turn_id, "ana.c7")
    story.said(call, 3, whole=False, closed_by="client")
    story.complete(message_id, "cancelled")
    story.end(turn_id, "cancelled", message_id=message_id)
    bridges.take(message_id)

    assert rules(story.finish()) == {Rule.DELIVERY}


def test_another_text_than_the_logs_is_seen(story: Story, bridges: Bridges) -> None:
    bridges.report(bridges.take(story.answer(story.ask("ana.c7"), "ana.c7"), content="Kiwi-7-0 "), "sent")

    assert rules(story.finish()) == {Rule.DELIVERY}


@pytest.mark.parametrize("known", [True, False])
def test_an_answer_before_the_first_snapshot_of_a_log_that_began_anew_is_one(
    story: Story, bridges: Bridges, *, known: bool
) -> None:
    """`known`: whether anybody saw what the log began with. Where not, its text is not judged, its end is there."""
    answer_unseen(story, bridges, known=known, content=None)

    assert rules(story.finish()) == set()


def test_another_text_of_an_answer_before_the_first_snapshot_is_seen(story: Story, bridges: Bridges) -> None:
    answer_unseen(story, bridges, known=True, content="Kiwi-7-0 ")

    assert rules(story.finish()) == {Rule.DELIVERY}


def answer_unseen(story: Story, bridges: Bridges, *, known: bool, content: str | None) -> None:
    """After a restart, long before, a question is answered while no device is there; its answer is delivered."""
    story.tick(TAKEN_BACK_NS // 1_000_000)
    story.places.clear()
    story.begin_anew()
    if known:
        story.base()
    story.tick(TAKEN_BACK_NS // 1_000_000)
    message_id = story.answer(story.ask("ana.c7"), "ana.c7")
    bridges.report(bridges.take(message_id, content=content), "sent")
    story.open("ana.phone")
    story.open("ana.laptop")


def test_a_status_that_goes_back_is_seen(story: Story, bridges: Bridges) -> None:
    bridges.report("dlv_answer_turn_ana1", "delivered")
    bridges.report("dlv_answer_turn_ana1", "sent")

    assert rules(story.finish()) == {Rule.REPORTED}


def test_a_report_that_changes_nothing_is_no_violation(story: Story, bridges: Bridges) -> None:
    bridges.report("dlv_answer_turn_ana1", "delivered")
    bridges.report("dlv_answer_turn_ana1", "sent", log="")

    assert rules(story.finish()) == set()


def test_a_report_that_is_not_in_the_log_is_seen(story: Story, bridges: Bridges) -> None:
    bridges.report("dlv_answer_turn_ana1", "delivered", log="")

    assert rules(story.finish()) == {Rule.REPORTED}


def test_a_report_that_redis_took_back_is_no_violation(story: Story, bridges: Bridges) -> None:
    bridges.report("dlv_answer_turn_ana1", "delivered", log="")
    story.begin_anew()

    assert rules(story.finish()) == set()


@pytest.mark.usefixtures("bridges")
def test_what_was_said_long_before_a_restart_is_not_taken_back(story: Story) -> None:
    story.answer(story.ask("ana.c7"), "ana.c7")
    story.tick(TAKEN_BACK_NS // 1_000_000)
    story.begin_anew()

    assert rules(story.finish()) == {Rule.DELIVERED}
