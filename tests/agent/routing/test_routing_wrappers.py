"""What the wrappers around providers do: retry, breaker, fallback."""

from __future__ import annotations

import asyncio
import traceback
from itertools import pairwise
from typing import Any

import pytest

from agent.providers.scripted import Call, Cut, Fail, Finish, Pause, Say, ScriptedProvider
from agent.routing.breaker import Breaker
from agent.routing.chain import routed
from agent.routing.fallback import Candidate, Fallback
from agent.routing.retry import LONGEST_WAIT_S, Retrying
from agent.routing.route import Route
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
    return await told_of(provider, "m")


async def told_of(provider: RoutedProvider, model: str) -> tuple[list[str], ProviderError | None]:
    """The same of another model."""
    words: list[str] = []
    try:
        async with provider.stream(ModelRequest(model=model, messages=REQUEST.messages)) as events:
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


@pytest.mark.looptime
async def test_the_longest_wait_is_still_waited_for() -> None:
    words, error = await told(retrying([failing(after_ms=round(LONGEST_WAIT_S * 1000))], [Say("Ten.")])[0])
    assert error is None
    assert words[-2:] == ["Ten.", "finished"]


async def test_calls_without_a_word_are_no_empty_answer() -> None:
    words, error = await told(retrying([Call("look")])[0])
    assert error is None
    assert words == ["began a:m", "ToolCallReady", "finished"]


@pytest.mark.looptime
async def test_what_broke_is_told_with_its_code_and_status() -> None:
    first = ScriptedProvider([[failing(code="rate_limited", status=429)] for _ in range(2)], name="a")
    candidates = [
        Candidate(provider=Retrying(first, tries=2), model="m"),
        Candidate(provider=ScriptedProvider([[Say("B.")]], name="b"), model="n"),
    ]
    broke = [event for event in await read(Fallback(candidates)) if isinstance(event, CallBroke)]
    assert [(one.next, one.code, one.status) for one in broke] == [
        ("recovery", "rate_limited", 429),
        ("failover", "rate_limited", 429),
    ]


async def test_a_route_is_called_in_its_order_with_its_reason() -> None:
    route = Route(
        candidates=tuple(
            Candidate(provider=ScriptedProvider([[item]], name=name), model=f"of-{name}")
            for name, item in (("a", failing(retryable=False)), ("b", Say("B.")))
        ),
        reason="policy:p/r",
    )
    began = [event for event in await read(routed(route)) if isinstance(event, CallBegan)]
    assert [(one.provider, one.model, one.reason) for one in began] == [
        ("a", "of-a", "policy:p/r"),
        ("b", "of-b", "policy:p/r"),
    ]


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


@pytest.mark.parametrize("code", ["content_blocked", "invalid_request"])
async def test_what_one_vendor_blocked_no_other_is_asked_to_do(code: str) -> None:
    other = ScriptedProvider([[Say("never")]], name="b")
    blocked = failing(retryable=False, code=code)
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
        assert breaker._circuits["m"].messages == []  # purgatory's, for which nobody asks
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


@pytest.mark.looptime
async def test_a_stream_that_just_ends_is_held_against_the_vendor() -> None:
    class Endless(ScriptedProvider):
        async def _play(self, script: Any, model: str) -> Any:
            yield TextDelta(text="Ten")

    breaker = Breaker(Endless([[], []]), failures=2, open_s=30)
    await told(Retrying(breaker, tries=2))
    assert breaker.state("m") == "open"


async def test_a_circuit_that_stays_open_does_not_grow_with_each_call() -> None:
    breaker = Breaker(ScriptedProvider([[failing()]], name="a"), failures=1, open_s=30)
    await told(breaker)
    refusals = [(await told(breaker))[1] for _ in range(50)]
    assert refusals[-1] is not None
    assert refusals[-1].__context__ is not None
    assert sum(1 for _ in traceback.walk_tb(refusals[-1].__context__.__traceback__)) < 10


async def test_callers_who_name_many_models_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.routing.breaker._REMEMBERED", 10)
    breaker = Breaker(ScriptedProvider([[failing()] for _ in range(35)], name="a"), failures=1, open_s=30)
    for number in range(35):
        await told_of(breaker, f"m-{number}")
        assert breaker.state(f"m-{number}") == "open"
        assert len(breaker._circuits) <= 10
        assert number == 0 or breaker.state(f"m-{number - 1}") == "open"
    assert breaker.state("m-0") == "closed"


async def test_a_trial_that_is_given_up_leaves_its_place_to_another() -> None:
    until, reached = asyncio.Event(), asyncio.Event()
    scripts = [[failing()], [Pause(until, reached)], [Say("Ten"), Say("more")], [Say("Ten.")]]
    breaker = Breaker(ScriptedProvider(scripts, name="a"), failures=1, open_s=0)
    await told(breaker)
    trial = asyncio.create_task(told(breaker))
    await reached.wait()
    trial.cancel()
    await asyncio.wait([trial])
    assert breaker.state("m") == "half_open"
    with pytest.raises(TurnLimit):
        await broken_by_a_limit(breaker)
    assert breaker.state("m") == "half_open"
    assert (await told(breaker))[1] is None
    assert breaker.state("m") == "closed"


async def test_closing_closes_what_is_wrapped() -> None:
    class Closing(ScriptedProvider):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    inner = Closing([])
    await Fallback([Candidate(provider=Retrying(Breaker(inner)), model="m")]).close()
    assert inner.closed == 1
