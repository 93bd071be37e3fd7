"""Flags that Redis has lost come back from SQL: at the start of a node, and on a timer."""

from __future__ import annotations

from loguru import logger

from core.errors import BackendError
from core.ports import FlagBooks, FlagStore


async def restore_flags(flags: FlagStore, books: FlagBooks) -> int:
    """Give the live flags what SQL has newer; gives how many Redis got back. 0, with a line in the log, without SQL."""
    try:
        return await flags.restore(await books.flags())
    except BackendError as error:
        logger.warning("flags.not_restored", reason=error.message)
        return 0
