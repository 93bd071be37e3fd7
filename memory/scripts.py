"""The Lua scripts, loaded once: each adapter's `.lua` file after the shared ones that it needs."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import Final

import msgspec

_FOLDER: Final = Path(__file__).parent


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A script as Redis gets it. Every script has the partition's prefix as KEYS[1] and the instance as ARGV[1]."""

    name: str
    text: bytes
    digest: bytes
    """SHA1 in hex, by which EVALSHA names it."""
    promises: bool = False
    """With `accepted` or `duplicate` it promises that something is kept: by FSYNC_BEFORE_OK, on the disk."""
    gathers: bool = False
    """One call does what several would: after the instance, of each how many arguments it has, and those. The reply is
    a list of theirs, and what is wrong with one does not touch the others."""


def _load(path: str, *shared: str, promises: bool = False, gathers: bool = False) -> Script:
    files = [*(f"lua/{name}.lua" for name in ("base", *shared)), f"{path}.lua"]
    text = b"\n".join((_FOLDER / file).read_bytes() for file in files)
    digest = sha1(text, usedforsecurity=False).hexdigest().encode()
    return Script(name=path, text=text, digest=digest, promises=promises, gathers=gathers)


APPEND: Final = _load("event_log/append", "events", gathers=True)
END: Final = _load("event_log/end", "events", "ready", "history", "deliveries")
READ: Final = _load("event_log/read")
VIEW: Final = _load("event_log/view")
REBASE: Final = _load("event_log/rebase")
COMPACT: Final = _load("event_log/compact")
HEADS: Final = _load("event_log/heads")
SAY: Final = _load("event_log/say")

NAME: Final = _load("sessions/name", "opening")
NAMES: Final = _load("sessions/names")
OPEN: Final = _load("sessions/open", "opening")
FIND: Final = _load("sessions/find")
HISTORY: Final = _load("sessions/history")
ERASE_BEGIN: Final = _load("sessions/erase_begin")
ERASE: Final = _load("sessions/erase", "ready", "deliveries")
ERASE_MERGED: Final = _load("sessions/erase_merged")
ERASE_DONE: Final = _load("sessions/erase_done")
ERASE_DUE: Final = _load("sessions/erase_due")
ERASE_SWEPT: Final = _load("sessions/erase_swept")
MERGE_RESERVE: Final = _load("sessions/merge_reserve")
MERGE_RELEASE: Final = _load("sessions/merge_release")
MERGE_BEGIN: Final = _load("sessions/merge_begin", "events")
MERGE_HISTORY: Final = _load("sessions/merge_history")
MERGE_NAMES: Final = _load("sessions/merge_names")
MERGE_DONE: Final = _load("sessions/merge_done")
MERGE_DUE: Final = _load("sessions/merge_due")

SUBMIT: Final = _load("queue/submit", "events", "ready", "replies", "parked", "taking", promises=True)
SEEN: Final = _load("queue/seen", "replies", promises=True)
REMEMBER: Final = _load("queue/remember", "replies")
TAKE: Final = _load("queue/take", "events", "taking")
RENEW: Final = _load("queue/renew", "ready")
REAP: Final = _load("queue/reap", "ready")
RELEASE: Final = _load("queue/release", "ready")
RELEASE_NODE: Final = _load("queue/release_node", "ready")
CANCEL: Final = _load("queue/cancel", "events", "ready")
TURN: Final = _load("queue/turn")
JOURNAL: Final = _load("queue/journal")

PARK: Final = _load("queue/park", "events", "ready")
APPROVAL: Final = _load("queue/approval")
ANSWER: Final = _load("queue/answer", "events", "ready", "replies", "parked", promises=True)
EXPIRE: Final = _load("queue/expire", "events", "ready", "parked")
CANCEL_PARKED: Final = _load("queue/cancel_parked", "events", "ready", "history", "parked")

PENDING: Final = _load("outbox/pending")
ACKNOWLEDGE: Final = _load("outbox/acknowledge")
FORGET: Final = _load("outbox/forget")
FEEDBACK: Final = _load("feedback/put", "replies", promises=True)

OLDEST_DELIVERIES: Final = _load("deliveries/oldest", "deliveries")
TAKE_DELIVERIES: Final = _load("deliveries/take", "deliveries")
REPORT_DELIVERY: Final = _load("deliveries/report", "events", "deliveries")

PUT_FLAGS: Final = _load("flags/put", "flags", promises=True)
RESTORE_FLAGS: Final = _load("flags/restore", "flags")
READ_FLAGS: Final = _load("flags/read")
FLAG_STATES: Final = _load("flags/states")

TELL_STATUSES: Final = _load("statuses/tell")
STATUSES: Final = _load("statuses/all")
CACHE_GET: Final = _load("cache/get")
CACHE_PUT: Final = _load("cache/put")
CACHE_NEAR: Final = _load("cache/near")
CACHE_KEEP_NEAR: Final = _load("cache/keep_near")
CACHE_VECTOR: Final = _load("cache/vector")
CACHE_KEEP_VECTOR: Final = _load("cache/keep_vector")
CACHE_CLEAR: Final = _load("cache/clear")
CACHE_FORGET: Final = _load("cache/forget")
BUDGET_HOLD: Final = _load("budgets/hold", "budgets")
BUDGET_SETTLE: Final = _load("budgets/settle", "budgets")
BUDGET_STANDING: Final = _load("budgets/standing", "budgets")
BUDGET_FORGET: Final = _load("budgets/forget")

ALL: Final[tuple[Script, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Script))
