"""Whole turns through the Ollama provider and a real socket."""

from __future__ import annotations

import json

import pytest

from core.events import TurnFailed
from core.models import Usage
from tests.agent.agent_support import Bench
from tests.agent.chat_server import Answer, ChatServer
from tests.agent.ollama_support import last, line, provider_at

CALL = {"function": {"name": "look", "arguments": {"x": 1}}}
COUNTS = {"prompt_eval_count": 30, "eval_count": 4}


async def test_a_turn_with_tools_thinks_on_where_it_was(bench: Bench, server: ChatServer) -> None:
    server.play(
        Answer(
            pieces=[
                line(message={"thinking": "Hm."}),
                line("Vou ver."),
                line(message={"tool_calls": [CALL, CALL]}),
                last(**COUNTS),
            ]
        ),
        Answer(pieces=[line("São "), line("10."), last(**COUNTS)]),
    )
    provider = provider_at(server)

    record = await bench.run(provider)
    await provider.close()

    assert bench.writer.text == "Vou ver.\n\nSão 10."
    assert record is not None
    assert (record.outcome, record.usage) == ("completed", Usage(input=60, output=8, total=68))
    asked, *results = server.bodies[1]["messages"][2:]
    assert (asked["thinking"], asked["content"]) == ("Hm.", "Vou ver.")
    assert [call["function"] for call in asked["tool_calls"]] == [CALL["function"], CALL["function"]]
    assert [result["tool_name"] for result in results] == ["look", "look"]
    assert [result["tool_call_id"] for result in results] == [call["id"] for call in asked["tool_calls"]]
    assert len({call["id"] for call in asked["tool_calls"]}) == 2


async def test_an_error_in_mid_stream_is_healed_by_another_try(
    bench: Bench, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.routing.retry.BACKOFF_S", 0.001)
    error = json.dumps({"error": "an error was encountered while running the model"}).encode()
    server.play(Answer(pieces=[line("Onz"), error]), Answer(pieces=[line("Dez."), last()]))
    provider = provider_at(server)

    record = await bench.run(provider)
    await provider.close()

    assert record is not None
    assert record.outcome == "completed"
    assert bench.writer.text == "Dez."


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        pytest.param(404, "model 'm' not found", "ollama pull", id="not_pulled"),
        pytest.param(400, "m does not support tools", "cannot call tools", id="no_tools"),
    ],
)
async def test_what_no_other_try_heals_ends_the_turn_with_what_to_do(
    bench: Bench, server: ChatServer, status: int, said: str, words: str
) -> None:
    server.play(Answer(status=status, pieces=[json.dumps({"error": said}).encode()]))
    provider = provider_at(server)

    await bench.run(provider)
    await provider.close()

    failed = bench.writer.only(TurnFailed)
    assert (failed.code, failed.retryable) == ("provider_unavailable", False)
    assert words in failed.message
    assert len(server.heads) == 1
