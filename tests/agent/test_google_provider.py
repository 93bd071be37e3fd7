"""The Google provider over real sockets: recorded streams of Gemini, and everything that can go wrong."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from agent.providers.google import GoogleProvider
from agent.providers.google_events import AnswerAssembler
from agent.providers.http import Timeouts
from agent.providers.tool_names import ToolNames
from core.errors import ProviderError, StreamCut
from core.ids import SequentialIds
from core.messages import ToolCall, UserMessage
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
from tests.conformance.vendors.google import call, chunk, detail, error, event, refused, text

FIXTURES = Path(__file__).parent / "fixtures" / "llm-streams" / "gemini"
ROWS = [json.loads(line) for line in (FIXTURES / "expected.jsonl").read_text(encoding="utf-8").splitlines()]
REQUEST = ModelRequest(model="gemini-3-flash", messages=(UserMessage(content="Olá"),))
QUICK = Timeouts(connect_s=5.0, first_token_s=0.2, between_tokens_s=0.2)
PATIENT = Timeouts(connect_s=5.0, first_token_s=30.0, between_tokens_s=30.0)
KEY = "secret-key"


def provider_at(url: str, timeouts: Timeouts = PATIENT) -> GoogleProvider:
    return GoogleProvider(api_key=KEY, base_url=url, timeouts=timeouts, ids=SequentialIds())


async def read(server: ChatServer, request: ModelRequest = REQUEST, timeouts: Timeouts = PATIENT) -> list[ModelEvent]:
    provider = provider_at(server.url, timeouts)
    try:
        async with provider.stream(request) as events:
            return [event async for event in events]
    finally:
        await provider.close()


async def failure(server: ChatServer, timeouts: Timeouts = PATIENT) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await read(server, timeouts=timeouts)
    assert KEY not in caught.value.message
    return caught.value


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thoughts_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def calls_of(events: list[ModelEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCallReady)]


def named_calls(events: list[ModelEvent]) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in calls_of(events)]


def payload(piece: bytes) -> bytes:
    return piece.removeprefix(b"data: ").strip()


def usage_of(events: list[ModelEvent]) -> Usage:
    return [event.usage for event in events if isinstance(event, UsageReported)][-1]


def cut_at_random(data: bytes, seed: int) -> list[bytes]:
    places = sorted(random.Random(seed).sample(range(1, len(data)), k=min(9, len(data) - 1)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


# ---------------------------------------------------------------- recorded streams

CUTS: dict[str, Any] = {"whole": lambda data: [data], "every_byte": lambda data: split(data, 1)} | {
    f"at_random_places_{seed}": lambda data, seed=seed: cut_at_random(data, seed) for seed in range(4)
}
WHOLE = [row for row in ROWS if row["error"] is None]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("row", WHOLE, ids=[row["file"] for row in WHOLE])
async def test_a_recorded_stream_is_read_right_however_it_is_cut(
    server: ChatServer, row: dict[str, Any], cut: Any
) -> None:
    server.play(Answer(pieces=cut((FIXTURES / row["file"]).read_bytes())))

    events = await read(server)

    usage = usage_of(events)
    assert text_of(events) == row["text"]
    assert [list(named) for named in named_calls(events)] == row["calls"]
    assert [usage.input, usage.output - usage.reasoning] == row["usage"]
    assert usage.reasoning == (row["thoughts"] or 0)
    assert sum("signature" in (call.opaque or {}) for call in calls_of(events)) == row.get("signatures", 0)
    finished = events[-1]
    assert isinstance(finished, ModelFinished)
    assert finished.reason == {"STOP": "stop", "SAFETY": "filtered"}[row["finish_seen"]]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
async def test_a_recorded_blocked_prompt_is_an_error_however_it_is_cut(server: ChatServer, cut: Any) -> None:
    server.play(Answer(pieces=cut((FIXTURES / "gemini_blocked_prompt_safety.txt").read_bytes())))

    blocked = await failure(server)

    assert (blocked.code, blocked.retryable) == ("content_blocked", False)


async def test_recorded_thoughts_are_given_apart_from_the_answer(server: ChatServer) -> None:
    server.play(Answer(pieces=[(FIXTURES / "gemini_thinking_function_call.txt").read_bytes()]))

    events = await read(server)

    assert thoughts_of(events).startswith("**Calculating the Days**")
    assert text_of(events) == ""


async def test_cached_tokens_are_within_the_input_and_thoughts_within_the_output(server: ChatServer) -> None:
    server.play(Answer(pieces=[(FIXTURES / "gemini_parallel_calls_one_signature.txt").read_bytes()]))

    assert usage_of(await read(server)) == Usage(input=210, output=131, cached=128, reasoning=100, total=341)


# ---------------------------------------------------------------- what a stream may look like


async def test_text_of_one_network_read_comes_as_one_delta(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk(text("Bom "), text("dia")) + chunk(text("!"), finish="STOP")]))

    events = await read(server)

    assert events == [TextDelta(text="Bom dia!"), ModelFinished(reason="stop", model="gemini-3.1-pro-preview")]


def test_usage_comes_once_a_read_where_it_changed_and_the_last_one_counts() -> None:
    assembler = AnswerAssembler("google", ToolNames([]), SequentialIds())
    first = payload(chunk(text("a"), usageMetadata={"promptTokenCount": 5, "candidatesTokenCount": 1}))
    same = payload(chunk(text("b"), usageMetadata={"promptTokenCount": 5, "candidatesTokenCount": 1}))
    more = {"promptTokenCount": 55, "candidatesTokenCount": 2, "toolUsePromptTokenCount": 3, "totalTokenCount": 60}

    events = [
        assembler.feed([first, same]),
        assembler.feed([same]),
        assembler.feed([payload(event({"usageMetadata": more}))]),
    ]

    assert events == [
        [TextDelta(text="ab"), UsageReported(usage=Usage(input=5, output=1, total=6))],
        [TextDelta(text="b")],
        [UsageReported(usage=Usage(input=58, output=2, total=60))],
    ]


@pytest.mark.parametrize("usage", [{"trafficType": "ON_DEMAND"}, {}, {"promptTokenCount": None}])
async def test_usage_without_numbers_is_no_usage(server: ChatServer, usage: dict[str, Any]) -> None:
    server.play(Answer(pieces=[chunk(text("a"), finish="STOP", usageMetadata=usage)]))

    assert not [event for event in await read(server) if isinstance(event, UsageReported)]


async def test_a_call_without_an_id_gets_one_and_its_arguments_are_as_the_model_wrote_them(server: ChatServer) -> None:
    raw = b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"n":1.50,"id":12345678901234567890}}}]}}]}\n\n'
    server.play(Answer(pieces=[raw, chunk(call("f", {}), finish="STOP")]))

    calls = calls_of(await read(server))

    assert calls == [
        ToolCall(call_id="call_1", name="f", arguments='{"n":1.50,"id":12345678901234567890}'),
        ToolCall(call_id="call_2", name="f", arguments="{}"),
    ]


@pytest.mark.parametrize("arguments", [None, {}])
async def test_a_call_without_arguments_has_an_empty_object(server: ChatServer, arguments: Any) -> None:
    server.play(Answer(pieces=[chunk(call("f", arguments), finish="STOP")]))

    assert named_calls(await read(server)) == [("f", {})]


async def test_a_call_is_given_under_our_name_of_the_tool(server: ChatServer) -> None:
    tool = ToolSpec(name="crm.contacts.find", title="t", description="d", parameters={"type": "object"})
    server.play(Answer(pieces=[chunk(call("crm_contacts_find", {}), call("unheard_of", {}), finish="STOP")]))

    events = await read(server, ModelRequest(model="m", messages=REQUEST.messages, tools=(tool,)))

    assert [call.name for call in calls_of(events)] == ["crm.contacts.find", "unheard_of"]


def growing(*leaves: dict[str, Any], name: str | None = None, more: bool = True) -> dict[str, Any]:
    inner: dict[str, Any] = {"name": name} if name else {}
    inner |= {"partialArgs": list(leaves)} if leaves else {}
    return {"functionCall": inner | ({"willContinue": True} if more else {})}


def leaf(path: str, *, more: bool = False, **value: Any) -> dict[str, Any]:
    return {"jsonPath": path} | value | ({"willContinue": True} if more else {})


GROWING_ROWS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, Any]]]] = {
    "two_calls_each_closed_by_an_empty_one": (
        [
            growing(name="weather"),
            growing(leaf("$.place", stringValue="Bos", more=True)),
            growing(leaf("$.place", stringValue="ton", more=True)),
            growing(leaf("$.place", stringValue="")),
            growing(more=False),
            growing(name="weather"),
            growing(leaf("$.place", stringValue="Rome")),
            growing(more=False),
        ],
        [("weather", {"place": "Boston"}), ("weather", {"place": "Rome"})],
    ),
    "leaves_of_every_kind_deep_within": (
        [
            growing(name="cook"),
            growing(
                leaf("$.recipe.steps[0].text", stringValue="boil"), leaf("$.recipe.steps[0].minutes", numberValue=9)
            ),
            growing(leaf("$.recipe.steps[1].text", stringValue="eat"), leaf("$.recipe.hot", boolValue=False)),
            growing(leaf("$.recipe.note", nullValue="NULL_VALUE"), leaf("$.tags[0]", stringValue="a")),
            growing(leaf("$['odd.key']", numberValue=0.5), leaf('$["it\\"s"]', stringValue="b"), more=False),
        ],
        [
            (
                "cook",
                {
                    "recipe": {
                        "steps": [{"text": "boil", "minutes": 9}, {"text": "eat"}],
                        "hot": False,
                        "note": None,
                    },
                    "tags": ["a"],
                    "odd.key": 0.5,
                    'it"s': "b",
                },
            )
        ],
    ),
    "closed_by_its_last_leaf": (
        [growing(name="f"), growing(leaf("$.n", numberValue=1), more=False), text("")],
        [("f", {"n": 1})],
    ),
    "never_closed": ([growing(name="f"), growing(leaf("$.n", numberValue=1))], [("f", {"n": 1})]),
    "without_arguments": (
        [growing(name="f", more=False), growing(name="g"), growing(more=False)],
        [("f", {}), ("g", {})],
    ),
    "the_end_of_nothing": ([growing(more=False)], []),
    "the_name_on_every_piece": (
        [growing(leaf("$.n", numberValue=1), name="f"), growing(leaf("$.m", numberValue=2), name="f", more=False)],
        [("f", {"n": 1, "m": 2})],
    ),
    "a_text_said_twice_is_not_joined": (
        [growing(leaf("$.s", stringValue="old"), leaf("$.s", stringValue="new"), name="f", more=False)],
        [("f", {"s": "new"})],
    ),
}


@pytest.mark.parametrize(("parts", "calls"), GROWING_ROWS.values(), ids=GROWING_ROWS.keys())
async def test_calls_whose_arguments_come_in_pieces_are_put_together(
    server: ChatServer, parts: list[dict[str, Any]], calls: list[tuple[str, Any]]
) -> None:
    server.play(Answer(pieces=[*[chunk(part) for part in parts], chunk(text(""), finish="STOP")]))

    assert named_calls(await read(server)) == calls


@pytest.mark.parametrize("path", ["", "$", "$.a[5]", "$..a", "place", "$.a[*]", "$.n.deeper"])
async def test_pieces_that_fit_nowhere_are_an_error(server: ChatServer, path: str) -> None:
    parts = [growing(leaf("$.n", numberValue=1), name="f"), growing(leaf(path, stringValue="x"))]
    server.play(Answer(pieces=[*[chunk(part) for part in parts], chunk(finish="STOP")]))

    assert "cannot be put together" in (await failure(server)).message


async def test_a_call_that_the_token_limit_cut_within_its_arguments_is_not_given(server: ChatServer) -> None:
    parts = [call("g", {"x": 1}), growing(name="f"), growing(leaf("$.s", stringValue="reve", more=True))]
    server.play(Answer(pieces=[*[chunk(part) for part in parts], chunk(finish="MAX_TOKENS")]))

    events = await read(server)

    assert named_calls(events) == [("g", {"x": 1})]
    assert events[-1] == ModelFinished(reason="length", model="gemini-3.1-pro-preview")


async def test_an_answer_that_is_not_streamed_is_read_too(server: ChatServer) -> None:
    body = [{"candidates": [{"content": {"parts": [text("Oi")]}}]}, {"candidates": [{"finishReason": "STOP"}]}]
    server.play(Answer(pieces=[json.dumps(body, indent=2).encode()]))

    events = await read(server)

    assert text_of(events) == "Oi"
    assert isinstance(events[-1], ModelFinished)


FINISH_ROWS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "filtered",
    "RECITATION": "filtered",
    "LANGUAGE": "filtered",
    "BLOCKLIST": "filtered",
    "PROHIBITED_CONTENT": "filtered",
    "SPII": "filtered",
    "MODEL_ARMOR": "filtered",
    "IMAGE_SAFETY": "filtered",
    "A_WORD_OF_NEXT_YEAR": "stop",
}


@pytest.mark.parametrize(("word", "reason"), FINISH_ROWS.items(), ids=FINISH_ROWS.keys())
async def test_finish_reasons_of_an_answer(server: ChatServer, word: str, reason: str) -> None:
    server.play(Answer(pieces=[chunk(text("a"), finish=word)]))

    assert (await read(server))[-1] == ModelFinished(reason=reason, model="gemini-3.1-pro-preview")  # type: ignore[arg-type]


BROKEN_ROWS = {
    "MALFORMED_FUNCTION_CALL": True,
    "UNEXPECTED_TOOL_CALL": True,
    "TOO_MANY_TOOL_CALLS": True,
    "MALFORMED_RESPONSE": True,
    "OTHER": True,
    "MISSING_THOUGHT_SIGNATURE": False,
}


@pytest.mark.parametrize(("word", "retryable"), BROKEN_ROWS.items(), ids=BROKEN_ROWS.keys())
async def test_finish_reasons_that_end_no_answer_are_errors(server: ChatServer, word: str, retryable: bool) -> None:
    server.play(Answer(pieces=[chunk(text("a"), call("f", {}), finish=word)]))

    error = await failure(server)

    assert (error.code, error.retryable) == ("provider_unavailable", retryable)
    assert word in error.message


async def test_ratings_of_a_prompt_that_was_not_blocked_do_no_harm(server: ChatServer) -> None:
    feedback = {"safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}]}
    server.play(Answer(pieces=[chunk(text("a"), finish="STOP", promptFeedback=feedback)]))

    assert text_of(await read(server)) == "a"


# ---------------------------------------------------------------- what goes wrong

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
