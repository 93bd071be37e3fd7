"""Whole turns past the cache, of questions in other words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agent.answer_cache import AnswerCaching
from agent.providers.embeddings import packed
from agent.providers.scripted import Call, Say
from agent.semantic.near_answers import NearAnswers
from agent.semantic.vectors import KeptVectors
from agent.settings import SemanticSettings
from core.errors import BackendError, ProviderError
from core.events import TurnCompleted
from core.measurements import TextEmbedded
from core.ports import CacheScope, Embedded, NearQuestion
from tests.agent.agent_support import Bench
from tests.agent.semantic.test_near_questions_guard import MUST_NOT
from tests.agent.test_answer_cache import REPORT, CachedBench

NOVEMBER = "Quais foram as vendas de novembro?"
PLEASE = "Por favor, me mostre as vendas em novembro"
ANA = CacheScope(tenant="default", user_id="ana")


class TestEmbedder:
    """Calls every text the same, unless `turned` says by which cosine it is away from the others."""

    __test__ = False
    name = "test:vectors"
    dimensions = 2

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.turned: dict[str, float] = {}
        self.fault: Exception | None = None
        self.gate, self.began = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def embed(self, texts: Sequence[str]) -> Embedded:
        self.asked += texts
        self.began.set()
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        cosines = [self.turned.get(text, 1.0) for text in texts]
        return Embedded(vectors=tuple(packed([each, (1 - each * each) ** 0.5]) for each in cosines), tokens=7)

    async def close(self) -> None:
        return None


class Questions:
    """`NearQuestions` and `EmbeddingStore` in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str], dict[str, NearQuestion]] = {}
        self.vectors: dict[tuple[str, str], bytes] = {}
        self.away = False

    async def near(self, scope: CacheScope, bucket: str) -> Sequence[NearQuestion]:
        if self.away:
            raise BackendError("Redis is away")
        return list(self.kept.get(self._key(scope, bucket), {}).values())

    async def keep_near(self, scope: CacheScope, bucket: str, question: NearQuestion, ttl_s: float) -> None:
        self.kept.setdefault(self._key(scope, bucket), {})[question.digest] = question

    async def vector(self, tenant: str, digest: str) -> bytes | None:
        return self.vectors.get((tenant, digest))

    async def keep_vector(self, tenant: str, user_id: str, digest: str, vector: bytes, ttl_s: float) -> None:
        self.vectors[tenant, digest] = vector

    def _key(self, scope: CacheScope, bucket: str) -> tuple[str, str, str]:
        return scope.tenant, "" if scope.shared else scope.user_id, bucket


class NearBench(CachedBench):
    """A cache whose agent opts in, with an embedder that calls all the same."""

    def __init__(self, bench: Bench, *scripts: Any, threshold: float | None = 0.95, **settings: Any) -> None:
        semantic = None if threshold is None else SemanticSettings(threshold=threshold)
        super().__init__(bench, *scripts, semantic=semantic, **settings)
        self.embedder, self.questions = TestEmbedder(), Questions()
        vectors = KeptVectors(self.embedder, self.questions, bench.measured, patience_s=0.05)
        near = NearAnswers(self.questions, self.answers, vectors)
        self.caching = AnswerCaching(self.answers, bench.tools, near=near)


async def test_a_question_in_other_words_is_answered_again_for_nothing(bench: Bench) -> None:
    cached = NearBench(bench, [Say("Ten."), REPORT])
    first, second = await cached.ask(NOVEMBER), await cached.ask(PLEASE)

    assert (first.cache, second.cache, second.cost_microusd, second.saved_microusd) == ("miss", "near", 0, 25)
    assert cached.writers[1].text == "Ten."
    assert cached.writers[1].only(TurnCompleted).from_cache is True


@pytest.mark.parametrize("one", range(4))
async def test_a_near_question_that_asks_for_another_thing_is_answered_anew_whatever_the_embedder_says(
    bench: Bench, one: int
) -> None:
    pairs = MUST_NOT[one::4]
    cached = NearBench(bench, *[[Say("An answer.")] for _ in range(2 * len(pairs))])
    for place, pair in enumerate(pairs):
        user = f"user_{place}"
        await cached.ask(pair.one, user=user)
        assert (await cached.ask(pair.other, user=user)).cache == "miss", pair


async def test_below_the_threshold_it_is_answered_anew(bench: Bench) -> None:
    cached = NearBench(bench, [Say("Ten.")], [Say("Eleven.")])
    cached.embedder.turned = {PLEASE: 0.94}
    await cached.ask(NOVEMBER)
    assert (await cached.ask(PLEASE)).cache == "miss"


async def test_the_nearest_of_several_is_given(bench: Bench) -> None:
    cached = NearBench(bench, [Say("Ten.")], [Say("Eleven.")])
    cached.embedder.turned = {NOVEMBER: 0.5, "Mostre as vendas de novembro": 0.99}
    await cached.ask(NOVEMBER)
    await cached.ask(PLEASE)
    await cached.ask("Mostre as vendas de novembro")
    assert [writer.text for writer in cached.writers] == ["Ten.", "Eleven.", "Eleven."]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"user": "rui"}, id="another_user"),
        pytest.param({"tenant": "other"}, id="another_tenant"),
        pytest.param({"locale": "pt-BR"}, id="another_language"),
    ],
)
async def test_nobody_elses_answer_is_found(bench: Bench, change: dict[str, Any]) -> None:
    cached = NearBench(bench, [Say("Ten.")], [Say("Eleven.")])
    await cached.ask(NOVEMBER)
    assert (await cached.ask(PLEASE, **change)).cache == "miss"


