"""How the Anthropic provider reads answers, over real sockets: recorded streams, quirks, and what is kept of thoughts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from agent.providers.anthropic import AnthropicProvider
from core.errors import StreamCut
from core.messages import ToolCall
from core.models import ModelEvent, ModelFinished, TextDelta, Usage, UsageReported
from tests.agent.anthropic_support import (
    REQUEST,
    calls_of,
    failure,
    finish_of,
    kept_by,
    read,
    text_of,
    thought_of,
    usage_of,
)
from tests.agent.chat_server import Answer, ChatServer, split
from tests.conformance.vendors.anthropic import (
    MODEL,
    PING,
    begin,
    call,
    delta,
    end,
    event,
    start,
    stop,
    text,
    thinking,
)

FIXTURES = Path(__file__).parent / "fixtures" / "llm-streams"
ROWS = [json.loads(line) for line in (FIXTURES / "expected-anthropic.jsonl").read_text(encoding="utf-8").splitlines()]


def split_at_random(data: bytes, seed: int) -> list[bytes]:
    places = sorted(random.Random(seed).sample(range(1, len(data)), 20))
    return [data[begins:ends] for begins, ends in zip([0, *places], [*places, len(data)], strict=True)]


def pieces_of(data: bytes, how: str) -> list[bytes]:
    kind, _, number = how.partition(" ")
    return split_at_random(data, int(number)) if kind == "seed" else split(data, int(number) if number else None)


# ---------------------------------------------------------------- recorded streams


FINISHES = {"end_turn": "stop", "tool_use": "stop", "refusal": "filtered"}


@pytest.mark.parametrize("how", ["whole", "every 1", "every 13", "seed 1", "seed 2", "seed 3"])
@pytest.mark.parametrize("row", ROWS, ids=[row["file"] for row in ROWS])
async def test_a_recorded_stream_is_read_right_however_it_is_cut(
    server: ChatServer, row: dict[str, Any], how: str
) -> None:
    server.play(Answer(pieces=pieces_of((FIXTURES / row["file"]).read_bytes(), how)))

    events = await read(server)

    assert text_of(events) == row["text"]
    assert [[call.name, json.loads(call.arguments)] for call in calls_of(events)] == row["calls"]
    written, cached = (tokens or 0 for tokens in row["cache"])
    assert usage_of(events).input == row["usage"][0] + written + cached
    assert usage_of(events).cached == cached
    assert usage_of(events).output == row["usage"][1]
    assert finish_of(events).reason == FINISHES[row["finish_seen"]]


async def test_redacted_thoughts_are_kept_in_their_place(server: ChatServer) -> None:
    server.play(Answer(pieces=[(FIXTURES / "anthropic_redacted_thinking.txt").read_bytes()]))

    events = await read(server)

    kept = kept_by(events)
    assert [block["type"] for block in kept] == ["redacted_thinking", "redacted_thinking", "text"]
    assert kept[0]["data"].startswith("EqkECkYIBxgC")
    assert kept[2]["characters"] == len(text_of(events))


async def test_the_ids_of_calls_are_the_vendors(server: ChatServer) -> None:
    server.play(Answer(pieces=[(FIXTURES / "anthropic_parallel_tools_interleaved_ping.txt").read_bytes()]))

    assert [call.call_id for call in calls_of(await read(server))] == ["toolu_01A", "toolu_01B"]


# ---------------------------------------------------------------- thoughts


async def test_a_thought_is_given_apart_from_the_answer_and_kept_with_its_signature(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *thinking(0, "Let me ", "see.", signature="sig"), *text(1, "Four."), *end()]))

    events = await read(server)

    assert (thought_of(events), text_of(events)) == ("Let me see.", "Four.")
    assert kept_by(events) == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "sig"},
        {"type": "text", "characters": 5},
    ]


async def test_a_thought_without_words_is_kept_for_its_signature(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *thinking(0, signature="sig"), *call(1, "f", {}), *end("tool_use")]))

    events = await read(server)

    assert thought_of(events) == ""
    assert kept_by(events) == [{"type": "thinking", "thinking": "", "signature": "sig"}, {"type": "tool_use"}]


async def test_a_thought_that_the_token_limit_cut_is_not_kept(server: ChatServer) -> None:
    cut = [begin(0, type="thinking", thinking="", signature=""), delta(0, "thinking_delta", thinking="Let me")]
    server.play(Answer(pieces=[start(), *cut, *end("max_tokens")]))

    events = await read(server)

    assert thought_of(events) == "Let me"
    assert finish_of(events) == ModelFinished(reason="length", model=MODEL)


async def test_an_answer_without_thoughts_keeps_nothing(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *text(0, "Oi"), *call(1, "f", {}), *end("tool_use")]))

    assert finish_of(await read(server)).opaque is None


# ---------------------------------------------------------------- calls


async def test_calls_whose_parts_come_by_turns_are_put_together_by_index(server: ChatServer) -> None:
    pieces = [
        begin(0, type="tool_use", id="a", name="f", input={}),
        begin(1, type="tool_use", id="b", name="g", input={}),
        delta(0, "input_json_delta", partial_json='{"x"'),
        delta(1, "input_json_delta", partial_json='{"y":'),
        delta(0, "input_json_delta", partial_json=":1}"),
        delta(1, "input_json_delta", partial_json="2}"),
        stop(1),
        stop(0),
    ]
    server.play(Answer(pieces=[start(), *pieces, *end("tool_use")]))

    assert calls_of(await read(server)) == [
        ToolCall(call_id="a", name="f", arguments='{"x":1}'),
        ToolCall(call_id="b", name="g", arguments='{"y":2}'),
    ]


async def test_calls_that_share_an_index_one_after_the_other_are_two(server: ChatServer) -> None:
    pieces = [*text(0, "Oi"), *call(0, "f", {"x": 1}), *call(0, "g", {"y": 2})]
    server.play(Answer(pieces=[start(), *pieces, *end("tool_use")]))

    events = await read(server)

    assert text_of(events) == "Oi"
    assert [(call.name, json.loads(call.arguments)) for call in calls_of(events)] == [("f", {"x": 1}), ("g", {"y": 2})]


async def test_an_input_that_comes_whole_with_its_block_is_taken(server: ChatServer) -> None:
    pieces = [begin(0, type="tool_use", id="a", name="f", input={"x": 1}), stop(0)]
    server.play(Answer(pieces=[start(), *pieces, *end("tool_use")]))

    assert [json.loads(call.arguments) for call in calls_of(await read(server))] == [{"x": 1}]


async def test_tools_that_the_vendor_runs_are_no_calls(server: ChatServer) -> None:
    pieces = [
        begin(0, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query":"x"}'),
        stop(0),
        begin(1, type="web_search_tool_result", tool_use_id="srvtoolu_1", content=[{"type": "web_search_result"}]),
        stop(1),
    ]
    server.play(Answer(pieces=[start(), *pieces, *text(2, "Oi"), *end("pause_turn")]))

    events = await read(server)

    assert (text_of(events), calls_of(events)) == ("Oi", [])
    assert finish_of(events) == ModelFinished(reason="stop", model=MODEL)


async def test_a_call_that_the_token_limit_cut_is_no_call_and_one_before_it_is(server: ChatServer) -> None:
    cut = call(1, "g", {"y": 2})[:-2]
    server.play(Answer(pieces=[start(), *call(0, "f", {"x": 1}), *cut, *end("max_tokens")]))

    events = await read(server)

    assert [call.name for call in calls_of(events)] == ["f"]
    assert finish_of(events).reason == "length"


async def test_a_call_that_stopped_in_the_middle_of_its_arguments_is_no_call(server: ChatServer) -> None:
    pieces = [
        begin(0, type="tool_use", id="a", name="f", input={}),
        delta(0, "input_json_delta", partial_json='{"x'),
        stop(0),
    ]
    server.play(Answer(pieces=[start(), *pieces, *end("max_tokens")]))

    assert calls_of(await read(server)) == []


async def test_a_call_without_an_end_in_an_answer_that_ended_is_a_cut(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *call(0, "f", {"x": 1})[:-1], *end("tool_use")]))

    assert isinstance(await failure(server), StreamCut)


async def test_the_calls_of_a_refused_answer_do_not_run(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *call(0, "f", {}), *end("refusal")]))

    events = await read(server)

    assert calls_of(events) == []
    assert finish_of(events).reason == "filtered"


async def test_a_tool_call_of_a_cut_stream_is_never_given(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *call(0, "f", {})], ending="cut"))
    provider = AnthropicProvider(api_key="k", base_url=server.url)
    seen: list[ModelEvent] = []

    async def collect() -> None:
        async with provider.stream(REQUEST) as events:
            async for event in events:
                seen.append(event)  # noqa: PERF401 - what came before the cut is kept

    with pytest.raises(StreamCut):
        await collect()
    await provider.close()

    assert calls_of(seen) == []


# ---------------------------------------------------------------- quirks


NEWS_ROWS: dict[str, list[bytes]] = {
    "an_event": [event("message_checkpoint", index="first", delta=7)],
    "a_block": [begin(9, type="hologram", text="no"), delta(9, "hologram_delta", text="no"), stop(9)],
    "a_delta_of_a_text": [delta(0, "citations_delta", citation={"type": "page_location", "cited_text": "no"})],
    "a_delta_whose_fields_mean_something_else": [delta(0, "tone_delta", text={"pitch": 1}, signature=[1])],
    "a_ping": [PING],
    "an_end_as_openai_writes_it": [b"data: [DONE]\n\n"],
}


@pytest.mark.parametrize("news", NEWS_ROWS.values(), ids=NEWS_ROWS.keys())
async def test_what_is_not_known_is_skipped(server: ChatServer, news: list[bytes]) -> None:
    *begun, stopped = text(0, "O", "i")
    server.play(Answer(pieces=[*news[:1], start(), *begun, *news, stopped, *end(), *news]))

    events = await read(server)

    assert text_of(events) == "Oi"
    assert finish_of(events) == ModelFinished(reason="stop", model=MODEL)


async def test_text_of_one_network_read_comes_as_one_delta(server: ChatServer) -> None:
    server.play(Answer(pieces=[b"".join([start(), *text(0, "Bom ", "dia", "!"), *end()])]))

    assert [event.text for event in await read(server) if isinstance(event, TextDelta)] == ["Bom dia!"]


async def test_text_that_comes_with_its_block_is_taken(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), begin(0, type="text", text="O"), delta(0, "text_delta", text="i"), *end()]))

    assert text_of(await read(server)) == "Oi"


async def test_an_answer_whose_last_event_never_came_is_whole_where_its_reason_did(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *text(0, "Oi"), end()[0]]))

    assert finish_of(await read(server)).reason == "stop"


@pytest.mark.parametrize("rest", [b'data: {"type":"pi', event("error", error={"type": "api_error"})])
async def test_nothing_counts_that_follows_the_last_event(server: ChatServer, rest: bytes) -> None:
    server.play(Answer(pieces=[b"".join([start(), *text(0, "Oi"), *end(), rest])]))

    assert finish_of(await read(server)).reason == "stop"


async def test_an_answer_without_a_reason_is_whole_where_its_last_event_came(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *text(0, "Oi"), event("message_stop")]))

    assert finish_of(await read(server)).reason == "stop"


async def test_a_server_that_does_not_stream_is_read_too(server: ChatServer) -> None:
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "text", "text": "Oi"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
    ]
    usage = {"input_tokens": 3, "output_tokens": 2}
    body = {"type": "message", "model": "m-2", "content": content, "stop_reason": "tool_use", "usage": usage}
    server.play(Answer(pieces=[json.dumps(body).encode()], headers={"content-type": "application/json"}))

    events = await read(server)

    assert (thought_of(events), text_of(events)) == ("Hm.", "Oi")
    assert [json.loads(call.arguments) for call in calls_of(events)] == [{"x": 1}]
    assert usage_of(events) == Usage(input=3, output=2, total=5)
    assert (finish_of(events).reason, finish_of(events).model) == ("stop", "m-2")
    assert [block["type"] for block in kept_by(events)] == ["thinking", "text", "tool_use"]


async def test_usage_counts_the_cache_and_thoughts_and_is_never_added_up(server: ChatServer) -> None:
    sums = [event("message_delta", delta={}, usage={"output_tokens": tokens}) for tokens in (2, 7)]
    server.play(Answer(pieces=[start(), *text(0, "Oi"), *sums, *end(output=9, thought=4)]))

    events = await read(server)

    reports = [event.usage for event in events if isinstance(event, UsageReported)]
    assert [usage.output for usage in reports] == [1, 2, 7, 9]
    assert reports[-1] == Usage(input=12, cached=4, output=9, reasoning=4, total=21)


async def test_a_window_that_is_full_ends_an_answer_with_length(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *text(0, "Oi"), *end("model_context_window_exceeded")]))

    assert finish_of(await read(server)).reason == "length"


async def test_a_window_in_which_nothing_fitted_is_an_overflow(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *end("model_context_window_exceeded")]))

    caught = await failure(server)

    assert (caught.code, caught.retryable) == ("context_overflow", False)
