"""The clients of one measurement, as a process: `python -m bench.load '<Load as JSON>'`.

It connects, prints `ready`, waits for a line on stdin, runs, and prints one LoadResult as JSON. Nothing is checked or
computed while it measures: answers are kept as they came and read afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from typing import Literal

import msgspec
import uvloop

from bench.clients.chat import ChatConversation
from bench.clients.conversation import Answer, Conversation, now_us
from bench.clients.streams import StreamConversation, chat_body, naive_text, openai_body, openai_text
from bench.clients.websocket import ProsaConversation
from bench.figures import Percentiles, percentiles
from bench.order import Order, Token, faults, read_tokens

Dialect = Literal["openai", "naive", "prosa", "chat"]


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients do: each conversation asks `turns` times, or as often as it can in `duration_s`."""

    name: str
    """Unique in a run: users and orders are named after it."""
    dialect: Dialect
    port: int
    conversations: int
    tokens: int
    rate: int = 0
    ttft_ms: int = 0
    turns: int = 1
    duration_s: float = 0.0
    """0: by number of turns."""
    pause_ms: int = 0
    """Between two turns of a conversation, the mean of an even spread from 0."""


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients saw. Times in milliseconds unless named otherwise."""

    wall_s: float
    turns: int
    tokens: int
    token_ms: Percentiles | None
    """From the upstream's write of a token to its arrival, where tokens are stamped."""
    added_ms: Percentiles | None
    """Time to first token less what passed in the upstream: question to upstream, and first token to client."""
    turn_ms: Percentiles | None
    problems: tuple[str, ...]
    """The first few; empty: every token of every answer came once and in order."""


def make_conversation(load: Load, number: int) -> Conversation:
    """Make the client that speaks the load's dialect."""
    user = f"{load.name}-{number}"
    match load.dialect:
        case "openai":
            return StreamConversation(load.port, user, "/v1/chat/completions", openai_body, openai_text)
        case "naive":
            return StreamConversation(load.port, user, "/chat/stream", chat_body, naive_text)
        case "chat":
            return ChatConversation(load.port, user)
        case "prosa":
            return ProsaConversation(load.port, user)


async def run(load: Load) -> LoadResult:
    """Run a load whose conversations open in groups; see the module for when it begins."""
    conversations = [make_conversation(load, number) for number in range(load.conversations)]
    for start in range(0, len(conversations), 50):
        await asyncio.gather(*(conversation.open() for conversation in conversations[start : start + 50]))
    await _signal()
    begun_us = now_us()
    talks = [_talk(load, number, conversation, begun_us) for number, conversation in enumerate(conversations)]
    answers = [answer for talk in await asyncio.gather(*talks) for answer in talk]
    wall_s = (now_us() - begun_us) / 1e6
    for conversation in conversations:
        conversation.close()
    return summarize(answers, load.tokens, wall_s)


async def _signal() -> None:
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def _talk(load: Load, number: int, conversation: Conversation, begun_us: int) -> list[Answer]:
    answers: list[Answer] = []
    chance = random.Random(number)
    deadline_us = begun_us + load.duration_s * 1e6
    while now_us() < deadline_us if load.duration_s else len(answers) < load.turns:
        if load.pause_ms:
            await asyncio.sleep(chance.uniform(0, 2 * load.pause_ms) / 1000)
        order = Order(
            id=f"{load.name}x{number}x{len(answers)}", tokens=load.tokens, rate=load.rate, ttft_ms=load.ttft_ms
        )
        answer = await conversation.ask(order.text())
        answers.append(answer)
        if answer.problem is not None:
            break
    return answers


def summarize(answers: list[Answer], tokens: int, wall_s: float) -> LoadResult:
    """Read the answers: each is to hold `tokens` tokens."""
    problems: list[str] = []
    latencies: list[float] = []
    added: list[float] = []
    count = 0
    for answer in answers:
        try:
            received = read_tokens(answer.pieces)
        except ValueError as error:
            problems.append(f"not a token: {error}")
            continue
        count += len(received)
        problems.extend([answer.problem] if answer.problem is not None else faults(received, tokens))
        latencies.extend((token.received_us - token.sent_us) / 1000 for token in received if token.sent_us is not None)
        added.extend(_added_ms(answer, token) for token in received[:1] if token.asked_us is not None)
    return LoadResult(
        wall_s=wall_s,
        turns=len(answers),
        tokens=count,
        token_ms=percentiles(latencies),
        added_ms=percentiles(added),
        turn_ms=percentiles([(answer.ended_us - answer.asked_us) / 1000 for answer in answers]),
        problems=tuple(problems[:5]),
    )


def _added_ms(answer: Answer, first: Token) -> float:
    assert first.sent_us is not None
    assert first.asked_us is not None
    return ((first.asked_us - answer.asked_us) + (first.received_us - first.sent_us)) / 1000


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("load", type=lambda text: msgspec.json.decode(text, type=Load))
    result = uvloop.run(run(parser.parse_args().load))
    print(msgspec.json.encode(result).decode(), flush=True)


if __name__ == "__main__":
    main()
