"""Whole turns through every vendor's provider, and turns that one vendor begins and another goes on with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.providers.http import Timeouts
from core.events import TurnFailed
from core.messages import AssistantMessage, ToolMessage, UserMessage
from core.models import ModelRequest, ToolCallReady
from core.turns import TurnRecord
from tests.agent.agent_support import Bench
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.vendor_kit import (
    PATIENT,
    REQUEST,
    answer_of,
    answered,
    assert_results_answer_calls,
    each,
    heard,
    strings_in,
    vendor_name,
    vendors,
    without_types,
)
from tests.conformance.vendors.registry import VENDORS
from tests.conformance.vendors.vendor import Behaviour, Vendor


async def whole_turn(
    bench: Bench, vendor: Vendor, *answers: Answer, timeouts: Timeouts = PATIENT
) -> tuple[TurnRecord | None, list[dict[str, Any]]]:
    """A turn against the vendor's double: its record and the requests' bodies."""
    async with ChatServer() as server:
        server.play(*answers)
        provider = vendor.provider(server.url, timeouts)
        record = await bench.run(provider)
        await provider.close()
        return record, server.bodies


@vendors()
async def test_a_turn_with_parallel_tools_runs_through(vendor: Vendor) -> None:
    bench = Bench()
    calls = vendor.answer_with_calls([("look", {"x": 1}), ("look", {"x": 2})])

    record, bodies = await whole_turn(bench, vendor, calls, answer_of(vendor, "text"))

    assert record is not None
    assert record.outcome == "completed"
    assert bench.writer.text == "Hello there."
    assert sorted(bench.tools.calls, key=json.dumps) == [("look", {"x": 1}), ("look", {"x": 2})]
    assert (record.usage.input, record.usage.output) == (24, 10), "both calls of the model, each once"
    assert len(bodies) == 2
    assert_results_answer_calls(bodies[1])


@each("cut", "error_in_stream", "overloaded", "garbage")
async def test_a_turn_goes_on_after_a_failure_that_another_try_heals(
    vendor: Vendor, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.routing.retry.BACKOFF_S", 0.001)
    bench = Bench()

    record, bodies = await whole_turn(bench, vendor, answer_of(vendor, behaviour), answer_of(vendor, "text"))

    assert record is not None
    assert (record.outcome, bench.writer.text) == ("completed", "Hello there.")
    assert bodies[0] == bodies[1]


@each("wrong_key", "unknown_model", "out_of_quota", "bad_request", "too_long", "blocked")
async def test_a_turn_ends_at_once_after_a_failure_that_no_try_heals(vendor: Vendor, behaviour: Behaviour) -> None:
    bench = Bench()

    _, bodies = await whole_turn(bench, vendor, answer_of(vendor, behaviour))

    assert not bench.writer.only(TurnFailed).retryable
    assert len(bodies) == 1


@vendors()
@pytest.mark.parametrize("before", VENDORS, ids=[vendor.name for vendor in VENDORS])
async def test_a_turn_that_any_vendor_began_can_go_on(vendor: Vendor, before: Vendor) -> None:
    """As at a failover, or when an agent's model is changed: what the one thought is its own."""
    behaviour: Behaviour = "calls" if before.answer("reasoning_call") is None else "reasoning_call"
    events = (await answered(before, answer_of(before, behaviour))).events
    calls = tuple(event.call for event in events if isinstance(event, ToolCallReady))
    opaque = heard(events).opaque
    began = AssistantMessage(content="", tool_calls=calls, provider=vendor_name(before), opaque=opaque)
    results = tuple(ToolMessage(call_id=call.call_id, name=call.name, content="10") for call in calls)
    end = AssistantMessage(content="Dez.", provider=vendor_name(vendor))
    more = (UserMessage(content="Quanto?"), began, *results, end, UserMessage(content="E?"), began, *results)
    request = ModelRequest(model="m-1", messages=(*REQUEST.messages, *more), tools=REQUEST.tools)

    body = (await answered(vendor, answer_of(vendor, "text"), request)).body

    held = [without_types(opaque), *(call.opaque for call in calls)]
    private = {one for one in strings_in(held) if len(one) > len("m-1")} - {call.call_id for call in calls}
    assert [name for name, _ in vendor.tools_in(body)] == ["sales_query", "market"]
    if vendor is not before:
        assert private & set(strings_in(body)) == set()
