"""The clients of one measurement, as a process: `python -m bench.load '<Load as JSON>'`.

It connects, prints `ready`, waits for a line on stdin and runs. A load with a window prints `steady` when it begins and
stops all answers at its end; each load prints `over`, then one LoadResult as JSON. Nothing is checked or computed while
it measures: answers are kept as they came and read afterwards (bench/reading.py).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import pkgutil
import random
import sys
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import uvloop

from bench.clients.chat import ChatConversation
from bench.clients.conversation import Answer, Conversation, now_us
from bench.clients.streams import StreamConversation, chat_body, naive_text, openai_body, openai_text
from bench.clients.websocket import ProsaConversation
from bench.order import Order
from bench.reading import LoadResult, Span, summarize


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients do: each conversation asks `turns` times, or as often as it can in the time given."""

    name: str = ""
    """Unique in a run: users and orders are named after it."""
    dialect: str = ""
    """Empty: the system's own."""
    port: int = 0
    conversations: int
    tokens: int
    rate: int = 0
    ttft_ms: int = 0
    tool: bool = False
    """Each answer begins with a tool call."""
    turns: int = 1
    duration_s: float = 0.0
    """0: by number of turns."""
    pause_ms: int = 0
    """Between two turns of a conversation, the mean of an even spread from 0."""
    stagger_s: float = 0.0
    """The conversations begin evenly over this time; 0: at once, or after a pause where there are pauses."""
    window_s: float = 0.0
    """Measure for this long after `stagger_s`, and stop then. 0: measure all, to the end of the last answer."""
    in_turn: bool = False
    """One conversation after the other."""

    @property
    def tokens_at_pace(self) -> float | None:
        """How many tokens arrive in the window where nothing is late, in the mean; None without pace or window."""
        if not self.rate or not self.window_s:
            return None
        cycle_s = self.ttft_ms / 1000 + self.tokens / self.rate + self.pause_ms / 1000
        return self.conversations * self.tokens * self.window_s / cycle_s


def _openai(port: int, user: str) -> Conversation:
    return StreamConversation(port, user, "/v1/chat/completions", openai_body, openai_text)


def _naive(port: int, user: str) -> Conversation:
    return StreamConversation(port, user, "/chat/stream", chat_body, naive_text)


DIALECTS: Final[Mapping[str, Callable[[int, str], Conversation]]] = {
    "openai": _openai,
    "naive": _naive,
    "chat": ChatConversation,
    "prosa": ProsaConversation,
}


def make_conversation(load: Load, number: int) -> Conversation:
    """Make the client that speaks the load's dialect. Raises an error of `pkgutil.resolve_name` for an unknown one."""
    make = DIALECTS.get(load.dialect) or pkgutil.resolve_name(load.dialect)
    made: Conversation = make(load.port, f"{load.name}-{number}")
    return made


class _Clients:
    """The conversations of a load, opened, and when they are to stop."""

    def __init__(self, load: Load, conversations: list[Conversation]) -> None:
        self._load = load
        self._conversations = conversations
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> tuple[list[Answer], Span]:
        """Let all talk; gives what they were answered, and the time that counts."""
        begun_us = now_us()
        deadline_us = begun_us + self._load.duration_s * 1e6 if self._load.duration_s else math.inf
        if self._load.in_turn:
            answers = [await self._talk(number, deadline_us) for number in range(len(self._conversations))]
            return [answer for talk in answers for answer in talk], _over_since(begun_us)
        talks = [asyncio.ensure_future(self._talk(number, deadline_us)) for number in range(len(self._conversations))]
        if self._load.window_s:
            span = await self._window()
            answers = await asyncio.gather(*talks)
        else:
            answers = await asyncio.gather(*talks)
            span = _over_since(begun_us)
        return [answer for talk in answers for answer in talk], span

    async def _window(self) -> Span:
        await asyncio.sleep(self._load.stagger_s)
        print("steady", flush=True)
        begun_us = now_us()
        await asyncio.sleep(self._load.window_s)
        span = _over_since(begun_us)
        self._over.set_result(None)
        for conversation in self._conversations:
            conversation.stop()
        return span

    async def _talk(self, number: int, deadline_us: float) -> list[Answer]:
        load, chance, answers = self._load, random.Random(number), list[Answer]()
        await asyncio.sleep(load.stagger_s * number / load.conversations)
        while len(answers) < load.turns or load.duration_s or load.window_s:
            if load.pause_ms and (answers or not load.stagger_s):
                await asyncio.wait([self._over], timeout=chance.uniform(0, 2 * load.pause_ms) / 1000)
            if self._over.done() or now_us() >= deadline_us:
                break
            answer = await self._conversations[number].ask(_order(load, number, len(answers)).text())
            answers.append(answer)
            if answer.problem is not None:
                break
        return answers


def _order(load: Load, number: int, turn: int) -> Order:
    name = f"{load.name}x{number}x{turn}"
    return Order(id=name, tokens=load.tokens, rate=load.rate, ttft_ms=load.ttft_ms, tool=load.tool)


def _over_since(begun_us: int) -> Span:
    print("over", flush=True)
    return Span(begun_us=begun_us, ended_us=now_us())


async def run(load: Load) -> LoadResult:
    """Run a load whose conversations open in groups; see the module for when it begins."""
    conversations = [make_conversation(load, number) for number in range(load.conversations)]
    for start in range(0, len(conversations), 50):
        await asyncio.gather(*(conversation.open() for conversation in conversations[start : start + 50]))
    clients = _Clients(load, conversations)
    gc.freeze()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    answers, span = await clients.run()
    for conversation in conversations:
        conversation.close()
    return summarize(answers, load.tokens, span)


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("load", type=lambda text: msgspec.json.decode(text, type=Load))
    result = uvloop.run(run(parser.parse_args().load))
    print(msgspec.json.encode(result).decode(), flush=True)


if __name__ == "__main__":
    main()
