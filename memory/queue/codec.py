"""What the scripts keep of turns and tell about them, as types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, cast

import msgspec
from loguru import logger

from core.errors import UserError
from core.messages import ModelMessage, joined_content
from core.ports import TurnStatus
from core.turns import (
    HistoryEntry,
    JournalEntry,
    ParkedEnding,
    Principal,
    SessionRef,
    TakenTurn,
    TurnInput,
    TurnJournal,
    TurnRecord,
    TurnState,
)
from memory.connection import Reply

CancelledBy = Literal["user", "interrupt", "operator", "erasure"]

ENDING: Final = msgspec.json.Decoder(ParkedEnding)
_INPUT: Final = msgspec.json.Decoder(TurnInput)
_RECORD: Final = msgspec.json.Decoder(TurnRecord)
_HISTORY: Final = msgspec.json.Decoder(tuple[HistoryEntry, ...])
_ENTRY: Final = msgspec.json.Decoder(JournalEntry)
_PROMPT: Final = msgspec.json.Decoder(tuple[ModelMessage, ...])


def input_of(kept: bytes) -> TurnInput:
    """A turn's input, of as many lines as messages were merged; the first one says all but what was said."""
    inputs = [_INPUT.decode(line) for line in kept.split(b"\n")]
    first = inputs[0]
    if len(inputs) == 1:
        return first
    return msgspec.structs.replace(
        first,
        message_ids=tuple(message_id for one in inputs for message_id in one.message_ids),
        content=joined_content([one.content for one in inputs]),
        messages=tuple(
            msgspec.structs.replace(message, turn_id=first.turn_id) for one in inputs for message in one.messages
        ),
    )


def session_of(item: Sequence[bytes]) -> SessionRef:
    """From session, tenant and user."""
    return SessionRef(session_id=item[0].decode(), tenant=item[1].decode(), user_id=item[2].decode())


def readable(items: Sequence[Reply]) -> Iterator[TakenTurn]:
    """The turns of what `take` answers. One that this node cannot read is left: its lease runs out.

    A newer node may have journalled what this one does not know; the turns taken with it are none the worse for it.
    """
    for item in items:
        if item[0] == b"taken":
            try:
                yield taken_of(item)
            except ValueError:
                logger.exception("turn.unreadable", session_id=item[1].decode(), fence=item[6].decode())


def taken_of(item: Reply) -> TakenTurn:
    """One turn of what `take` answers. Raises ValueError (msgspec's errors are some)."""
    return TakenTurn(
        session=session_of(item[1:4]),
        input=input_of(item[4]),
        attempt=int(item[5]),
        runs=int(item[10]),
        fence=int(item[6]),
        nonce=item[7].decode(),
        epoch=item[8].decode(),
        cancelled_by=cancelled_by(item[9]),
        history=history_of(item[11]),
        journal=tuple(_ENTRY.decode(entry) for entry in item[12:]),
    )


def cancelled_by(kept: bytes) -> CancelledBy | None:
    """Who cancelled a turn; None where nobody did."""
    return cast(CancelledBy, kept.decode()) if kept else None


def history_of(entries: Sequence[bytes]) -> tuple[HistoryEntry, ...]:
    """What ended turns left, oldest first, without those that were done again."""
    history = _HISTORY.decode(b"[%b]" % b",".join(entries))
    replaced = {entry.retry_of for entry in history}
    return tuple(entry for entry in history if entry.turn_id not in replaced)


def status_of(principal: Principal, reply: Reply) -> TurnStatus:
    """What `turn` answers, for that principal. Raises UserError `not_found` where it is not theirs."""
    return TurnStatus(
        session=_session_for(principal, reply),
        turn_id=reply[1].decode(),
        state=cast(TurnState, reply[5].decode()),
        record=_RECORD.decode(reply[7]) if reply[7] else None,
        prompt=_PROMPT.decode(reply[8]) if reply[8] else (),
    )


def journal_of(principal: Principal, reply: Reply) -> TurnJournal:
    """What `journal` answers, for that principal. Raises UserError `not_found` where it is not theirs."""
    return TurnJournal(
        session=_session_for(principal, reply),
        state=cast(TurnState, reply[5].decode()),
        input=input_of(reply[6]),
        record=_RECORD.decode(reply[7]) if reply[7] else None,
        entries=tuple(_ENTRY.decode(entry) for entry in reply[8:]),
    )


def status_for(principal: Principal, status: TurnStatus) -> TurnStatus:
    """A status, for that principal. Raises UserError `not_found` where it is not theirs."""
    _check_owner(principal, status.session)
    return status


def _session_for(principal: Principal, reply: Reply) -> SessionRef:
    session = session_of(reply[2:5])
    _check_owner(principal, session)
    return session


def _check_owner(principal: Principal, session: SessionRef) -> None:
    if session.tenant != principal.tenant or principal.user_id not in (None, session.user_id):
        raise no_such_turn()


def no_such_turn() -> UserError:
    """What is said of an unknown turn and of another one's alike."""
    return UserError("There is no such turn.", code="not_found")
