"""Whole turns past the cache of answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from agent.answer_cache import AnswerCaching
from agent.providers.scripted import Call, Cut, Fail, Finish, Pause, Report, Say, ScriptedProvider
from agent.runner import Runner
from agent.settings import CacheSettings
from core.errors import BackendError, ProviderError, ToolError
from core.events import MessageDelta, TurnCompleted
from core.flags import FlagContext
from core.messages import Part
from core.models import ToolSpec, Usage
from core.ports import CachedAnswer, CacheLookup, CacheScope
from core.turns import SessionRef, TakenTurn, TurnRecord
from tests.agent.agent_support import Bench, FakeTools, FakeWriter, chooses, taken

REPORT = Report(Usage(input=20, output=5, total=25))


class Answers:
    """An `AnswerCache` in memory; `away` makes it raise."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str], CachedAnswer] = {}
        self.away = False
        self.cleared = 0
        self.ttl_s = 0.0
        self.looked = 0

    async def get(self, scope: CacheScope, digest: str) -> CacheLookup:
        self.looked += 1
        await asyncio.sleep(0)
        if self.away:
            raise BackendError("Redis is away")
        return CacheLookup(answer=self.kept.get(self._key(scope, digest)), generation=str(self.cleared))

    async def put(
        self, scope: CacheScope, digest: str, answer: CachedAnswer, ttl_s: float, generation: str | None = None
    ) -> None:
        if self.away:
            raise BackendError("Redis is away")
        if generation not in (None, str(self.cleared)):
            return
        self.ttl_s = ttl_s
        self.kept[self._key(scope, digest)] = answer

    async def clear(self, tenant: str) -> None:
        self.cleared += 1
        self.kept.clear()

    async def forget(self, tenant: str, user_id: str) -> None:
        self.kept.clear()

    def _key(self, scope: CacheScope, digest: str) -> tuple[str, str, str]:
        return scope.tenant, "" if scope.shared else scope.user_id, digest


class VersionedTools(FakeTools):
    """`look` reads data whose version is known."""

    version: Any = "1"

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Semaphore(0)

    async def looked_for(self, turns: int) -> None:
        """Return when so many turns have asked for the version, and gone on as far as they could without waiting."""
        for _ in range(turns):
            await self.asked.acquire()

    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(msgspec.structs.replace(spec, cacheable=spec.name == "look") for spec in super().specs())

    async def data_version(self, names: Iterable[str]) -> str:
        assert list(names) == ["look"]
        self.asked.release()
        if isinstance(self.version, Exception):
            raise self.version
        return str(self.version)


class CachedBench:
    """Runs turns of one agent with a cache; each has a writer of its own."""

    def __init__(self, bench: Bench, *scripts: Any, **settings: Any) -> None:
        bench.agent_changes = {"cache": CacheSettings(**settings)}
        bench.tools = self.tools = VersionedTools()
        self.bench, self.answers = bench, Answers()
        self.model = ScriptedProvider(scripts)
        self.caching = AnswerCaching(self.answers, bench.tools)
        self.writers: list[FakeWriter] = []

    async def ask(
        self, content: Any = "How much?", *, user: str = "ana", tenant: str = "default", **changes: Any
    ) -> TurnRecord:
        turn: TakenTurn = taken(content=content, **changes)
        session = SessionRef(session_id="ses_1", tenant=tenant, user_id=user)
        turn = msgspec.structs.replace(turn, session=session)
        runner: Runner = self.bench.runner(choose_models=chooses(self.model), caching=self.caching)
        self.writers.append(FakeWriter())
        record = await runner.run(turn, self.writers[-1])
        assert record is not None
        return record


async def test_the_same_question_is_answered_again_for_nothing(bench: Bench) -> None:
    cached = CachedBench(bench, [Say("Ten "), Say("dollars."), REPORT])
    first, second = await cached.ask(), await cached.ask()

    assert (first.cache, first.cost_microusd, first.saved_microusd) == ("miss", 25, 0)
    assert (second.cache, second.cost_microusd, second.saved_microusd) == ("hit", 0, 25)
    assert second.usage == Usage()
    assert cached.writers[1].text == "Ten dollars."
    ended = cached.writers[1].only(TurnCompleted)
    assert (ended.from_cache, ended.cost_usd, ended.model) == (True, 0.0, "m-1")
    assert cached.writers[0].only(TurnCompleted).from_cache is False


