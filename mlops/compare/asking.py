"""One question over HTTP, as a user's program asks it: `POST /chat/stream`, by a user and in a session of its own.

Nothing is asked again here: what a user would not have got is a failure, and a result.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec

from mlops.compare.order import Ask
from mlops.compare.results import Failure, Result
from mlops.questions import Question

CONNECT_S: Final = 10.0
CANCEL_S: Final = 5.0
"""To stop a turn that took too long; it goes on where that fails."""
_MESSAGE_CHARACTERS: Final = 300


class _Event(NamedTuple):
    type: str
    data: dict[str, Any]


class _Seen:
    """What the stream said so far."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._began_s = now_s()
        self.started_at_ms = time.time_ns() // 1_000_000
        self.ttft_ms: float | None = None
        self.fields: dict[str, Any] = {}
        self.failure: Failure | None = None
        self.session_id: str | None = None
        self.ended = False

    def elapsed_ms(self) -> float:
        return round((self._now_s() - self._began_s) * 1000, 3)

    def apply(self, event: _Event) -> None:
        """Take in one event; of unknown types nothing is taken."""
        data = event.data
        self.session_id = data.get("session_id", self.session_id)
        match event.type:
            case "ok":
                self.fields["turn_id"] = data.get("turn_id")
            case "message.delta":
                if self.ttft_ms is None:
                    self.ttft_ms = self.elapsed_ms()
            case "turn.completed" | "turn.failed" | "turn.cancelled":
                self._ended(event)
            case "chat.result":
                self._result(data)
            case "error":
                error = data.get("error", {})
                self.failure = self.failure or _failure("turn", str(error.get("code", "")), error.get("message"))
                self.ended = True
            case _:
                pass

    def _ended(self, event: _Event) -> None:
        usage = event.data.get("usage") or {}
        self.fields["input_tokens"] = usage.get("input", 0)
        self.fields["output_tokens"] = usage.get("output", 0)
        self.fields["cost_usd"] = event.data.get("cost_usd") or 0.0
        if event.type == "turn.failed":
            self.failure = _failure("turn", str(event.data.get("code", "")), event.data.get("message"))
        elif event.type == "turn.cancelled":
            self.failure = _failure("turn", "cancelled", None)

    def _result(self, data: dict[str, Any]) -> None:
        self.ended = True
        if data.get("state") not in ("completed", "cancelled"):
            self.failure = _failure("turn", str(data.get("state")), "The turn waits for something else.")
            return
        named = [name for name in (data.get("provider"), data.get("model")) if name]
        self.fields["served_by"] = ":".join(named) or None
        self.fields["text"] = data.get("response", "")
        self.fields["cost_usd"] = data.get("cost_usd") or 0.0
        self.fields["from_cache"] = bool(data.get("cached"))
        self.fields["tools"] = tuple(data.get("tools_called") or ())


class Asker:
    """Asks a Prosa at an address. `users` begins the name of each user, so that a run meets no one else's memory."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        *,
        timeout_s: float,
        users: str,
        agent: str | None = None,
        now_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._users = users
        self._agent = agent
        self._now_s = now_s
        self._asked = 0

    async def ask(self, ask: Ask, question: Question) -> Result:
        """Ask and wait for the end of the turn, at most `timeout_s`. Raises nothing but cancellation."""
        self._asked += 1
        body = {"user_id": f"{self._users}-{self._asked}", "message": question.question, "model": ask.model}
        if self._agent is not None:
            body["agent"] = self._agent
        seen = _Seen(self._now_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._follow(body, question, seen)
        except TimeoutError:
            seen.failure = _failure("timeout", "", f"Not ended after {self._timeout_s:g} s.")
        except aiohttp.ClientConnectorError as error:
            seen.failure = _failure("unreachable", "", type(error).__name__)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            seen.failure = _failure("cut", "", f"The stream broke off ({type(error).__name__}).")
        latency_ms = seen.elapsed_ms()
        if seen.failure is not None and seen.failure.kind in ("timeout", "cut"):
            await self._cancel(seen)
        return Result(
            model=ask.model,
            question_id=ask.question_id,
            repeat=ask.repeat,
            started_at_ms=seen.started_at_ms,
            latency_ms=latency_ms,
            ttft_ms=seen.ttft_ms,
            failure=seen.failure,
            **seen.fields,
        )

    async def _follow(self, body: dict[str, str], question: Question, seen: _Seen) -> None:
        headers = {"Accept": "text/event-stream", **({"Accept-Language": question.lang} if question.lang else {})}
        async with self._http.post(f"{self._url}/chat/stream", json=body, headers=headers) as response:
            if response.status != 200:
                seen.failure = await _refusal(response)
                return
            async for event in _events(response.content):
                seen.apply(event)
                if seen.ended:
                    return
        seen.failure = seen.failure or _failure("cut", "", "The stream ended before the turn.")

    async def _cancel(self, seen: _Seen) -> None:
        """Stop what goes on unseen: it would slow down what is asked next."""
        if seen.session_id is None or seen.fields.get("turn_id") is None:
            return
        command = {"type": "turn.cancel", "cid": "1", "session_id": seen.session_id, "turn_id": seen.fields["turn_id"]}
        url = f"{self._url}/api/v1/sessions/{seen.session_id}/commands"
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(CANCEL_S), self._http.post(url, json=command) as response:
                await response.read()


def open_http(api_key: str | None) -> aiohttp.ClientSession:
    """Make the HTTP client; each answer's time limit is the asker's."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    return aiohttp.ClientSession(headers=headers, timeout=timeout, connector=aiohttp.TCPConnector(limit=0))


async def _refusal(response: aiohttp.ClientResponse) -> Failure:
    try:
        error = msgspec.json.decode(await response.read()).get("error", {})
        code, message = error.get("code", ""), error.get("message")
    except (msgspec.DecodeError, AttributeError):  # a proxy's page
        code, message = "", None
    return _failure("http", f"{response.status} {code}".rstrip(), message)


async def _events(stream: aiohttp.StreamReader) -> AsyncIterator[_Event]:
    """Read Server-Sent Events as Prosa writes them: one `event` and one `data` line each. Others are skipped."""
    buffer = b""
    async for piece in stream.iter_any():
        *blocks, buffer = (buffer + piece).split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            if b"event" in fields and b"data" in fields:
                yield _Event(fields[b"event"].decode(), msgspec.json.decode(fields[b"data"]))


def _failure(kind: Any, code: str, message: Any) -> Failure:
    return Failure(kind=kind, code=code, message=str(message or "")[:_MESSAGE_CHARACTERS])
