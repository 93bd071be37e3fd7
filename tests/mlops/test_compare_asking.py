"""One question over real HTTP: what is kept of an answer, and that each way of failing is a result of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest

from mlops.compare.asking import Asker, open_http
from mlops.compare.order import Ask
from mlops.compare.results import Result
from mlops.questions import Question
from tests.mlops.fake_prosa import FakeProsa, Play, Stream, answers, fake_prosa

QUESTION = Question(id="Q1", question="What is it?", lang="pt")


async def ask_once(prosa: FakeProsa, *, timeout_s: float = 30, agent: str | None = None, url: str = "") -> Result:
    async with open_http("a-secret") as http:
        asker = Asker(http, url or prosa.url, timeout_s=timeout_s, users="run", agent=agent)
        return await asker.ask(Ask("fake:m", "Q1", 2), QUESTION)


async def test_an_answer_is_kept_with_its_times_tokens_and_cost() -> None:
    async with fake_prosa() as prosa:
        result = await ask_once(prosa, agent="sales")

    assert result.failure is None
    assert (result.model, result.question_id, result.repeat) == ("fake:m", "Q1", 2)
    assert (result.text, result.input_tokens, result.output_tokens, result.cost_usd) == ("It is 42.", 100, 7, 0.001)
    assert (result.served_by, result.tools, result.turn_id) == ("fake:m", ("sales_query",), "turn_1")
    assert result.ttft_ms is not None
    assert 0 < result.ttft_ms <= result.latency_ms
    assert prosa.bodies == [{"user_id": "run-1", "message": "What is it?", "model": "fake:m", "agent": "sales"}]
    assert prosa.heads[0]["Authorization"] == "Bearer a-secret"
    assert prosa.heads[0]["Accept-Language"] == "pt"


async def test_the_first_text_is_timed_and_not_the_last() -> None:
    async def in_pieces(body: dict[str, Any], stream: Stream) -> None:
        for text in ("It ", "is "):
            await stream.send("message.delta", message_id="m", off=0, text=text)
        await answers(body, stream, "42")

    ticks = itertools.count()
    async with fake_prosa(in_pieces) as prosa, open_http(None) as http:
        asker = Asker(http, prosa.url, timeout_s=30, users="run", now_s=lambda: float(next(ticks)))
        result = await asker.ask(Ask("fake:m", "Q1", 1), QUESTION)

    assert (result.ttft_ms, result.latency_ms) == (1000.0, 2000.0)


async def test_each_question_has_a_user_of_its_own() -> None:
    async with fake_prosa() as prosa, open_http(None) as http:
        asker = Asker(http, prosa.url, timeout_s=30, users="run")
        for repeat in (1, 2, 3):
            await asker.ask(Ask("fake:m", "Q1", repeat), QUESTION)

    assert [body["user_id"] for body in prosa.bodies] == ["run-1", "run-2", "run-3"]
    assert "Authorization" not in prosa.heads[0]


async def too_many(body: dict[str, Any], stream: Stream) -> None:
    await stream.refuse(429, '{"error": {"code": "busy", "message": "Too many.", "retryable": true}}')


async def proxy_page(body: dict[str, Any], stream: Stream) -> None:
    await stream.refuse(502, "<html>Bad gateway</html>")


async def turn_failed(body: dict[str, Any], stream: Stream) -> None:
    await stream.send("ok", turn_id="t")
    await stream.send("message.delta", text="It")
    usage = {"input": 10, "output": 1}
    await stream.send("turn.failed", turn_id="t", code="provider_unavailable", message="Gone.", usage=usage, cost_usd=1)
    await stream.send("error", error={"code": "provider_unavailable", "message": "Gone."})


async def parked(body: dict[str, Any], stream: Stream) -> None:
    await stream.send("chat.result", turn_id="t", session_id="s", state="parked")


async def cancelled(body: dict[str, Any], stream: Stream) -> None:
    await stream.send("turn.cancelled", turn_id="t", by="operator", usage={})
    await stream.send("chat.result", turn_id="t", state="cancelled", response="It")


async def hangs_up(body: dict[str, Any], stream: Stream) -> None:
    await stream.send("ok", turn_id="t")
    stream.hang_up()


async def ends_early(body: dict[str, Any], stream: Stream) -> None:
    await stream.send("ok", turn_id="t")


@pytest.mark.parametrize(
    ("play", "label"),
    [
        (too_many, "http 429 busy"),
        (proxy_page, "http 502"),
        (turn_failed, "turn provider_unavailable"),
        (parked, "turn parked"),
        (cancelled, "turn cancelled"),
        (hangs_up, "cut"),
        (ends_early, "cut"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_each_failure_is_a_result_and_asked_once(play: Play, label: str) -> None:
    async with fake_prosa(play) as prosa:
        result = await ask_once(prosa)

    assert result.failure is not None
    assert result.failure.label == label
    assert len(prosa.bodies) == 1


async def test_what_a_failed_turn_cost_is_kept() -> None:
    async with fake_prosa(turn_failed) as prosa:
        result = await ask_once(prosa)

    assert (result.input_tokens, result.output_tokens, result.cost_usd, result.text) == (10, 1, 1, "")
    assert result.failure is not None
    assert result.failure.message == "Gone."


async def test_an_answer_that_takes_too_long_is_given_up_and_its_turn_stopped() -> None:
    async def never_ends(body: dict[str, Any], stream: Stream) -> None:
        await stream.send("ok", turn_id="turn_9")
        await stream.send("turn.started", session_id="ses_9", turn_id="turn_9")
        await asyncio.Event().wait()

    async with fake_prosa(never_ends) as prosa:
        result = await ask_once(prosa, timeout_s=0.2)

    assert result.failure is not None
    assert result.failure.label == "timeout"
    assert [(each["type"], each["turn_id"]) for each in prosa.commands] == [("turn.cancel", "turn_9")]


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with fake_prosa() as prosa:
        gone = prosa.url
    result = await ask_once(prosa, url=gone)

    assert result.failure is not None
    assert result.failure.label == "unreachable"


async def test_an_answer_longer_than_any_buffer_comes_whole() -> None:
    text = "word " * 200_000

    async def long(body: dict[str, Any], stream: Stream) -> None:
        await answers(body, stream, text)

    async with fake_prosa(long) as prosa:
        result = await ask_once(prosa)

    assert result.text == text


async def test_events_may_be_cut_anywhere() -> None:
    async def byte_by_byte(body: dict[str, Any], stream: Stream) -> None:
        await stream.send("ok", turn_id="t")
        assert stream.response is not None
        result = {"state": "completed", "response": "São Paulo"}
        data = f"event: chat.result\ndata: {json.dumps(result, ensure_ascii=False)}\n\n".encode()
        for byte in itertools.chain(b":\n\n", data):
            await stream.response.write(bytes([byte]))

    async with fake_prosa(byte_by_byte) as prosa:
        result = await ask_once(prosa)

    assert (result.failure, result.text) == (None, "São Paulo")