@pytest.mark.parametrize("again", ["how  much", "HOW MUCH?!", " How much? "])
async def test_what_does_not_change_a_question_does_not_count(bench: Bench, again: str) -> None:
    cached = CachedBench(bench, [Say("Ten.")])
    await cached.ask()
    assert (await cached.ask(again)).cache == "hit"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"content": "How many?"}, id="another_question"),
        pytest.param({"content": "How much²?"}, id="another_number"),
        pytest.param({"user": "rui"}, id="another_user"),
        pytest.param({"tenant": "other"}, id="another_tenant"),
        pytest.param({"locale": "pt-BR"}, id="another_language"),
    ],
)
async def test_what_changes_it_does(bench: Bench, change: dict[str, Any]) -> None:
    cached = CachedBench(bench, [Say("Ten.")], [Say("Eleven.")])
    await cached.ask()
    assert (await cached.ask(**change)).cache == "miss"
    assert cached.writers[1].text == "Eleven."


async def test_where_answers_are_public_another_user_of_the_tenant_gets_it(bench: Bench) -> None:
    cached = CachedBench(bench, [Say("Ten.")], [Say("Eleven.")], public=True)
    await cached.ask()
    assert (await cached.ask(user="rui")).cache == "hit"
    assert (await cached.ask(tenant="other")).cache == "miss"


async def test_an_answer_that_rests_on_data_is_kept_until_the_data_changes(bench: Bench) -> None:
    cached = CachedBench(bench, [Call("look")], [Say("Ten.")], [Call("look")], [Say("Eleven.")])
    await cached.ask()
    again = await cached.ask()
    cached.tools.version = "2"
    other = await cached.ask()

    assert (again.cache, other.cache) == ("hit", "miss")
    assert (again.tools, [use.name for use in other.tools]) == ((), ["look"])
    assert cached.writers[2].text == "Eleven."


@pytest.mark.parametrize("tool", ["pay", "save", "alone"])
async def test_what_a_tool_did_that_is_not_cacheable_is_never_left_out(bench: Bench, tool: str) -> None:
    cached = CachedBench(bench, [Call(tool)], [Say("Done.")], [Call(tool)], [Say("Done.")])
    await cached.ask()
    assert (await cached.ask()).cache == "miss"
    assert [name for name, _ in cached.tools.calls] == [tool, tool]


async def test_an_answer_without_what_a_tool_could_not_tell_is_not_kept(bench: Bench) -> None:
    cached = CachedBench(bench, [Call("look")], [Say("I cannot look.")], [Say("Ten.")])
    cached.tools.answers["look"] = ToolError("no data now")
    await cached.ask()
    assert (await cached.ask()).cache == "miss"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Say("Ten"), Finish("length")], id="cut_by_the_limit"),
        pytest.param([Say("Ten"), Finish("filtered")], id="filtered"),
        pytest.param([Fail(ProviderError("no", retryable=False))], id="failed"),
    ],
)
async def test_an_answer_that_is_not_whole_is_not_kept(bench: Bench, script: Any) -> None:
    cached = CachedBench(bench, script, [Say("Ten.")])
    await cached.ask()
    assert (await cached.ask()).cache == "miss"


async def test_an_answer_that_is_asked_for_again_is_made_anew(bench: Bench) -> None:
    cached = CachedBench(bench, [Say("Ten.")], [Say("Eleven.")])
    await cached.ask()
    assert (await cached.ask(retry_of="turn_0")).cache is None
    assert cached.writers[1].text == "Eleven."


async def test_a_picture_is_looked_at_each_time(bench: Bench) -> None:
    cached = CachedBench(bench, [Say("A cat.")], [Say("A dog.")])
    picture = (Part(type="text", text="what is it?"), Part(type="image", url="https://x.test/a.png"))
    await cached.ask(picture)
    assert (await cached.ask(picture)).cache is None


