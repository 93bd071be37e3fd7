"""The loop that one writes first, as the yardstick: Starlette, the openai SDK, one write per token, nothing kept.

`python -m bench.naive --port 9002 --upstream http://127.0.0.1:9001/v1 [--redis unix:///path]`: with Redis each token is
also awaited through XADD and PUBLISH, the plain way to make a stream durable and shared.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator

import uvicorn
from openai import AsyncOpenAI
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


class NaiveChat:
    """The handlers over one SDK client."""

    def __init__(self, model: AsyncOpenAI, redis: Redis | None) -> None:
        self._model = model
        self._redis = redis

    async def health(self, request: Request) -> JSONResponse:
        """Say that the process is up."""
        return JSONResponse({"ok": True})

    async def chat(self, request: Request) -> JSONResponse:
        """Answer when the answer is whole."""
        question = await request.json()
        answer = await self._model.chat.completions.create(
            model="fake", messages=[{"role": "user", "content": question["message"]}]
        )
        return JSONResponse({"response": answer.choices[0].message.content})

    async def stream(self, request: Request) -> StreamingResponse:
        """Answer token by token, as server-sent events."""
        question = await request.json()
        return StreamingResponse(self._tokens(question), media_type="text/event-stream")

    async def hold(self, socket: WebSocket) -> None:
        """Keep a WebSocket open."""
        await socket.accept()
        async for _ in socket.iter_text():
            pass

    async def _tokens(self, question: dict[str, str]) -> AsyncIterator[str]:
        stream = await self._model.chat.completions.create(
            model="fake", messages=[{"role": "user", "content": question["message"]}], stream=True
        )
        async for chunk in stream:
            text = chunk.choices[0].delta.content if chunk.choices else None
            if not text:
                continue
            if self._redis is not None:
                await self._redis.xadd(f"log:{question['user_id']}", {"text": text})
                await self._redis.publish(f"live:{question['user_id']}", text)
            yield f"data: {json.dumps({'text': text})}\n\n"
        yield "data: [DONE]\n\n"


def build(upstream: str, redis_url: str | None) -> Starlette:
    """Put the application together."""
    model = AsyncOpenAI(base_url=upstream, api_key="bench", max_retries=0)
    chat = NaiveChat(model, Redis.from_url(redis_url) if redis_url else None)
    return Starlette(
        routes=[
            Route("/health", chat.health),
            Route("/chat", chat.chat, methods=["POST"]),
            Route("/chat/stream", chat.stream, methods=["POST"]),
            WebSocketRoute("/ws", chat.hold),
        ]
    )


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--redis")
    options = parser.parse_args()
    application = build(options.upstream, options.redis)
    uvicorn.run(application, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
