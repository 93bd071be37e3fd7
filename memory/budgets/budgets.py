"""`Budgets` on Redis: counters beside each other in the tenant's partition, one script a question.

Warnings are decided by the scripts, so that they are given once over all nodes; the node that hears of one counts and
logs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loguru import logger

from core.budgets import BudgetKind, BudgetRefusal, BudgetStanding, Hold, Payer
from core.errors import BackendError
from core.measurements import BudgetRefused, BudgetWarned, Measure
from memory.budgets.days import Days
from memory.commands import Argument
from memory.connection import Database, Reply
from memory.keys import user_key
from memory.scripts import BUDGET_FORGET, BUDGET_HOLD, BUDGET_SETTLE, BUDGET_STANDING, Script

REACHED_PERCENT: Final = 100

_Budget = tuple[BudgetKind, str, int]
"""Whose, its key, its limit."""


class RedisBudgets:
    """See `core.ports.Budgets`."""

    def __init__(self, database: Database, days: Days, measure: Measure) -> None:
        self._database = database
        self._keys = database.keys
        self._days = days
        self._measure = measure

    async def reserve(
        self, call_id: str, payer: Payer, *, need_microusd: int, want_microusd: int
    ) -> Hold | BudgetRefusal:
        """See `core.ports.Budgets.reserve`."""
        return await self._hold(call_id, payer, 0, need_microusd, want_microusd)

    async def extend(
        self, call_id: str, payer: Payer, *, number: int, need_microusd: int, want_microusd: int
    ) -> Hold | BudgetRefusal:
        """See `core.ports.Budgets.extend`."""
        return await self._hold(call_id, payer, number, need_microusd, want_microusd)

    async def settle(self, call_id: str, payer: Payer, *, actual_microusd: int) -> None:
        """See `core.ports.Budgets.settle`."""
        budgets = _budgets(payer)
        thresholds = " ".join(map(str, payer.limits.warn_at_percent))
        days = self._days.around(payer.limits.zone)
        reply = await self._call(
            BUDGET_SETTLE, payer.tenant, call_id, actual_microusd, thresholds, *days, *_flat(budgets)
        )
        for index, percent in zip(reply[2::2], reply[3::2], strict=True):
            self._warn(payer, budgets[int(index) - 1], int(percent))

    async def standing(self, payer: Payer) -> Sequence[BudgetStanding]:
        """See `core.ports.Budgets.standing`."""
        budgets = _budgets(payer)
        days = self._days.around(payer.limits.zone)
        reply = await self._call(BUDGET_STANDING, payer.tenant, payer.tenant, *days, *_flat(budgets))
        return tuple(
            BudgetStanding(
                kind=kind,
                limit_microusd=limit,
                spent_microusd=int(spent),
                held_microusd=int(held),
                resets_ms=int(reply[2]),
            )
            for (kind, _, limit), spent, held in zip(budgets, reply[3::2], reply[4::2], strict=True)
        )

    async def forget(self, tenant: str, user_id: str) -> None:
        """See `core.ports.Budgets.forget`."""
        await self._call(BUDGET_FORGET, tenant, _user_budget(tenant, user_id))

    async def _hold(self, call_id: str, payer: Payer, number: int, need: int, want: int) -> Hold | BudgetRefusal:
        budgets, limits = _budgets(payer), payer.limits
        warns = int(REACHED_PERCENT in limits.warn_at_percent)
        days = self._days.around(limits.zone)
        reply = await self._call(BUDGET_HOLD, payer.tenant, call_id, number, need, want, *days, warns, *_flat(budgets))
        if reply[0] == b"granted":
            return Hold(held_microusd=int(reply[2]))
        budget = budgets[int(reply[2]) - 1]
        if percent := int(reply[5]):
            self._warn(payer, budget, percent)
        only_held = reply[4] == b"held"
        self._measure.emit(BudgetRefused(kind=budget[0], only_held=only_held))
        return BudgetRefusal(kind=budget[0], resets_ms=int(reply[3]), zone=limits.zone, only_held=only_held)

    async def _call(self, script: Script, tenant: str, name: str, *arguments: Argument) -> Reply:
        """Run a script in the tenant's partition; the second member of its reply has to be `name`."""
        reply = await self._database.call(script, self._keys.of(tenant), name, *arguments)
        if reply[1] != name.encode():
            logger.error("redis.foreign_reply", script=script.name)
            raise BackendError("Something went wrong on our side; try again.")
        return reply

    def _warn(self, payer: Payer, budget: _Budget, percent: int) -> None:
        kind, _, limit = budget
        self._measure.emit(BudgetWarned(kind=kind, percent=percent))
        logger.bind(
            kind=kind,
            tenant=payer.tenant,
            user_id=payer.user_id if kind == "user" else None,
            percent=percent,
            limit_usd=limit / 1_000_000,
            zone=payer.limits.zone,
        ).warning("budget.warned")


def _budgets(payer: Payer) -> list[_Budget]:
    """The budgets that a payer is held to, the tenant's first."""
    limits = payer.limits
    budgets: list[_Budget] = []
    if limits.tenant_day_microusd is not None:
        budgets.append(("tenant", f"bt:{payer.tenant}", limits.tenant_day_microusd))
    if limits.user_day_microusd is not None:
        budgets.append(("user", _user_budget(payer.tenant, payer.user_id), limits.user_day_microusd))
    return budgets


def _user_budget(tenant: str, user_id: str) -> str:
    return f"bu:{user_key(tenant, user_id)}"


def _flat(budgets: Sequence[_Budget]) -> list[Argument]:
    return [part for _, key, limit in budgets for part in (key, limit)]
