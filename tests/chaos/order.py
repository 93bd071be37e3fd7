"""What the fake provider is to do, written in the user's message, so that it is the same whichever process calls it.

A message is `[<session>] <cid> #<kind> n=<tokens> ms=<between tokens>` and, where a call is to go wrong,
` fault=<kind>@<after so many tokens>x<how many calls>`. Of several messages in one turn the last one counts.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

_LINE: Final = re.compile(
    r"\[(?P<session>[\w.-]+)\] (?P<cid>\S+) #(?P<kind>\w+) n=(?P<tokens>\d+) ms=(?P<pace_ms>\d+)"
    r"(?: fault=(?P<fault>\w+)@(?P<after>\d+)x(?P<times>\d+))?"
)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `kind`: say, read (a `read` tool first), once (a `once` tool first), market (a tool that hangs)."""

    session: str
    cid: str
    kind: str
    tokens: int
    pace_ms: int
    fault: str | None = None
    """429, 500, hang, cut or garbage."""
    after: int = 0
    times: int = 0
    """How many of the first calls of a step go wrong."""


def write_order(order: Order) -> str:
    """The user's message."""
    line = f"[{order.session}] {order.cid} #{order.kind} n={order.tokens} ms={order.pace_ms}"
    return line if order.fault is None else f"{line} fault={order.fault}@{order.after}x{order.times}"


def read_order(question: str) -> Order | None:
    """The last order in a text; None where there is none."""
    found = list(_LINE.finditer(question))
    if not found:
        return None
    fields = found[-1].groupdict()
    return Order(
        session=fields["session"],
        cid=fields["cid"],
        kind=fields["kind"],
        tokens=int(fields["tokens"]),
        pace_ms=int(fields["pace_ms"]),
        fault=fields["fault"],
        after=int(fields["after"] or 0),
        times=int(fields["times"] or 0),
    )


def canary(seed: int, session: str) -> str:
    """The word that only this session's answers hold."""
    number = hash_number(f"{seed}/{session}")
    letters = "bcdfghjklmnpqrstvwxz"
    return "".join(letters[(number >> shift) % len(letters)] for shift in range(0, 40, 5)).capitalize()


def hash_number(text: str) -> int:
    """A number from a text, the same in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
