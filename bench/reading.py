"""What the clients of a load saw, read from the answers that they kept: whole or not, how soon, how many."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bench.clients.conversation import Answer
from bench.figures import Percentiles, percentiles
from bench.order import Token, faults, read_tokens


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The time that counts, microseconds of the monotonic clock."""

    begun_us: int
    ended_us: int

    def holds(self, time_us: int) -> bool:
        """Whether something happened in it."""
        return self.begun_us <= time_us <= self.ended_us


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients saw in the time that counts. Times in milliseconds unless named otherwise."""

    wall_s: float
    turns: int
    """Answers that ended."""
    tokens: int
    token_ms: Percentiles | None
    """From the upstream's write of a token to its arrival, where tokens are stamped."""
    added_ms: Percentiles | None
    """Time to first token less what passed in the upstream: question to upstream, and first token to client."""
    turn_ms: Percentiles | None
    problems: tuple[str, ...]
    """The first few; empty: every token of every answer, also outside that time, came once and in order."""
    step_ms: Percentiles | None = None
    """From a tool call's last byte leaving the upstream to the next request there."""
    step_net_ms: Percentiles | None = None
    """The same less what the server says that the tool took."""


class _Read(msgspec.Struct, frozen=True):
    answer: Answer
    tokens: list[Token]


def summarize(answers: Iterable[Answer], tokens: int, span: Span) -> LoadResult:
    """Read the answers: each is to hold `tokens` tokens."""
    problems: list[str] = []
    whole: list[_Read] = []
    for answer in answers:
        try:
            received = read_tokens(answer.pieces)
        except ValueError as error:
            problems.append(f"not a token: {error}")
            continue
        expected = len(received) if answer.is_cut else tokens
        problems.extend([answer.problem] if answer.problem is not None else faults(received, expected))
        whole.append(_Read(answer, received))
    counted = [token for read in whole for token in read.tokens if span.holds(token.received_us)]
    firsts = [_Read(read.answer, read.tokens[:1]) for read in whole if read.tokens[:1] and span.holds(_first_us(read))]
    ended = [read.answer for read in whole if not read.answer.is_cut and span.holds(read.answer.ended_us)]
    return LoadResult(
        wall_s=(span.ended_us - span.begun_us) / 1e6,
        turns=len(ended),
        tokens=len(counted),
        token_ms=percentiles([(one.received_us - one.sent_us) / 1000 for one in counted if one.sent_us is not None]),
        added_ms=percentiles([added for read in firsts if (added := _added_ms(read)) is not None]),
        turn_ms=percentiles([(answer.ended_us - answer.asked_us) / 1000 for answer in ended]),
        problems=tuple(problems[:5]),
        step_ms=percentiles([step for read in firsts if (step := _step_ms(read)) is not None]),
        step_net_ms=percentiles(
            [step - (read.answer.tool_ms or 0) for read in firsts if (step := _step_ms(read)) is not None]
        ),
    )


def _first_us(read: _Read) -> int:
    return read.tokens[0].received_us


def _added_ms(read: _Read) -> float | None:
    """Give the server's part of the time to the first token; None after a tool step, which is measured by itself."""
    first = read.tokens[0]
    if first.sent_us is None or first.asked_us is None or first.called_us is not None:
        return None
    return ((first.asked_us - read.answer.asked_us) + (first.received_us - first.sent_us)) / 1000


def _step_ms(read: _Read) -> float | None:
    first = read.tokens[0]
    return None if first.called_us is None or first.asked_us is None else (first.asked_us - first.called_us) / 1000
