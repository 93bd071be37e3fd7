"""Whole turns through the real Anthropic provider and a real socket: loops with thoughts, takeovers, faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from agent.providers.anthropic import AnthropicProvider
from agent.providers.http import Timeouts
from core.models import Usage
from core.turns import JournalEntry, Limits
from tests.agent.agent_support import Bench, taken
from tests.agent.anthropic_rules import assert_accepted
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.vendors.anthropic import call, end, error, event, refused, start, text, thinking

LOOK = Answer(
    pieces=[
        start(),
        *thinking(0, "I should look.", signature="sig-1"),
        *text(1, "Vou ver."),
        *call(2, "look", {"x": 1}),
        *end("tool_use"),
    ]
)
LOOK_AGAIN = Answer(
    pieces=[
        start(),
        *thinking(0, signature="sig-2"),
        *call(1, "look", {"x": 2}),
        *call(2, "save", {}),
        *end("tool_use"),
    ]
)
TEN = Answer(pieces=[start(), *thinking(0, "So ten.", signature="sig-3"), *text(1, "São ", "10."), *end()])


@pytest.fixture
async def provider(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AnthropicProvider]:
    """A provider that is not waited for longer than a test may take."""
    monkeypatch.setattr("agent.routing.retry.BACKOFF_S", 0.001)
    timeouts = Timeouts(first_token_s=1.0, between_tokens_s=0.3)
    provider = AnthropicProvider(api_key="k", base_url=server.url, timeouts=timeouts)
    yield provider
    await provider.close()


def signatures_in(body: dict[str, Any]) -> list[str]:
    blocks = [block for message in body["messages"] for block in message["content"]]
    return [block["signature"] for block in blocks if block["type"] == "thinking"]


async def test_a_turn_whose_steps_think_and_call(bench: Bench, server: ChatServer, provider: AnthropicProvider) -> None:
    server.play(LOOK, LOOK_AGAIN, TEN)

    record = await bench.run(provider)

    assert bench.writer.text == "Vou ver.\n\nSão 10."
    assert record is not None
    assert (record.outcome, record.usage) == ("completed", Usage(input=36, cached=12, output=15, total=51))
    assert bench.tools.calls == [("look", {"x": 1}), ("look", {"x": 2}), ("save", {})]
    for body in server.bodies:
        assert_accepted(body)
    assert [signatures_in(body) for body in server.bodies] == [[], ["sig-1"], ["sig-1", "sig-2"]]
    kinds = [[block["type"] for block in message["content"]] for message in server.bodies[2]["messages"]]
    assert kinds == [
        ["text"],
        ["thinking", "text", "tool_use"],
        ["tool_result"],
        ["thinking", "tool_use", "tool_use"],
        ["tool_result", "tool_result"],
    ]


async def test_a_turn_that_another_node_takes_over_goes_on_with_its_thoughts(
    bench: Bench, server: ChatServer, provider: AnthropicProvider
) -> None:
    server.play(LOOK, LOOK_AGAIN, TEN)
    await bench.run(provider)
    kept = msgspec.json.encode(bench.writer.journal[:2])
    journal = msgspec.json.decode(kept, type=list[JournalEntry])
    other = Bench()
    server.play(LOOK_AGAIN, TEN)

    record = await other.run(provider, turn=taken(attempt=2, journal=journal))

    assert record is not None
    assert record.outcome == "completed"
    assert server.bodies[3] == server.bodies[1]


async def test_the_next_turn_has_the_thoughts_of_the_one_before(
    bench: Bench, server: ChatServer, provider: AnthropicProvider
) -> None:
    server.play(LOOK, TEN)
    await bench.run(provider)
    history = bench.writer.history
    assert history is not None
    server.play(TEN)

    await Bench().run(provider, turn=taken(turn_id="turn_2", content="And now?"), history=[history])

    assert_accepted(server.bodies[2])
    assert signatures_in(server.bodies[2]) == ["sig-1", "sig-3"]


async def test_the_last_step_that_offers_no_tools_goes_without_thoughts(
    bench: Bench, server: ChatServer, provider: AnthropicProvider
) -> None:
    """Tools and instructions are others then, and the vendor would refuse what was thought about the first ones."""
    bench.limits = Limits(steps=2)
    server.play(LOOK, TEN)

    record = await bench.run(provider)

    assert record is not None
    assert record.outcome == "completed"
    assert "tools" not in server.bodies[1]
    assert signatures_in(server.bodies[1]) == []
    assert_accepted(server.bodies[1])


async def test_thoughts_do_not_go_to_the_provider_that_a_turn_fails_over_to(
    bench: Bench, server: ChatServer, provider: AnthropicProvider
) -> None:
    wrong_key = refused(401, error("authentication_error", "no"))
    other = AnthropicProvider(api_key="k", base_url=server.url, name="anthropic-other")
    server.play(LOOK, wrong_key, TEN)

    record = await bench.run(provider, other)
    await other.close()

    assert record is not None
    assert record.outcome == "completed"
    assert signatures_in(server.bodies[1]) == ["sig-1"]
    assert signatures_in(server.bodies[2]) == []
    assert_accepted(server.bodies[2])


FAULTS: dict[str, Answer] = {
    "overloaded": refused(529, error("overloaded_error", "Overloaded")),
    "overloaded_in_the_stream": Answer(
        pieces=[start(), *text(0, "Onz")[:-1], event("error", **error("overloaded_error", "Overloaded"))], ending="cut"
    ),
    "cut": Answer(pieces=[start(), *text(0, "Onz")], ending="cut"),
    "hang": Answer(pieces=[start(), *text(0, "Onz")], ending="hang"),
    "a_call_and_no_end": Answer(pieces=[start(), *call(0, "look", {"x": 1})]),
    "no_event_stream_at_all": Answer(pieces=[b"<html>busy</html>"]),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_of_anthropic_is_healed_by_another_try(
    bench: Bench, server: ChatServer, provider: AnthropicProvider, fault: Answer
) -> None:
    server.play(fault, TEN)

    record = await bench.run(provider)

    assert record is not None
    assert record.outcome == "completed"
    assert bench.writer.text == "São 10."
    assert bench.tools.calls == []


async def test_a_call_that_the_token_limit_cut_is_not_run(
    bench: Bench, server: ChatServer, provider: AnthropicProvider
) -> None:
    cut = [start(), *text(0, "Vou ver."), *call(1, "look", {"x": 1})[:-2], *end("max_tokens")]
    server.play(Answer(pieces=cut))

    record = await bench.run(provider)

    assert record is not None
    assert bench.tools.calls == []
    assert bench.writer.text == "Vou ver."
