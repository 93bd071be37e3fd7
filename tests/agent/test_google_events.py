"""The reader of Gemini's chunks by itself: what it keeps of an answer's parts, and that nothing else gets out of it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.providers.google_events import AnswerAssembler
from agent.providers.google_messages import request_body
from agent.providers.sse import SseParser
from agent.providers.tool_names import ToolNames
from core.errors import ProviderError
from core.ids import SequentialIds
from core.messages import UserMessage
from core.models import ModelEvent, ModelRequest
from tests.agent.google_support import remembered
from tests.conformance.vendors.google import call, chunk, text

FIXTURES = sorted((Path(__file__).parent / "fixtures" / "llm-streams" / "gemini").glob("*.txt"))
SIGNATURES = st.sampled_from(["AAAA", "BBBB", "CCCC"])
WORDS = st.text("aé 😀", max_size=4)
PARTS = st.one_of(
    st.builds(text, WORDS),
    st.builds(lambda said, signature: text(said, thoughtSignature=signature), WORDS, SIGNATURES),
    st.builds(lambda said: text(said, thought=True), WORDS),
    st.builds(lambda said, signature: text(said, thought=True, thoughtSignature=signature), WORDS, SIGNATURES),
    st.builds(lambda n, signature: call("f", {"n": n}, signature=signature), st.integers(0, 9), st.none() | SIGNATURES),
    st.builds(lambda n: call("g", {}, id=f"fc_{n}"), st.integers(0, 9)),
)


def read(stream: bytes) -> list[ModelEvent]:
    parser, assembler = SseParser(), AnswerAssembler("google", ToolNames([]), SequentialIds())
    return [*assembler.feed(parser.feed(stream)), *assembler.feed(parser.finish()), *assembler.finish()]


def what_must_go_back(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts without unsigned thoughts and empty texts; texts that nothing parts, as one."""
    kept: list[dict[str, Any]] = []
    for part in parts:
        signed = "thoughtSignature" in part
        if "functionCall" in part or signed:
            kept.append(part)
        elif part["text"] and not part.get("thought"):
            if kept and set(kept[-1]) == {"text"}:
                kept[-1] = text(kept[-1]["text"] + part["text"])
            else:
                kept.append(part)
    return kept


@given(st.lists(st.lists(PARTS, max_size=3), max_size=6))
def test_an_answers_parts_go_back_as_they_came(chunks: list[list[dict[str, Any]]]) -> None:
    parts = [part for one in chunks for part in one]
    kept = what_must_go_back(parts)
    answer = remembered(read(b"".join(chunk(*one) for one in chunks) + chunk(finish="STOP")))

    request = ModelRequest(model="gemini-2.5-flash", messages=(UserMessage(content="?"), answer))
    contents = request_body(request, provider="google", names=ToolNames([]))["contents"]

    back = [part for content in contents if content["role"] == "model" for part in content["parts"]]
    assert back == kept


@pytest.mark.parametrize("path", FIXTURES, ids=[path.name for path in FIXTURES])
def test_whatever_the_bytes_are_nothing_but_a_providers_error_gets_out(path: Path) -> None:
    data = path.read_bytes()
    random = Random(path.name)
    refused = 0

    for _ in range(300):
        broken = bytearray(data)
        for _ in range(random.randint(1, 6)):
            at = random.randrange(len(broken))
            broken[at : at + random.randint(0, 3)] = random.randbytes(random.randint(0, 3))
        try:
            read(bytes(broken))
        except ProviderError:
            refused += 1

    assert refused


def test_a_picture_in_an_answer_leaves_nothing() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "thoughtSignature": "AAAA"}

    answer = remembered(read(chunk(text("a"), picture, finish="STOP")))

    assert (answer.content, answer.opaque) == ("a", None)
