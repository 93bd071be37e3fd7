"""Vectors over `POST /embeddings`, on real sockets: what is asked, what is understood, and all that can go wrong."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from agent.providers.embeddings import BATCH, LARGEST, OpenAIEmbedder, Timeouts
from core.errors import ProviderError, StreamCut
from core.ports import Embedded
from tests.agent.chat_server import Answer, ChatServer

PATIENT = Timeouts(connect_s=5.0, first_token_s=30.0, between_tokens_s=30.0)
QUICK = Timeouts(connect_s=5.0, first_token_s=0.2, between_tokens_s=0.2)
SECRET, WORDS = "secret-key", "palavras da Ana"


def answer(*data: Any, status: int = 200, **rest: Any) -> Answer:
    body = json.dumps({"object": "list", "data": list(data), **rest}).encode()
    return Answer(status=status, pieces=[body[:20], body[20:]])


def vector(index: int, *numbers: float) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": list(numbers)}


async def embed(
    server: ChatServer, texts: Sequence[str] = (WORDS,), timeouts: Timeouts = PATIENT, **options: Any
) -> Embedded:
    embedder = OpenAIEmbedder(model="m-1", api_key=SECRET, base_url=server.url, timeouts=timeouts, **options)
    try:
        return await embedder.embed(texts)
    finally:
        await embedder.close()


async def failure(server: ChatServer, timeouts: Timeouts = PATIENT, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await embed(server, timeouts=timeouts, **options)
    told = f"{caught.value.message} {caught.value.__cause__} {caught.value.__context__}"
    assert SECRET not in told
    assert WORDS not in told
    return caught.value


async def test_a_vector_has_the_length_one_and_its_tokens_are_counted(server: ChatServer) -> None:
    server.play(answer(vector(0, 3.0, -4.0), usage={"prompt_tokens": 6, "total_tokens": 6}))
    made = await embed(server)
    assert struct.unpack("<2f", made.vectors[0]) == pytest.approx((0.6, -0.8))
    assert made.tokens == 6
    assert server.bodies == [{"model": "m-1", "input": [WORDS]}]
    assert server.heads[0].startswith("POST /v1/embeddings ")
    assert f"Authorization: Bearer {SECRET}" in server.heads[0]


async def test_fewer_numbers_are_asked_for_where_the_setting_says_so(server: ChatServer) -> None:
    server.play(answer(vector(0, 1.0, 0.0)))
    await embed(server, dimensions=2)
    assert server.bodies[0]["dimensions"] == 2


async def test_vectors_are_put_in_the_order_of_their_texts(server: ChatServer) -> None:
    server.play(answer(vector(1, 0.0, 1.0), vector(0, 1.0, 0.0)))
    made = await embed(server, ["a", "b"])
    assert [struct.unpack("<2f", each) for each in made.vectors] == [(1.0, 0.0), (0.0, 1.0)]


async def test_many_texts_go_in_several_calls_over_one_connection(server: ChatServer) -> None:
    server.play(answer(*(vector(each, 1.0) for each in range(BATCH))), answer(vector(0, 1.0)))
    made = await embed(server, [str(each) for each in range(BATCH + 1)])
    assert (len(made.vectors), [len(body["input"]) for body in server.bodies]) == (BATCH + 1, [BATCH, 1])
    assert server.connections == 1


async def test_no_text_is_no_call(server: ChatServer) -> None:
    assert await embed(server, []) == Embedded(vectors=())
    assert server.bodies == []


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(answer(), id="none"),
        pytest.param(answer(vector(0, 1.0), vector(1, 1.0)), id="too_many"),
        pytest.param(answer(vector(1, 1.0)), id="another_index"),
        pytest.param(answer(vector(0)), id="empty"),
        pytest.param(answer(vector(0, 0.0, 0.0)), id="without_a_direction"),
        pytest.param(answer(vector(0, 1e300, 1e300)), id="too_long_to_measure"),
        pytest.param(answer(vector(0, *[1.0] * (LARGEST + 1))), id="too_large"),
        pytest.param(answer({"index": 0, "embedding": WORDS}), id="no_numbers"),
        pytest.param(Answer(pieces=[b"<html>" + WORDS.encode()]), id="no_json"),
        pytest.param(Answer(pieces=[b"\xff\xfe"]), id="no_text"),
    ],
)
async def test_what_is_no_vector_is_refused(server: ChatServer, wrong: Answer) -> None:
    server.play(wrong)
    assert (await failure(server)).retryable is False


async def test_vectors_of_another_size_than_was_asked_for_are_refused(server: ChatServer) -> None:
    server.play(answer(vector(0, 1.0, 0.0, 0.0)))
    assert "another size" in (await failure(server, dimensions=2)).message


async def test_an_answer_without_an_end_is_cut_off(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.providers.embeddings.LONGEST_ANSWER_BYTES", 1_000)
    server.play(Answer(pieces=[b" " * 600, b" " * 600], ending="hang"))
    assert "more than vectors can be" in (await failure(server)).message


@pytest.mark.parametrize(
    ("status", "error", "words", "retryable"),
    [
        pytest.param(401, {"message": f"bad {SECRET}"}, "refuses the API key", False, id="key"),
        pytest.param(404, {"message": "no such model"}, "knows no model", False, id="model"),
        pytest.param(429, {"code": "rate_limit_exceeded"}, "429", True, id="too_many_calls"),
        pytest.param(429, {"code": "insufficient_quota"}, "out of quota", False, id="money"),
        pytest.param(500, {"message": WORDS}, "500", True, id="server"),
    ],
)
async def test_an_error_is_told_in_our_words(
    server: ChatServer, status: int, error: dict[str, str], words: str, retryable: bool
) -> None:
    server.play(Answer(status=status, pieces=[json.dumps({"error": error}).encode()]))
    told = await failure(server)
    assert words in told.message
    assert told.retryable is retryable


async def test_a_broken_connection_is_told(server: ChatServer) -> None:
    server.play(Answer(pieces=[b'{"data": ['], ending="cut"))
    assert isinstance(await failure(server), StreamCut)


async def test_who_never_answers_is_not_waited_for(server: ChatServer) -> None:
    server.play(Answer(deaf=True))
    assert (await failure(server, timeouts=QUICK)).retryable is True
