"""What a client orders from the fake upstream, and the tokens that it gets: written into the user's message.

The order travels as text through whatever server is between: `bench(id=7 tokens=400 rate=50 ttft_ms=20)`. Each token
says its index, so that a lost, doubled or reordered one is seen; paced tokens also say when they left the upstream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

import msgspec

_ORDER = re.compile(rb"bench\(id=(\w+) tokens=(\d+) rate=(\d+) ttft_ms=(\d+)( tool)?\)")
_TOOL_RESULT = re.compile(rb'"role": ?"tool"')


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of `tokens` tokens. `id` makes the message unique: no cache may answer it."""

    id: str
    tokens: int
    rate: int = 0
    """Tokens a second; 0: as fast as the reader reads."""
    ttft_ms: int = 0
    """From the request's last byte to the first token."""
    tool: bool = False
    """A tool is called first; the text answers its result."""

    def text(self) -> str:
        """Give the order as the words of a user."""
        tool = " tool" if self.tool else ""
        return f"bench(id={self.id} tokens={self.tokens} rate={self.rate} ttft_ms={self.ttft_ms}{tool})"


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it was received. Times are microseconds of the machine's monotonic clock."""

    index: int
    received_us: int
    sent_us: int | None = None
    asked_us: int | None = None
    """When the upstream had read the request; only the first token says it."""
    called_us: int | None = None
    """When the upstream had sent the tool call that came before; only the first token after one says it."""


def parse_order(body: bytes) -> Order:
    """Find the last order in a request's body: earlier ones are history. Raises ValueError where there is none."""
    start = body.rfind(b"bench(")
    found = _ORDER.match(body, start) if start >= 0 else None
    if found is None:
        raise ValueError("the request holds no order such as bench(id=1 tokens=10 rate=0 ttft_ms=0)")
    name, tokens, rate, ttft_ms, tool = found.groups()
    return Order(id=name.decode(), tokens=int(tokens), rate=int(rate), ttft_ms=int(ttft_ms), tool=tool is not None)


def has_tool_result(body: bytes) -> bool:
    """Whether a tool has answered since the last order of a request's body."""
    return _TOOL_RESULT.search(body, body.rfind(b"bench(")) is not None


def first_token(sent_us: int, asked_us: int, called_us: int | None = None) -> str:
    """Write token 0."""
    return f"0.{sent_us}.{asked_us} " if called_us is None else f"0.{sent_us}.{asked_us}.{called_us} "


def paced_token(index: int, sent_us: int) -> str:
    """Write a token that says when it was sent."""
    return f"{index}.{sent_us} "


def plain_token(index: int) -> str:
    """Write a token of an unthrottled answer."""
    return f"{index} "


def read_tokens(pieces: Iterable[tuple[str, int]]) -> list[Token]:
    """Read tokens out of pieces of text with their times of arrival (microseconds).

    A token has arrived with the piece that ends it; what is left over at the end is cut off. Raises ValueError where
    a piece is no token.
    """
    tokens: list[Token] = []
    rest = ""
    for text, received_us in pieces:
        *whole, rest = (rest + text).split(" ")
        tokens.extend(_token(word, received_us) for word in whole)
    return tokens


def faults(tokens: list[Token], expected: int) -> list[str]:
    """Say what is wrong with an answer of `expected` tokens: nothing lost, doubled or reordered gives an empty list."""
    indexes = [token.index for token in tokens]
    if indexes == list(range(expected)):
        return []
    missing = expected - len(set(indexes) & set(range(expected)))
    doubled = len(indexes) - len(set(indexes))
    reordered = sum(left > right for left, right in pairwise(indexes))
    return [f"{missing} of {expected} tokens lost, {doubled} doubled, {reordered} out of order"]


def _token(word: str, received_us: int) -> Token:
    index, *times = word.split(".")
    return Token(
        index=int(index),
        received_us=received_us,
        sent_us=int(times[0]) if times else None,
        asked_us=int(times[1]) if len(times) > 1 else None,
        called_us=int(times[2]) if len(times) > 2 else None,
    )
