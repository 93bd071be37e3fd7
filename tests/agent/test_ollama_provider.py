"""The Ollama provider over real sockets: documented streams, what is sent, and everything that can go wrong."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from agent.providers.http import Timeouts
from agent.providers.ndjson import NdjsonParser
from agent.providers.ollama import OllamaProvider
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
from tests.agent.chat_server import Answer, ChatServer, split

FIXTURES = Path(__file__).parent / "fixtures" / "llm-streams"
ROWS = [json.loads(line) for line in (FIXTURES / "expected_ollama.jsonl").read_text(encoding="utf-8").splitlines()]
WHOLE = [row for row in ROWS if row["error"] is None]
REQUEST = ModelRequest(model="qwen3", messages=(UserMessage(content="Olá"),))
TOOL = ToolSpec(name="crm.look", title="Look", description="Looks.", parameters={"type": "object", "properties": {}})
QUICK = Timeouts(connect_s=5.0, first_token_s=0.2, between_tokens_s=0.2)


def line(content: str = "", **more: Any) -> bytes:
    """One line of a chat."""
    message = {"role": "assistant", "content": content} | more.pop("message", {})
    return json.dumps({"model": "qwen3", "message": message, "done": False} | more).encode() + b"\n"


def last(reason: str | None = "stop", **more: Any) -> bytes:
    """The line that ends a chat."""
    return line(done=True, done_reason=reason, **more)


def provider_at(server: ChatServer, **options: Any) -> OllamaProvider:
    return OllamaProvider(base_url=server.url.removesuffix("/v1"), **options)


async def read(server: ChatServer, request: ModelRequest = REQUEST, **options: Any) -> list[ModelEvent]:
    provider = provider_at(server, **options)
    try:
        async with provider.stream(request) as events:
            return [event async for event in events]
    finally:
        await provider.close()


async def collect(server: ChatServer, seen: list[ModelEvent]) -> None:
    """Read into `seen`, which keeps what came before an error."""
    provider = provider_at(server)
    try:
        async with provider.stream(REQUEST) as events:
            async for event in events:
                seen.append(event)  # noqa: PERF401 - a comprehension would lose it
    finally:
        await provider.close()


async def failure(server: ChatServer, request: ModelRequest = REQUEST, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await read(server, request, **options)
    assert "canary" not in caught.value.message
    return caught.value


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thoughts_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def calls_of(events: list[ModelEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCallReady)]


def usage_of(events: list[ModelEvent]) -> list[Usage]:
    return [event.usage for event in events if isinstance(event, UsageReported)]


def at_random(data: bytes, seed: int) -> list[bytes]:
    """The data cut where chance has it, also within characters."""
    chance = random.Random(seed)
    ends = sorted(chance.randrange(1, len(data)) for _ in range(20))
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True) if start < end]


# ---------------------------------------------------------------- documented streams


@pytest.mark.parametrize("every", [None, 1, 13], ids=["whole", "every_byte", "every_13_bytes"])
@pytest.mark.parametrize("row", WHOLE, ids=[row["file"] for row in WHOLE])
async def test_a_documented_stream_is_read_right_however_it_is_cut(
    server: ChatServer, row: dict[str, Any], every: int | None
) -> None:
    server.play(Answer(pieces=split((FIXTURES / row["file"]).read_bytes(), every)))

    events = await read(server)

    assert text_of(events) == row["text"]
    assert [[call.name, json.loads(call.arguments)] for call in calls_of(events)] == row["calls"]
    assert [usage_of(events)[-1].input, usage_of(events)[-1].output] == row["usage"]
    assert isinstance(events[-1], ModelFinished)
    assert events[-1].reason == row["finish_seen"]


@pytest.mark.parametrize("seed", range(20))
async def test_a_stream_cut_at_random_is_read_as_the_whole_one(server: ChatServer, seed: int) -> None:
    data = (FIXTURES / "ollama_native_thinking.txt").read_bytes()
    server.play(Answer(pieces=[data]), Answer(pieces=at_random(data, seed)))

    whole, cut = await read(server), await read(server)

    assert (text_of(cut), thoughts_of(cut)) == (text_of(whole), thoughts_of(whole))
    assert (usage_of(cut), cut[-1]) == (usage_of(whole), whole[-1])


@pytest.mark.parametrize("every", [None, 1, 13])
async def test_an_error_in_mid_stream_is_an_error_after_the_text_before_it(
    server: ChatServer, every: int | None
) -> None:
    server.play(Answer(pieces=split((FIXTURES / "ollama_native_error_midstream.txt").read_bytes(), every)))
    seen: list[ModelEvent] = []

    with pytest.raises(ProviderError) as caught:
        await collect(server, seen)

    assert (caught.value.retryable, caught.value.code) == (True, "provider_unavailable")
    assert " Yes.".startswith(text_of(seen))  # what came in one read with the error is void before it is shown
    assert not any(isinstance(event, ModelFinished) for event in seen)


# ---------------------------------------------------------------- what is read


async def test_thoughts_are_given_apart_from_the_answer(server: ChatServer) -> None:
    server.play(
        Answer(pieces=[line(message={"thinking": "Let me "}) + line("Four", message={"thinking": "see."}) + last()])
    )

    events = await read(server)

    assert events[:2] == [ReasoningDelta(text="Let me see."), TextDelta(text="Four")]


async def test_a_call_without_an_id_gets_one_of_its_own_and_another_keeps_the_models(server: ChatServer) -> None:
    function = {"name": "crm_look", "arguments": {"q": "ação", "n": [1, 2.5]}}
    calls = [
        {"function": function},
        {"id": "call_7", "function": {"index": 1, "name": "other"}},
        {"function": function},
    ]
    server.play(
        Answer(pieces=[line(message={"tool_calls": calls[:2]}), line(message={"tool_calls": calls[2:]}), last()])
    )

    read_calls = calls_of(await read(server, ModelRequest(model="qwen3", messages=REQUEST.messages, tools=(TOOL,))))

    assert [call.name for call in read_calls] == ["crm.look", "other", "crm.look"]
    assert [json.loads(call.arguments) for call in read_calls] == [function["arguments"], {}, function["arguments"]]
    assert read_calls[1].call_id == "call_7"
    assert len({call.call_id for call in read_calls if call.call_id}) == 3


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"x": 1}, '{"x": 1}'), ('{"x": 1}', '{"x": 1}'), (None, ""), ("{no json", "{no json"), ({}, "{}")],
    ids=["object", "text_of_an_object", "null", "text_that_is_no_json", "empty"],
)
async def test_arguments_become_the_text_that_tools_check(server: ChatServer, arguments: Any, text: str) -> None:
    call = {"function": {"name": "look", "arguments": arguments}}
    server.play(Answer(pieces=[line(message={"tool_calls": [call]}), last()]))

    assert [call.arguments for call in calls_of(await read(server))] == [text]


@pytest.mark.parametrize(
    ("reason", "finish"), [("stop", "stop"), ("length", "length"), (None, "stop"), ("something new", "stop")]
)
async def test_the_reason_of_the_end(server: ChatServer, reason: str | None, finish: str) -> None:
    server.play(Answer(pieces=[line("Oi"), last(reason)]))

    assert (await read(server))[-1] == ModelFinished(reason=finish, model="qwen3")


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_eval_count": 12, "eval_count": 5}, [Usage(input=12, output=5, total=17)]),
        ({"eval_count": 5}, [Usage(output=5, total=5)]),
        ({}, []),
    ],
    ids=["both", "a_prompt_that_was_cached", "none"],
)
async def test_usage_is_what_was_counted(server: ChatServer, counts: dict[str, int], usage: list[Usage]) -> None:
    server.play(Answer(pieces=[line("Oi"), last(**counts)]))

    assert usage_of(await read(server)) == usage


async def test_the_last_line_may_lack_its_end_and_what_follows_it_is_not_waited_for(server: ChatServer) -> None:
    server.play(Answer(pieces=[line("Oi") + last().rstrip()]), Answer(pieces=[line("Oi") + last()], ending="hang"))

    assert text_of(await read(server)) == "Oi"
    assert text_of(await read(server)) == "Oi"


async def test_a_model_that_was_only_loaded_has_not_answered(server: ChatServer) -> None:
    server.play(Answer(pieces=[last("load")]))

    assert (await failure(server)).retryable


def test_blank_lines_and_carriage_returns_are_no_lines() -> None:
    parser = NdjsonParser()

    assert parser.feed(b'\n\r\n{"a":1}\r\n\n{"b"') == [b'{"a":1}\r']
    assert parser.feed(b":2}") == []
    assert parser.finish() == [b'{"b":2}']
    assert parser.finish() == []


# ---------------------------------------------------------------- what is sent


async def test_the_request_holds_the_conversation_in_ollamas_words(server: ChatServer) -> None:
    server.play(Answer(pieces=[last()]))
    call = ToolCall(call_id="call_1", name="crm.look", arguments='{"q": "x"}')
    broken = ToolCall(call_id="", name="look", arguments="{no json")
    thoughts = {"thinking": "Let me see."}
    request = ModelRequest(
        model="qwen3",
        messages=(
            SystemMessage(content="Be brief."),
            UserMessage(content="Quanto?", images=("data:image/png;base64,iVBORw0KGgo=",)),
            AssistantMessage(content="", tool_calls=(call, broken), provider="ollama", opaque=thoughts),
            ToolMessage(call_id="call_1", name="crm.look", content="10"),
            AssistantMessage(content="Dez.", provider="google", opaque=thoughts),
        ),
        tools=(TOOL,),
        max_output_tokens=50,
        temperature=0.5,
        output_schema={"type": "object"},
    )

    await read(server, request, context_tokens=8192)

    function = {"name": "crm_look", "description": "Looks.", "parameters": TOOL.parameters}
    assert server.bodies[0] == {
        "model": "qwen3",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Quanto?", "images": ["iVBORw0KGgo="]},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "call_1", "function": {"name": "crm_look", "arguments": {"q": "x"}}},
                    {"function": {"name": "look", "arguments": {}}},
                ],
                "thinking": "Let me see.",
            },
            {"role": "tool", "tool_name": "crm_look", "content": "10", "tool_call_id": "call_1"},
            {"role": "assistant", "content": "Dez."},
        ],
        "stream": True,
        "truncate": False,
        "shift": False,
        "options": {"num_ctx": 8192, "num_predict": 50, "temperature": 0.5},
        "tools": [{"type": "function", "function": function}],
        "format": {"type": "object"},
    }
    assert server.heads[0].startswith("POST /api/chat HTTP/1.1")
    assert "authorization" not in server.heads[0].lower()


async def test_a_proxys_path_and_password_are_used(server: ChatServer) -> None:
    server.play(Answer(pieces=[last()]))
    provider = OllamaProvider(base_url=server.url.replace("http://", "http://ana:a%40b@").replace("/v1", "/ollama/"))

    async with provider.stream(REQUEST) as events:
        assert [event async for event in events]
    await provider.close()

    assert server.heads[0].startswith("POST /ollama/api/chat HTTP/1.1")
    assert "Authorization: Basic YW5hOmFAYg==" in server.heads[0]


async def test_thoughts_come_back_only_with_the_calls_that_they_led_to(server: ChatServer) -> None:
    call = {"function": {"name": "look", "arguments": {}}}
    server.play(
        Answer(pieces=[line(message={"thinking": "Hm."}), line(message={"tool_calls": [call]}), last()]),
        Answer(pieces=[line(message={"thinking": "Hm."}), line("Four."), last()]),
    )

    with_calls, without = (await read(server))[-1], (await read(server))[-1]

    assert with_calls == ModelFinished(reason="stop", model="qwen3", opaque={"thinking": "Hm."})
    assert without == ModelFinished(reason="stop", model="qwen3")


@pytest.mark.parametrize(
    "url", ["https://example.com/canary.png", "data:image/png,canary", "data:text/html;base64,canary", "data:"]
)
async def test_a_picture_that_is_no_data_url_is_refused_before_anything_is_sent(server: ChatServer, url: str) -> None:
    error = await failure(server, ModelRequest(model="llava", messages=(UserMessage(content="?", images=(url,)),)))

    assert (error.code, error.retryable) == ("invalid_request", False)
    assert "data: URLs" in error.message
    assert server.bodies == []


# ---------------------------------------------------------------- what goes wrong


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
