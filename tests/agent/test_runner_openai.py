"""Whole turns through the real OpenAI provider and a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from agent.providers.openai import OpenAIProvider, Timeouts
from core.events import MessageCompleted, MessageDelta, TurnCancelled, TurnFailed
from core.models import Usage
from tests.agent.agent_support import Bench
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


FAULTS: dict[str, Answer] = {
    "cut": Answer(pieces=[chunk("Onz")], ending="cut"),
    "hang": Answer(pieces=[chunk("Onz")], ending="hang"),
    "hang_before_the_first_token": Answer(deaf=True),
    "closed_at_once": Answer(silent=True),
    "garbage": Answer(pieces=[chunk("Onz"), b"data: {{{\n\n"]),
    "no_event_stream_at_all": Answer(pieces=[b"<html>busy</html>"]),
    "no_finish": Answer(pieces=[chunk("Onz")]),
    "error_in_the_stream": Answer(pieces=[chunk("Onz"), event({"error": {"code": "server_error"}})]),
    "status_500": Answer(status=500, pieces=[b"{}"]),
    "status_429": Answer(status=429, pieces=[b"{}"], headers={"retry-after-ms": "1"}),
}
"""What a vendor does wrong; each may be healed by another try."""

WHOLE = Answer(pieces=[chunk("Dez."), chunk(finish="stop"), DONE])


@pytest.fixture
async def hasty(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenAIProvider]:
    """A provider that is not waited for longer than a test may take."""
    monkeypatch.setattr("agent.routing.retry.BACKOFF_S", 0.001)
    timeouts = Timeouts(first_token_s=0.3, between_tokens_s=0.1)
    provider = OpenAIProvider(api_key="k", base_url=server.url, timeouts=timeouts)
    yield provider
    await provider.close()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_of_the_vendor_is_healed_by_another_try(
    bench: Bench, server: ChatServer, hasty: OpenAIProvider, fault: Answer
) -> None:
    server.play(fault, WHOLE)

    record = await bench.run(hasty)

    assert record is not None
    assert record.outcome == "completed"
    assert bench.writer.text == "Dez."
    assert bench.writer.only(MessageCompleted).length == 4


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_that_stays_ends_the_turn_retryably(
    bench: Bench, server: ChatServer, hasty: OpenAIProvider, fault: Answer
) -> None:
    server.play(fault, fault, fault)

    await bench.run(hasty)

    failed = bench.writer.only(TurnFailed)
    assert (failed.code, failed.retryable) == ("provider_unavailable", True)
    assert len(server.heads) == 3
    assert bench.writer.text in ("", "Onz")


async def test_a_vendor_that_asks_for_a_long_wait_is_not_waited_for(
    bench: Bench, server: ChatServer, hasty: OpenAIProvider
) -> None:
    server.play(Answer(status=429, pieces=[b"{}"], headers={"retry-after": "60"}))

    await bench.run(hasty)

    assert bench.writer.only(TurnFailed).retryable
    assert len(server.heads) == 1


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
