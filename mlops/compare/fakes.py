"""Models that are none, for a demonstration and for tests: they speak OpenAI's Chat Completions and know the answers.

They say nothing about any real model. Each answers from the questions' ground truth and errs, waits or fails in a way
of its own, the same way for the same question each time, so that a comparison has something to find:

    careful   right but for every sixth question, whose figures are off by a tenth
    slow      right, after two seconds, a word every 20 ms
    flaky     right where it answers; else 429, 500, or it hangs up in the middle
    clueless  always the same sentence, without a figure
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from aiohttp import web

from mlops.questions import Question, Value

FAKES: Final = ("careful", "slow", "flaky", "clueless")
SLOW_FIRST_S: Final = 2.0
SLOW_WORD_S: Final = 0.02
_CLUELESS: Final = "That is an interesting question about sales."

Fault = Literal["none", "wrong", "rate_limited", "broken", "cut"]


def fault_of(model: str, question: Question) -> Fault:
    """Say in which way a fake fails a question; of 12 questions `flaky` refuses one, breaks on one and cuts one."""
    drawn = zlib.crc32(question.id.encode())
    match model:
        case "careful":
            return "wrong" if drawn % 6 == 0 else "none"
        case "flaky":
            faults: dict[int, Fault] = {0: "rate_limited", 1: "broken", 2: "cut"}
            return faults.get(drawn % 12, "none")
        case _:
            return "none"


def answer_to(question: Question, *, factor: float = 1.0) -> str:
    """Say what is known to be right, in a sentence; figures times `factor`."""
    if question.judged_as == "not_available":
        return "I cannot answer that: the data has no such figure."
    if question.answer is not None:
        rows = ["; ".join(_said(value, question.lang, factor) for value in row) for row in question.answer]
        return "Here it is.\n" + "\n".join(f"- {row}" for row in rows)
    expected = question.expected if isinstance(question.expected, tuple) else (question.expected,)
    return ", ".join(_said(value, question.lang, factor) for value in expected)


@asynccontextmanager
async def fake_models(questions: Sequence[Question]) -> AsyncIterator[str]:
    """Serve the fakes while the block lasts, on a port of this machine; gives the base URL (`http://.../v1`)."""
    application = web.Application(client_max_size=16 * 1024 * 1024)
    application.router.add_post("/v1/chat/completions", _Fakes(questions).answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()


class _Fakes:
    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = questions

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer as the model that is named would."""
        body = await request.json()
        model = body["model"]
        question = self._asked(body["messages"])
        fault = "none" if question is None else fault_of(model, question)
        if fault == "rate_limited":
            return _error(429, "rate_limit_exceeded")
        if fault == "broken":
            return _error(500, "server_error")
        if question is None or model == "clueless":
            text = _CLUELESS
        else:
            text = answer_to(question, factor=1.1 if fault == "wrong" else 1.0)
        return await _stream(request, body, text, cut=fault == "cut")

    def _asked(self, messages: list[dict[str, Any]]) -> Question | None:
        said = [str(message["content"]) for message in messages if message["role"] == "user"]
        return next((each for each in self._questions if said and each.question in said[-1]), None)


async def _stream(request: web.Request, body: dict[str, Any], text: str, *, cut: bool) -> web.StreamResponse:
    slow = body["model"] == "slow"
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await asyncio.sleep(SLOW_FIRST_S if slow else 0)
    words = text.replace(" ", " \0").split("\0")
    for word in words[: len(words) // 2] if cut else words:
        await _send(response, body, {"index": 0, "delta": {"content": word}, "finish_reason": None})
        await asyncio.sleep(SLOW_WORD_S if slow else 0)
    if cut:
        assert request.transport is not None
        request.transport.close()
        return response
    await _send(response, body, {"index": 0, "delta": {}, "finish_reason": "stop"})
    prompt = sum(len(str(message.get("content"))) for message in body["messages"]) // 4
    usage = {"prompt_tokens": prompt, "completion_tokens": len(words), "total_tokens": prompt + len(words)}
    await _send(response, body, usage=usage)
    await response.write(b"data: [DONE]\n\n")
    return response


async def _send(response: web.StreamResponse, body: dict[str, Any], *choices: Any, **more: Any) -> None:
    chunk = {"id": "fake", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    await response.write(b"data: " + json.dumps({**chunk, "choices": choices, **more}).encode() + b"\n\n")


def _error(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"message": "a fake's failure", "type": code, "code": code}}, status=status)


def _said(value: Value | None, lang: str | None, factor: float) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    text = f"{value * factor:,.2f}"
    return text if lang == "en" else text.translate(str.maketrans(".,", ",."))