async def test_where_answers_are_public_another_user_of_the_tenant_finds_it(bench: Bench) -> None:
    cached = NearBench(bench, [Say("Ten.")], [Say("Eleven.")], public=True)
    await cached.ask(NOVEMBER)
    assert (await cached.ask(PLEASE, user="rui")).cache == "near"
    assert (await cached.ask(PLEASE, tenant="other")).cache == "miss"


async def test_an_answer_from_older_data_is_not_found(bench: Bench) -> None:
    cached = NearBench(bench, [Call("look")], [Say("Ten.")], [Say("Eleven.")])
    await cached.ask(NOVEMBER)
    cached.tools.version = "2"
    assert (await cached.ask(PLEASE)).cache == "miss"


async def test_an_agent_that_does_not_opt_in_is_not_looked_for(bench: Bench) -> None:
    cached = NearBench(bench, [Say("Ten.")], [Say("Ten.")], threshold=None)
    await cached.ask(NOVEMBER)
    assert (await cached.ask(PLEASE)).cache == "miss"
    assert (cached.embedder.asked, cached.questions.kept) == ([], {})


async def test_an_answer_that_is_gone_is_not_found(bench: Bench) -> None:
    cached = NearBench(bench, [Say("Ten.")], [Say("Eleven.")])
    await cached.ask(NOVEMBER)
    await cached.answers.clear("default")
    assert (await cached.ask(PLEASE)).cache == "miss"


async def test_what_was_found_by_other_words_is_not_kept_as_their_own_answer(bench: Bench) -> None:
    """Else answers would walk, each a little further from its question."""
    cached = NearBench(bench, [Say("Ten.")])
    await cached.ask(NOVEMBER)
    await cached.ask(PLEASE)
    assert (len(cached.answers.kept), (await cached.ask(PLEASE)).cache) == (1, "near")


@pytest.mark.parametrize("fault", ["refuses", "silent", "redis"])
async def test_where_the_embedder_or_its_store_is_away_questions_are_answered(bench: Bench, fault: str) -> None:
    cached = NearBench(bench, [Say("Ten.")], [Say("Eleven.")])
    await cached.ask(NOVEMBER)
    if fault == "refuses":
        cached.embedder.fault = ProviderError("no", retryable=False)
    elif fault == "silent":
        cached.embedder.gate.clear()
    else:
        cached.questions.away = True
    record = await cached.ask(PLEASE)
    assert (record.outcome, cached.writers[1].text) == ("completed", "Eleven.")
    assert cached.caching.answering == {}


async def test_a_first_question_is_not_kept_waiting_for_a_vector(bench: Bench) -> None:
    cached = NearBench(bench, [Say("Ten.")])
    turn = asyncio.create_task(cached.ask(NOVEMBER))
    cached.embedder.gate.clear()
    await cached.embedder.began.wait()
    assert cached.writers[0].record is not None
    cached.embedder.gate.set()
    await turn


# ---------------------------------------------------------------- vectors


async def test_a_vector_is_made_once_and_counted(bench: Bench) -> None:
    embedder, store = TestEmbedder(), Questions()
    first, second = (KeptVectors(embedder, store, bench.measured) for _ in range(2))
    assert await first.of(ANA, "a") == await first.of(ANA, "a") == await second.of(ANA, "a")
    counted = [(each.outcome, each.tokens) for each in bench.measured.of(TextEmbedded)]
    assert (embedder.asked, counted) == (["a"], [("made", 7), ("cached", 0), ("cached", 0)])


async def test_who_wants_the_same_vector_meanwhile_shares_the_call(bench: Bench) -> None:
    embedder = TestEmbedder()
    embedder.gate.clear()
    vectors = KeptVectors(embedder, Questions(), bench.measured)
    wanted = [asyncio.create_task(vectors.of(ANA, "a")) for _ in range(3)]
    await embedder.began.wait()
    embedder.gate.set()
    assert len(set(await asyncio.gather(*wanted))) == 1
    assert embedder.asked == ["a"]


async def test_no_vector_is_shared_between_tenants(bench: Bench) -> None:
    embedder = TestEmbedder()
    vectors = KeptVectors(embedder, Questions(), bench.measured)
    await vectors.of(ANA, "a")
    await vectors.of(CacheScope(tenant="other", user_id="ana"), "a")
    assert embedder.asked == ["a", "a"]


@pytest.mark.parametrize(("pause_s", "asked"), [(60.0, ["a"]), (0.0, ["a", "b"])], ids=["meanwhile", "afterwards"])
async def test_after_a_failure_the_vendor_is_left_alone_for_a_while(
    bench: Bench, pause_s: float, asked: list[str]
) -> None:
    embedder = TestEmbedder()
    embedder.fault = ProviderError("no", retryable=False)
    vectors = KeptVectors(embedder, Questions(), bench.measured, pause_s=pause_s)
    assert [await vectors.of(ANA, "a"), await vectors.of(ANA, "b")] == [None, None]
    assert embedder.asked == asked


async def test_vectors_in_the_process_are_bounded_and_the_oldest_go(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.semantic.vectors.HERE", 2)
    embedder, store = TestEmbedder(), Questions()
    vectors = KeptVectors(embedder, store, bench.measured)
    for text in ("a", "b", "c"):
        await vectors.of(ANA, text)
    store.vectors.clear()
    for text in ("c", "b", "a"):
        await vectors.of(ANA, text)
    assert embedder.asked == ["a", "b", "c", "a"]
