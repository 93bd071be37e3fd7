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


def _load(path: str, *shared: str) -> Script:
    files = [*(f"lua/{name}.lua" for name in ("base", *shared)), f"{path}.lua"]
    text = b"\n".join((_FOLDER / file).read_bytes() for file in files)
    return Script(name=path, text=text, digest=sha1(text, usedforsecurity=False).hexdigest().encode())


APPEND: Final = _load("event_log/append", "events")
END: Final = _load("event_log/end", "events", "ready")
READ: Final = _load("event_log/read")
VIEW: Final = _load("event_log/view")
REBASE: Final = _load("event_log/rebase")
COMPACT: Final = _load("event_log/compact")
HEADS: Final = _load("event_log/heads")
SAY: Final = _load("event_log/say")

NAME: Final = _load("sessions/name")
NAMES: Final = _load("sessions/names")
OPEN: Final = _load("sessions/open")
FIND: Final = _load("sessions/find")
HISTORY: Final = _load("sessions/history")
ERASE_BEGIN: Final = _load("sessions/erase_begin")
ERASE: Final = _load("sessions/erase", "ready")
ERASE_DONE: Final = _load("sessions/erase_done")

SUBMIT: Final = _load("queue/submit", "events", "ready", "replies")
SEEN: Final = _load("queue/seen", "replies")
REMEMBER: Final = _load("queue/remember", "replies")
TAKE: Final = _load("queue/take", "events")
RENEW: Final = _load("queue/renew", "ready")
REAP: Final = _load("queue/reap", "ready")
RELEASE: Final = _load("queue/release", "ready")
CANCEL: Final = _load("queue/cancel", "events", "ready")
TURN: Final = _load("queue/turn")

PENDING: Final = _load("outbox/pending")
ACKNOWLEDGE: Final = _load("outbox/acknowledge")
FORGET: Final = _load("outbox/forget")
FEEDBACK: Final = _load("feedback/put", "replies")

ALL: Final[tuple[Script, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Script))
