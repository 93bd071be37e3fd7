"""What the hub makes of the bytes of its pub/sub connection, counted in reads."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.exceptions import ResponseError

from memory.event_log.hub import Hub
from memory.keys import Keys

CHANNEL = "channel"


def reply(*parts: bytes) -> bytes:
    """RESP2: an array of bulk strings."""
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


class CountedStream(asyncio.StreamReader):
    """Counts how often it is read."""

    reads = 0

    async def read(self, n: int = -1) -> bytes:
        """Read what there is."""
        self.reads += 1
        return await super().read(n)


class Heard:
    """A hub on a stream, and what its listener is told."""

    def __init__(self, stream: CountedStream) -> None:
        self.messages: list[bytes] = []
        hub = Hub(cast(Any, SimpleNamespace(keys=Keys())), "node")
        hub.listen(CHANNEL, self.messages.append)
        self.hearing = asyncio.create_task(hub._hear(cast(Any, SimpleNamespace(_reader=stream))))

    async def end(self) -> BaseException | None:
        """How hearing ended."""
        (ended,) = await asyncio.gather(self.hearing, return_exceptions=True)
        return ended


async def test_messages_that_come_together_take_one_read() -> None:
    stream = CountedStream()
    messages = [b"message %d" % number for number in range(500)]
    stream.feed_data(b"".join(reply(b"smessage", CHANNEL.encode(), message) for message in messages))
    stream.feed_eof()
    heard = Heard(stream)
    ended = await heard.end()
    assert heard.messages == messages
    assert isinstance(ended, ConnectionError)
    assert stream.reads == 2  # the second one finds the end


@pytest.mark.parametrize("cut", [1, 9, 30])
async def test_a_message_that_comes_in_pieces_is_heard_once_and_whole(cut: int) -> None:
    stream = CountedStream()
    whole = reply(b"smessage", CHANNEL.encode(), b"in\r\npieces")
    stream.feed_data(whole[:cut])
    heard = Heard(stream)
    await asyncio.sleep(0)
    before = list(heard.messages)
    stream.feed_data(whole[cut:])
    stream.feed_eof()
    await heard.end()
    assert (before, heard.messages) == ([], [b"in\r\npieces"])


async def test_a_subscription_that_redis_refuses_ends_the_connection() -> None:
    stream = CountedStream()
    stream.feed_data(b"-NOPERM no permissions\r\n")
    assert isinstance(await Heard(stream).end(), ResponseError)
