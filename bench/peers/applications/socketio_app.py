"""A chat over python-socketio with its Redis manager, as its users write it: a room a user, one emit a token.

`python socketio_app.py --port 9000 --redis unix:///path`; OPENAI_BASE_URL and OPENAI_API_KEY say where the model is.
"""

from __future__ import annotations

import argparse
import asyncio

import socketio
import uvicorn
from openai import AsyncOpenAI, OpenAIError
from starlette.applications import Starlette


class Chat:
    """Three handlers over one SDK client."""

    def __init__(self, server: socketio.AsyncServer, model: AsyncOpenAI) -> None:
        self._server = server
        self._model = model
        self._answering: dict[str, asyncio.Task[None]] = {}

    async def connect(self, sid: str, environ: dict[str, object], credentials: dict[str, str]) -> None:
        """Let a user in: what is meant for the user goes to a room, wherever the user is connected."""
        await self._server.enter_room(sid, credentials["user"])

    async def ask(self, sid: str, question: dict[str, str]) -> None:
        """Answer one question, token by token."""
        room = question["user"]
        if (task := asyncio.current_task()) is not None:
            self._answering[sid] = task
        try:
            stream = await self._model.chat.completions.create(
                model="fake", messages=[{"role": "user", "content": question["text"]}], stream=True
            )
            async for chunk in stream:
                if chunk.choices and (token := chunk.choices[0].delta.content):
                    await self._server.emit("token", {"text": token}, room=room)
        except OpenAIError as error:
            await self._server.emit("failed", {"why": str(error)}, room=room)
        finally:
            del self._answering[sid]
            await self._server.emit("done", {}, room=room)

    async def stop(self, sid: str) -> None:
        """End the answer that is under way, if there is one."""
        if (task := self._answering.get(sid)) is not None:
            task.cancel()


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis", required=True)
    options = parser.parse_args()
    manager = socketio.AsyncRedisManager(options.redis)
    server = socketio.AsyncServer(async_mode="asgi", client_manager=manager)
    chat = Chat(server, AsyncOpenAI(max_retries=0))
    server.on("connect", chat.connect)
    server.on("ask", chat.ask)
    server.on("stop", chat.stop)
    application = socketio.ASGIApp(server, other_asgi_app=Starlette())
    uvicorn.run(application, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
