"""Refusals that are for good are remembered under their command's id: the same cid gets the same one (protocol.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from core.errors import UserError
from core.ports import TurnQueue
from core.turns import Principal, SessionRef

_ALWAYS_THE_SAME: Final = frozenset({"idempotency_conflict", "moved"})
"""They come anyway, and `moved` says more than what is remembered."""


@asynccontextmanager
async def remembering(
    queue: TurnQueue, session: SessionRef, principal: Principal, cid: str, digest: str
) -> AsyncIterator[None]:
    """Around what a command does: keeps the UserError that it ends in, unless that is worth another try."""
    try:
        yield
    except UserError as refusal:
        if not (refusal.retryable or refusal.duplicate or refusal.code in _ALWAYS_THE_SAME):
            await queue.remember(session, principal, cid, digest, refusal)
        raise
