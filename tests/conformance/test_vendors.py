"""What every vendor's provider makes of what its server does: whole answers, broken ones, refusals, time.

Each double of `vendors/` plays every behaviour that it has over a real socket. What goes to the vendor is
`test_vendor_requests.py`'s; docs/providers.md is made of both.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from random import Random
from typing import Any, Final

import msgspec
import pytest
from loguru import logger

from agent.providers.http import Timeouts
from core.errors import ProviderError, StreamCut
from core.models import ModelEvent, ModelFinished, ReasoningDelta, TextDelta, ToolCallReady, Usage, UsageReported
from tests.agent.chat_server import Answer, ChatServer, split
from tests.conformance.vendor_kit import (
    PATIENT,
    PROMPT,
    REQUEST,
    Heard,
    answer_of,
    answered,
    arguments_of,
    at_random,
    data_of,
    each,
    exchange,
    heard,
    quoting,
    told_by,
    vendors,
)
from tests.conformance.vendors.vendor import KEY, Behaviour, Vendor

QUICK_S: Final = 0.2
_TOLD_CACHED: Final = re.compile(rb'"\w*cache\w*"\s*:\s*4\b', re.IGNORECASE)
_TOLD_REASONING: Final = re.compile(rb'"\w*(?:reasoning|thought|thinking)\w*"\s*:\s*2\b', re.IGNORECASE)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """All that was logged so far, by us and by libraries, at every level."""
    lines: list[str] = []
    sink = logger.add(lines.append, level=0, format="{level} {message} {extra} {exception}")
    with caplog.at_level(logging.DEBUG):
        yield lambda: "".join(lines) + caplog.text
    logger.remove(sink)


# ---------------------------------------------------------------- whole answers

TEXTS: Final[dict[Behaviour, str]] = {
    "text": "Hello there.",
    "no_usage": "Hello there.",
    "length": "Hello ",
    "filtered": "Hello ",
    "structured": '{"total": 4}',
    "reasoning": "Four.",
    "empty": "",
    "calls": "",
    "reasoning_call": "",
}
REASONS: Final[dict[Behaviour, str]] = {"length": "length", "cut_call": "length", "filtered": "filtered"}


@each(*TEXTS)
async def test_a_whole_answer_is_given_in_order_with_its_finish(vendor: Vendor, behaviour: Behaviour) -> None:
    events = (await answered(vendor, answer_of(vendor, behaviour))).events

    deltas = [event.text for event in events if isinstance(event, TextDelta | ReasoningDelta)]
    assert heard(events).text == TEXTS[behaviour]
    assert all(deltas), "no delta is empty"
    assert [isinstance(event, ModelFinished) for event in events] == [False] * (len(events) - 1) + [True]
    assert heard(events).reason == REASONS.get(behaviour, "stop")
    if behaviour not in ("calls", "reasoning_call"):
        assert heard(events).calls == []


@each("text", "reasoning", "reasoning_call", "calls", "length")
async def test_usage_is_the_last_that_was_told_and_never_a_sum(vendor: Vendor, behaviour: Behaviour) -> None:
    answer = answer_of(vendor, behaviour)

    usage = heard((await answered(vendor, answer)).events).usage

    cached = 4 if _TOLD_CACHED.search(data_of(answer)) else 0
    reasoning = 2 if _TOLD_REASONING.search(data_of(answer)) else 0
    assert usage == Usage(input=12, cached=cached, output=5, reasoning=reasoning, total=17)


@each("no_usage")
async def test_what_was_not_told_of_usage_is_not_made_up(vendor: Vendor, behaviour: Behaviour) -> None:
    assert heard((await answered(vendor, answer_of(vendor, behaviour))).events).usage is None


@each("reasoning", "reasoning_call")
async def test_thoughts_come_first_and_apart_from_the_answer(vendor: Vendor, behaviour: Behaviour) -> None:
    events = (await answered(vendor, answer_of(vendor, behaviour))).events

    order = [ReasoningDelta, TextDelta, ToolCallReady]
    said = [type(event) for event in events if type(event) in order]
    assert heard(events).thoughts == "Let me see."
    assert said == sorted(said, key=order.index)
    assert len(set(said)) == 2


@each("calls")
async def test_parallel_calls_come_whole_in_order_and_with_an_id_each(vendor: Vendor, behaviour: Behaviour) -> None:
    events = (await answered(vendor, answer_of(vendor, behaviour))).events

    ids = [event.call.call_id for event in events if isinstance(event, ToolCallReady)]
    calls = [(name, arguments_of(arguments)) for name, arguments in heard(events).calls]
    assert calls == [("sales_query", {"metrics": ["revenue"]}), ("market", {})]
    assert len(set(ids)) == 2


@each("cut_call")
async def test_a_call_that_the_token_limit_cut_cannot_run(vendor: Vendor, behaviour: Behaviour) -> None:
    events = (await answered(vendor, answer_of(vendor, behaviour))).events

    assert heard(events).reason == "length"
    for _, arguments in heard(events).calls:
        assert not arguments.strip() or not _is_json(arguments), "the loop lets an empty or broken one not run"


@each("huge")
async def test_a_mebibyte_of_text_comes_as_it_was_however_it_is_cut(vendor: Vendor, behaviour: Behaviour) -> None:
    answer = answer_of(vendor, behaviour)

    for seed in range(3):
        text = heard((await answered(vendor, at_random(answer, Random(seed), 4_000))).events).text
        assert len(text.encode()) >= 1024 * 1024 - len("ação ".encode())
        assert text == "ação " * (len(text) // len("ação "))


WHOLE: Final[tuple[Behaviour, ...]] = (*TEXTS, "cut_call")


@each(*WHOLE)
async def test_a_whole_answer_is_the_same_byte_by_byte(vendor: Vendor, behaviour: Behaviour) -> None:
    answer = answer_of(vendor, behaviour)
    whole = heard((await answered(vendor, answer)).events)

    by_byte = await answered(vendor, replace(answer, pieces=split(data_of(answer), 1)))

    assert heard(by_byte.events) == whole


@each(*WHOLE)
async def test_a_whole_answer_is_the_same_cut_at_random(vendor: Vendor, behaviour: Behaviour) -> None:
    answer = answer_of(vendor, behaviour)
    whole = heard((await answered(vendor, answer)).events)

    for seed in range(8):
        assert heard((await answered(vendor, at_random(answer, Random(seed), 40))).events) == whole, seed


@each("text", "calls")
@pytest.mark.parametrize("ending", ["cut", "whole"], ids=["the_socket_closes", "the_body_ends"])
async def test_an_answer_that_ends_too_early_is_never_taken_for_whole(
    vendor: Vendor, behaviour: Behaviour, ending: Any
) -> None:
    answer = answer_of(vendor, behaviour)
    data, random = data_of(answer), Random(7)
    whole = heard((await answered(vendor, answer)).events)
    failures = 0

    for end in sorted(random.sample(range(len(data)), 25)):
        shown = await exchange(vendor, replace(answer, pieces=[data[:end]] if end else [], ending=ending))
        failures += shown.failure is not None
        assert all(call in whole.calls for call in heard(shown.events).calls), end
        assert whole.text.startswith(heard(shown.events).text), end
        if shown.failure is None:  # only what may be left out was cut off, such as the usage
            assert _without_usage(shown.events) == msgspec.structs.replace(whole, usage=None), end
        else:
            assert shown.failure.retryable, end
            assert not any(isinstance(event, ModelFinished) for event in shown.events), end
    assert failures, "a cut was noticed"


# ---------------------------------------------------------------- what goes wrong

UNAVAILABLE: Final = "provider_unavailable"
FAILURES: Final[dict[Behaviour, tuple[str, bool, int | None]]] = {
    "cut": (UNAVAILABLE, True, None),
    "garbage": (UNAVAILABLE, True, None),
    "error_in_stream": (UNAVAILABLE, True, None),
    "wrong_key": (UNAVAILABLE, False, None),
    "unknown_model": (UNAVAILABLE, False, None),
    "rate_limited": (UNAVAILABLE, True, 2_000),
    "out_of_quota": (UNAVAILABLE, False, None),
    "too_long": ("context_overflow", False, None),
    "bad_request": (UNAVAILABLE, False, None),
    "overloaded": (UNAVAILABLE, True, None),
    "blocked": ("content_blocked", False, None),
}
"""Code, whether to try again, how many milliseconds to wait."""
SAID: Final[dict[Behaviour, str]] = {
    "wrong_key": "refuses the API key",
    "unknown_model": "knows no model 'm-1'",
    "out_of_quota": "is out of quota",
    "too_long": "longer than the model can read",
    "blocked": "blocked the request",
}
"""Words that tell an operator or a user what to do, where a status alone would not."""


@each(*FAILURES)
async def test_a_failure_says_whether_to_try_again_and_tells_no_secret(
    vendor: Vendor, behaviour: Behaviour, logged: Callable[[], str]
) -> None:
    answer = quoting(answer_of(vendor, behaviour))
    if answer.status >= 400:
        assert PROMPT.encode() in data_of(answer), "the double's error has a message"

    shown = await exchange(vendor, answer)

    failure = shown.failed
    assert (failure.code, failure.retryable, failure.retry_after_ms) == FAILURES[behaviour]
    assert SAID.get(behaviour, "") in failure.message
    assert len(failure.message) > 20, "a sentence"
    assert len(shown.bodies) == 1, "nothing is tried again here"
    assert not any(isinstance(event, ModelFinished) for event in shown.events)
    told = told_by(failure) + logged()
    assert KEY not in told
    assert PROMPT not in told


@each("cut")
async def test_what_came_before_a_cut_was_given(vendor: Vendor, behaviour: Behaviour) -> None:
    shown = await exchange(vendor, answer_of(vendor, behaviour))

    assert heard(shown.events).text == "Hello "
    assert isinstance(shown.failed, StreamCut)


HEADS: Final = {
    "no_head": Answer(silent=True),
    "half_a_head": Answer(half_a_head=True),
    "no_http": Answer(half_a_head=True, garbage=True),
}


@vendors()
@pytest.mark.parametrize("answer", HEADS.values(), ids=HEADS.keys())
async def test_a_connection_that_breaks_before_an_answer_tells_no_secret(
    vendor: Vendor, answer: Answer, logged: Callable[[], str]
) -> None:
    failure = (await exchange(vendor, answer)).failed

    told = told_by(failure) + logged()
    assert (failure.code, failure.retryable) == (UNAVAILABLE, True)
    assert KEY not in told
    assert PROMPT not in told


# ---------------------------------------------------------------- time, and leaving


@each("deaf", "hang")
async def test_a_vendor_that_falls_silent_is_given_up_and_its_connection_closed(
    vendor: Vendor, behaviour: Behaviour
) -> None:
    limits = {"deaf": Timeouts(first_token_s=QUICK_S), "hang": Timeouts(between_tokens_s=QUICK_S)}

    failure, text = await _given_up(vendor, behaviour, limits[behaviour])

    assert text == ("Hello " if behaviour == "hang" else "")
    assert ("begin to answer" in failure.message) == (behaviour == "deaf")


@each("deaf", "hang")
async def test_a_whole_answer_has_a_limit_of_time_of_its_own(vendor: Vendor, behaviour: Behaviour) -> None:
    limits = Timeouts(first_token_s=60.0, between_tokens_s=60.0, total_s=QUICK_S)

    failure, _ = await _given_up(vendor, behaviour, limits)

    assert failure.code == UNAVAILABLE


@vendors()
async def test_a_vendor_that_cannot_be_reached_is_given_up(vendor: Vendor) -> None:
    """A listening socket whose queue is full lets the third connection wait for ever."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        provider = vendor.provider(f"http://127.0.0.1:{address[1]}/v1", Timeouts(connect_s=QUICK_S))
        with pytest.raises(ProviderError) as caught:
            async with provider.stream(REQUEST):
                pass
        await provider.close()
        for one in waiting:
            one.close()

    assert caught.value.retryable
    assert "reached in time" in caught.value.message


