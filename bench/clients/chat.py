"""The client of `POST /chat`: a question, and the answer when it is whole."""

from __future__ import annotations

import asyncio

import msgspec

from bench.clients.conversation import Answer, now_us
from bench.clients.http import HttpConnection
from bench.clients.streams import chat_body


class _Reply(msgspec.Struct):
    response: str = ""


class ChatConversation:
    """A user of `POST /chat`, over one keep-alive connection."""

    def __init__(self, port: int, user: str) -> None:
        self._port = port
        self._user = user
        self._parts: list[bytes] = []
        self._connection = HttpConnection(self._parts.append)

    async def open(self) -> None:
        """Connect."""
        await asyncio.get_running_loop().create_connection(lambda: self._connection, "127.0.0.1", self._port)

    async def ask(self, text: str) -> Answer:
        """Ask and wait for the answer."""
        answer = Answer(asked_us=now_us(), pieces=[])
        self._parts.clear()
        try:
            status = await self._connection.post("/chat", chat_body(self._user, text))
        except ConnectionError as error:
            answer.problem = str(error)
            return answer
        answer.ended_us = now_us()
        body = b"".join(self._parts)
        if status == 200:
            answer.pieces.append((msgspec.json.decode(body, type=_Reply).response, answer.ended_us))
        else:
            answer.problem = f"status {status}: {body[:200]!r}"
        return answer

    def stop(self) -> None:
        """Let it come: it is short."""

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
