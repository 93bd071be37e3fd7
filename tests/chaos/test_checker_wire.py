"""The checker sees what is wrong on the wire and in the log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.chaos.checker import Rule, judge, judge_entries
from tests.chaos.checker_story import USAGE, Story
from tests.chaos.history import Entry, Fault, LogEvent, Stopped


@pytest.fixture
def story() -> Story:
    return Story().begin()


def rules(entries: Sequence[Entry]) -> set[Rule]:
    return set(judge_entries(entries).rules)


def test_a_run_in_which_all_is_well_breaks_no_rule(story: Story) -> None:
    verdict = judge_entries(story.finish())

    assert verdict.violations == ()
    assert verdict.passed
    assert str(verdict) == "checker: every rule held"
    assert verdict.figures["turns"] == 6
    assert verdict.figures["resumed"] == 1


def test_a_history_is_read_from_all_files_of_a_folder(story: Story, tmp_path: Path) -> None:
    lines = [msgspec.json.encode(entry) + b"\n" for entry in story.finish()]
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines[::2]))
    (tmp_path / "b.jsonl").write_bytes(b"".join(lines[1::2]) + b'{"kind":"sent","at_ns":')  # its writer was killed

    assert judge(tmp_path).violations == ()


def test_a_lost_event_is_seen_on_the_connection_that_lacks_it(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.append("turn.started", only=("ana.laptop",), turn_id=turn_id, agent="sales", attempt=1)
    story.append("step.started", turn_id=turn_id, step=1)

    verdict = judge_entries(story.finish())

    assert verdict.rules[Rule.LOST] == 1
    assert "ana.phone" in next(v.sentence for v in verdict.violations if v.rule is Rule.LOST)


def test_a_doubled_event_is_seen(story: Story) -> None:
    event = story.happen()
    story.receive("ana.phone", event)

    assert rules(story.finish()) == {Rule.DOUBLED}


def test_a_resume_that_begins_one_event_late_is_seen(story: Story) -> None:
    story.places.pop("ana.phone")
    seq = story.view.seq
    story.happen()
    event = story.happen()
    story.connections["ana.phone"] += 1
    story.send("ana.phone", {"type": "session.open", "cid": "o", "resume": {"epoch": story.epoch, "seq": seq}})
    story.opened("ana.phone", recovered=True)
    story.receive("ana.phone", event)

    assert Rule.LOST in rules(story.finish())


def test_live_before_the_missed_events_were_sent_is_seen(story: Story) -> None:
    story.happen(only=("ana.laptop",))
    story.live("ana.phone")

    assert Rule.LIVE in rules(story.finish())


def test_a_resume_in_another_epoch_is_seen(story: Story) -> None:
    story.places.clear()
    story.begin_anew()
    story.open("ana.laptop")
    story.open("ana.phone", resume={"epoch": "epoch-1", "seq": 3})

    assert Rule.SILENT_RESUME in rules(story.finish())


def test_events_of_a_new_epoch_before_its_snapshot_are_seen(story: Story) -> None:
    story.send("ana.phone", {"type": "session.open", "cid": "o", "resume": {"epoch": "epoch-0", "seq": 3}})
    story.opened("ana.phone", recovered=False)
    story.happen()

    assert Rule.SILENT_RESUME in rules(story.finish())


def test_an_epoch_that_was_left_and_comes_back_is_seen(story: Story) -> None:
    story.begin_anew("epoch-2")
    story.begin_anew("epoch-1")

    assert Rule.OLD_EPOCH in rules(story.finish())


def test_a_new_epoch_after_a_restart_is_no_violation(story: Story) -> None:
    story.begin_anew()
    story.answer(story.ask("ana.c7"), "ana.c7")

    assert rules(story.finish()) == set()


def test_a_new_epoch_without_a_restart_is_seen(story: Story) -> None:
    story.begin_anew()
    entries = [entry for entry in story.finish() if not (isinstance(entry, Fault) and entry.name == "kill_redis")]

    assert rules(entries) == {Rule.NEEDLESS_EPOCH}


def test_a_snapshot_that_goes_back_in_its_epoch_is_seen(story: Story) -> None:
    old = story.snapshot_frame()
    story.happen()
    story.receive("ana.phone", old)

    assert Rule.ROLLED_BACK in rules(story.finish())


def test_a_snapshot_that_is_not_the_fold_is_seen(story: Story) -> None:
    frame = story.snapshot_frame()
    frame["messages"][-1]["content"] += "more"
    story.receive("ana.phone", frame)

    assert rules(story.finish()) == {Rule.FOLD}


def test_a_snapshot_that_leaves_messages_out_without_saying_so_is_seen(story: Story) -> None:
    frame = story.snapshot_frame()
    del frame["messages"][0]
    story.receive("ana.phone", frame)

    assert rules(story.finish()) == {Rule.FOLD}


def test_an_event_that_the_log_does_not_hold_is_seen(story: Story) -> None:
    event = story.happen()
    entries = [entry for entry in story.finish() if not (isinstance(entry, LogEvent) and entry.event == event)]

    assert Rule.LOG_BEFORE_WIRE in rules(entries)


def test_a_hole_in_the_log_is_seen(story: Story) -> None:
    story.view.seq += 1
    story.happen()

    assert Rule.LOG_GAPLESS in rules(story.finish())


def test_two_events_at_one_seq_are_seen_in_the_log(story: Story) -> None:
    event = story.happen()
    story.log(event | {"to": "somebody"})

    assert rules(story.finish()) == {Rule.SAME_EVENT}


def test_two_events_at_one_seq_are_seen_between_devices(story: Story) -> None:
    event = story.happen(only=("ana.laptop",))
    story.receive("ana.phone", event | {"to": "somebody"})

    assert rules(story.finish()) == {Rule.SAME_EVENT}


def test_a_device_that_shows_something_else_at_the_end_is_seen(story: Story) -> None:
    entries = story.finish(devices=("ana.phone",))
    entries.append(story.shown("ana.laptop", messages=[*story.snapshot_frame()["messages"][:-1]]))

    assert rules(entries) == {Rule.AGREE}


def test_a_device_that_did_not_come_to_the_end_is_seen(story: Story) -> None:
    behind = story.shown("ana.laptop")
    story.happen(only=("ana.phone",))
    entries = [*story.finish(devices=("ana.phone",)), msgspec.structs.replace(behind, at_ns=story.tick())]

    assert rules(entries) == {Rule.AGREE}


def test_what_is_appended_after_a_device_was_looked_at_it_need_not_show(story: Story) -> None:
    early = [story.shown("ana.phone"), story.shown("ana.laptop")]
    story.happen()

    assert rules([*story.finish(devices=()), *early]) == set()


def test_a_device_that_shows_more_than_the_log_held_then_is_seen(story: Story) -> None:
    at_ns = story.at_ns
    story.tick()
    story.happen()
    early = msgspec.structs.replace(story.shown("ana.laptop"), at_ns=at_ns)

    assert rules([*story.finish(devices=("ana.phone",)), early]) == {Rule.AGREE}


def test_a_device_that_stays_in_an_old_epoch_is_seen(story: Story) -> None:
    behind = story.shown("ana.laptop")
    story.places.pop("ana.laptop")
    story.begin_anew()
    entries = [*story.finish(devices=("ana.phone",)), msgspec.structs.replace(behind, at_ns=story.tick())]

    assert Rule.AGREE in rules(entries)


def test_what_lies_before_the_first_snapshot_of_a_log_that_began_anew_is_judged(story: Story) -> None:
    story.places.clear()
    story.begin_anew()
    story.base()
    turn_id = story.ask("ana.c7")
    story.answer(turn_id, "ana.c7")
    story.happen()
    story.append("turn.cancelled", turn_id=turn_id, by="user", usage=USAGE)
    story.open("ana.phone")
    story.open("ana.laptop")

    assert Rule.ONE_END in rules(story.finish())


def test_a_log_that_began_anew_with_something_else_than_it_shows_is_seen(story: Story) -> None:
    story.places.clear()
    story.begin_anew()
    *others, last = story.snapshot_frame()["messages"]
    story.base(messages=[*others, last | {"content": "Kiwi"}])
    story.happen()
    story.open("ana.phone")
    story.open("ana.laptop")

    assert Rule.FOLD in rules(story.finish())


def test_a_frame_of_another_session_is_seen(story: Story) -> None:
    story.receive("ana.phone", {"type": "typing", "session_id": "ses_bob", "by": "user", "on": True})

    assert rules(story.finish()) == {Rule.FOREIGN}


def test_a_word_of_another_session_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    _, message_id = story.partial_answer(turn_id, "ana.c7")
    story.deltas(message_id, ["Plum-1-0 "])

    assert Rule.FOREIGN in rules(story.finish())


def test_a_run_that_could_not_be_finished_is_no_pass(story: Story) -> None:
    story.write(Stopped(at_ns=story.tick(), reason="not quiet"))

    assert rules(story.finish()) == {Rule.STOPPED}


def test_a_run_without_faults_proves_nothing(story: Story) -> None:
    entries = [entry for entry in story.finish() if not isinstance(entry, Fault)]

    assert rules(entries) == {Rule.ACTIVITY}


def test_a_run_in_which_nothing_happened_proves_nothing() -> None:
    assert rules([]) == {Rule.ACTIVITY}
