"""The second sweep of erasures: what was under way when a user was forgotten is deleted ten minutes later."""

from __future__ import annotations

from loguru import logger

from core.errors import BackendError
from core.ports import Books, SessionStore


async def sweep_erasures(store: SessionStore, books: Books) -> int:
    """Sweep what is due, SQL first: an erasure is struck off only when both are clean. Gives how many.

    Harmless where several nodes do it at once; one erasure that cannot be swept now does not hold up the others.
    """
    count = 0
    for erasure in await store.due_erasures():
        try:
            rows = await books.erase_sessions(erasure.tenant, erasure.session_ids)
            await store.swept(erasure)
        except BackendError as error:
            logger.warning("erasure.not_swept", tenant=erasure.tenant, reason=error.message)
            continue
        count += 1
        logger.info("erasure.swept", tenant=erasure.tenant, sessions=len(erasure.session_ids), rows=rows)
    return count
