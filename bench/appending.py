"""Appends to a log without a turn behind them: the product's own script, called as its link calls it.

The script is asked for from a child process, so that it is the one of this tree and yet nothing is imported from it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha1
from typing import Final, TypeAlias

import msgspec

from bench.processes import ROOT

PREFIX: Final = "prosa:{p0}:"
_ASK: Final = "import sys; from memory.scripts import APPEND; sys.stdout.buffer.write(APPEND.text)"
Field: TypeAlias = "bytes | bytearray | memoryview[int] | str | int | float"
"""What redis-py takes as a field of a hash; its mappings are invariant."""
_FENCE: Final = "1"
_NONCE: Final = "bench"


@lru_cache(maxsize=1)
def append_script() -> bytes:
    """Give the text of the append script. Raises CalledProcessError where the product has none."""
    return subprocess.run([sys.executable, "-c", _ASK], cwd=ROOT, check=True, capture_output=True).stdout


def digest_of(script: bytes) -> str:
    """Name a script as EVALSHA does."""
    return sha1(script, usedforsecurity=False).hexdigest()


class Appender(msgspec.Struct, frozen=True, kw_only=True):
    """A run that appends to a session's log. `instance` and `epoch` are what the session's meta says."""

    session: str
    instance: str
    epoch: str

    @property
    def meta_key(self) -> str:
        """Where the session's meta is."""
        return f"{PREFIX}s:{self.session}"

    def holds(self) -> dict[Field, Field]:
        """Give the fields of the session's meta that let this run append."""
        return {"current": f"turn_{self.session}", "fence": _FENCE, "nonce": _NONCE, "batch": "0", "cancel": ""}

    def arguments(self, batch: int, bodies: Sequence[bytes]) -> list[bytes | str]:
        """Give what the script takes for batch `batch` (from 1, in order) of events."""
        owner = [self.session, f"turn_{self.session}", _FENCE, _NONCE, str(batch), self.epoch]
        return [*owner, str(len(bodies)), *bodies, "0"]


def append_call(digest: str, instance: str, appends: Sequence[Sequence[bytes | str]]) -> list[bytes | str]:
    """Give the command that makes appends, each what `Appender.arguments` gives; it replies with a list."""
    command: list[bytes | str] = ["EVALSHA", digest, "1", PREFIX, instance]
    for arguments in appends:
        command += [str(len(arguments)), *arguments]
    return command


def delta(session: str, offset: int, text: str) -> bytes:
    """Encode an event as the product does for a piece of an answer, without its `seq`; `text` needs no escape."""
    return (
        f'{{"type":"message.delta","session_id":"{session}","message_id":"msg_01kbabcdefghjkmnpqrstvwxyz",'
        f'"off":{offset},"text":"{text}"}}'
    ).encode()


def packed(arguments: Sequence[bytes | str]) -> bytes:
    """Encode a command for Redis (RESP)."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument.encode() if isinstance(argument, str) else argument
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)