@vendors()
async def test_a_vendor_that_is_not_there_is_worth_another_try(vendor: Vendor) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    provider = vendor.provider(f"http://127.0.0.1:{port}/v1")

    with pytest.raises(ProviderError) as caught:
        async with provider.stream(REQUEST):
            pass
    await provider.close()

    assert caught.value.retryable


@each("hang")
async def test_leaving_early_closes_the_vendors_connection(vendor: Vendor, behaviour: Behaviour) -> None:
    async with ChatServer() as server:
        server.play(answer_of(vendor, behaviour))
        provider = vendor.provider(server.url, PATIENT)
        async with provider.stream(REQUEST) as events:
            first = await anext(event async for event in events if not isinstance(event, UsageReported))
        await server.gone.wait()
        await provider.close()

    assert first == TextDelta(text="Hello ")


@each("hang")
async def test_cancelling_a_reader_closes_the_vendors_connection(vendor: Vendor, behaviour: Behaviour) -> None:
    began = asyncio.Event()

    async def reader() -> None:
        async with provider.stream(REQUEST) as events:
            async for _ in events:
                began.set()

    async with ChatServer() as server:
        server.play(answer_of(vendor, behaviour))
        provider = vendor.provider(server.url, PATIENT)
        task = asyncio.create_task(reader())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.gone.wait()
        await provider.close()


async def _given_up(vendor: Vendor, behaviour: Behaviour, timeouts: Timeouts) -> tuple[ProviderError, str]:
    """The error, and what was said before; the vendor's connection was closed."""
    seen: list[ModelEvent] = []

    async def read() -> None:
        async with provider.stream(REQUEST) as events:
            async for event in events:
                seen.append(event)  # noqa: PERF401 - what came before the end is kept

    async with ChatServer() as server:
        server.play(answer_of(vendor, behaviour))
        provider = vendor.provider(server.url, timeouts)
        with pytest.raises(ProviderError) as caught:
            await read()
        await server.gone.wait()
        await provider.close()
    assert caught.value.retryable
    return caught.value, heard(seen).text


def _without_usage(events: list[ModelEvent]) -> Heard:
    return msgspec.structs.replace(heard(events), usage=None)


def _is_json(text: str) -> bool:
    try:
        arguments_of(text)
    except ValueError:
        return False
    return True
