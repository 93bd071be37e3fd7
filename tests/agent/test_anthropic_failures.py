"""What can go wrong between the Anthropic provider and its vendor, over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agent.providers.anthropic import AnthropicProvider
from agent.providers.http import Timeouts
from core.errors import StreamCut
from core.models import TextDelta
from tests.agent.anthropic_support import REQUEST, failure, read, text_of
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.vendors.anthropic import PING, end, error, event, refused, start, text

QUICK = Timeouts(connect_s=5.0, first_token_s=0.2, between_tokens_s=0.2)

LIMIT = error("rate_limit_error", "secret-key")
STATUS_ROWS: dict[str, tuple[Answer, str, bool, int | None]] = {
    "wrong_key": (refused(401, error("authentication_error", "secret-key")), "provider_unavailable", False, None),
    "forbidden": (refused(403, error("permission_error", "no")), "provider_unavailable", False, None),
    "unknown_model": (refused(404, error("not_found_error", "model: m")), "provider_unavailable", False, None),
    "no_money": (refused(402, error("billing_error", "pay")), "provider_unavailable", False, None),
    "no_money_and_no_words": (Answer(status=402, pieces=[b"<html>Pay</html>"]), "provider_unavailable", False, None),
    "no_credit_in_words": (
        refused(400, error("invalid_request_error", "Your credit balance is too low to access the Anthropic API.")),
        "provider_unavailable",
        False,
        None,
    ),
    "an_own_spend_limit_in_words": (
        refused(400, error("invalid_request_error", "You have reached your specified API usage limits.")),
        "provider_unavailable",
        False,
        None,
    ),
    "a_spend_limit_as_a_rate_limit": (
        refused(429, error("rate_limit_error", "x", error_code="enforced_spend_limit_reached"), **{"retry-after": "3"}),
        "provider_unavailable",
        False,
        None,
    ),
    "rate_limit_in_seconds": (refused(429, LIMIT, **{"retry-after": "1.5"}), "provider_unavailable", True, 1500),
    "rate_limit_without_a_wait": (refused(429, LIMIT), "provider_unavailable", True, None),
    "a_limit_that_says_not_to_come_back": (
        refused(429, LIMIT, **{"retry-after": "5", "x-should-retry": "false"}),
        "provider_unavailable",
        False,
        None,
    ),
    "context_too_long": (
        refused(400, error("invalid_request_error", "prompt is too long: 207791 tokens > 200000 maximum")),
        "context_overflow",
        False,
        None,
    ),
    "context_and_answer_too_long": (
        refused(400, error("invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 9 > 10")),
        "context_overflow",
        False,
        None,
    ),
    "request_too_large": (refused(413, error("request_too_large", "x")), "context_overflow", False, None),
    "blocked": (
        refused(400, error("invalid_request_error", "Output blocked by content filtering policy")),
        "content_blocked",
        False,
        None,
    ),
    "bad_request": (refused(400, error("invalid_request_error", "secret-key")), "provider_unavailable", False, None),
    "conflict": (refused(409, error("conflict_error", "x")), "provider_unavailable", True, None),
    "server_error": (refused(500, error("api_error", "x")), "provider_unavailable", True, None),
    "too_late": (refused(504, error("timeout_error", "x")), "provider_unavailable", True, None),
    "overloaded": (
        refused(529, error("overloaded_error", "x"), **{"retry-after": "4"}),
        "provider_unavailable",
        True,
        4000,
    ),
    "a_proxys_page": (Answer(status=502, pieces=[b"<html>Bad gateway</html>"]), "provider_unavailable", True, None),
}


@pytest.mark.parametrize(("answer", "code", "retryable", "wait_ms"), STATUS_ROWS.values(), ids=STATUS_ROWS.keys())
async def test_an_http_error_says_what_to_do(
    server: ChatServer, answer: Answer, code: str, retryable: bool, wait_ms: int | None
) -> None:
    server.play(answer)

    caught = await failure(server)

    assert (caught.code, caught.retryable, caught.retry_after_ms) == (code, retryable, wait_ms)
    assert caught.status == answer.status
    assert len(server.bodies) == 1


MONEY_ROWS = [
    "no_money",
    "no_money_and_no_words",
    "no_credit_in_words",
    "an_own_spend_limit_in_words",
    "a_spend_limit_as_a_rate_limit",
]


@pytest.mark.parametrize("row", MONEY_ROWS)
async def test_what_only_money_heals_is_said_so(server: ChatServer, row: str) -> None:
    server.play(STATUS_ROWS[row][0])

    assert "out of quota" in (await failure(server)).message


async def test_a_bad_request_names_its_kind_and_no_words_of_the_vendors(server: ChatServer) -> None:
    server.play(refused(400, error("invalid_request_error", "secret", error_code="image_dimensions_too_large")))

    assert (await failure(server)).message == "the provider 'anthropic' answered 400 (image_dimensions_too_large)"


STREAM_ROWS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "overloaded": (error("overloaded_error", "secret-key"), "provider_unavailable", True),
    "rate_limit": (error("rate_limit_error", "x"), "provider_unavailable", True),
    "api": (error("api_error", "x"), "provider_unavailable", True),
    "timeout": (error("timeout_error", "x"), "provider_unavailable", True),
    "something_new": (error("moon_phase_error", "x"), "provider_unavailable", True),
    "no_money": (error("billing_error", "x"), "provider_unavailable", False),
    "spend_limit": (
        error("rate_limit_error", "x", error_code="enforced_spend_limit_reached"),
        "provider_unavailable",
        False,
    ),
    "wrong_key": (error("authentication_error", "x"), "provider_unavailable", False),
    "unknown_model": (error("not_found_error", "x"), "provider_unavailable", False),
    "bad_request": (error("invalid_request_error", "x"), "provider_unavailable", False),
    "too_large": (error("request_too_large", "x"), "context_overflow", False),
    "too_long": (error("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"), "context_overflow", False),
    "blocked": (
        error("invalid_request_error", "Output blocked by content filtering policy"),
        "content_blocked",
        False,
    ),
    "a_text": ({"type": "error", "error": "the model has gone"}, "provider_unavailable", True),
}


@pytest.mark.parametrize(("body", "code", "retryable"), STREAM_ROWS.values(), ids=STREAM_ROWS.keys())
async def test_an_error_inside_a_stream_of_status_200_is_an_error(
    server: ChatServer, body: dict[str, Any], code: str, retryable: bool
) -> None:
    server.play(Answer(pieces=[start(), *text(0, "Ten")[:-1], event("error", **body)], ending="cut"))

    caught = await failure(server)

    assert (caught.code, caught.retryable) == (code, retryable)
    assert not isinstance(caught, StreamCut)


@pytest.mark.parametrize("body", [error("billing_error", "x"), {"error": {"type": "billing_error"}}])
async def test_a_bare_json_error_in_place_of_events_is_an_error(server: ChatServer, body: dict[str, Any]) -> None:
    server.play(Answer(pieces=[json.dumps(body).encode()]))

    assert "out of quota" in (await failure(server)).message


CUT_ROWS: dict[str, Answer] = {
    "the_socket_closes": Answer(pieces=[start(), *text(0, "Ten")], ending="cut"),
    "the_socket_closes_in_an_event": Answer(pieces=[start(), text(0, "Ten")[2][:-9]], ending="cut"),
    "the_body_ends_without_a_finish": Answer(pieces=[start(), *text(0, "Ten")]),
    "only_an_end": Answer(pieces=[event("message_stop")]),
    "no_protocol_at_all": Answer(pieces=[b"\x00\x01 no protocol \xff\n\n"]),
    "an_empty_body": Answer(),
}


@pytest.mark.parametrize("answer", CUT_ROWS.values(), ids=CUT_ROWS.keys())
async def test_a_stream_without_an_end_is_cut_not_whole(server: ChatServer, answer: Answer) -> None:
    server.play(answer)

    caught = await failure(server)

    assert isinstance(caught, StreamCut)
    assert caught.retryable


NONSENSE_ROWS = [
    b"data: not json\n\n",
    b"data: [1]\n\n",
    event("content_block_delta", index="first", delta={"type": "text_delta", "text": "x"}),
    event("message_start", message=[]),
]


@pytest.mark.parametrize("piece", NONSENSE_ROWS)
async def test_nonsense_in_a_stream_is_an_error(server: ChatServer, piece: bytes) -> None:
    server.play(Answer(pieces=[piece]))

    assert "not an event" in (await failure(server)).message


SLOW_ROWS: dict[str, Answer] = {
    "no_head": Answer(deaf=True),
    "no_first_event": Answer(pieces=[PING], ending="hang"),
    "silence_after_the_start": Answer(pieces=[start()], ending="hang"),
    "silence_between_tokens": Answer(pieces=[start(), *text(0, "Ten")], ending="hang"),
}


@pytest.mark.parametrize("answer", SLOW_ROWS.values(), ids=SLOW_ROWS.keys())
async def test_a_hanging_provider_is_given_up_and_its_connection_closed(server: ChatServer, answer: Answer) -> None:
    server.play(answer)

    caught = await failure(server, QUICK)

    assert caught.retryable
    await server.gone.wait()


async def test_leaving_a_stream_early_closes_its_connection(server: ChatServer) -> None:
    server.play(Answer(pieces=[start({}), text(0, "Ten")[2]], ending="hang"))
    provider = AnthropicProvider(api_key="k", base_url=server.url)

    async with provider.stream(REQUEST) as events:
        first = await anext(events)
    await server.gone.wait()
    await provider.close()

    assert first == TextDelta(text="Ten")


async def test_cancelling_a_reader_closes_the_connection(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *text(0, "Ten")], ending="hang"))
    provider = AnthropicProvider(api_key="k", base_url=server.url)
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


async def test_a_server_that_does_not_close_its_answer_does_not_hold_up_the_turn(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *text(0, "Ten"), *end()], ending="hang"))

    assert text_of(await read(server)) == "Ten"


async def test_a_connection_is_used_again(server: ChatServer) -> None:
    answer = Answer(pieces=[start(), *text(0, "x"), *end()])
    server.play(answer, answer)
    provider = AnthropicProvider(api_key="k", base_url=server.url)

    async with provider.stream(REQUEST) as events:
        assert [event async for event in events]
    async with provider.stream(REQUEST) as events:
        assert [event async for event in events]
    await provider.close()

    assert server.connections == 1


async def test_a_body_whose_end_comes_late_leaves_the_connection_for_the_next(server: ChatServer) -> None:
    late = asyncio.Event()
    pieces = [start(), *text(0, "x"), *end()]
    server.play(Answer(pieces=pieces, end_after=late), Answer(pieces=pieces), Answer(pieces=pieces))
    provider = AnthropicProvider(api_key="k", base_url=server.url)

    async with provider.stream(REQUEST) as events:
        assert [event async for event in events]
    late.set()
    await server.answered.wait()
    await read(server)  # a whole round trip by another, so that the end has arrived
    async with provider.stream(REQUEST) as events:
        assert [event async for event in events]
    await provider.close()

    assert server.connections == 2
