"""Seeded bugs of the log, its readers, and what is accepted."""

from __future__ import annotations

from typing import Final

import msgspec

from tests.chaos.mutants_patch import Edit
from tests.chaos.mutants_scenes import CUT_REPLIES, DEAF, FLAPS, LOST_MESSAGES, RESTARTS, Mutant

APPEND: Final = "memory/event_log/append.lua"
CURSOR: Final = "server/cursor.py"
TOPIC: Final = "memory/event_log/topic.py"
GAP_IGNORED_BY_READER: Final = Edit(
    CURSOR,
    "            if first > self._position + 1:\n                is_gap = True",
    "            if False:\n                is_gap = True",
)
"""A reader that does not check either, so that what its source loses is lost."""


OF_LOGS: Final[tuple[Mutant, ...]] = (
    Mutant(
        name="no-batch-number",
        sentence="an append whose reply was lost is made twice",
        edits=(
            Edit(APPEND, "if m[6] == batch then", "if false then"),
            Edit(APPEND, "or tonumber(m[6]) + 1 ~= tonumber(batch) then", "then"),
        ),
        scene=CUT_REPLIES,
    ),
    Mutant(
        name="publish-without-append",
        sentence="single deltas are published and not stored",
        edits=(
            Edit(
                "memory/lua/events.lua",
                "redis.call('XADD', TAG .. 'l:' .. sid,",
                "local _ = string.find(payload, 'message.delta', 1, true) and #bodies == 1 or redis.call('XADD', TAG .. 'l:' .. sid,",
            ),
        ),
        scene=FLAPS,
    ),
    Mutant(
        name="gap-ignored",
        sentence="after lost messages the live run goes on where it is",
        edits=(
            Edit(TOPIC, "elif first == self.seq + 1:", "elif first > self.seq:"),
            GAP_IGNORED_BY_READER,
        ),
        scene=LOST_MESSAGES,
    ),
    Mutant(
        name="subscribe-after-read",
        sentence="a log is read before its channel is subscribed, and the first message is taken for the next",
        edits=(
            Edit(
                "memory/event_log/log.py",
                "self._hub.listen(self._channel(session), topic.hear)",
                "asyncio.get_running_loop().call_later(0.2, self._hub.listen, self._channel(session), topic.hear)",
            ),
            Edit(TOPIC, "elif first == self.seq + 1:", "elif first > self.seq:"),
            GAP_IGNORED_BY_READER,
        ),
        scene=msgspec.structs.replace(FLAPS, users=10, faults={"client_flap": 2, "client_cut": 1, "kill_node": 1}),
    ),
    Mutant(
        name="dedupe-outside-the-script",
        sentence="the script that accepts a message does not look its cid up",
        edits=(Edit("memory/queue/submit.lua", "if again then return again end", ""),),
        scene=msgspec.structs.replace(CUT_REPLIES, twice=0.9),
    ),
    Mutant(
        name="restart-unnoticed",
        sentence="a Redis that came back with less is taken for the one that went",
        edits=(
            Edit("memory/lua/base.lua", "if meta.instance ~= INSTANCE then", "if false then"),
            Edit(APPEND, "if m[1] ~= INSTANCE then", "if false then"),
            Edit("memory/event_log/heads.lua", "m[2] ~= INSTANCE", "false"),
        ),
        scene=RESTARTS,
    ),
    Mutant(
        name="epoch-kept",
        sentence="a log that begins anew keeps its old epoch",
        edits=(Edit("memory/event_log/gate.py", 'new_epoch = self._ids.new("epoch")', "new_epoch = epoch"),),
        scene=RESTARTS,
    ),
    Mutant(
        name="silent-resume",
        sentence="a resume of another epoch is taken for one of this",
        edits=(
            Edit(
                CURSOR,
                '        if epoch != self._head.epoch:\n            return "epoch"',
                "        epoch = self._head.epoch; seq = min(seq, self._head.seq)\n        pass",
            ),
        ),
        scene=RESTARTS,
    ),
    Mutant(
        name="messages-lost-at-rebase",
        sentence="a log that begins anew forgets its messages",
        edits=(
            Edit(
                "memory/event_log/gate.py",
                "msgspec.structs.replace(view, epoch=new_epoch, seq=0)",
                "msgspec.structs.replace(view, epoch=new_epoch, seq=0, messages=[])",
            ),
        ),
        scene=RESTARTS,
    ),
    Mutant(
        name="resume-off-by-one",
        sentence="a resume begins one event late",
        edits=(
            Edit(
                CURSOR,
                "part = await self._log.read(self.session, epoch, seq, CATCH_UP_BYTES)",
                "part = await self._log.read(self.session, epoch, (seq := min(seq + 1, max(seq, self._head.seq))), CATCH_UP_BYTES)",
            ),
        ),
        scene=FLAPS,
    ),
    Mutant(
        name="snapshot-off-by-one",
        sentence="after a snapshot the next event is taken for one that it holds",
        edits=(
            Edit(
                CURSOR,
                "        self._position = view.seq\n        return trimmed(view)",
                "        self._position = view.seq + 1\n        return trimmed(view)",
            ),
        ),
        scene=FLAPS,
    ),
    Mutant(
        name="slow-reader-loses",
        sentence="what does not fit into a slow reader's tail is dropped for good",
        edits=(
            Edit(CURSOR, "if size > self._left:", "if size > self._left - 98_000:"),
            Edit(
                CURSOR,
                "not self._tail.take(len(payload)):\n            self._fall_behind()",
                "not self._tail.take(len(payload)):\n            return",
            ),
            GAP_IGNORED_BY_READER,
        ),
        scene=DEAF,
    ),
    Mutant(
        name="readers-mixed-up",
        sentence="all sessions of a node share one list of readers",
        edits=(
            Edit(
                TOPIC,
                "self.readers: dict[int, LogReader] = {}",
                'self.readers: dict[int, LogReader] = globals().setdefault("_all_readers", {})',
            ),
            Edit(CURSOR, "if epoch != self._epoch or last <= self._position:", "if last <= self._position:"),
        ),
        scene=FLAPS,
    ),
    Mutant(
        name="lost-message-not-healed",
        sentence="nobody looks whether the last message of a log came",
        edits=(
            Edit(
                "memory/event_log/log.py",
                "            self._leave_idle(now_s)\n            topics = ",
                "            self._leave_idle(now_s); continue\n            topics = ",
            ),
        ),
        scene=LOST_MESSAGES,
    ),
    Mutant(
        name="accepted-without-the-log",
        sentence="a message is said to be accepted where Redis did not answer",
        edits=(
            Edit(
                "server/sessions.py",
                "            return await self.queue.submit(submission)\n        except UserError as error:\n            self._measure.emit(TurnRejected(code=error.code))\n            raise",
                '            return await __import__("asyncio").wait_for(self.queue.submit(submission), 0.3)\n        except TimeoutError:\n            return Accepted(message_id=turn.message_ids[0], turn_id=turn.turn_id, seq=1, position=0)\n            raise',
            ),
        ),
        scene=msgspec.structs.replace(
            CUT_REPLIES,
            faults={"half_open": 5, "client_cut": 1},
            every_s=0.5,
            tokens=(5, 15),
            bursts=0.5,
            users=8,
            seconds=20,
        ),
    ),
)
