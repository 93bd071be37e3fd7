"""The Google provider over real sockets: everything that can go wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core.errors import StreamCut
from core.models import ModelEvent, ModelFinished, TextDelta
from tests.agent.chat_server import Answer, ChatServer, split
from tests.agent.google_support import (
    KEY,
    QUICK,
    REQUEST,
    failure,
    provider_at,
    read,
    text_of,
)
from tests.conformance.vendors.google import call, chunk, detail, error, event, refused, text

PER_DAY = detail("QuotaFailure", violations=[{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}])
PER_MINUTE = detail("QuotaFailure", violations=[{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}])
NO_QUOTA = detail("QuotaFailure", violations=[{"quotaId": "InputTokensPerModelPerMinute", "quotaValue": "0"}])
EXHAUSTED = "RESOURCE_EXHAUSTED"


def wait(delay: str) -> dict[str, Any]:
    return detail("RetryInfo", retryDelay=delay)


STATUS_ROWS: dict[str, tuple[Answer, str, bool, int | None]] = {
    "wrong_key": (
        refused(400, "INVALID_ARGUMENT", f"API key not valid: {KEY}", detail("ErrorInfo", reason="API_KEY_INVALID")),
        "provider_unavailable",
        False,
        None,
    ),
    "forbidden": (refused(403, "PERMISSION_DENIED", "no"), "provider_unavailable", False, None),
    "unknown_model": (refused(404, "NOT_FOUND", "models/x is not found"), "provider_unavailable", False, None),
    "bad_request": (refused(400, "INVALID_ARGUMENT", f"bad {KEY}"), "provider_unavailable", False, None),
    "not_in_this_country": (refused(400, "FAILED_PRECONDITION", "location"), "provider_unavailable", False, None),
    "context_too_long": (
        refused(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
        "context_overflow",
        False,
        None,
    ),
    "body_too_large": (refused(413, "INVALID_ARGUMENT", "big"), "context_overflow", False, None),
    "rate_limit": (refused(429, EXHAUSTED, "slow", PER_MINUTE, wait("34.4s")), "provider_unavailable", True, 34_400),
    "rate_limit_said_in_words": (
        refused(429, EXHAUSTED, "Please retry in 20.5s."),
        "provider_unavailable",
        True,
        20_500,
    ),
    "rate_limit_without_a_wait": (refused(429, EXHAUSTED, "check quota"), "provider_unavailable", True, None),
    "rate_limit_with_no_wait": (refused(429, EXHAUSTED, "x", wait("0s")), "provider_unavailable", True, None),
    "quota_of_the_day": (
        refused(429, EXHAUSTED, "x", PER_MINUTE, PER_DAY, wait("3s")),
        "provider_unavailable",
        False,
        None,
    ),
    "metric_of_the_day": (
        refused(
            429, EXHAUSTED, "x", detail("QuotaFailure", violations=[{"quotaMetric": "x/requests_per_model_per_day"}])
        ),
        "provider_unavailable",
        False,
        None,
    ),
    "quota_of_nothing": (refused(429, EXHAUSTED, "x", NO_QUOTA, wait("3s")), "provider_unavailable", False, None),
    "quota_of_nothing_in_words": (
        refused(429, EXHAUSTED, "Quota exceeded for metric: requests, limit: 0, model: m", wait("3s")),
        "provider_unavailable",
        False,
        None,
    ),
    "a_limit_that_is_not_0": (
        refused(429, EXHAUSTED, "Quota exceeded for metric: requests, limit: 05, model: m"),
        "provider_unavailable",
        True,
        None,
    ),
    "spending_cap": (
        refused(429, EXHAUSTED, "Your billing account has exceeded its monthly spending cap"),
        "provider_unavailable",
        False,
        None,
    ),
    "not_switched_on": (
        refused(403, "PERMISSION_DENIED", "x", detail("ErrorInfo", reason="SERVICE_DISABLED")),
        "provider_unavailable",
        False,
        None,
    ),
    "no_billing": (
        refused(403, "PERMISSION_DENIED", "x", detail("ErrorInfo", reason="BILLING_DISABLED")),
        "provider_unavailable",
        False,
        None,
    ),
    "internal": (refused(500, "INTERNAL", "x"), "provider_unavailable", True, None),
    "overloaded": (refused(503, "UNAVAILABLE", "x"), "provider_unavailable", True, None),
    "deadline": (refused(504, "DEADLINE_EXCEEDED", "x"), "provider_unavailable", True, None),
    "a_proxys_page": (Answer(status=502, pieces=[b"<html>Bad gateway</html>"]), "provider_unavailable", True, None),
    "a_proxys_wait": (Answer(status=429, headers={"retry-after": "1.5"}), "provider_unavailable", True, 1500),
    "in_an_array": (
        Answer(status=429, pieces=[json.dumps([error(429, EXHAUSTED, "x", wait("7s"))]).encode()]),
        "provider_unavailable",
        True,
        7_000,
    ),
    "not_the_shape_of_an_error": (
        Answer(status=400, pieces=[b'{"error": {"details": [3, {"@type": 4}], "message": null}}']),
        "provider_unavailable",
        False,
        None,
    ),
}


@pytest.mark.parametrize(("answer", "code", "retryable", "wait_ms"), STATUS_ROWS.values(), ids=STATUS_ROWS.keys())
async def test_an_http_error_says_what_to_do(
    server: ChatServer, answer: Answer, code: str, retryable: bool, wait_ms: int | None
) -> None:
    server.play(answer)

    error = await failure(server)

    assert (error.code, error.retryable, error.retry_after_ms, error.status) == (
        code,
        retryable,
        wait_ms,
        answer.status,
    )
    assert len(server.bodies) == 1


async def test_a_spent_quota_is_named(server: ChatServer) -> None:
    server.play(refused(429, EXHAUSTED, "x", PER_DAY))

    assert "GenerateRequestsPerDayPerProjectPerModel-FreeTier" in (await failure(server)).message


STREAM_ROWS: dict[str, tuple[bytes, str, bool, int | None]] = {
    "overloaded_as_plain_json": (
        json.dumps(error(503, "UNAVAILABLE", "x"), indent=2).encode(),
        "provider_unavailable",
        True,
        None,
    ),
    "in_an_array": (json.dumps([error(500, "INTERNAL", "x")], indent=2).encode(), "provider_unavailable", True, None),
    "as_an_event": (event(error(503, "UNAVAILABLE", "x")), "provider_unavailable", True, None),
    "rate_limit": (event(error(429, EXHAUSTED, "x", wait("2s"))), "provider_unavailable", True, 2_000),
    "quota_of_the_day": (event(error(429, EXHAUSTED, "x", PER_DAY)), "provider_unavailable", False, None),
    "bad_request": (event(error(400, "INVALID_ARGUMENT", "x")), "provider_unavailable", False, None),
    "too_long": (
        event(error(400, "INVALID_ARGUMENT", "it exceeds the maximum number of tokens allowed (8)")),
        "context_overflow",
        False,
        None,
    ),
    "a_name_alone": (event({"error": {"status": "FAILED_PRECONDITION"}}), "provider_unavailable", False, None),
    "a_text": (event({"error": "the model has gone"}), "provider_unavailable", True, None),
}


@pytest.mark.parametrize(("piece", "code", "retryable", "wait_ms"), STREAM_ROWS.values(), ids=STREAM_ROWS.keys())
@pytest.mark.parametrize("every", [None, 1], ids=["whole", "every_byte"])
async def test_an_error_inside_a_stream_of_status_200_is_an_error(
    server: ChatServer, piece: bytes, code: str, retryable: bool, wait_ms: int | None, every: int | None
) -> None:
    server.play(Answer(pieces=split(chunk(text("Ten")) + piece, every)))

    error = await failure(server)

    assert (error.code, error.retryable, error.retry_after_ms) == (code, retryable, wait_ms)


CUT_ROWS: dict[str, Answer] = {
    "the_socket_closes": Answer(pieces=[chunk(text("Ten"))], ending="cut"),
    "the_socket_closes_in_an_event": Answer(pieces=[chunk(text("Ten"))[:-9]], ending="cut"),
    "the_body_ends_without_a_finish": Answer(pieces=[chunk(text("Ten"))]),
    "an_empty_body": Answer(),
    "a_page_of_html": Answer(pieces=[b"<html>Welcome</html>"]),
    "an_unspecified_finish": Answer(pieces=[chunk(text("Ten"), finish="FINISH_REASON_UNSPECIFIED")]),
}


@pytest.mark.parametrize("answer", CUT_ROWS.values(), ids=CUT_ROWS.keys())
async def test_a_stream_without_a_finish_is_cut_not_whole(server: ChatServer, answer: Answer) -> None:
    server.play(answer)

    error = await failure(server)

    assert isinstance(error, StreamCut)
    assert error.retryable


async def test_a_tool_call_of_a_cut_stream_is_never_given(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk(call("f", {}))], ending="cut"))
    provider = provider_at(server.url)
    seen: list[ModelEvent] = []

    with pytest.raises(StreamCut):
        async with provider.stream(REQUEST) as events:
            seen.extend([event async for event in events])
    await provider.close()

    assert seen == []


@pytest.mark.parametrize("piece", [b"data: not json\n\n", b'data: {"candidates": 7}\n\n', b"data: [1]\n\n", b"[{\n"])
async def test_garbage_in_a_stream_is_an_error(server: ChatServer, piece: bytes) -> None:
    server.play(Answer(pieces=[piece]))

    assert "not a chunk" in (await failure(server)).message


SLOW_ROWS: dict[str, Answer] = {
    "no_head": Answer(deaf=True),
    "no_first_token": Answer(ending="hang"),
    "silence_between_tokens": Answer(pieces=[chunk(text("Ten"))], ending="hang"),
}


@pytest.mark.parametrize("answer", SLOW_ROWS.values(), ids=SLOW_ROWS.keys())
async def test_a_hanging_provider_is_given_up_and_its_connection_closed(server: ChatServer, answer: Answer) -> None:
    server.play(answer)

    error = await failure(server, QUICK)

    assert error.retryable
    await server.gone.wait()


ENDINGS: dict[str, Answer] = {
    "cut": Answer(pieces=[chunk(text("Ten"), finish="STOP")], ending="cut"),
    "hanging": Answer(pieces=[chunk(text("Ten"), finish="STOP")], ending="hang"),
}


@pytest.mark.parametrize("answer", ENDINGS.values(), ids=ENDINGS.keys())
async def test_an_answer_that_has_its_finish_is_whole_whatever_becomes_of_the_connection(
    server: ChatServer, answer: Answer
) -> None:
    server.play(answer)

    events = await read(server)

    assert text_of(events) == "Ten"
    assert events[-1] == ModelFinished(reason="stop", model="gemini-3.1-pro-preview")


async def test_leaving_a_stream_early_closes_its_connection(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk(text("Ten"))], ending="hang"))
    provider = provider_at(server.url)

    async with provider.stream(REQUEST) as events:
        first = await anext(events)
    await server.gone.wait()
    await provider.close()

    assert first == TextDelta(text="Ten")


async def test_cancelling_a_reader_that_waits_for_the_end_closes_the_connection(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk(text("Ten"), finish="STOP")], ending="hang"))
    provider = provider_at(server.url)
    began = asyncio.Event()

    async def reader() -> None:
        async with provider.stream(REQUEST) as events:
            async for _ in events:
                began.set()

    task = asyncio.create_task(reader())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.gone.wait()
    await provider.close()


async def test_a_connection_is_used_again(server: ChatServer) -> None:
    server.play(*[Answer(pieces=[chunk(text("Ten"), finish="STOP")])] * 2)
    provider = provider_at(server.url)

    for _ in range(2):
        async with provider.stream(REQUEST) as events:
            assert [event async for event in events]
    await provider.close()

    assert server.connections == 1
