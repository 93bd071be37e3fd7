"""What the Ollama provider reads, over real sockets: documented streams however they are cut, calls, thoughts, usage."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from agent.providers.ndjson import NdjsonParser
from core.errors import ProviderError
from core.models import ModelEvent, ModelFinished, ModelRequest, ReasoningDelta, TextDelta, Usage
from tests.agent.chat_server import Answer, ChatServer, split
from tests.agent.ollama_support import (
    REQUEST,
    TOOL,
    calls_of,
    collect,
    failure,
    last,
    line,
    read,
    text_of,
    thoughts_of,
    usage_of,
)

FIXTURES = Path(__file__).parent / "fixtures" / "llm-streams"
ROWS = [json.loads(line) for line in (FIXTURES / "expected_ollama.jsonl").read_text(encoding="utf-8").splitlines()]
WHOLE = [row for row in ROWS if row["error"] is None]


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
