"""The prices of one model as whole numbers, so that a cost takes a microsecond and sums are exact. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from core.models import Usage

SCALE: Final = 1_000_000_000
"""Prices are kept in billionths of a micro-dollar a token: what lists say has at most nine digits after the point."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Prices a token, and a request, times SCALE, in micro-dollars (which is what dollars a million tokens are)."""

    input: int
    output: int
    cached: int
    """Of input that was read from the vendor's cache."""
    reasoning: int
    request: int = 0

    @classmethod
    def of(
        cls,
        *,
        input: Decimal,  # noqa: A002 - the word of `Usage`
        output: Decimal,
        cached: Decimal | None = None,
        reasoning: Decimal | None = None,
        request: Decimal = Decimal(0),
    ) -> Rates:
        """From dollars a million tokens, and dollars a request.

        Where they have no price of their own cached input is priced as input, reasoning as output.
        """
        return cls(
            input=_scaled(input),
            output=_scaled(output),
            cached=_scaled(input if cached is None else cached),
            reasoning=_scaled(output if reasoning is None else reasoning),
            request=_scaled(request * 1_000_000),
        )


FREE_RATES: Final = Rates(input=0, output=0, cached=0, reasoning=0)


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs. `above`: the rates of a call with more input than so much, the highest first."""

    base: Rates
    above: tuple[tuple[int, Rates], ...] = ()

    def cost_microusd(self, usage: Usage) -> int:
        """Rounded half up. What a vendor misreports (more cached than input, below nothing) is cut to what can be."""
        read, written = max(usage.input, 0), max(usage.output, 0)
        cached, reasoned = min(max(usage.cached, 0), read), min(max(usage.reasoning, 0), written)
        rates = self.base
        for start, dearer in self.above:
            if read > start:
                rates = dearer
                break
        scaled = (
            (read - cached) * rates.input
            + cached * rates.cached
            + (written - reasoned) * rates.output
            + reasoned * rates.reasoning
            + rates.request
        )
        return (2 * scaled + SCALE) // (2 * SCALE)


FREE: Final = Tariff(base=FREE_RATES)


def _scaled(microusd: Decimal) -> int:
    return int((microusd * SCALE).to_integral_value())
