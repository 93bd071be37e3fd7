"""Server-sent events from model vendors, cut anywhere by the network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.providers.sse import SseParser
from core.errors import ProviderError

TEXTS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=12)
OTHERS = st.sampled_from(["", ": a comment", "event: message", "id: 7", "data"])
EVENTS = st.lists(st.tuples(OTHERS, st.lists(TEXTS, max_size=3)), max_size=6)


def written(events: list[tuple[str, list[str]]], line_end: str) -> bytes:
    lines = []
    for other, texts in events:
        lines += [other] if other else []
        lines += [f"data: {text}" for text in texts]
        lines.append("")
    return "".join(line + line_end for line in lines).encode()


@given(EVENTS, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400)))
def test_events_are_the_same_however_they_are_cut(
    events: list[tuple[str, list[str]]], line_end: str, cuts: list[int]
) -> None:
    stream = written(events, line_end)
    ends = [*sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    parser = SseParser()

    read = [data for start, end in zip([0, *ends], ends, strict=False) for data in parser.feed(stream[start:end])]
    read += parser.finish()

    assert read == ["\n".join(texts).encode() for _, texts in events if texts]


def test_a_space_after_the_colon_may_be_missing() -> None:
    assert SseParser().feed(b"data:{}\n\ndata:  x\n\n") == [b"{}", b" x"]


def test_a_bare_body_is_one_event_at_its_end() -> None:
    parser = SseParser()

    assert parser.feed(b'{\n "error": 1\n') == []
    assert parser.finish() == [b'{\n "error": 1']


def test_an_event_of_over_eight_mebibytes_is_given_up() -> None:
    parser = SseParser()
    parser.feed(b"data: " + b"x" * 8_000_000)

    with pytest.raises(ProviderError) as caught:
        parser.feed(b"x" * 1_000_000)

    assert not caught.value.retryable
