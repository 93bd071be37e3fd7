"""Seeded bugs of turns: who runs them, what is repeated, how they end."""

from __future__ import annotations

from typing import Final

import msgspec

from tests.chaos.mutants_patch import Edit
from tests.chaos.mutants_scenes import BUSY, DRAINS, FLAPS, KILLS, ONCE_KILLS, STOPS, ZOMBIES, Mutant

APPEND: Final = "memory/event_log/append.lua"
END: Final = "memory/event_log/end.lua"
EVERY_END_TWICE: Final = Edit(
    "memory/connection.py",
    "sent = self._writes.call(script, prefix, arguments, patience_s=WRITE_PATIENCE_S, retry=True)",
    'sent = [self._writes.call(script, prefix, arguments, patience_s=WRITE_PATIENCE_S, retry=True) for _ in range(1 + script.name.endswith("/end"))][0]',
)
"""No bug: as if the reply to each end of a turn were lost once, so that it is written again."""
SLOW_TO_JOURNAL: Final = Edit(
    "agent/tool_step.py",
    "outcome = await self._execute(spec, arguments)",
    "outcome = await self._execute(spec, arguments); await asyncio.sleep(0.3)",
)
"""No bug: the time between a tool's effect and its journal is made long enough to be hit in a short run."""


OF_TURNS: Final[tuple[Mutant, ...]] = (
    Mutant(
        name="no-fencing",
        sentence="an append is taken from whoever once held the turn",
        edits=(
            Edit(APPEND, "m[3] ~= turn_id or m[4] ~= ARGV[first + 2] or m[5] ~= ARGV[first + 3]", "m[3] ~= turn_id"),
            Edit(APPEND, "if m[6] == batch then", "if m[5] == ARGV[first + 3] and m[6] == batch then"),
            Edit(APPEND, "or tonumber(m[6]) + 1 ~= tonumber(batch) then", "then"),
        ),
        scene=ZOMBIES,
    ),
    Mutant(
        name="end-is-not-idempotent",
        sentence="the end of a turn whose reply was lost is written twice",
        edits=(
            Edit(
                END,
                "if meta.current ~= turn_id or meta.fence ~= ARGV[4] or meta.nonce ~= ARGV[5] then",
                "if false then",
            ),
            Edit(END, "or tonumber(meta.batch) + 1 ~= tonumber(ARGV[6]) then", "then"),
            EVERY_END_TWICE,
        ),
        scene=FLAPS,
    ),
    Mutant(
        name="journal-unread",
        sentence="a run that takes over begins from the first step",
        edits=(
            Edit(
                "memory/queue/take.lua",
                "for _, entry in ipairs(journal) do item[#item + 1] = entry end",
                "",
            ),
        ),
        scene=KILLS,
    ),
    Mutant(
        name="once-not-journalled",
        sentence="a tool that must run once is not written down before it runs",
        edits=(
            Edit("agent/tool_step.py", 'if spec.effect == "read":', 'if spec.effect in ("read", "once"):'),
            SLOW_TO_JOURNAL,
        ),
        scene=ONCE_KILLS,
    ),
    Mutant(
        name="outcome-unknown-tried-again",
        sentence="a once tool that was begun and gave no result is run again",
        edits=(Edit("agent/loop.py", "    if begun:\n", "    if False:\n"), SLOW_TO_JOURNAL),
        scene=ONCE_KILLS,
    ),
    Mutant(
        name="partial-text-kept",
        sentence="a run that takes over speaks on after what the dead run had said",
        edits=(Edit("agent/replay.py", 'feed.reset(common, "recovery")', 'feed.reset(len(text), "recovery")'),),
        scene=msgspec.structs.replace(KILLS, tokens=(60, 90)),
    ),
    Mutant(
        name="reset-not-sent",
        sentence="a run that takes over cuts the text back and tells nobody",
        edits=(
            Edit(
                "agent/feed.py",
                "        self.put(\n            MessageReset(",
                "        str(\n            MessageReset(",
            ),
        ),
        scene=msgspec.structs.replace(KILLS, tokens=(60, 90)),
    ),
    Mutant(
        name="broken-stream-kept",
        sentence="a stream that broke is tried again without cutting back what it showed",
        edits=(
            Edit(
                "agent/model_step.py",
                "run.feed.reset(base, event.next)",
                "str()",
            ),
        ),
        scene=msgspec.structs.replace(FLAPS, broken=0.5),
    ),
    Mutant(
        name="reap-the-living",
        sentence="leases are taken for expired while they last",
        edits=(Edit("memory/queue/reap.lua", "'-inf', whole(now)", "'-inf', whole(now + 2500)"),),
        scene=msgspec.structs.replace(FLAPS, tokens=(150, 200)),
    ),
    Mutant(
        name="end-off-the-books",
        sentence="the script that ends a turn writes no record",
        edits=(Edit("memory/lua/ready.lua", "redis.call('XADD', TAG .. 'outbox', '*', 's', sid, 'd', record)", ""),),
        scene=FLAPS,
    ),
    Mutant(
        name="acknowledged-before-written",
        sentence="a record leaves the outbox before it is in SQL",
        edits=(
            Edit(
                "metrics/recorder.py",
                "            await self._write([record for _, record in pending])\n            waiting = await self._outbox.acknowledge([token for token, _ in pending])",
                "            waiting = await self._outbox.acknowledge([token for token, _ in pending]); await asyncio.sleep(0.3)\n            await self._write([record for _, record in pending])",
            ),
        ),
        scene=msgspec.structs.replace(KILLS, tokens=(3, 6), faults={"kill_worker": 2, "kill_node": 2, "client_cut": 1}),
    ),
    Mutant(
        name="next-turn-forgotten",
        sentence="the end of a turn does not begin the session's next",
        edits=(
            Edit(
                END,
                "next_turn(sid, meta.tenant)",
                "redis.call('HSET', TAG .. 's:' .. sid, 'current', '', 'nonce', '', 'cancel', '')",
            ),
        ),
        scene=BUSY,
    ),
    Mutant(
        name="last-comes-first",
        sentence="of the turns that wait the newest is next",
        edits=(
            Edit(
                "memory/lua/ready.lua",
                "redis.call('LPOP', TAG .. 'i:' .. sid)",
                "redis.call('RPOP', TAG .. 'i:' .. sid)",
            ),
        ),
        scene=BUSY,
    ),
    Mutant(
        name="cancelled-stays-queued",
        sentence="a queued turn that was cancelled is begun all the same",
        edits=(Edit("memory/queue/cancel.lua", "redis.call('LREM', TAG .. 'i:' .. sid, 1, turn_id)", ""),),
        scene=msgspec.structs.replace(STOPS, bursts=0.9),
    ),
    Mutant(
        name="stop-ignored",
        sentence="a run does not hear that it was stopped",
        edits=(
            Edit(
                "agent/runner.py",
                "        if self._cancelled_by is None:\n            self._cancelled_by = _cancelled_by(by)",
                "        if False:\n            self._cancelled_by = _cancelled_by(by)",
            ),
        ),
        scene=STOPS,
    ),
    Mutant(
        name="cancelled-before-closed",
        sentence="the provider's connection is closed a second after turn.cancelled",
        edits=(
            Edit(
                "agent/providers/http.py",
                "        else:\n            self.abort()",
                "        else:\n            self._loop.call_later(1, self.abort)",
            ),
        ),
        scene=STOPS,
    ),
    Mutant(
        name="message-left-open",
        sentence="a turn that was stopped leaves its message running",
        edits=(
            Edit(
                "agent/ending.py",
                "    if completed is not None:\n",
                '    if completed is not None and finish.outcome != "cancelled":\n',
            ),
        ),
        scene=STOPS,
    ),
    Mutant(
        name="given-back-and-forgotten",
        sentence="a turn that is handed on at a drain is not ready again",
        edits=(
            Edit(
                "memory/queue/release.lua",
                "if free_lease(meta.tenant, turn_id) == 1 then make_ready(meta.tenant, turn_id, true) end",
                "free_lease(meta.tenant, turn_id)",
            ),
        ),
        scene=DRAINS,
    ),
    Mutant(
        name="handed-on-begins-anew",
        sentence="a run that was handed on, which counts as no attempt, takes itself for the first",
        edits=(
            Edit(
                "agent/runner.py",
                "if turn.attempt > 1 or turn.runs > 1 or turn.journal:",
                "if turn.attempt > 1 or turn.journal:",
            ),
        ),
        scene=msgspec.structs.replace(DRAINS, kinds=(("say", 1),), users=8, seconds=18),
    ),
)
