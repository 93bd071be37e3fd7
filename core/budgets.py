"""Daily budgets: who is held to what, and what a reservation is answered. No I/O; `core.ports.Budgets` keeps the sums.

Money is integer micro-dollars. A *hold* is money that a model call may use and has not accounted for yet: `spent`
and the holds together never pass a limit by what is reserved, only by what a call turns out to have cost beyond its
hold (`agent.routing.metered` states by how much at most).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

BudgetKind = Literal["tenant", "user"]
"""Whose day: a tenant's with all its users, or one user's."""

WARN_AT_PERCENT: Final = (80, 100)
"""Where warnings are given by default. 100: all is spent, or calls are refused because too little is left."""
UTC: Final = "UTC"


class BudgetLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What may be spent in a day. A limit of None does not exist; nothing is counted for it."""

    tenant_day_microusd: int | None = None
    user_day_microusd: int | None = None
    """Of each user."""
    zone: str = UTC
    """The IANA time zone whose midnight ends the day, such as `America/Sao_Paulo`. One that nobody knows is UTC."""
    warn_at_percent: tuple[int, ...] = WARN_AT_PERCENT


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """Who a call is paid by, and the limits that held when it began: the same for all that is asked about the call."""

    tenant: str
    user_id: str
    limits: BudgetLimits


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Granted: the call may use `held_microusd` in all."""

    held_microusd: int


class BudgetRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Not granted; nothing was changed."""

    kind: BudgetKind
    resets_ms: int
    """When the day ends whose budget it is, in Unix milliseconds. In the past for a call that went over midnight."""
    zone: str
    only_held: bool
    """What is spent leaves room for it: only what other calls hold stands in the way, so trying again may help."""


class BudgetStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Where one budget of today is."""

    kind: BudgetKind
    limit_microusd: int
    spent_microusd: int
    held_microusd: int
    resets_ms: int