async def test_who_asks_the_same_meanwhile_waits_for_that_answer(bench: Bench) -> None:
    until, reached = asyncio.Event(), asyncio.Event()
    cached = CachedBench(bench, [Pause(until, reached), Say("Ten."), REPORT])
    first = asyncio.create_task(cached.ask())
    await reached.wait()
    others = [asyncio.create_task(cached.ask()) for _ in range(3)]
    await cached.tools.looked_for(4)
    until.set()
    records = await asyncio.gather(first, *others)

    assert [record.cache for record in records] == ["miss", "hit", "hit", "hit"]
    assert len(cached.model.requests) == 1
    assert [writer.text for writer in cached.writers] == ["Ten."] * 4
    assert cached.caching.answering == {}


async def test_where_that_answer_breaks_off_one_of_those_who_wait_asks_the_model(bench: Bench) -> None:
    until, reached = asyncio.Event(), asyncio.Event()
    broken = [Pause(until, reached), Fail(ProviderError("no", retryable=False))]
    cached = CachedBench(bench, broken, [Say("Ten.")])
    first = asyncio.create_task(cached.ask())
    await reached.wait()
    others = [asyncio.create_task(cached.ask()) for _ in range(3)]
    await cached.tools.looked_for(4)
    until.set()
    records = await asyncio.gather(first, *others)

    assert [record.outcome for record in records] == ["failed", "completed", "completed", "completed"]
    assert sorted(str(record.cache) for record in records[1:]) == ["hit", "hit", "miss"]
    assert len(cached.model.requests) == 2


async def asked_at_once(cached: CachedBench, until: asyncio.Event, reached: asyncio.Event) -> list[TurnRecord]:
    """One asks; three wait for its answer, which goes on then."""
    first = asyncio.create_task(cached.ask())
    await reached.wait()
    others = [asyncio.create_task(cached.ask()) for _ in range(3)]
    await cached.tools.looked_for(4)
    until.set()
    async with asyncio.timeout(10):
        return await asyncio.gather(first, *others)


async def test_where_that_answer_is_for_nobody_else_those_who_wait_ask_together(bench: Bench) -> None:
    until, reached = asyncio.Event(), asyncio.Event()
    go, all_reached = asyncio.Event(), [asyncio.Event() for _ in range(3)]
    own = [[Pause(go, event), Say("Cut"), Finish("length")] for event in all_reached]
    cached = CachedBench(bench, [Pause(until, reached), Say("Cut"), Finish("length")], *own)
    asked = asyncio.create_task(asked_at_once(cached, until, reached))
    async with asyncio.timeout(10):
        for event in all_reached:
            await event.wait()
    go.set()
    assert [record.cache for record in await asked] == ["miss"] * 4
    assert cached.caching.answering == {}


async def test_once_a_tool_is_asked_for_that_acts_nobody_waits_for_the_answer(bench: Bench) -> None:
    until, reached, never = asyncio.Event(), asyncio.Event(), asyncio.Event()
    cached = CachedBench(
        bench, [Pause(until, reached), Call("pay")], [Say("Own.")], [Say("Own.")], [Say("Own.")], [Say("Paid.")]
    )
    cached.tools.gate = never  # what pays takes as long as the others need
    first = asyncio.create_task(cached.ask())
    await reached.wait()
    others = [asyncio.create_task(cached.ask()) for _ in range(3)]
    await cached.tools.looked_for(4)
    until.set()
    async with asyncio.timeout(10):
        records = await asyncio.gather(*others)
    never.set()
    assert [record.outcome for record in [*records, await first]] == ["completed"] * 4


async def test_where_the_cache_goes_away_those_who_wait_ask_for_themselves(bench: Bench) -> None:
    until, reached = asyncio.Event(), asyncio.Event()
    go, all_reached = asyncio.Event(), [asyncio.Event() for _ in range(3)]
    own = [[Pause(go, event), Say("Ten.")] for event in all_reached]
    cached = CachedBench(bench, [Pause(until, reached), Say("Ten.")], *own)
    cached.answers.away = True
    asked = asyncio.create_task(asked_at_once(cached, until, reached))
    async with asyncio.timeout(10):
        for event in all_reached:
            await event.wait()
    go.set()
    assert [record.outcome for record in await asked] == ["completed"] * 4
    assert cached.caching.answering == {}


