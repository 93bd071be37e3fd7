"""Whole turns over every vendor's faults: what the user is told, what the books hold, and who answers instead."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import pytest
from loguru import logger

from agent.providers.http import Timeouts
from agent.providers.scripted import Report, Say, ScriptedProvider
from core.errors import HTTP_STATUS
from core.events import MessageReset, TurnCompleted, TurnFailed
from core.models import Usage
from core.ports import Provider
from core.turns import TurnRecord
from tests.agent.agent_support import Bench, taken
from tests.agent.chat_server import ChatServer
from tests.conformance.vendor_kit import PROMPT, answer_of, each, quoting
from tests.conformance.vendors.vendor import KEY, Behaviour, Vendor

HASTY: Final = Timeouts(connect_s=5.0, first_token_s=0.3, between_tokens_s=0.15, total_s=20.0)
CODES: Final[dict[Behaviour, tuple[str, bool]]] = {
    "empty": ("provider_unavailable", True),
    "cut": ("provider_unavailable", True),
    "hang": ("provider_unavailable", True),
    "deaf": ("provider_unavailable", True),
    "garbage": ("provider_unavailable", True),
    "error_in_stream": ("provider_unavailable", True),
    "wrong_key": ("provider_unavailable", False),
    "unknown_model": ("provider_unavailable", False),
    "rate_limited": ("provider_unavailable", True),
    "out_of_quota": ("provider_unavailable", False),
    "too_long": ("context_overflow", False),
    "bad_request": ("provider_unavailable", False),
    "overloaded": ("provider_unavailable", True),
    "blocked": ("content_blocked", False),
}
"""What each fault is to the user: the turn's code, and whether to try again."""
SPOKE_FIRST: Final[frozenset[Behaviour]] = frozenset({"cut", "hang"})
"""Text came before the fault. Before an error in the stream it may: that depends on how the network cuts it."""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Waits are short: a vendor that asks for two seconds is not waited for."""
    monkeypatch.setattr("agent.routing.retry.BACKOFF_S", 0.001)
    monkeypatch.setattr("agent.routing.retry.LONGEST_WAIT_S", 1.0)
    return Bench()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All lines of the log, with all that they hold."""
    lines: list[str] = []
    sink = logger.add(lines.append, level=0, format="{level} {message} {extra} {exception}")
    yield lines
    logger.remove(sink)


@asynccontextmanager
async def failing(vendor: Vendor, behaviour: Behaviour, times: int = 3) -> AsyncIterator[tuple[Provider, ChatServer]]:
    """The vendor's provider, whose server fails so each time, quoting key and prompt where it says anything."""
    async with ChatServer() as server:
        server.play(*[quoting(answer_of(vendor, behaviour)) for _ in range(times)])
        provider = vendor.provider(server.url, HASTY)
        yield provider, server
        await provider.close()


async def ask(bench: Bench, *providers: Provider) -> TurnRecord:
    record = await bench.run(*providers, turn=taken(content=f"{PROMPT}: quanto vendemos?"))
    assert record is not None
    return record


@each(*CODES)
async def test_a_fault_that_stays_ends_the_turn_with_a_code_and_a_sentence_that_tells_no_secret(
    vendor: Vendor, behaviour: Behaviour, bench: Bench, logged: list[str]
) -> None:
    async with failing(vendor, behaviour) as (provider, server):
        record = await ask(bench, provider)
        requests = len(server.bodies)

    failed = bench.writer.only(TurnFailed)
    assert (failed.code, failed.retryable) == CODES[behaviour]
    assert failed.code in HTTP_STATUS
    assert failed.message[0].isupper()
    assert failed.message.endswith(".")
    assert requests == (3 if failed.retryable and behaviour != "rate_limited" else 1)
    told = "".join(logged) + repr(record) + msgspec.json.encode(bench.writer.events).decode()
    assert KEY not in told
    assert PROMPT not in told


@each(*(behaviour for behaviour in CODES if behaviour != "blocked"))
async def test_another_model_answers_alone_and_both_are_on_the_bill(
    vendor: Vendor, behaviour: Behaviour, bench: Bench
) -> None:
    spare = ScriptedProvider([[Say("Eleven."), Report(Usage(input=7, output=3, total=10))]], name="spare")
    async with failing(vendor, behaviour) as (provider, _):
        record = await ask(bench, provider, spare)

    assert bench.writer.text == "Eleven."
    assert bench.writer.only(TurnCompleted).provider == "spare"
    assert record.steps[-1].usage == Usage(input=7, output=3, total=10)
    assert record.cost_microusd == sum(step.cost_microusd for step in record.steps)
    broken: list[Any] = [step for step in record.steps if step.provider == provider.name]
    if behaviour in SPOKE_FIRST:
        assert len(broken) == 3
        assert all(step.finish_reason == "failed" and step.cost_microusd > 0 for step in broken)
        assert sum(isinstance(event, MessageReset) for event in bench.writer.events) == 3


@each("blocked")
async def test_what_one_vendor_blocked_is_not_asked_of_another(
    vendor: Vendor, behaviour: Behaviour, bench: Bench
) -> None:
    spare = ScriptedProvider([[Say("never")]], name="spare")
    async with failing(vendor, behaviour) as (provider, _):
        await ask(bench, provider, spare)

    assert bench.writer.only(TurnFailed).code == "content_blocked"
    assert spare.requests == []


@each("text")
async def test_a_whole_answer_is_a_turn_with_its_usage(vendor: Vendor, behaviour: Behaviour, bench: Bench) -> None:
    async with failing(vendor, behaviour, times=1) as (provider, _):
        record = await ask(bench, provider)

    assert bench.writer.text == "Hello there."
    assert (record.outcome, record.usage.input, record.usage.output) == ("completed", 12, 5)
    assert record.route == "default"
