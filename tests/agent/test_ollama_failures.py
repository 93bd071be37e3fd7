"""What can go wrong at Ollama: refusals in English, errors in mid-stream, cuts, garbage, silence."""

from __future__ import annotations

import json

import pytest

from agent.providers.http import Timeouts
from agent.providers.ollama import OllamaProvider
from core.errors import ProviderError, StreamCut
from core.models import ModelEvent
from tests.agent.chat_server import Answer, ChatServer
from tests.agent.ollama_support import (
    REQUEST,
    calls_of,
    collect,
    failure,
    line,
)

QUICK = Timeouts(connect_s=5.0, first_token_s=0.2, between_tokens_s=0.2)


def refusal(status: int, words: str, **headers: str) -> Answer:
    body = json.dumps({"error": words}).encode()
    return Answer(status=status, pieces=[body], headers={"content-type": "application/json"} | headers)


STATUS_ROWS: dict[str, tuple[Answer, str, bool, str]] = {
    "not_pulled": (refusal(404, "model 'qwen3' not found"), "provider_unavailable", False, "run `ollama pull qwen3`"),
    "another_address": (Answer(status=404, pieces=[b"404 page"]), "provider_unavailable", False, "at its address"),
    "no_tools": (
        refusal(400, "registry.ollama.ai/library/qwen3:latest does not support tools"),
        "provider_unavailable",
        False,
        "cannot call tools",
    ),
    "too_long": (
        refusal(400, "the request exceeds the available context size (canary), try increasing it"),
        "context_overflow",
        False,
        "longer than the model can read",
    ),
    "too_long_in_other_words": (
        refusal(400, "the input length exceeds the context length"),
        "context_overflow",
        False,
        "longer than the model can read",
    ),
    "too_large": (
        refusal(500, "model requires more system memory (9.1 GiB) than is available (2.0 GiB)"),
        "provider_unavailable",
        False,
        "needs more memory",
    ),
    "bad_request": (refusal(400, "invalid option canary"), "provider_unavailable", False, "answered 400"),
    "busy": (
        refusal(503, "server busy, please try again.  maximum pending requests exceeded"),
        "provider_unavailable",
        True,
        "answered 503",
    ),
    "a_crash": (refusal(500, "llama runner process has terminated"), "provider_unavailable", True, "answered 500"),
    "a_proxys_login": (
        Answer(status=401, pieces=[b"<html>canary"]),
        "provider_unavailable",
        False,
        "refuses the API key",
    ),
}


@pytest.mark.parametrize(("answer", "code", "retryable", "words"), STATUS_ROWS.values(), ids=STATUS_ROWS.keys())
async def test_an_http_error_says_what_to_do(
    server: ChatServer, answer: Answer, code: str, retryable: bool, words: str
) -> None:
    server.play(answer)

    error = await failure(server)

    assert (error.code, error.retryable, error.status) == (code, retryable, answer.status)
    assert words in error.message


async def test_a_rate_limit_tells_how_long_to_wait(server: ChatServer) -> None:
    server.play(refusal(429, "slow down", **{"retry-after": "2"}))

    error = await failure(server)

    assert (error.retryable, error.retry_after_ms) == (True, 2_000)


@pytest.mark.parametrize(
    ("words", "code", "retryable"),
    [
        ("canary: an error was encountered while running the model", "provider_unavailable", True),
        ("the request exceeds the available context size", "context_overflow", False),
        ("cudaMalloc failed: out of memory", "provider_unavailable", False),
    ],
)
async def test_an_error_line_is_read_as_an_answers_error_is(
    server: ChatServer, words: str, code: str, retryable: bool
) -> None:
    server.play(Answer(pieces=[line("Ten"), json.dumps({"error": words}).encode() + b"\n"]))

    error = await failure(server)

    assert (error.code, error.retryable) == (code, retryable)


CALL = line(message={"tool_calls": [{"function": {"name": "look", "arguments": {}}}]})
CUT_ROWS: dict[str, Answer] = {
    "the_socket_closes": Answer(pieces=[line("Ten")], ending="cut"),
    "the_socket_closes_in_a_line": Answer(pieces=[line("Ten")[:-9]], ending="cut"),
    "the_body_ends_without_the_last_line": Answer(pieces=[line("Ten")]),
    "an_empty_body": Answer(),
    "after_a_call": Answer(pieces=[CALL], ending="cut"),
    "after_a_call_with_a_bodys_end": Answer(pieces=[CALL]),
}


@pytest.mark.parametrize("answer", CUT_ROWS.values(), ids=CUT_ROWS.keys())
async def test_a_stream_without_its_last_line_is_cut_and_gives_no_call(server: ChatServer, answer: Answer) -> None:
    server.play(answer)
    seen: list[ModelEvent] = []

    with pytest.raises(StreamCut) as caught:
        await collect(server, seen)

    assert caught.value.retryable
    assert calls_of(seen) == []


@pytest.mark.parametrize("garbage", [b"<html>\n", b"[1]\n", b'"text"\n', b'{"message": 7}\n', b"\xff\xfe\n"])
async def test_garbage_is_an_error(server: ChatServer, garbage: bytes) -> None:
    server.play(Answer(pieces=[garbage]))

    assert "no line of a chat" in (await failure(server)).message


async def test_a_line_without_end_is_given_up(server: ChatServer) -> None:
    server.play(Answer(pieces=[b"x" * 1_000_000] * 9))

    assert not (await failure(server)).retryable


@pytest.mark.parametrize("answer", [Answer(deaf=True), Answer(pieces=[line("Ten")], ending="hang")])
async def test_a_server_that_hangs_is_given_up_and_its_connection_closed(server: ChatServer, answer: Answer) -> None:
    server.play(answer)

    assert (await failure(server, timeouts=QUICK)).retryable
    await server.gone.wait()


async def test_an_ollama_that_does_not_run_is_retryable_and_named() -> None:
    provider = OllamaProvider(base_url="http://127.0.0.1:1")

    with pytest.raises(ProviderError, match="'ollama' cannot be reached") as caught:
        async with provider.stream(REQUEST):
            pass
    await provider.close()

    assert caught.value.retryable
