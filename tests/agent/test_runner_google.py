"""Whole turns through the real Google provider and a real socket."""

from __future__ import annotations

import pytest

from agent.providers.google import GoogleProvider
from core.events import TurnFailed
from core.models import Usage
from tests.agent.agent_support import Bench
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.vendors.google import SIGNATURE, USAGE, call, chunk, refused, text

WHOLE = Answer(pieces=[chunk(text("Dez.")), chunk(text("", thoughtSignature="CCCC"), finish="STOP")])


async def run(bench: Bench, server: ChatServer) -> None:
    provider = GoogleProvider(api_key="k", base_url=server.url.removesuffix("/v1"))
    try:
        await bench.run(provider)
    finally:
        await provider.close()


async def test_a_turn_with_parallel_calls_gives_back_what_the_vendor_signed(bench: Bench, server: ChatServer) -> None:
    calls = [call("look", {"x": 1}, signature=SIGNATURE, id="fc_1"), call("look", {"x": 2})]
    server.play(
        Answer(pieces=[chunk(text("Vou ver."), *calls), chunk(finish="STOP", usageMetadata=USAGE)]),
        WHOLE,
    )

    await run(bench, server)

    assert bench.writer.text == "Vou ver.\n\nDez."
    _, model, results = server.bodies[1]["contents"][-3:]
    assert model == {"role": "model", "parts": [text("Vou ver."), *calls]}
    responses = [part["functionResponse"] for part in results["parts"]]
    assert [(response["name"], response.get("id")) for response in responses] == [("look", "fc_1"), ("look", None)]
    assert len(bench.tools.calls) == 2


async def test_a_turns_usage_counts_thoughts_as_output(bench: Bench, server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk(text("Dez."), finish="STOP", usageMetadata=USAGE)]))
    provider = GoogleProvider(api_key="k", base_url=server.url)

    record = await bench.run(provider)
    await provider.close()

    assert record is not None
    assert record.usage == Usage(input=12, cached=4, output=5, reasoning=2, total=17)


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
async def test_a_call_that_cannot_be_read_is_healed_by_another_try(
    bench: Bench, server: ChatServer, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setattr("agent.routing.retry.BACKOFF_S", 0.001)
    server.play(Answer(pieces=[chunk(text("Onz"), finish=word)]), WHOLE)

    await run(bench, server)

    assert bench.writer.text == "Dez."


async def test_a_quota_of_the_day_ends_the_turn_at_once(bench: Bench, server: ChatServer) -> None:
    server.play(refused(429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric: requests, limit: 0, model: m"))

    await run(bench, server)

    assert not bench.writer.only(TurnFailed).retryable
    assert len(server.heads) == 1