async def test_an_answer_that_was_under_way_when_all_were_cleared_is_not_kept(bench: Bench) -> None:
    until, reached = asyncio.Event(), asyncio.Event()
    cached = CachedBench(bench, [Pause(until, reached), Say("Old.")], [Say("New.")])
    first = asyncio.create_task(cached.ask())
    await reached.wait()
    await cached.answers.clear("default")
    until.set()
    await first
    assert (await cached.ask()).cache == "miss"
    assert cached.writers[1].text == "New."


@pytest.mark.parametrize(("tier", "states"), [("free", ["miss", "hit"]), ("premium", [None, None])])
async def test_a_flag_switches_it_off_for_whom_it_says(bench: Bench, tier: str, states: list[str | None]) -> None:
    contexts: list[FlagContext] = []

    class Switch:
        def text(self, key: str, context: FlagContext, default: str | None = None) -> str:
            return tier

        def boolean(self, key: str, context: FlagContext, default: bool | None = None) -> bool:
            contexts.append(context)
            return not (key == "cache" and context.get("tier") == "premium")

    cached = CachedBench(bench, [Say("Ten.")], [Say("Ten.")])
    switch: Any = Switch()
    cached.caching = AnswerCaching(cached.answers, cached.tools, switch)
    assert [(await cached.ask(locale="pt")).cache for _ in range(2)] == states
    expected = {"tenant": "default", "user_id": "ana", "agent": "sales", "locale": "pt", "channel": "web"}
    assert contexts[0] == {**expected, "tier": tier}


async def test_what_is_kept_is_what_the_whole_turn_cost_for_as_long_as_the_agent_says(bench: Bench) -> None:
    cached = CachedBench(bench, [Call("look"), REPORT], [Say("Ten."), REPORT], ttl_s=7.0)
    await cached.ask()
    assert ((await cached.ask()).saved_microusd, cached.answers.ttl_s) == (50, 7.0)


async def test_the_region_of_a_language_does_not_count(bench: Bench) -> None:
    cached = CachedBench(bench, [Say("Dez.")])
    await cached.ask(locale="pt-BR")
    assert (await cached.ask(locale="pt-PT")).cache == "hit"


async def test_who_waited_for_an_answer_that_was_found_gets_it(bench: Bench) -> None:
    cached = CachedBench(bench, [Say("Ten."), REPORT])
    await cached.ask()
    records = await asyncio.gather(*(cached.ask() for _ in range(3)))
    assert [record.saved_microusd for record in records] == [25, 25, 25]
    assert cached.answers.looked == 2  # the first question's, and one for the three
    assert cached.caching.answering == {}


async def test_who_stops_waiting_does_not_stop_the_others(bench: Bench) -> None:
    until, reached = asyncio.Event(), asyncio.Event()
    cached = CachedBench(bench, [Pause(until, reached), Say("Ten.")])
    first = asyncio.create_task(cached.ask())
    await reached.wait()
    other = asyncio.create_task(cached.ask())
    await cached.tools.looked_for(2)
    assert bench.cancel is not None
    bench.cancel("user")  # the run that began last
    stopped = await other
    until.set()

    assert (stopped.outcome, (await first).outcome) == ("cancelled", "completed")


@pytest.mark.parametrize("fault", ["cache", "version"])
async def test_where_the_cache_is_away_questions_are_answered(bench: Bench, fault: str) -> None:
    cached = CachedBench(bench, [Say("Ten.")], [Say("Ten.")])
    if fault == "cache":
        cached.answers.away = True
    else:
        cached.tools.version = ToolError("no data now")
    records = [await cached.ask(), await cached.ask()]
    assert [(record.outcome, record.cache) for record in records] == [("completed", None)] * 2
    assert cached.caching.answering == {}


async def test_without_a_setting_nothing_is_looked_for(bench: Bench) -> None:
    cached = CachedBench(bench, [Say("Ten.")], [Say("Ten.")])
    bench.agent_changes = {}
    assert [(await cached.ask()).cache, (await cached.ask()).cache] == [None, None]
    assert cached.answers.kept == {}


async def test_a_call_that_is_tried_again_leaves_the_whole_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.routing.retry.BACKOFF_S", 0.001)
    cached = CachedBench(bench, [Say("Tw"), Cut()], [Say("Ten.")])
    await cached.ask()
    await cached.ask()
    assert cached.writers[1].text == "Ten."
    assert sum(isinstance(event, MessageDelta) for event in cached.writers[1].events) == 1
