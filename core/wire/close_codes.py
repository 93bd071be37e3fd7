"""How a connection ends: the code says whether the client comes back (protocol.md, Heartbeat, slow clients, drain)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    """Every code with which the server closes; `comes_back` says what a client does about each."""

    NORMAL = 1000
    BINARY = 1003
    BAD_UTF8 = 1007
    TOO_LARGE = 1009
    RESTARTING = 1012
    NO_PONG = 4002
    TOO_SLOW = 4003
    CREDENTIAL_EXPIRED = 4005
    """Come back with a new ticket."""
    INTERNAL = 4006
    RATE_LIMITED = 4008
    BAD_FRAMES = 4500
    UNAUTHORIZED = 4501
    NO_OPEN = 4502
    FORBIDDEN = 4503
    ERASED = 4504
    TOO_MANY_CONNECTIONS = 4506


FINAL: Final = frozenset({1000, 1002, 1003, 1007, 1008, 1009, 1010})
"""Closes of RFC 6455 (section 7.4.1) after which all is said, or that say that this client is broken or not allowed:
it would only be closed again."""


def comes_back(code: int) -> bool:
    """Whether a client connects anew after this close code; 1006 (no close frame) and unknown codes: yes."""
    return code not in FINAL and not 4500 <= code <= 4999
