"""Statistics against the same computed by hand, on turns that hypothesis makes."""

from __future__ import annotations

import math
from collections import Counter
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.models import Usage
from core.ports import CacheStats, Stats, Times, UserStats
from core.turns import TurnRecord
from metrics.sql import SqlBooks

_tenants = (f"tenant_{number}" for number in count(1))
_numbers = st.integers(min_value=0, max_value=10**7)


@st.composite
def _turns(draw: st.DrawFn) -> list[TurnRecord]:
    tenant = next(_tenants)
    return [
        TurnRecord(
            turn_id=f"{tenant}_turn_{number}",
            session_id=f"{tenant}_{user}",
            tenant=tenant,
            user_id=user,
            channel="web",
            agent="sales",
            outcome=draw(st.sampled_from(["completed", "failed", "cancelled"])),
            usage=Usage(**{name: draw(_numbers) for name in Usage.__struct_fields__}),
            cost_microusd=draw(st.integers(min_value=0, max_value=3)),
            ttft_ms=draw(st.none() | _numbers),
            duration_ms=draw(_numbers),
            accepted_ms=1,
            ended_ms=draw(st.integers(min_value=1, max_value=20)),
            cache=(cache := draw(st.sampled_from([None, "hit", "near", "miss"]))),
            saved_microusd=draw(_numbers) if cache in ("hit", "near") else 0,
        )
        for number, user in enumerate(draw(st.lists(st.sampled_from(["ana", "bia", "caio", "davi"]), max_size=30)))
    ]


def _expected(turns: list[TurnRecord], limit: int) -> Stats:
    users = [
        _expected_user(user, [turn for turn in turns if turn.user_id == user]) for user in {t.user_id for t in turns}
    ]
    users.sort(key=lambda user: (-user.cost_microusd, -user.tokens.total, user.user_id))
    return Stats(
        turns=len(turns),
        outcomes=dict(Counter(turn.outcome for turn in turns)),
        tokens=sum((turn.usage for turn in turns), Usage()),
        cost_microusd=sum(turn.cost_microusd for turn in turns),
        ttft_ms=_expected_times([turn.ttft_ms for turn in turns if turn.ttft_ms is not None]),
        duration_ms=_expected_times([turn.duration_ms for turn in turns]),
        cache=_expected_cache(turns),
        users=tuple(users[:limit]),
    )


def _expected_cache(turns: list[TurnRecord]) -> CacheStats:
    looked = [turn.cache for turn in turns if turn.cache is not None]
    return CacheStats(
        hits=len(looked) - looked.count("miss"),
        near=looked.count("near"),
        misses=looked.count("miss"),
        hit_rate=(len(looked) - looked.count("miss")) / len(looked) if looked else None,
        saved_microusd=sum(turn.saved_microusd for turn in turns),
    )


def _expected_user(user_id: str, turns: list[TurnRecord]) -> UserStats:
    return UserStats(
        user_id=user_id,
        turns=len(turns),
        tokens=sum((turn.usage for turn in turns), Usage()),
        cost_microusd=sum(turn.cost_microusd for turn in turns),
    )


def _expected_times(values: list[int]) -> Times:
    if not values:
        return Times(mean=None, p50=None, p95=None, p99=None)
    ranked = sorted(values)
    p50, p95, p99 = (float(ranked[math.ceil(share * len(ranked) / 100) - 1]) for share in (50, 95, 99))
    return Times(mean=pytest.approx(sum(values) / len(values)), p50=p50, p95=p95, p99=p99)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=_turns(), since_ms=st.integers(min_value=1, max_value=20), limit=st.integers(min_value=1, max_value=4))
async def test_statistics_are_those_that_a_sheet_of_paper_gives(
    books: SqlBooks, turns: list[TurnRecord], since_ms: int, limit: int
) -> None:
    await books.record(turns)
    tenant = turns[0].tenant if turns else "nobody"

    everything = await books.stats(tenant, limit=limit)
    lately = await books.stats(tenant, since_ms=since_ms)
    anas = await books.stats(tenant, user_id="ana")

    assert everything == _expected(turns, limit)
    assert lately == _expected([turn for turn in turns if turn.ended_ms >= since_ms], 100)
    assert anas == _expected([turn for turn in turns if turn.user_id == "ana"], 100)
