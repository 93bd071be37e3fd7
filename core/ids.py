"""Identifiers: UUIDv7 with a prefix that says what the thing is, such as `turn_0199...`.

One of the two files that may touch the real world (the other is `clock.py`): everything else
is given an `Ids`.
"""

from __future__ import annotations

import hashlib
import os
import time
from itertools import count
from typing import Final, Literal, Protocol

Prefix = Literal["ses", "msg", "turn", "call", "key", "epoch", "nonce", "node", "fb", "cid", "visitor", "trace", "apr"]

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u

_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_CHANCE_BYTES: Final = 10
_FETCHED: Final = 128
"""Ids for which chance is fetched at once."""


class Ids(Protocol):
    """Makes identifiers that are unique over all nodes and sort by time of making."""

    def new(self, prefix: Prefix) -> str:
        """Give `<prefix>_<26 characters>`, never the same twice."""
        ...


class SystemIds:
    """UUIDv7 (RFC 9562, section 5.7) in Crockford base 32: 48 bits of Unix milliseconds, 74 of chance.

    Chance is the system's, fetched for many ids at once: a turn makes ten, and the call is most of what one costs. A
    process that forks must make its own instance.
    """

    def __init__(self) -> None:
        self._chance = b""
        self._used = 0

    def new(self, prefix: Prefix) -> str:
        """Give a new id."""
        milliseconds = time.time_ns() // 1_000_000
        if self._used == len(self._chance):
            self._chance, self._used = os.urandom(_CHANCE_BYTES * _FETCHED), 0
        chance = int.from_bytes(self._chance[self._used : self._used + _CHANCE_BYTES], "big")
        self._used += _CHANCE_BYTES
        value = (milliseconds & (2**48 - 1)) << 80 | chance
        value = value & ~(0xF << 76) | 0x7 << 76  # version 7
        value = value & ~(0x3 << 62) | 0x2 << 62  # variant of RFC 9562
        return f"{prefix}_{_base32(value)}"


class SequentialIds:
    """Ids for tests: `turn_1`, `turn_2`; each prefix counts for itself."""

    def __init__(self) -> None:
        self._counters: dict[str, count[int]] = {}

    def new(self, prefix: Prefix) -> str:
        """Give the next id of this prefix."""
        return f"{prefix}_{next(self._counters.setdefault(prefix, count(1)))}"


def trace_id(turn_id: str) -> str:
    """The trace of a turn, 32 hex digits (W3C Trace Context): the same on every node and in every run."""
    return hashlib.blake2s(turn_id.encode(), digest_size=16).hexdigest()


def _base32(value: int) -> str:
    """26 characters, two at a time."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])
