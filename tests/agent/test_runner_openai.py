"""Whole turns through the real OpenAI provider and a real socket."""

from __future__ import annotations

import asyncio
import json

from agent.providers.openai import OpenAIProvider
from core.events import MessageDelta, TurnCancelled, TurnFailed
from core.models import Usage
from tests.agent.agent_support import Bench, assert_event_types
from tests.agent.chat_server import DONE, Answer, ChatServer, chunk, event

CALL = {"index": 0, "id": "call_9", "function": {"name": "look", "arguments": '{"x": 1}'}}
USAGE = event({"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34}})


async def test_a_turn_with_a_tool(bench: Bench, server: ChatServer) -> None:
    server.play(
        Answer(pieces=[chunk("Vou ver."), chunk(tool_calls=[CALL]), chunk(finish="tool_calls"), USAGE, DONE]),
        Answer(pieces=[chunk("São "), chunk("10."), chunk(finish="stop"), USAGE, DONE]),
    )
    provider = OpenAIProvider(api_key="k", base_url=server.url)

    record = await bench.run(provider)
    await provider.close()

    assert bench.writer.text == "Vou ver.\n\nSão 10."
    assert record is not None
    assert (record.outcome, record.usage) == ("completed", Usage(input=60, output=8, total=68))
    second = server.bodies[1]["messages"]
    assert second[2]["tool_calls"][0]["id"] == second[3]["tool_call_id"] == "call_9"
    assert json.loads(second[2]["tool_calls"][0]["function"]["arguments"]) == {"x": 1}


async def test_a_stop_closes_the_vendors_connection(bench: Bench, server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("Dez")], ending="hang"))
    provider = OpenAIProvider(api_key="k", base_url=server.url)
    turn = asyncio.create_task(bench.run(provider))
    await bench.writer.until(MessageDelta)
    assert bench.cancel is not None
    bench.cancel("user")
    await turn
    await server.gone.wait()
    await provider.close()

    assert bench.writer.only(TurnCancelled).by == "user"
    assert bench.writer.text == "Dez"


async def test_a_connection_that_breaks_in_mid_answer_fails_the_turn_retryably(
    bench: Bench, server: ChatServer
) -> None:
    server.play(Answer(pieces=[chunk("Dez")], ending="cut"))
    provider = OpenAIProvider(api_key="k", base_url=server.url)

    await bench.run(provider)
    await provider.close()

    assert_event_types(
        bench.writer, "step.started", "message.started", "message.delta", "message.completed", "turn.failed"
    )
    assert bench.writer.only(TurnFailed).retryable


async def test_arguments_cut_by_the_output_limit_are_never_run(bench: Bench, server: ChatServer) -> None:
    """vLLM hides `length` behind `tool_calls` (vllm #53269), so only what parses may run."""
    cut = {"index": 0, "id": "call_9", "function": {"name": "look", "arguments": '{"x": 1'}}
    server.play(
        Answer(pieces=[chunk(tool_calls=[cut]), chunk(finish="tool_calls"), DONE]),
        Answer(pieces=[chunk("Não sei.", finish="stop"), DONE]),
    )
    provider = OpenAIProvider(api_key="k", base_url=server.url)

    await bench.run(provider)
    await provider.close()

    assert bench.tools.calls == []
    assert server.bodies[1]["messages"][3]["content"] == "the arguments are not JSON"
