"""A fake OpenAI-compatible model that is faster than what is measured: `python -m bench.upstream --port 9001`.

It speaks HTTP/1.1 on a bare asyncio protocol: Chat Completions, streamed (one chunk per token, as vendors send) or
whole. What to answer is in the user's message (bench/order.py). Unthrottled answers are encoded once and written in
large pieces under backpressure; paced ones keep an absolute schedule, so that a late token does not delay the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from functools import lru_cache
from typing import ClassVar, Final, cast

import uvloop

from bench.order import Order, first_token, has_tool_result, paced_token, parse_order, plain_token

_PIECE_TOKENS: Final = 64
"""Tokens of an unthrottled answer that go out in one write."""

TOOL: Final = "sales_query"
"""What an order with a tool calls: one of the demo's, over data that lies on this machine."""
TOOL_ARGUMENTS: Final = {"metrics": ["deals"]}

_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PREFIX: Final = '{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"fake","choices":['


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def _chunk(payload: str) -> bytes:
    """Frame one server-sent event as one HTTP chunk."""
    data = b"data: " + payload.encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def token_chunk(text: str) -> bytes:
    """Encode one token of a streamed answer; `text` needs no escape."""
    return _chunk(_PREFIX + '{"index":0,"delta":{"content":"' + text + '"},"finish_reason":null}]}')


def ending(tokens: int, with_usage: bool) -> bytes:
    """Encode the end of a streamed answer."""
    return _ending("stop", tokens, with_usage)


def tool_call(order: Order, with_usage: bool) -> bytes:
    """Encode a streamed answer that is one call of `TOOL`, with its end."""
    function = {"name": TOOL, "arguments": json.dumps(TOOL_ARGUMENTS)}
    call = {"index": 0, "id": f"call_{order.id}", "type": "function", "function": function}
    choice = {"index": 0, "delta": {"role": "assistant", "tool_calls": [call]}, "finish_reason": None}
    return _chunk(_PREFIX + json.dumps(choice) + "]}") + _ending("tool_calls", 10, with_usage)


def _ending(reason: str, tokens: int, with_usage: bool) -> bytes:
    parts = [_chunk(_PREFIX + '{"index":0,"delta":{},"finish_reason":"' + reason + '"}]}')]
    if with_usage:
        parts.append(_chunk(_PREFIX + '],"usage":' + _usage(tokens) + "}"))
    parts.append(_chunk("[DONE]"))
    parts.append(b"0\r\n\r\n")
    return b"".join(parts)


def _usage(tokens: int) -> str:
    return json.dumps({"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": tokens + 10})


@lru_cache(maxsize=64)
def _pieces(tokens: int) -> tuple[bytes, ...]:
    """Tokens 1 to the last of an unthrottled answer, encoded, in pieces."""
    chunks = [token_chunk(plain_token(index)) for index in range(1, tokens)]
    return tuple(b"".join(chunks[start : start + _PIECE_TOKENS]) for start in range(0, len(chunks), _PIECE_TOKENS))


class Upstream(asyncio.Protocol):
    """One connection: requests one after the other. `called` is when tools were called, by order, for all of them."""

    called: ClassVar[dict[str, int]] = {}

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._resume: asyncio.Event = asyncio.Event()
        self._resume.set()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop has its own kind

    def connection_lost(self, error: Exception | None) -> None:
        """The reader left: nothing more is sent."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The reader is behind."""
        self._resume.clear()

    def resume_writing(self) -> None:
        """The reader caught up."""
        self._resume.set()

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(self._buffer, 0, end)
        size = end + 4 + (int(found.group(1)) if found else 0)
        if len(self._buffer) < size:
            return
        body = bytes(self._buffer[end + 4 : size])
        del self._buffer[:size]
        self._answer(body, _now_us())

    def _answer(self, body: bytes, asked_us: int) -> None:
        try:
            order = parse_order(body)
        except ValueError as error:
            self._whole(
                json.dumps({"error": {"message": str(error), "type": "invalid_request_error"}}), "400 Bad Request"
            )
            return
        compact = body.replace(b" ", b"")
        if b'"stream":true' not in compact:
            self._complete(order, asked_us)
            return
        with_usage = b'"include_usage":true' in compact
        if order.tool and not has_tool_result(body):
            self._transport.write(_HEAD + tool_call(order, with_usage))
            self.called[order.id] = _now_us()
        elif order.rate == 0:
            self._task = asyncio.get_running_loop().create_task(self._burst(order, asked_us, with_usage))
        else:
            self._schedule(order, asked_us, with_usage)

    def _first(self, order: Order, asked_us: int) -> bytes:
        return _HEAD + token_chunk(first_token(_now_us(), asked_us, self.called.pop(order.id, None)))

    def _whole(self, body: str, status: str) -> None:
        data = body.encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        self._transport.write(head.encode() + data)

    def _complete(self, order: Order, asked_us: int) -> None:
        text = first_token(_now_us(), asked_us) + "".join(plain_token(index) for index in range(1, order.tokens))
        message = {"role": "assistant", "content": text}
        answer = {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1,
            "model": "fake",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": json.loads(_usage(order.tokens)),
        }
        self._whole(json.dumps(answer), "200 OK")

    async def _burst(self, order: Order, asked_us: int, with_usage: bool) -> None:
        if order.ttft_ms:
            await asyncio.sleep(order.ttft_ms / 1000)
        self._transport.write(self._first(order, asked_us))
        for piece in _pieces(order.tokens):
            if not self._resume.is_set():
                await self._resume.wait()
            self._transport.write(piece)
        self._transport.write(ending(order.tokens, with_usage))

    def _schedule(self, order: Order, asked_us: int, with_usage: bool) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time() + order.ttft_ms / 1000

        def send(index: int) -> None:
            if index == 0:
                self._transport.write(self._first(order, asked_us))
            else:
                self._transport.write(token_chunk(paced_token(index, _now_us())))
            if index + 1 < order.tokens:
                self._timer = loop.call_at(start + (index + 1) / order.rate, send, index + 1)
            else:
                self._transport.write(ending(order.tokens, with_usage))

        self._timer = loop.call_at(start, send, 0)


async def serve(port: int) -> None:
    """Serve on loopback until cancelled."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=2048)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
