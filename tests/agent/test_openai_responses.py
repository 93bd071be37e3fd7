"""The provider of OpenAI's Responses API: recorded streams, what goes back, and the quirks of those who copy it."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from core.errors import ProviderError, StreamCut
from core.models import (
    ModelFinished,
    ModelRequest,
    ReasoningDelta,
    ToolSpec,
    UsageReported,
)
from tests.agent.chat_server import Answer, ChatServer, event, split, split_at_random
from tests.agent.responses_support import (
    FIXTURES,
    LOOK,
    REQUEST,
    THOUGHT,
    calls_of,
    done,
    ended,
    function,
    message,
    opaque_of,
    read,
    said,
    text_of,
)

ROWS = [json.loads(line) for line in (FIXTURES / "expected.jsonl").read_text(encoding="utf-8").splitlines()]
CUTS = {
    "whole": lambda data: [data],
    "every_byte": lambda data: split(data, 1),
    "at_random": lambda data: split_at_random(data, Random(5), longest=60),
}


async def failure(server: ChatServer) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await read(server)
    return caught.value


# ---------------------------------------------------------------- recorded streams


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("row", [row for row in ROWS if not row["error"]], ids=lambda row: row["file"])
async def test_a_recorded_response_is_read_right_however_it_is_cut(
    server: ChatServer, row: dict[str, Any], cut: Callable[[bytes], list[bytes]]
) -> None:
    server.play(Answer(pieces=cut((FIXTURES / row["file"]).read_bytes())))

    events = await read(server)

    usage = [event.usage for event in events if isinstance(event, UsageReported)][-1]
    assert text_of(events) == row["text"]
    assert [[call.name, json.loads(call.arguments)] for call in calls_of(events)] == row["calls"]
    assert [usage.input, usage.output] == row["usage"]
    assert isinstance(events[-1], ModelFinished)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
async def test_a_recorded_error_of_money_is_not_worth_another_try(
    server: ChatServer, cut: Callable[[bytes], list[bytes]]
) -> None:
    server.play(Answer(pieces=cut((FIXTURES / "openai_responses_quota_error.txt").read_bytes())))

    error = await failure(server)

    assert not error.retryable
    assert error.message == "the account at 'openai-responses' is out of quota (insufficient_quota)"


# ---------------------------------------------------------------- quirks


@pytest.mark.parametrize("name", ["parallel", "multi_tool_use.parallel"])
async def test_calls_in_a_wrapper_that_nobody_offered_are_taken_out(server: ChatServer, name: str) -> None:
    uses = [
        {"recipient_name": "functions.crm_look", "parameters": {"city": "São Paulo"}},
        {"recipient_name": "crm_look"},
    ]
    server.play(Answer(pieces=[done(THOUGHT), done(function(name, {"tool_uses": uses}), 1), ended()]))

    events = await read(server, ModelRequest(model="m-1", messages=REQUEST.messages, tools=(LOOK,)))

    assert [(call.call_id, call.name, call.arguments) for call in calls_of(events)] == [
        ("call_1_0", "crm.look", '{"city": "São Paulo"}'),
        ("call_1_1", "crm.look", "{}"),
    ]
    opaque = opaque_of(events)
    assert opaque is not None
    assert opaque["output"][1] == {"type": "function_call", "calls": 2}


async def test_a_tool_of_ours_that_is_named_parallel_is_called(server: ChatServer) -> None:
    ours = ToolSpec(name="parallel", title="P", description="P.", parameters={"type": "object", "properties": {}})
    server.play(Answer(pieces=[done(function("parallel", {"tool_uses": []})), ended()]))

    events = await read(server, ModelRequest(model="m-1", messages=REQUEST.messages, tools=(ours,)))

    assert [(call.name, call.arguments) for call in calls_of(events)] == [("parallel", '{"tool_uses": []}')]


@pytest.mark.parametrize("arguments", [{"tool_uses": []}, {"other": 1}, []], ids=["empty", "other", "a_list"])
async def test_a_wrapper_that_holds_no_calls_is_given_as_it_is(server: ChatServer, arguments: Any) -> None:
    server.play(Answer(pieces=[done(function("parallel", arguments)), ended()]))

    assert [call.name for call in calls_of(await read(server))] == ["parallel"]


async def test_item_ids_that_change_in_mid_stream_do_not_matter(server: ChatServer) -> None:
    begun = {"type": "response.output_item.added", "output_index": 0, "item": {"id": "fc_a", "type": "function_call"}}
    delta = {"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "fc_b", "delta": "{}"}
    server.play(Answer(pieces=[event(begun), event(delta), done(function("f", {}) | {"id": "fc_c"}), ended()]))

    assert [(call.name, call.arguments) for call in calls_of(await read(server))] == [("f", "{}")]


async def test_summaries_of_several_parts_are_parted(server: ChatServer) -> None:
    thought = {"type": "response.reasoning_summary_text.delta", "output_index": 0, "item_id": "rs"}
    pieces = [event(thought | {"summary_index": n, "delta": text}) for n, text in ((0, "A"), (0, "B"), (1, "C"))]
    server.play(Answer(pieces=[*pieces, said("Ten.", 1), ended()]))

    events = await read(server)

    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == "AB\n\nC"


async def test_a_refusal_is_shown_and_ends_filtered(server: ChatServer) -> None:
    refusal = {"type": "response.refusal.delta", "output_index": 0, "delta": "I cannot."}
    server.play(Answer(pieces=[event(refusal), ended()]))

    events = await read(server)

    assert text_of(events) == "I cannot."
    assert events[-1] == ModelFinished(reason="filtered", model="m-1-x")


WHOLE = {"object": "response", "status": "completed", "model": "m-1-x", "output": [message("Ten."), function("f", {})]}


@pytest.mark.parametrize(
    "pieces",
    [
        [json.dumps(WHOLE).encode()],
        [ended(output=WHOLE["output"])],
        [done(message("Ten.")), done(function("f", {}), 1), ended(), b"data: [DONE]\n\n"],
    ],
    ids=["a_server_that_does_not_stream", "all_at_the_end", "items_without_deltas_and_a_done"],
)
async def test_a_server_that_sends_less_is_read_too(server: ChatServer, pieces: list[bytes]) -> None:
    server.play(Answer(pieces=pieces))

    events = await read(server)

    assert text_of(events) == "Ten."
    assert [call.name for call in calls_of(events)] == ["f"]


# ---------------------------------------------------------------- what goes wrong

STREAM_ROWS: dict[str, tuple[bytes, str, bool]] = {
    "an_error_of_the_old_shape": (
        event({"type": "error", "code": "rate_limit_exceeded", "message": "Slow.", "param": None}),
        "provider_unavailable",
        True,
    ),
    "an_error_without_a_code": (
        event({"type": "error", "error": {"type": "server_error", "code": None, "message": "Sorry."}}),
        "provider_unavailable",
        True,
    ),
    "failed_alone": (ended("failed", error={"code": "server_error", "message": "x"}), "provider_unavailable", True),
    "failed_without_a_status": (
        event({"type": "response.failed", "response": {"error": {"code": "server_error"}}}),
        "provider_unavailable",
        True,
    ),
    "a_prompt_it_does_not_take": (
        ended("failed", error={"code": "invalid_prompt", "message": "x"}),
        "provider_unavailable",
        False,
    ),
    "too_long": (
        ended("failed", error={"code": "context_length_exceeded", "message": "x"}),
        "context_overflow",
        False,
    ),
    "cancelled": (ended("cancelled"), "provider_unavailable", True),
    "a_bare_error": (b'{"error": {"code": "insufficient_quota"}}', "provider_unavailable", False),
    "no_json": (b"data: not json\n\n", "provider_unavailable", True),
    "an_item_that_is_none": (done([]), "provider_unavailable", True),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("piece", "code", "retryable"), STREAM_ROWS.values(), ids=STREAM_ROWS.keys())
async def test_an_error_inside_a_stream_of_status_200_is_an_error(
    server: ChatServer, piece: bytes, code: str, retryable: bool
) -> None:
    server.play(Answer(pieces=[said("Ten"), piece]))

    error = await failure(server)

    assert (error.code, error.retryable) == (code, retryable)
    assert not isinstance(error, StreamCut)


@pytest.mark.parametrize(
    "pieces",
    [[], [said("Ten")], [done(function("f", {}))], [b"data: [DONE]\n\n"]],
    ids=["none", "text", "call", "done"],
)
async def test_a_stream_without_the_responses_end_is_cut_not_whole(server: ChatServer, pieces: list[bytes]) -> None:
    server.play(Answer(pieces=pieces))

    assert isinstance(await failure(server), StreamCut)


async def test_a_model_that_is_not_there_is_named(server: ChatServer) -> None:
    error = {"error": {"message": "no", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}
    server.play(Answer(status=400, pieces=[json.dumps(error).encode()]))

    assert (await failure(server)).message == "the provider 'openai-responses' knows no model 'm-1' at its address"
