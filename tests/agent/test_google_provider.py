"""The Google provider over real sockets: recorded streams of Gemini, and all that a stream may look like."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from agent.providers.google_events import AnswerAssembler
from agent.providers.tool_names import ToolNames
from core.ids import SequentialIds
from core.messages import ToolCall
from core.models import ModelFinished, ModelRequest, TextDelta, ToolSpec, Usage, UsageReported
from tests.agent.chat_server import Answer, ChatServer, split
from tests.agent.google_support import (
    REQUEST,
    calls_of,
    failure,
    named_calls,
    read,
    text_of,
    thoughts_of,
    usage_of,
)
from tests.conformance.vendors.google import call, chunk, event, text

FIXTURES = Path(__file__).parent / "fixtures" / "llm-streams" / "gemini"
ROWS = [json.loads(line) for line in (FIXTURES / "expected.jsonl").read_text(encoding="utf-8").splitlines()]


def payload(piece: bytes) -> bytes:
    return piece.removeprefix(b"data: ").strip()


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
