"""Replies that are remembered under a command's cid, and what a script's refusals mean."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from core.errors import BackendError, UserError
from core.turns import Principal
from memory.connection import Reply

REPLY_KEPT_S: Final = 86_400
SERVICE_REPLY_KEPT_S: Final = 691_200
"""How long a command's reply is remembered: a day for users, 8 days for services (protocol.md, Frames)."""


def reply_kept_s(principal: Principal) -> int:
    """How long a reply to that principal is remembered."""
    return SERVICE_REPLY_KEPT_S if principal.is_service else REPLY_KEPT_S


def remembered_reply(reply: bytes) -> dict[str, Any]:
    """A remembered reply; raises it where it is a refusal."""
    kept = msgspec.json.decode(reply, type=dict[str, Any])
    if "error" not in kept:
        return kept
    refusal = UserError(kept["error"]["message"], code=kept["error"]["code"])
    refusal.duplicate = True
    raise refusal


def unexpected(reply: Reply) -> UserError | BackendError:
    """What to raise for a reply that the caller does not know."""
    if reply[0] == b"conflict":
        return UserError("This cid was used for another command: take a new one.", code="idempotency_conflict")
    return BackendError(f"Redis' script answers {reply[0]!r}")
