"""What a model call leaves on the books and in the measurements: estimates, prices, codes, answers given again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.answer_cache import AnswerCaching
from agent.providers.scripted import Call, Cut, Fail, Finish, Report, Say, ScriptedProvider
from agent.settings import CacheSettings
from core.errors import ProviderError
from core.events import MessageReset
from core.measurements import ModelAnswered
from core.models import Usage
from core.turns import Limits, TurnRecord
from tests.agent.agent_support import Bench, FakeWriter, chooses, taken
from tests.agent.test_answer_cache import Answers, VersionedTools

REPORT = Report(Usage(input=20, output=5, total=25))


class OwnPrices:
    """Tokens cost one millionth of a dollar; the tenant `default` has agreed on the double; `m-1` may be unknown."""

    def __init__(self, *, known: bool = True) -> None:
        self._known = known

    def cost_microusd(self, provider: str, model: str, usage: Usage, *, tenant: str | None = None) -> int:
        return (usage.input + usage.output) * (2 if tenant == "default" else 1) if self._known else 0

    def is_known(self, provider: str, model: str, *, tenant: str | None = None) -> bool:
        return self._known


async def record_of(bench: Bench, *scripts: Any, **options: Any) -> TurnRecord:
    runner = bench.runner(ScriptedProvider(scripts), **options)
    record = await runner.run(taken(), bench.writer)
    assert record is not None
    return record


async def test_a_tenants_own_prices_are_what_its_books_say(bench: Bench) -> None:
    record = await record_of(bench, [Say("Ten."), REPORT], pricing=OwnPrices())
    assert (record.cost_microusd, record.steps[0].cost_microusd) == (50, 50)


@pytest.mark.parametrize(("script", "estimated"), [([Say("Ten."), REPORT], False), ([Say("Ten.")], True)])
async def test_a_step_says_whether_its_tokens_were_counted_or_reported(
    bench: Bench, script: Any, estimated: bool
) -> None:
    record = await record_of(bench, script)
    assert [step.estimated for step in record.steps] == [estimated]


@pytest.mark.looptime
async def test_a_call_that_broke_is_an_estimate_and_the_one_after_it_is_none(bench: Bench) -> None:
    record = await record_of(bench, [Say("Tw"), Cut()], [Say("Ten."), REPORT])
    assert [(step.estimated, step.finish_reason) for step in record.steps] == [(True, "failed"), (False, "stop")]


@pytest.mark.looptime
@pytest.mark.parametrize("known", [True, False])
async def test_a_step_whose_price_nobody_knows_says_so(bench: Bench, known: bool) -> None:
    record = await record_of(bench, [Say("Tw"), Cut()], [Say("Ten."), REPORT], pricing=OwnPrices(known=known))
    assert [step.priced for step in record.steps] == [known, known]


async def test_an_answer_that_is_given_again_is_no_call_of_a_model(bench: Bench) -> None:
    bench.agent_changes, bench.tools = {"cache": CacheSettings()}, VersionedTools()
    caching = AnswerCaching(Answers(), bench.tools)
    runner = bench.runner(choose_models=chooses(ScriptedProvider([[Say("Ten."), REPORT]])), caching=caching)
    records = [await runner.run(taken(), FakeWriter()) for _ in range(2)]

    assert [record and record.cache for record in records] == ["miss", "hit"]
    assert [one.outcome for one in bench.measured.of(ModelAnswered)] == ["stop"]


@pytest.mark.looptime
async def test_each_call_is_measured_once_with_what_its_vendor_said(bench: Bench) -> None:
    limited = Fail(ProviderError("too many", code="rate_limited"))
    gone = Fail(ProviderError("no such model", code="not_found", retryable=False))
    await record_of(bench, [limited], [gone])
    assert [(one.outcome, one.code) for one in bench.measured.of(ModelAnswered)] == [
        ("error", "rate_limited"),
        ("error", "not_found"),
    ]


async def test_a_limit_of_the_turn_is_no_error_of_its_model(bench: Bench) -> None:
    bench.limits = Limits(tokens=100)
    record = await record_of(bench, [Say("x" * 4_000), Finish()])
    assert record.code == "budget_exceeded"
    assert [(one.outcome, one.code) for one in bench.measured.of(ModelAnswered)] == [("cancelled", None)]


async def test_a_call_that_broke_is_booked_once_though_the_turn_is_stopped_before_the_next(bench: Bench) -> None:
    provider = ScriptedProvider([[Say("Tw"), Fail(ProviderError("wait", retry_after_ms=5_000))]])
    running = asyncio.create_task(bench.runner(provider).run(taken(), bench.writer))
    await bench.writer.until(MessageReset)
    assert bench.cancel is not None
    bench.cancel("user")
    record = await running
    assert record is not None
    assert (record.outcome, [step.finish_reason for step in record.steps]) == ("cancelled", ["failed"])
    assert [one.outcome for one in bench.measured.of(ModelAnswered)] == ["error"]


async def test_an_answer_that_ends_before_its_first_word_has_used_its_input(bench: Bench) -> None:
    record = await record_of(bench, [Finish("length")])
    assert [(step.usage.input > 0, step.usage.output, step.estimated) for step in record.steps] == [(True, 0, True)]


async def test_money_of_earlier_steps_counts_in_the_midst_of_a_later_one(bench: Bench) -> None:
    bench.limits = Limits(tokens=1_000_000, cost_microusd=100_000)
    spent = Report(Usage(input=99_500, output=100, total=99_600))
    record = await record_of(bench, [Call("look"), spent], [Say("x" * 4_000), Say("never")])
    assert (record.code, record.outcome) == ("budget_exceeded", "failed")
    assert "never" not in bench.writer.text
