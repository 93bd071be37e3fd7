"""The commands that a client has sent and may have to send again, with the same cid.

Until it is answered a command is sent anew on each connection. An answered `message.send` is kept 60 s more: a crash
of Redis may take back what it had accepted within its fsync window, and the sender repairs that (protocol.md, 8).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from core.wire.frames import Command, MessageSend

KEPT_S: Final = 60.0


class _Kept(msgspec.Struct, kw_only=True):
    key: str | None
    command: Command
    connection: int | None = None
    """The connection on which it was last sent."""
    since_s: float
    answered: bool = False
    doubtful: bool = False
    """It was lost with an epoch and sent again: an answer to it may be that of the first sending, on its way since
    before the loss. Until a snapshot shows the message, it is sent on each new connection; the server knows its cid."""


class CommandOutbox:
    """Commands in the order in which they were given. `key` names the session; None: of no session."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def add(self, key: str | None, command: Command, now_s: float) -> None:
        """Keep a command that is to be sent."""
        self._kept[command.cid] = _Kept(key=key, command=command, since_s=now_s)

    def answer(self, cid: str, now_s: float, *, refused: bool) -> bool:
        """It was answered; whether an answer was still waited for. A refused one is forgotten."""
        kept = self._kept.get(cid)
        if kept is None or kept.answered:
            return False
        if refused or not isinstance(kept.command, MessageSend):
            del self._kept[cid]
        kept.answered, kept.since_s = True, now_s
        return True

    def unsent(self, key: str | None, connection: int, now_s: float) -> list[Command]:
        """What is not answered for certain and was not sent on this connection; counted as sent from now on."""
        open_ones = (kept for kept in self._of(key) if kept.doubtful or not kept.answered)
        return _mark_sent([kept for kept in open_ones if kept.connection != connection], connection, now_s)

    def shown(self, key: str, known: Collection[str | None]) -> None:
        """A snapshot shows these: there is no doubt about them."""
        for kept in self._of(key):
            if kept.command.cid in known:
                kept.doubtful = False

    def lost(self, key: str, known: Collection[str | None], connection: int, now_s: float) -> list[Command]:
        """Messages that were sent and that a log of a new epoch does not know; their answer is waited for again."""
        self.forget(now_s)
        sent = (kept for kept in self._of(key) if kept.connection is not None)
        messages = (kept for kept in sent if isinstance(kept.command, MessageSend))
        gone = [kept for kept in messages if kept.command.cid not in known]
        for kept in gone:
            kept.doubtful = True
        return _mark_sent(gone, connection, now_s)

    def forget(self, now_s: float) -> None:
        """Drop what was answered over 60 s ago."""
        self._kept = {
            cid: kept for cid, kept in self._kept.items() if not (kept.answered and now_s > kept.since_s + KEPT_S)
        }

    def drop_answered(self, key: str) -> None:
        """Nothing of a session that was answered need be sent again: its log has ended, and what goes on is another."""
        gone = {kept.command.cid for kept in self._of(key) if kept.answered}
        self._kept = {cid: kept for cid, kept in self._kept.items() if cid not in gone}

    def drop(self, key: str) -> list[Command]:
        """Drop all of a session; give what was not answered."""
        gone = self._of(key)
        for kept in gone:
            del self._kept[kept.command.cid]
        return [kept.command for kept in gone if not kept.answered]

    def _of(self, key: str | None) -> list[_Kept]:
        return [kept for kept in self._kept.values() if kept.key == key]


def _mark_sent(due: list[_Kept], connection: int, now_s: float) -> list[Command]:
    for kept in due:
        kept.connection, kept.since_s, kept.answered = connection, now_s, False
    return [kept.command for kept in due]
