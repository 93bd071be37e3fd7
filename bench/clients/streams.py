"""Clients of servers that answer by server-sent events: the upstream itself, and the naive loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from bench.clients.conversation import Answer, now_us
from bench.clients.http import HttpConnection


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []


class _Piece(msgspec.Struct):
    text: str


_completion = msgspec.json.Decoder(_Completion)
_piece = msgspec.json.Decoder(_Piece)


def openai_text(data: bytes) -> str:
    """Give the text in one event of a Chat Completions stream."""
    return "".join(choice.delta.content or "" for choice in _completion.decode(data).choices)


def naive_text(data: bytes) -> str:
    """Give the text in one event of the naive loop."""
    return _piece.decode(data).text


def openai_body(user: str, text: str) -> bytes:
    """Ask in the way of OpenAI's Chat Completions."""
    return msgspec.json.encode({"model": "fake", "stream": True, "messages": [{"role": "user", "content": text}]})


def chat_body(user: str, text: str) -> bytes:
    """Ask in the way of `POST /chat`."""
    return msgspec.json.encode({"user_id": user, "message": text})


class StreamConversation:
    """A conversation whose answers are streams of server-sent events."""

    def __init__(
        self, port: int, user: str, path: str, body: Callable[[str, str], bytes], text: Callable[[bytes], str]
    ) -> None:
        self._port = port
        self._user = user
        self._path = path
        self._body = body
        self._text = text
        self._rest = b""
        self._answer = Answer(asked_us=0)
        self._is_stopping = False
        self._connection = HttpConnection(self._take)

    async def open(self) -> None:
        """Connect."""
        await asyncio.get_running_loop().create_connection(lambda: self._connection, "127.0.0.1", self._port)

    async def ask(self, text: str) -> Answer:
        """Ask and read the stream to its end."""
        self._answer = answer = Answer(asked_us=now_us(), pieces=[])
        self._rest = b""
        try:
            status = await self._connection.post(self._path, self._body(self._user, text))
        except ConnectionError as error:
            answer.is_cut = self._is_stopping
            answer.problem = None if self._is_stopping else str(error)
        else:
            answer.problem = None if status == 200 else f"status {status}"
        answer.ended_us = now_us()
        return answer

    def stop(self) -> None:
        """Hang up: such a server ends an answer that nobody reads."""
        self._is_stopping = True
        self._connection.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _take(self, body: bytes) -> None:
        *events, self._rest = (self._rest + body).split(b"\n\n")
        texts = [self._text(event[6:]) for event in events if event.startswith(b"data: {")]
        if texts:
            self._answer.pieces.append(("".join(texts), now_us()))
