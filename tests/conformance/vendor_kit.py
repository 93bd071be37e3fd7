"""What the suites of providers share: one exchange with a double, what was heard of it, and what an error tells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any, Final

import msgspec
import pytest

from agent.providers.http import Timeouts
from core.errors import ProviderError
from core.messages import SystemMessage, UserMessage
from core.models import (
    ModelEvent,
    ModelFinished,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    ToolSpec,
    Usage,
    UsageReported,
)
from tests.agent.chat_server import Answer, ChatServer, split_at_random
from tests.conformance.vendors.registry import VENDORS
from tests.conformance.vendors.vendor import KEY, Behaviour, Vendor

PROMPT: Final = "prompt-canary-4711"
"""In every question: a vendor may quote it, we may not."""
PATIENT: Final = Timeouts(connect_s=30.0, first_token_s=30.0, between_tokens_s=30.0, total_s=60.0)
_MESSAGE: Final = re.compile(rb'("(?:message|error)"\s*:\s*"(?:[^"\\]|\\.)*)"')
_RESULT_KEYS: Final = ("tool_call_id", "tool_use_id")
_NO_PARAMETERS: Final[dict[str, Any]] = {"type": "object", "properties": {}}
SALES: Final = ToolSpec(
    name="sales_query",
    title="Sales",
    description="Sales figures.",
    parameters={
        "type": "object",
        "properties": {"metrics": {"type": "array", "items": {"type": "string", "enum": ["revenue"]}}},
        "required": ["metrics"],
    },
)
MARKET: Final = ToolSpec(name="market", title="Market", description="Market figures.", parameters=_NO_PARAMETERS)
REQUEST: Final = ModelRequest(
    model="m-1",
    messages=(SystemMessage(content="Be brief."), UserMessage(content=f"{PROMPT} quanto vendemos?")),
    tools=(SALES, MARKET),
)
Play = Answer | Callable[[dict[str, Any]], Answer]


def vendors() -> pytest.MarkDecorator:
    """Once for every vendor."""
    return pytest.mark.parametrize("vendor", VENDORS, ids=[vendor.name for vendor in VENDORS])


def each(*behaviours: Behaviour) -> pytest.MarkDecorator:
    """Once for every vendor that has each of these behaviours."""
    rows = [(vendor, one) for vendor in VENDORS for one in behaviours if vendor.answer(one) is not None]
    return pytest.mark.parametrize(("vendor", "behaviour"), rows, ids=[f"{vendor.name}:{one}" for vendor, one in rows])


def answer_of(vendor: Vendor, behaviour: Behaviour) -> Answer:
    answer = vendor.answer(behaviour)
    assert answer is not None
    return answer


def data_of(answer: Answer) -> bytes:
    return b"".join(answer.pieces)


def at_random(answer: Answer, random: Random, longest: int) -> Answer:
    """The same answer in pieces of 1 to `longest` bytes."""
    return replace(answer, pieces=split_at_random(data_of(answer), random, longest=longest))


def quoting(answer: Answer) -> Answer:
    """The same answer, whose every message of an error quotes the key and the prompt."""
    pieces = [_MESSAGE.sub(rb"\1 " + f'{KEY} {PROMPT}"'.encode(), piece) for piece in answer.pieces]
    return replace(answer, pieces=pieces)


class Exchange:
    """One call of one provider: what came and what was sent. `failure` is None where the answer was whole."""

    def __init__(self) -> None:
        self.events: list[ModelEvent] = []
        self.failure: ProviderError | None = None
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[str] = []

    @property
    def body(self) -> dict[str, Any]:
        assert len(self.bodies) == 1, "exactly one request is sent"
        return self.bodies[0]

    @property
    def failed(self) -> ProviderError:
        assert self.failure is not None, "the call did not fail"
        return self.failure


async def exchange(
    vendor: Vendor, play: Play, request: ModelRequest = REQUEST, timeouts: Timeouts = PATIENT
) -> Exchange:
    """Ask the vendor's double, which plays the answer. An error is kept, not raised."""
    result = Exchange()
    async with ChatServer() as server:
        server.play(play)
        provider = vendor.provider(server.url, timeouts)
        try:
            async with provider.stream(request) as events:
                async for event in events:
                    result.events.append(event)
        except ProviderError as error:
            result.failure = error
        finally:
            await provider.close()
        result.bodies, result.heads = server.bodies, server.heads
    return result


async def answered(vendor: Vendor, play: Play, request: ModelRequest = REQUEST) -> Exchange:
    """An exchange that must not fail."""
    result = await exchange(vendor, play, request)
    if result.failure is not None:
        raise result.failure
    return result


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """An answer without what depends on how the network cut it, and without ids."""

    thoughts: str
    text: str
    calls: list[tuple[str, str]]
    usage: Usage | None
    reason: str | None
    opaque: dict[str, Any] | None


def heard(events: list[ModelEvent]) -> Heard:
    usages = [event.usage for event in events if isinstance(event, UsageReported)]
    ends = [event for event in events if isinstance(event, ModelFinished)]
    calls = [event.call for event in events if isinstance(event, ToolCallReady)]
    return Heard(
        thoughts="".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        text="".join(event.text for event in events if isinstance(event, TextDelta)),
        calls=[(call.name, call.arguments) for call in calls],
        usage=usages[-1] if usages else None,
        reason=ends[-1].reason if ends else None,
        opaque=ends[-1].opaque if ends else None,
    )


def arguments_of(text: str) -> Any:
    """The arguments as the tools read them: nothing is `{}`. Raises ValueError for what is not JSON."""
    return json.loads(text or "{}")


def strings_in(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys apart, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings_in(inner)


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value, outer ones first."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from objects_in(inner)


def told_by(error: BaseException) -> str:
    """All that an error and those behind it hold."""
    told, seen = [], set[int]()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        told.append(f"{one!r} {one} {one.args!r} {vars(one)!r}")
        waiting += [one.__cause__, one.__context__]
    return "\n".join(told)


def without_types(value: Any) -> Any:
    """A JSON value without the words that say what a part is."""
    if isinstance(value, dict):
        return {key: without_types(inner) for key, inner in value.items() if key != "type"}
    return [without_types(inner) for inner in value] if isinstance(value, list) else value


def vendor_name(vendor: Vendor) -> str:
    """The name under which the provider's own answers are in the history."""
    return vendor.provider("http://127.0.0.1:1/v1").name


def assert_results_answer_calls(body: dict[str, Any]) -> None:
    """Where results name their calls: each names one that was made, and no two the same."""
    objects = list(objects_in(body))
    made = {one["id"] for one in objects if isinstance(one.get("id"), str)}
    made |= {one["call_id"] for one in objects if one.get("type") == "function_call"}
    named = [one[key] for one in objects for key in _RESULT_KEYS if key in one]
    named += [one["call_id"] for one in objects if one.get("type") == "function_call_output"]
    assert set(named) <= made
    assert len(set(named)) == len(named)
