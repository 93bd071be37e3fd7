"""A fake OpenAI-compatible provider as a process: `python -m tests.chaos.provider --port P --history FILE --seed N`.

Streams Chat Completions whose tokens say whose they are, of which call, and which one of it:
`<canary>-<call>-<index> `. What to answer and how to go wrong stands in the user's message (order.py).
Every other path hangs: that is the source of the `market` tool. Ends when its stdin does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final, Literal

from tests.chaos.history import ModelCall, ModelSaid
from tests.chaos.order import Order, canary, read_order
from tests.chaos.recording import Recorder, now_ns

_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_CANARY: Final = re.compile(r"([B-Z][b-z]{7})-\d+-\d+ ")
_ONCE_TOOL: Final = "create_follow_up"
_HANG_S: Final = 600.0


class _Call:
    """One call: what is said is kept, to be written down when it is over."""

    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.tokens: list[str] = []
        self.tool_calls: list[dict[str, Any]] = []
        self.whole = False
        self._writer = writer

    async def head(self) -> None:
        self._writer.write(_HEAD)
        await self._writer.drain()

    async def token(self, text: str) -> None:
        await self._chunk({"index": 0, "delta": {"content": text}, "finish_reason": None})
        self.tokens.append(text)

    async def tool_call(self, name: str, arguments: dict[str, Any]) -> None:
        call = {"id": f"call-{self.number}", "name": name, "arguments": json.dumps(arguments)}
        function = {"name": name, "arguments": call["arguments"]}
        whole = {"index": 0, "id": call["id"], "type": "function", "function": function}
        await self._chunk({"index": 0, "delta": {"tool_calls": [whole]}, "finish_reason": None})
        self.tool_calls.append(call)

    async def finish(self, reason: str) -> None:
        await self._chunk({"index": 0, "delta": {}, "finish_reason": reason})
        usage = {"prompt_tokens": 10, "completion_tokens": len(self.tokens), "total_tokens": 10 + len(self.tokens)}
        await self._payload(json.dumps({"id": "x", "object": "chat.completion.chunk", "choices": [], "usage": usage}))
        await self._payload("[DONE]")
        self._writer.write(b"0\r\n\r\n")
        self.whole = True
        await self._writer.drain()

    async def garbage(self) -> None:
        await self._payload('{"id":"x","choices":[{"index":0,"delta":{"content":"\\ud800 broken')
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def refuse(self, status: str) -> None:
        body = json.dumps({"error": {"message": "on purpose", "type": "server_error"}}).encode()
        self._writer.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (status.encode(), len(body), body)
        )
        await self._writer.drain()

    async def _chunk(self, choice: dict[str, Any]) -> None:
        await self._payload(
            json.dumps({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
        )

    async def _payload(self, text: str) -> None:
        data = b"data: " + text.encode() + b"\n\n"
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()


class FakeProvider:
    """Counts calls and answers them."""

    def __init__(self, recorder: Recorder, seed: int) -> None:
        self._recorder = recorder
        self._seed = seed
        self._calls = 0
        self._tries: Counter[tuple[str, int]] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: requests one after the other."""
        try:
            while (request := await _request(reader)) is not None:
                path, body = request
                if not path.endswith("/chat/completions"):
                    self._recorder.fault("tool_hang", path[:60], 1)
                    await reader.read(1)
                    return
                if not await self._answer(reader, writer, json.loads(body)):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # cancelled: the run is over
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: dict[str, Any]) -> bool:
        """Answer one call; whether the connection can be used on."""
        question, results, step = _read_messages(body["messages"])
        order = read_order(question) or Order(session="", cid="", kind="say", tokens=3, pace_ms=1)
        self._calls += 1
        call = _Call(self._calls, writer)
        self._tries[(order.cid, step)] += 1
        fault = order.fault if step == 1 and self._tries[(order.cid, step)] <= order.times else None
        self._recorder.write(
            ModelCall(
                at_ns=now_ns(),
                call=call.number,
                session=order.session,
                question=question,
                step=step,
                fault=fault,
                tool_results=results,
                words=sorted(set(_CANARY.findall(str(body["messages"])))),
            )
        )
        if fault is not None:
            self._recorder.fault(f"provider_{fault}", str(call.number), 1)
        self._recorder.flush()
        tools = {tool["function"]["name"] for tool in body.get("tools", ())}
        speaking = asyncio.create_task(self._speak(call, order, step, fault, tools))
        watching = asyncio.create_task(reader.read(1))
        await asyncio.wait([speaking, watching], return_when=asyncio.FIRST_COMPLETED)
        closed_by: Literal["provider", "client"] = "provider" if speaking.done() else "client"
        speaking.cancel()
        (outcome,) = await asyncio.gather(speaking, return_exceptions=True)
        if isinstance(outcome, ConnectionError):
            closed_by = "client"
        self._recorder.write(
            ModelSaid(
                at_ns=now_ns(),
                call=call.number,
                tokens=call.tokens,
                tool_calls=call.tool_calls,
                whole=call.whole,
                closed_by=closed_by,
            )
        )
        self._recorder.flush()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return outcome is True and closed_by == "provider"

    async def _speak(self, call: _Call, order: Order, step: int, fault: str | None, tools: set[str]) -> bool:
        """Write the answer; whether its end was written."""
        if fault in ("429", "500"):
            await call.refuse("429 Too Many Requests" if fault == "429" else "500 Internal Server Error")
            return True
        await call.head()
        asks = step == 1 and order.kind != "say"
        for index in range(min(3, order.tokens) if asks else order.tokens):
            if fault is not None and index >= order.after:
                return await self._break(call, fault)
            await call.token(f"{canary(self._seed, order.session)}-{call.number}-{index} ")
            await asyncio.sleep(order.pace_ms / 1000)
        if fault is not None:
            return await self._break(call, fault)
        if asks:
            await call.tool_call(*_tool(order, tools))
        await call.finish("tool_calls" if asks else "stop")
        return True

    async def _break(self, call: _Call, fault: str) -> bool:
        if fault == "hang":
            await asyncio.sleep(_HANG_S)
        if fault == "garbage":
            await call.garbage()
        return False


def _tool(order: Order, tools: set[str]) -> tuple[str, dict[str, Any]]:
    if order.kind == "market":
        return "market", {"series": ["usd_brl"]}
    if order.kind == "once" and _ONCE_TOOL in tools:
        return _ONCE_TOOL, {"account": "Cancity", "note": order.cid, "due_date": "2018-01-15"}
    return "sales_find", {"text": "Cancity"}


def _read_messages(messages: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]], int]:
    """The last user's text, the tool results after it, and the step: 1 where the model did not speak since."""
    last = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=-1)
    after = messages[last + 1 :]
    question = messages[last]["content"] if last >= 0 else ""
    if isinstance(question, list):
        question = "\n".join(part.get("text", "") for part in question)
    results = [message for message in after if message["role"] == "tool"]
    return question, results, 1 + sum(message["role"] == "assistant" for message in after)


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    found = _LENGTH.search(head)
    body = await reader.readexactly(int(found.group(1))) if found else b""
    return head.split(b" ", 2)[1].decode(), body


async def _run(port: int, recorder: Recorder, seed: int) -> None:
    provider = FakeProvider(recorder, seed)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", port, backlog=1024, limit=4 * 1024 * 1024)
    async with server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    recorder.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(_run(arguments.port, Recorder(arguments.history), arguments.seed))


if __name__ == "__main__":
    main()
