"""A server that is told to stop in the middle of an answer: every wait ends well, and another start goes on."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import httpx2
import pytest

from tests.server.server_process import ServerProcess, server_process
from tests.server.slow_model import SlowModel
from tests.server.wire_client import WireClient

pytestmark = pytest.mark.slow


def settings(model: SlowModel, drain_s: float) -> dict[str, str]:
    """A server whose answers the test says, with so much time to end them."""
    return {
        "OPENAI_BASE_URL": model.url,
        "OPENAI_API_KEY": "none",
        "LLM_MODEL": "openai:slow",
        "DRAIN_S": str(drain_s),
    }


def socket(server: ServerProcess) -> object:
    """A WebSocket client."""
    return WireClient.connect(f"{server.url.replace('http', 'ws')}/ws")


async def whole(http: httpx2.AsyncClient, begun: asyncio.Event, method: str, url: str, **options: object) -> str:
    """A stream's text to its proper end: one that breaks off raises. `begun` is set with the first of it."""
    text = ""
    async with http.stream(method, url, **options) as response:
        async for piece in response.aiter_text():
            text += piece
            begun.set()
    return text


async def test_every_wait_ends_well_and_the_answer_goes_on_after_the_next_start(tmp_path: Path) -> None:
    body, key = {"user_id": "ana", "message": "conte"}, {"Idempotency-Key": "k"}
    async with SlowModel() as model, server_process(tmp_path, **settings(model, 0.2)) as server:
        async with httpx2.AsyncClient(timeout=60) as http, socket(server) as client:
            session_id = (await client.open("ana"))["session_id"]
            chat = asyncio.create_task(http.post(f"{server.url}/chat", json=body, headers=key))
            await model.next_call()
            await model.say("um ")
            await client.until_type("message.delta")
            begun, address = (asyncio.Event(), asyncio.Event()), f"{server.url}/api/v1/sessions/{session_id}/events"
            stream = whole(http, begun[0], "POST", f"{server.url}/chat/stream", json=body, headers=key)
            again, sse = asyncio.create_task(stream), asyncio.create_task(whole(http, begun[1], "GET", address))
            await model.say("dois ")
            await begun[0].wait()
            await begun[1].wait()
            code = await server.end(signal.SIGTERM)
            pending, streamed, followed = await chat, await again, await sse
            closed = await client.closed()
        turn_id = pending.json()["turn_id"]
        await server.start()
        await model.next_call()
        await model.say("um dois três")
        await model.finish()
        async with httpx2.AsyncClient(timeout=60) as http:
            answer = (await http.get(f"{server.url}/api/v1/turns/{turn_id}?wait_s=50")).json()
    assert (code, closed, pending.status_code) == (0, 1012, 202)
    last = streamed.strip().split("\n\n")[-1].split("\n")
    assert last[0] == "event: chat.result"
    assert json.loads(last[1].removeprefix("data: "))["turn_id"] == turn_id
    assert "event: session.live" in followed
    assert answer["response"] == "um dois três"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_does_not_wait_for_running_answers(tmp_path: Path, number: int) -> None:
    async with (
        SlowModel() as model,
        server_process(tmp_path, **settings(model, 600)) as server,
        socket(server) as client,
        httpx2.AsyncClient() as http,
    ):
        session_id = (await client.open("ana"))["session_id"]
        await client.ask("message.send", session_id=session_id, content="conte")
        await model.next_call()
        assert server.process is not None
        server.process.send_signal(number)
        while (await http.get(f"{server.url}/ready")).status_code == 200:
            await asyncio.sleep(0.02)
        code = await server.end(number)
        closed = await client.closed()
    assert (code, closed) == (0, 1012)
