"""The OpenAI provider over real sockets: recorded streams of many vendors, and everything that can go wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agent.providers.openai import OpenAIProvider, Timeouts
from core.errors import ProviderError, StreamCut
from core.messages import AssistantMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
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
from tests.agent.chat_server import DONE, Answer, ChatServer, chunk, event, split, split_at_random

FIXTURES = Path(__file__).parent / "fixtures" / "llm-streams"
ROWS = [json.loads(line) for line in (FIXTURES / "expected.jsonl").read_text(encoding="utf-8").splitlines()]
REQUEST = ModelRequest(model="m-1", messages=(UserMessage(content="Olá"),))
QUICK = Timeouts(connect_s=5.0, first_token_s=0.2, between_tokens_s=0.2)
PATIENT = Timeouts(connect_s=5.0, first_token_s=30.0, between_tokens_s=30.0)


async def read(server: ChatServer, request: ModelRequest = REQUEST, timeouts: Timeouts = PATIENT) -> list[ModelEvent]:
    provider = OpenAIProvider(api_key="secret-key", base_url=server.url, timeouts=timeouts)
    try:
        async with provider.stream(request) as events:
            return [event async for event in events]
    finally:
        await provider.close()


async def failure(server: ChatServer, timeouts: Timeouts = PATIENT) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await read(server, timeouts=timeouts)
    assert "secret-key" not in caught.value.message
    return caught.value


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: list[ModelEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCallReady)]


def usage_of(events: list[ModelEvent]) -> Usage:
    return [event.usage for event in events if isinstance(event, UsageReported)][-1]


def error_answer(status: int, error: dict[str, Any], **headers: str) -> Answer:
    body = json.dumps({"error": error}).encode()
    return Answer(status=status, pieces=[body], headers={"content-type": "application/json"} | headers)


# ---------------------------------------------------------------- recorded streams


CUTS = {
    "whole": lambda data: [data],
    "every_byte": lambda data: split(data, 1),
    "at_random": lambda data: split_at_random(data, Random(5), longest=60),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("row", ROWS, ids=[row["file"] for row in ROWS])
async def test_a_recorded_stream_is_read_right_however_it_is_cut(
    server: ChatServer, row: dict[str, Any], cut: Callable[[bytes], list[bytes]]
) -> None:
    server.play(Answer(pieces=cut((FIXTURES / row["file"]).read_bytes())))

    events = await read(server)

    assert text_of(events) == (row["text"] or row.get("refusal", ""))
    assert [[call.name, json.loads(call.arguments)] for call in calls_of(events)] == row["calls"]
    assert [usage_of(events).input, usage_of(events).output] == row["usage"]
    assert isinstance(events[-1], ModelFinished)


async def test_a_refusal_is_shown_and_ends_filtered(server: ChatServer) -> None:
    server.play(Answer(pieces=[(FIXTURES / "openai_chat_refusal.txt").read_bytes()]))

    events = await read(server)

    assert text_of(events) == "I'm sorry, I can't assist with that request."
    assert events[-1] == ModelFinished(reason="filtered", model="gpt-4o-2024-08-06")


async def test_an_answer_cut_by_the_token_limit_ends_with_length(server: ChatServer) -> None:
    server.play(Answer(pieces=[(FIXTURES / "openai_chat_length.txt").read_bytes()]))

    events = await read(server)

    assert events[-1] == ModelFinished(reason="length", model="gpt-4o-2024-08-06")


async def test_reasoning_is_given_apart_from_the_answer(server: ChatServer) -> None:
    server.play(Answer(pieces=[(FIXTURES / "kimi_reasoning_content.txt").read_bytes()]))

    events = await read(server)

    assert [event.text for event in events if isinstance(event, ReasoningDelta)] == ["Thinking ", "aloud. "]
    assert text_of(events) == "Hello!"
    assert usage_of(events).reasoning == 7


async def test_text_of_one_network_read_comes_as_one_delta(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("Bom ") + chunk("dia") + chunk("!") + chunk(finish="stop") + DONE]))

    events = await read(server)

    assert events[0] == TextDelta(text="Bom dia!")


# ---------------------------------------------------------------- quirks of those who speak the dialect


def fragment(**values: Any) -> bytes:
    return chunk(tool_calls=[values])


CALL_ROWS: dict[str, tuple[list[bytes], list[tuple[str, str]]]] = {
    "two_calls_that_both_have_index_0": (
        [
            fragment(index=0, id="a", function={"name": "f", "arguments": '{"x":1}'}),
            fragment(index=0, id="b", function={"name": "g", "arguments": '{"x":'}),
            fragment(index=0, function={"arguments": "2}"}),
        ],
        [("f", '{"x":1}'), ("g", '{"x":2}')],
    ),
    "an_id_on_every_fragment": (
        [
            fragment(index=0, id="0", function={"name": "f", "arguments": '{"x"'}),
            fragment(index=0, id="0", function={"arguments": ":1}"}),
        ],
        [("f", '{"x":1}')],
    ),
    "a_fresh_id_on_every_fragment_of_one_call": (
        [
            fragment(index=0, id="a", function={"name": "f", "arguments": '{"x"'}),
            fragment(index=0, id="b", function={"arguments": ":1}"}),
        ],
        [("f", '{"x":1}')],
    ),
    "the_name_on_every_fragment": (
        [
            fragment(index=0, id="a", function={"name": "f", "arguments": '{"x"'}),
            fragment(index=0, id="a", function={"name": "f", "arguments": ":1}"}),
        ],
        [("f", '{"x":1}')],
    ),
    "interleaved_by_index": (
        [
            fragment(index=0, id="a", function={"name": "f", "arguments": '{"x"'}),
            fragment(index=1, id="b", function={"name": "g", "arguments": '{"y"'}),
            fragment(index=0, function={"arguments": ":1}"}),
            fragment(index=1, function={"arguments": ":2}"}),
        ],
        [("f", '{"x":1}'), ("g", '{"y":2}')],
    ),
    "neither_id_nor_index": (
        [fragment(function={"name": "f", "arguments": "{}"}), fragment(function={"name": "g", "arguments": "{}"})],
        [("f", "{}"), ("g", "{}")],
    ),
    "arguments_as_an_object": (
        [fragment(index=0, id="a", function={"name": "f", "arguments": {"x": 1}})],
        [("f", '{"x": 1}')],
    ),
    "an_empty_id_and_no_function": ([fragment(index=0, id="")], []),
}


@pytest.mark.parametrize(("pieces", "calls"), CALL_ROWS.values(), ids=CALL_ROWS.keys())
async def test_tool_calls_are_put_together(
    server: ChatServer, pieces: list[bytes], calls: list[tuple[str, str]]
) -> None:
    server.play(Answer(pieces=[*pieces, chunk("", finish="tool_calls"), DONE]))

    events = await read(server)

    assert [(call.name, call.arguments) for call in calls_of(events)] == calls


async def test_comments_carriage_returns_and_a_missing_last_blank_line_are_taken(server: ChatServer) -> None:
    stream = (
        b": OPENROUTER PROCESSING\r\n\r\n" + chunk("Oi").replace(b"\n", b"\r\n") + chunk(finish="stop").rstrip(b"\n")
    )
    server.play(Answer(pieces=split(stream, 1)))

    events = await read(server)

    assert text_of(events) == "Oi"
    assert events[-1] == ModelFinished(reason="stop", model="m-1")


async def test_content_as_a_list_of_parts_gives_its_text(server: ChatServer) -> None:
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Oi"}]
    server.play(Answer(pieces=[chunk(content=parts), chunk(finish="stop"), DONE]))

    assert text_of(await read(server)) == "Oi"


async def test_a_server_that_does_not_stream_is_read_too(server: ChatServer) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    other = {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Oi", "tool_calls": [call, other]}
    body = {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    server.play(Answer(pieces=[json.dumps(body).encode()]))

    events = await read(server)

    assert text_of(events) == "Oi"
    assert [call.name for call in calls_of(events)] == ["f", "g"]


async def test_usage_in_every_chunk_is_not_added_up(server: ChatServer) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 3}}
    server.play(
        Answer(
            pieces=[
                event({"choices": [], "usage": usage}),
                event({"choices": [], "usage": usage | {"completion_tokens": 2}}),
                chunk("x", finish="stop"),
                DONE,
            ]
        )
    )

    assert usage_of(await read(server)) == Usage(input=5, output=2, cached=3, total=7)


# ---------------------------------------------------------------- what is sent


TOOL = ToolSpec(name="look", title="Look", description="Looks.", parameters={"type": "object", "properties": {}})


async def test_the_request_holds_the_conversation_in_the_vendors_words(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("x", finish="stop"), DONE]))
    call = ToolCall(call_id="call_1", name="look", arguments="{}", opaque={"extra_content": {"google": {"s": "1"}}})
    request = ModelRequest(
        model="m-1",
        messages=(
            SystemMessage(content="Be brief."),
            UserMessage(content="Quanto?"),
            AssistantMessage(content="", tool_calls=(call,), provider="openai"),
            ToolMessage(call_id="call_1", name="look", content="10"),
            AssistantMessage(content="Dez."),
        ),
        tools=(TOOL,),
        max_output_tokens=50,
        temperature=0.5,
    )

    await read(server, request)

    function = {"name": "look", "arguments": "{}"}
    assert server.bodies[0] == {
        "model": "m-1",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Quanto?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": function, "extra_content": {"google": {"s": "1"}}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "10"},
            {"role": "assistant", "content": "Dez."},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": TOOL.parameters}}
        ],
        "max_tokens": 50,
        "temperature": 0.5,
    }
    assert "authorization: bearer secret-key" in server.heads[0].lower()


async def test_another_providers_opaque_parts_are_not_sent(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("x", finish="stop"), DONE]))
    call = ToolCall(call_id="call_1", name="look", arguments="{}", opaque={"extra_content": {"google": {"s": "1"}}})
    message = AssistantMessage(content="", tool_calls=(call,), provider="google")

    await read(server, ModelRequest(model="m-1", messages=(message,)))

    assert "extra_content" not in server.bodies[0]["messages"][0]["tool_calls"][0]


async def test_a_thought_signature_comes_back_with_its_call(server: ChatServer) -> None:
    extra = {"google": {"thought_signature": "abc"}}
    fragments = fragment(index=0, id="a", function={"name": "f", "arguments": "{}"}, extra_content=extra)
    server.play(Answer(pieces=[fragments, chunk("", finish="stop"), DONE]))

    assert calls_of(await read(server))[0].opaque == {"extra_content": extra}


async def test_a_connection_is_used_again(server: ChatServer) -> None:
    answer = Answer(pieces=[chunk("x", finish="stop"), DONE])
    server.play(answer, answer)
    provider = OpenAIProvider(api_key="k", base_url=server.url)

    async with provider.stream(REQUEST) as events:
        assert [event async for event in events]
    async with provider.stream(REQUEST) as events:
        assert [event async for event in events]
    await provider.close()

    assert server.connections == 1


# ---------------------------------------------------------------- what goes wrong


STATUS_ROWS: dict[str, tuple[Answer, str, bool, int | None]] = {
    "wrong_key": (
        error_answer(401, {"code": "invalid_api_key", "message": "secret-key"}),
        "provider_unavailable",
        False,
        None,
    ),
    "forbidden": (error_answer(403, {"message": "no"}), "provider_unavailable", False, None),
    "unknown_model": (error_answer(404, {"code": "model_not_found"}), "provider_unavailable", False, None),
    "context_too_long": (error_answer(400, {"code": "context_length_exceeded"}), "context_overflow", False, None),
    "context_too_long_in_words": (
        error_answer(400, {"message": "This model's maximum context length is 4096 tokens."}),
        "context_overflow",
        False,
        None,
    ),
    "blocked_prompt": (error_answer(400, {"code": "content_filter"}), "content_blocked", False, None),
    "bad_request": (error_answer(400, {"type": "invalid_request_error"}), "provider_unavailable", False, None),
    "out_of_money": (
        error_answer(429, {"code": "insufficient_quota"}, **{"retry-after": "3"}),
        "provider_unavailable",
        False,
        None,
    ),
    "rate_limit_in_seconds": (
        error_answer(429, {"code": "rate_limit_exceeded"}, **{"retry-after": "1.5"}),
        "provider_unavailable",
        True,
        1500,
    ),
    "rate_limit_in_milliseconds": (
        error_answer(429, {"code": "rate_limit_exceeded"}, **{"retry-after-ms": "70", "retry-after": "9"}),
        "provider_unavailable",
        True,
        70,
    ),
    "rate_limit_until_a_date_gone_by": (
        error_answer(429, {}, **{"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        "provider_unavailable",
        True,
        None,
    ),
    "rate_limit_with_a_wait_of_minus_one": (
        error_answer(429, {}, **{"retry-after": "-1"}),
        "provider_unavailable",
        True,
        None,
    ),
    "server_error": (error_answer(500, {"type": "server_error"}), "provider_unavailable", True, None),
    "overloaded": (error_answer(503, {"code": "server_is_overloaded"}), "provider_unavailable", True, None),
    "a_proxys_page": (Answer(status=502, pieces=[b"<html>Bad gateway</html>"]), "provider_unavailable", True, None),
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


async def test_a_bad_request_names_the_parameter(server: ChatServer) -> None:
    error = {"code": "unsupported_value", "param": "temperature", "message": "the user said secret-key"}
    server.play(error_answer(400, error))

    assert (await failure(server)).message == "the provider 'openai' answered 400 (unsupported_value, temperature)"


STREAM_ROWS: dict[str, tuple[dict[str, Any] | list[Any] | str, str, bool]] = {
    "overloaded": ({"error": {"type": "overloaded_error"}}, "provider_unavailable", True),
    "out_of_money": ({"error": {"code": "insufficient_quota"}}, "provider_unavailable", False),
    "status_as_code": ({"error": {"code": 502, "message": "upstream"}}, "provider_unavailable", True),
    "bad_request": ({"error": {"code": "400", "message": "bad"}}, "provider_unavailable", False),
    "blocked": ({"error": {"code": "content_filter"}}, "content_blocked", False),
    "a_text": ({"error": "the model has gone"}, "provider_unavailable", True),
    "beside_a_choice": (
        {"error": {"code": 429}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]},
        "provider_unavailable",
        True,
    ),
}


@pytest.mark.parametrize(("value", "code", "retryable"), STREAM_ROWS.values(), ids=STREAM_ROWS.keys())
async def test_an_error_inside_a_stream_of_status_200_is_an_error(
    server: ChatServer, value: Any, code: str, retryable: bool
) -> None:
    server.play(Answer(pieces=[chunk("Ten"), event(value), DONE]))

    error = await failure(server)

    assert (error.code, error.retryable) == (code, retryable)


async def test_a_bare_json_error_in_place_of_events_is_an_error(server: ChatServer) -> None:
    server.play(Answer(pieces=[b'{"error": {"code": "insufficient_quota"}}']))

    assert not (await failure(server)).retryable


async def test_a_finish_reason_error_is_an_error(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("Ten", finish="error"), DONE]))

    assert (await failure(server)).retryable


CUT_ROWS: dict[str, Answer] = {
    "the_socket_closes": Answer(pieces=[chunk("Ten")], ending="cut"),
    "the_socket_closes_in_an_event": Answer(pieces=[chunk("Ten")[:-9]], ending="cut"),
    "the_body_ends_without_a_finish": Answer(pieces=[chunk("Ten")]),
    "done_and_nothing_else": Answer(pieces=[DONE]),
    "an_empty_body": Answer(),
}


@pytest.mark.parametrize("answer", CUT_ROWS.values(), ids=CUT_ROWS.keys())
async def test_a_stream_without_an_end_is_cut_not_whole(server: ChatServer, answer: Answer) -> None:
    server.play(answer)

    error = await failure(server)

    assert isinstance(error, StreamCut)
    assert error.retryable


async def test_a_tool_call_of_a_cut_stream_is_never_given(server: ChatServer) -> None:
    server.play(Answer(pieces=[fragment(index=0, id="a", function={"name": "f", "arguments": "{}"})], ending="cut"))
    provider = OpenAIProvider(api_key="k", base_url=server.url)
    seen: list[ModelEvent] = []

    with pytest.raises(StreamCut):
        async with provider.stream(REQUEST) as events:
            seen.extend([event async for event in events])
    await provider.close()

    assert seen == []


async def test_garbage_in_a_stream_is_an_error(server: ChatServer) -> None:
    server.play(Answer(pieces=[b"data: not json\n\n"]))

    assert "not a chunk" in (await failure(server)).message


async def test_an_event_without_end_is_given_up(server: ChatServer) -> None:
    server.play(Answer(pieces=[b"data: ", *[b"x" * 1_000_000] * 9]))

    assert not (await failure(server)).retryable


async def test_a_server_that_closes_at_once_is_retryable(server: ChatServer) -> None:
    server.play(Answer(silent=True))

    assert (await failure(server)).retryable


async def test_a_server_that_is_not_there_is_retryable() -> None:
    provider = OpenAIProvider(api_key="k", base_url="http://127.0.0.1:1/v1")

    with pytest.raises(ProviderError) as caught:
        async with provider.stream(REQUEST):
            pass
    await provider.close()

    assert caught.value.retryable


SLOW_ROWS: dict[str, Answer] = {
    "no_head": Answer(deaf=True),
    "no_first_token": Answer(ending="hang"),
    "comments_instead_of_a_first_token": Answer(pieces=[b": wait\n\n"], ending="hang"),
    "silence_between_tokens": Answer(pieces=[chunk("Ten")], ending="hang"),
}


@pytest.mark.parametrize("answer", SLOW_ROWS.values(), ids=SLOW_ROWS.keys())
async def test_a_hanging_provider_is_given_up_and_its_connection_closed(server: ChatServer, answer: Answer) -> None:
    server.play(answer)

    error = await failure(server, QUICK)

    assert error.retryable
    await server.gone.wait()


async def test_leaving_a_stream_early_closes_its_connection(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("Ten")], ending="hang"))
    provider = OpenAIProvider(api_key="k", base_url=server.url)

    async with provider.stream(REQUEST) as events:
        first = await anext(events)
    await server.gone.wait()
    await provider.close()

    assert first == TextDelta(text="Ten")


async def test_cancelling_a_reader_closes_the_connection(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("Ten")], ending="hang"))
    provider = OpenAIProvider(api_key="k", base_url=server.url)
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


async def test_a_server_of_openai_gets_the_new_name_of_the_output_limit(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's proxy stands in for the vendor."""
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    server.play(Answer(pieces=[chunk("x", finish="stop"), DONE]))
    provider = OpenAIProvider(api_key="k", base_url="http://api.openai.com/v1")

    async with provider.stream(ModelRequest(model="m", messages=REQUEST.messages, max_output_tokens=9)) as events:
        assert [event async for event in events]
    await provider.close()

    assert server.heads[0].startswith("POST http://api.openai.com/v1/chat/completions HTTP/1.1")
    assert server.bodies[0]["max_completion_tokens"] == 9


async def test_leaving_a_stream_unread_closes_its_connection(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("Ten")], ending="hang"))
    provider = OpenAIProvider(api_key="k", base_url=server.url)

    async with provider.stream(REQUEST) as events:
        assert events is not None
    await server.gone.wait()
    await provider.close()


async def test_a_body_that_cannot_be_unpacked_is_an_error(server: ChatServer) -> None:
    server.play(Answer(pieces=[b"not gzip"], headers={"content-encoding": "gzip"}))

    assert "unpacked" in (await failure(server)).message


async def test_a_server_that_does_not_close_its_answer_does_not_hold_up_the_turn(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("Ten", finish="stop") + DONE], ending="hang"))

    assert text_of(await read(server)) == "Ten"
