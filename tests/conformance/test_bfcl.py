"""Function calling through every provider, there and back, on the items of the Berkeley leaderboard (`bfcl/`).

No model is asked: each vendor's double answers with the calls that an item expects, under the names that it was
offered. What is measured is what the way loses: schemas on the way there, names and arguments on the way back.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from core.errors import ToolError
from core.models import ModelEvent, ModelRequest, ToolCallReady
from core.ports import Provider
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.bfcl_checker import Call, accepts
from tests.conformance.bfcl_items import expected_calls, load_items, request_of
from tests.conformance.vendor_kit import PATIENT, answer_of, arguments_of, vendors
from tests.conformance.vendors.vendor import Vendor
from tools.arguments import ArgumentsReader

AT_ODDS = {
    "simple_python_200": "the first accepted value is that a required parameter be left out",
    "parallel_multiple_21": "a list is given as words",
    "parallel_multiple_94": "words where the schema wants integers",
    "live_simple_71-35-0": "a value that the schema's enum has not",
    "live_simple_106-63-0": "required parameters without an accepted value",
    "live_simple_112-68-0": "required parameters without an accepted value",
}
"""Items whose own accepted values do not fit their own schema."""


@cache
def items() -> list[dict[str, Any]]:
    return load_items()


@vendors()
@pytest.mark.timeout(180)
async def test_calls_survive_the_way_to_a_vendor_and_back(vendor: Vendor, record_property: Any) -> None:
    results: dict[str, list[bool]] = defaultdict(list)
    async with ChatServer() as server:
        provider = vendor.provider(server.url, PATIENT)
        for item in items():
            request, expected = request_of(item), expected_calls(item)
            server.play(answering(vendor, request, expected))
            calls = calls_of(await events_of(provider, request))
            assert calls == expected, item["id"]
            assert fits(request, calls) == (item["id"] not in AT_ODDS), item["id"]
            results[item["category"]].append(accepts(item, calls))
        await provider.close()

    score = sum(sum(category) / len(category) for category in results.values()) / len(results)
    record_property("cell", f"{score:.3f}")
    assert score >= 0.99
    assert sum(len(category) for category in results.values()) == 1_121


def answering(vendor: Vendor, request: ModelRequest, expected: list[Call]) -> Callable[[dict[str, Any]], Answer]:
    """The double's answer to a request, whose tools must be offered in order and with all their fields."""

    def answer(body: dict[str, Any]) -> Answer:
        offered = vendor.tools_in(body)
        assert len(offered) == len(request.tools)
        names: dict[str, str] = {}
        for spec, (name, parameters) in zip(request.tools, offered, strict=True):
            names[spec.name] = name
            assert set(parameters.get("properties", {})) == set(spec.parameters["properties"]), spec.name
            assert set(parameters.get("required", [])) == set(spec.parameters.get("required", [])), spec.name
        if not expected:
            return answer_of(vendor, "text")
        return vendor.answer_with_calls([(names[name], arguments) for name, arguments in expected])

    return answer


async def events_of(provider: Provider, request: ModelRequest) -> list[ModelEvent]:
    async with provider.stream(request) as events:
        return [event async for event in events]


def calls_of(events: list[ModelEvent]) -> list[Call]:
    calls = [event.call for event in events if isinstance(event, ToolCallReady)]
    return [(call.name, arguments_of(call.arguments)) for call in calls]


def fits(request: ModelRequest, calls: list[Call]) -> bool:
    """Whether our own check of arguments lets every call run."""
    schemas = {spec.name: spec.parameters for spec in request.tools}
    try:
        for name, arguments in calls:
            ArgumentsReader(name, schemas[name]).read(json.dumps(arguments))
    except ToolError:
        return False
    return True


def item_of(category: str) -> dict[str, Any]:
    return next(item for item in items() if item["category"] == category)


def test_the_checker_refuses_what_is_not_expected() -> None:
    item = item_of("parallel")
    calls = expected_calls(item)
    (name, arguments), *others = calls

    assert accepts(item, calls)
    assert accepts(item, calls[::-1]), "in any order"
    assert not accepts(item, others), "one too few"
    assert not accepts(item, [*calls, calls[0]]), "one too many"
    assert not accepts(item, [(f"{name}x", arguments), *others])
    assert not accepts(item, [(name, {}), *others])
    assert not accepts(item, [(name, arguments | {"made_up": 1}), *others])
    assert not accepts(item, [(name, dict.fromkeys(arguments, "wrong")), *others])


def test_the_checker_refuses_a_call_where_no_tool_fits() -> None:
    item = item_of("irrelevance")

    assert accepts(item, [])
    assert not accepts(item, [(item["function"][0]["name"], {})])
