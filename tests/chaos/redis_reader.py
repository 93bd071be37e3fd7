"""Reads every session's log in Redis as it grows, past the proxy, so that the checker knows what was appended."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import redis
import redis.asyncio

from tests.chaos.cluster import Cluster
from tests.chaos.history import LogBase, LogEvent
from tests.chaos.recording import Recorder, now_ns

POLL_S: Final = 0.02
ENDS: Final = ("turn.completed", "turn.failed", "turn.cancelled")

_NEW: Final = """
local found = {}
for i = 1, #ARGV, 3 do
  local sid, epoch, seq = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local now = redis.call('HMGET', KEYS[1] .. 's:' .. sid, 'epoch', 'seq')
  if now[1] then
    local head = tonumber(now[2])
    if now[1] ~= epoch or head < seq then seq = 0 end
    if now[1] ~= epoch or head ~= tonumber(ARGV[i + 2]) then
      local entries = redis.call('XRANGE', KEYS[1] .. 'l:' .. sid, string.format('%.0f', seq + 1) .. '-0', '+')
      local base = now[1] ~= epoch and redis.call('GET', KEYS[1] .. 'v:' .. sid) or ''
      found[#found + 1] = {sid, now[1], now[2], entries, base}
    end
  end
end
return found
"""
"""One look at all sessions: what came after (epoch, seq) of each; all of a log that is another or became shorter.

Of another log also the stored view, if there is one: where a log begins anew it is what the log begins with.
"""


class LogReader:
    """`run` until cancelled. Sessions are known by `sessions`: the run's name by the server's id."""

    def __init__(self, cluster: Cluster, recorder: Recorder, sessions: dict[str, str]) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._sessions = sessions
        self._at: dict[str, tuple[str, int]] = {}
        self._seen: dict[tuple[str, str, int], int] = {}
        self._looking = asyncio.Lock()
        self.ended: set[str] = set()
        """The turns whose end was seen."""

    async def run(self) -> None:
        """Look again and again; while Redis is away there is nothing to see."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.look()
            except (redis.RedisError, OSError, TimeoutError):
                continue

    def heads(self) -> dict[str, tuple[str, int]]:
        """Epoch and seq at which each session's log stood at the last look, by the run's name for it."""
        return {name: self._at[session_id] for session_id, name in self._sessions.items() if session_id in self._at}

    async def look(self) -> None:
        """Write down what is new. Raises redis-py's errors and TimeoutError where Redis is away."""
        async with self._looking:
            arguments: dict[str, list[str]] = {}
            for session_id in list(self._sessions):
                epoch, seq = self._at.get(session_id, ("", 0))
                of_partition = arguments.setdefault(self._cluster.prefix_of(session_id), [])
                of_partition += [session_id, epoch, str(seq)]
            for prefix, asked in arguments.items():
                async with asyncio.timeout(2.0):
                    found: Any = await self._cluster.redis.eval(_NEW, 1, prefix, *asked)
                for raw_id, raw_epoch, raw_seq, entries, base in found:
                    session_id, epoch = raw_id.decode(), raw_epoch.decode()
                    self._at[session_id] = (epoch, int(raw_seq))
                    if base:
                        self._begin(session_id, epoch, json.loads(base))
                    self._take(session_id, epoch, entries)

    def _begin(self, session_id: str, epoch: str, view: dict[str, Any]) -> None:
        """Write down what a log begins with; a view of another epoch is not that."""
        if view["epoch"] == epoch:
            session = self._sessions[session_id]
            self._recorder.write(LogBase(at_ns=now_ns(), session=session, epoch=epoch, view=view))

    def _take(self, session_id: str, epoch: str, entries: list[tuple[bytes, list[bytes]]]) -> None:
        """Write events down, but for those that were seen at this place and are the same still."""
        for _, fields in entries:
            for event in json.loads(fields[fields.index(b"d") + 1]):
                place = (session_id, epoch, event["seq"])
                content = hash(json.dumps(event))
                if event["type"] in ENDS:
                    self.ended.add(event["turn_id"])
                if self._seen.get(place) != content:
                    self._seen[place] = content
                    self._recorder.write(
                        LogEvent(at_ns=now_ns(), session=self._sessions[session_id], epoch=epoch, event=event)
                    )
