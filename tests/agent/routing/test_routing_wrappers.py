"""What the wrappers around providers do: retry, breaker, fallback."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from agent.providers.scripted import Cut, Fail, Finish, Pause, Say, ScriptedProvider
from agent.routing.breaker import Breaker
from agent.routing.fallback import Candidate, Fallback
from agent.routing.retry import LONGEST_WAIT_S, Retrying
from core.errors import ProviderError, StreamCut, TurnLimit
from core.messages import UserMessage
from core.models import CallBegan, CallBroke, ModelFinished, ModelRequest, RoutedEvent, TextDelta
from core.ports import RoutedProvider

REQUEST = ModelRequest(model="m", messages=(UserMessage(content="oi"),))


def failing(
    *, retryable: bool = True, code: Any = None, after_ms: int | None = None, status: int | None = None
) -> Fail:
    return Fail(ProviderError("it failed", retryable=retryable, code=code, retry_after_ms=after_ms, status=status))


async def read(provider: RoutedProvider, request: ModelRequest = REQUEST) -> list[RoutedEvent]:
    async with provider.stream(request) as events:
        return [event async for event in events]


async def told(provider: RoutedProvider) -> tuple[list[str], ProviderError | None]:
    """What a reader was told, in short words, and what ended it."""
    words: list[str] = []
    try:
        async with provider.stream(REQUEST) as events:
            async for event in events:
                words += [word(event)]
    except ProviderError as error:
        return words, error
    return words, None


def word(event: RoutedEvent) -> str:
    match event:
        case CallBegan(provider=provider, model=model):
            return f"began {provider}:{model}"
        case CallBroke(provider=provider, next=following):
            return f"broke {provider} {following}"
        case TextDelta(text=text):
            return text
        case ModelFinished():
            return "finished"
        case _:
            return type(event).__name__


def retrying(*scripts: Any, tries: int = 3, name: str = "a") -> tuple[Retrying, ScriptedProvider]:
    provider = ScriptedProvider(scripts, name=name)
    return Retrying(provider, tries=tries, reason="why"), provider


def chain(*providers: ScriptedProvider) -> Fallback:
    return Fallback([Candidate(provider=Retrying(one, tries=1), model=f"of-{one.name}") for one in providers])


# ---------------------------------------------------------------- retry


async def test_a_call_that_works_is_made_once() -> None:
    provider, inner = retrying([Say("Ten.")])
    assert await read(provider) == [
        CallBegan(provider="a", model="m", reason="why"),
        TextDelta(text="Ten."),
        ModelFinished(reason="stop", model="m"),
    ]
    assert len(inner.requests) == 1


@pytest.mark.looptime
async def test_a_failure_that_passes_is_tried_again_and_what_it_said_is_void() -> None:
    provider, _ = retrying([Say("Ten"), Cut()], [Say("Eleven.")])
    words, error = await told(provider)
    assert error is None
    assert words == ["began a:m", "Ten", "broke a recovery", "began a:m", "Eleven.", "finished"]


@pytest.mark.looptime
async def test_a_reader_is_told_that_a_call_broke_before_the_wait_begins() -> None:
    provider, _ = retrying([Say("Ten"), failing(after_ms=5_000)], [Say("Eleven.")])
    loop = asyncio.get_running_loop()
    times: dict[str, float] = {}
    async with provider.stream(REQUEST) as events:
        async for event in events:
            times.setdefault(word(event), loop.time())
    assert times["broke a recovery"] == pytest.approx(times["Ten"])
    assert times["Eleven."] - times["broke a recovery"] == pytest.approx(5.0)


@pytest.mark.looptime
async def test_waits_double_and_are_spread() -> None:
    provider = Retrying(ScriptedProvider([[failing()], [failing()], [Say("Ten.")]]), spread=lambda: 0.0)
    loop = asyncio.get_running_loop()
    began = [loop.time() async for event in _events(provider) if isinstance(event, CallBegan)]
    assert [round(later - earlier, 3) for earlier, later in pairwise(began)] == [0.25, 0.5]


async def broken_by_a_limit(provider: RoutedProvider) -> None:
    """Read until the first text, which is too much."""
    async with provider.stream(REQUEST) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                raise TurnLimit("too much", code="budget_exceeded")


async def _events(provider: RoutedProvider) -> Any:
    async with provider.stream(REQUEST) as events:
        async for event in events:
            yield event


@pytest.mark.parametrize(
    ("failure", "calls"),
    [
        pytest.param(failing(retryable=False), 1, id="what_does_not_pass"),
        pytest.param(failing(after_ms=round(LONGEST_WAIT_S * 1000) + 1), 1, id="a_wait_that_is_too_long"),
        pytest.param(failing(), 3, id="what_stays"),
    ],
)
@pytest.mark.looptime
async def test_what_is_not_worth_another_try_is_raised(failure: Fail, calls: int) -> None:
    provider, inner = retrying([failure], [failure], [failure], [Say("never")])
    words, error = await told(provider)
    assert error is failure.error
    assert len(inner.requests) == calls
    assert words[-1] == "began a:m"


@pytest.mark.looptime
async def test_a_stream_that_just_ends_is_cut() -> None:
    class Endless(ScriptedProvider):
        async def _play(self, script: Any, model: str) -> Any:
            yield TextDelta(text="Ten")

    words, error = await told(Retrying(Endless([[], []]), tries=2))
    assert isinstance(error, StreamCut)
    assert words == ["began scripted:m", "Ten", "broke scripted recovery", "began scripted:m", "Ten"]


@pytest.mark.looptime
async def test_an_empty_answer_is_tried_again_and_at_last_said() -> None:
    words, error = await told(retrying([], [Say("Ten.")])[0])
    assert error is None
    assert words == ["began a:m", "broke a recovery", "began a:m", "Ten.", "finished"]
    _, error = await told(retrying([], [])[0])
    assert error is not None


@pytest.mark.parametrize("reason", ["length", "filtered"])
async def test_an_empty_answer_with_a_reason_is_not_tried_again(reason: Any) -> None:
    words, error = await told(retrying([Finish(reason)])[0])
    assert (words, error) == (["began a:m", "finished"], None)


async def test_leaving_closes_the_stream_that_is_open() -> None:
    provider, inner = retrying([Say("Ten"), Pause(asyncio.Event())])
    async with provider.stream(REQUEST) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    assert inner.open_streams == 0
    assert inner.closed_early == 1


# ---------------------------------------------------------------- fallback


async def test_before_its_first_word_a_model_is_followed_silently() -> None:
    words, error = await told(
        chain(ScriptedProvider([[failing()]], name="a"), ScriptedProvider([[Say("B.")]], name="b"))
    )
    assert error is None
    assert words == ["began a:of-a", "broke a failover", "began b:of-b", "B.", "finished"]


async def test_after_its_first_word_what_a_model_said_is_void() -> None:
    first = ScriptedProvider([[Say("Half an"), Cut()]], name="a")
    words, error = await told(chain(first, ScriptedProvider([[Say("B.")]], name="b")))
    assert error is None
    assert words == ["began a:of-a", "Half an", "broke a failover", "began b:of-b", "B.", "finished"]


async def test_where_nobody_answers_the_last_failure_is_raised() -> None:
    last = failing(status=503)
    words, error = await told(chain(ScriptedProvider([[failing()]], name="a"), ScriptedProvider([[last]], name="b")))
    assert error is last.error
    assert words == ["began a:of-a", "broke a failover", "began b:of-b"]


async def test_what_one_vendor_blocked_no_other_is_asked_to_do() -> None:
    other = ScriptedProvider([[Say("never")]], name="b")
    blocked = failing(retryable=False, code="content_blocked")
    _, error = await told(chain(ScriptedProvider([[blocked]], name="a"), other))
    assert error is blocked.error
    assert other.requests == []


async def test_a_limit_of_the_turn_is_no_failure_of_the_model() -> None:
    first, other = ScriptedProvider([[Say("Ten"), Say("more")]], name="a"), ScriptedProvider([[Say("never")]], name="b")
    with pytest.raises(TurnLimit):
        await broken_by_a_limit(chain(first, other))
    assert other.requests == []
    assert first.open_streams == 0


# ---------------------------------------------------------------- the breaker


async def test_failures_in_a_row_open_the_circuit_of_that_model_only() -> None:
    inner = ScriptedProvider([[failing()], [failing()], [Say("Ten.")]], name="a")
    breaker = Breaker(inner, failures=2, open_s=30)
    for _ in range(2):
        await told(breaker)
    _, refused = await told(breaker)
    assert refused is not None
    assert (refused.retryable, refused.retry_after_ms) == (True, 30_000)
    assert "a:m is left alone" in refused.message
    assert len(inner.requests) == 2
    assert breaker.state("m") == "open"
    assert await read(breaker, ModelRequest(model="other", messages=())) != []
    assert breaker.state("other") == "closed"


async def test_one_answer_closes_it_again() -> None:
    inner = ScriptedProvider([[failing()], [Say("Ten.")], [failing()]], name="a")
    breaker = Breaker(inner, failures=1, open_s=0)
    await told(breaker)
    assert (await told(breaker))[1] is None
    assert breaker.state("m") == "closed"
    await told(breaker)
    assert breaker.state("m") == "open"


async def test_of_those_who_come_while_it_is_half_open_one_goes_through() -> None:
    until, reached = asyncio.Event(), asyncio.Event()
    inner = ScriptedProvider([[failing()], [Pause(until, reached), Say("Ten.")], [Say("Ten.")]], name="a")
    breaker = Breaker(inner, failures=1, open_s=0)
    await told(breaker)
    trial = asyncio.create_task(told(breaker))
    await reached.wait()
    _, refused = await told(breaker)
    until.set()
    assert refused is not None
    assert (await trial)[1] is None
    assert (await told(breaker))[1] is None


async def test_a_call_that_is_given_up_says_nothing_about_the_vendor() -> None:
    scripts = [[failing()], [Say("Ten"), Pause(asyncio.Event())], [failing()], [Say("never")]]
    breaker = Breaker(ScriptedProvider(scripts, name="a"), failures=2, open_s=30)
    await told(breaker)
    with pytest.raises(TurnLimit):
        await broken_by_a_limit(breaker)
    await told(breaker)  # the second failure in a row
    assert breaker.state("m") == "open"


@pytest.mark.parametrize("code", ["content_blocked", "context_overflow", "invalid_request"])
async def test_what_was_asked_wrongly_is_not_held_against_the_vendor(code: str) -> None:
    breaker = Breaker(ScriptedProvider([[failing(code=code)]] * 3, name="a"), failures=1, open_s=30)
    for _ in range(3):
        await told(breaker)
    assert breaker.state("m") == "closed"


async def test_an_open_circuit_is_not_waited_for_but_followed_by_the_next_model() -> None:
    inner = ScriptedProvider([[failing()]], name="a")
    breaker = Breaker(inner, failures=1, open_s=30)
    await told(breaker)
    candidates = [
        Candidate(provider=Retrying(breaker), model="m"),
        Candidate(provider=Retrying(ScriptedProvider([[Say("B.")]], name="b")), model="n"),
    ]
    words, error = await told(Fallback(candidates))
    assert error is None
    assert words == ["began a:m", "broke a failover", "began b:n", "B.", "finished"]


async def test_closing_closes_what_is_wrapped() -> None:
    class Closing(ScriptedProvider):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    inner = Closing([])
    await Fallback([Candidate(provider=Retrying(Breaker(inner)), model="m")]).close()
    assert inner.closed == 1
