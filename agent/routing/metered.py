"""Holds one provider's calls to the daily budgets of who pays for them: reserved before, extended on the way, settled.

What a call may come to use is held before it is made. While half of each budget is left that is its whole output
limit, by one round trip; after that it is a slice of `SLICE_TOKENS`, and more of them ahead of what streams. A slice
that is refused ends the stream with TurnLimit `budget_exceeded` once what is held is used up; the vendor's connection
is closed.

**The bound.** What is spent and held never passes a limit. What is spent passes it only by what calls that were open
when it was reached cost beyond what they hold, for each of them at most the price of

- the tokens that came with the read that used up what is held (that read is still shown), and
- what the vendor made and nobody saw: on the wire when it was closed, or hidden reasoning beyond what its model was
  seen to hide before (that much is held and counted: `HiddenOutput`), at most the request's `max_output_tokens`, and
- what the count of its tokens fell short: of the input (exact for OpenAI's models once the vocabulary is loaded), and
  of output that breaks off before it is reported (characters / 3.5, which is rather too many).

For a vendor that shows its tokens as it makes them that is one network read a call. `tests/agent/test_metered_bound.py`
runs 100 calls at once on two nodes against one budget and prints what they came to.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loguru import logger

from agent.budget import TokenCounter
from agent.call_usage import CallUsage, HiddenOutput
from agent.routing.request_tokens import RequestTokens
from core.budgets import UTC, BudgetLimits, BudgetRefusal, Payer
from core.clock import Clock
from core.errors import BackendError, TurnLimit
from core.ids import Ids
from core.models import Caller, ModelEvent, ModelRequest, Usage
from core.ports import Budgets, Pricing, Provider

SLICE_TOKENS: Final = 256
"""Output that is held at a time where a budget runs low: some seconds of an answer, a cent at the dearest prices."""
_AHEAD_TOKENS: Final = SLICE_TOKENS // 4
"""The next slice is asked for when so much of what is held is left."""
WHOLE_TOKENS: Final = 4_000
"""The output that a request without a limit of its own is expected to stay below; past it, it goes on in slices."""
_UNPRICED: Final = (
    "What this model costs is not known here, so it cannot be used under a budget. Ask for another model."
)
_HELD_RETRY_MS: Final = 2_000
_REMEMBERED: Final = 1_000

LimitsFor = Callable[[Caller], BudgetLimits | None]
"""What a caller is held to now; None: nothing. Called for each model call, so it must be quick."""


class Metered:
    """A provider whose calls are paid from budgets. `name` is that of the provider within.

    A call without a caller, without a limit, or of a model that costs nothing goes straight to it. One of a model whose
    price is not known is refused, because no budget can hold it and callers may name models; with `allow_unpriced` it
    goes straight to the provider too. Either is logged once a model: give it a price (PRICES_FILE).
    """

    def __init__(
        self,
        provider: Provider,
        *,
        budgets: Budgets,
        limits_for: LimitsFor,
        pricing: Pricing,
        counter: TokenCounter,
        clock: Clock,
        ids: Ids,
        hidden: HiddenOutput | None = None,
        allow_unpriced: bool = False,
    ) -> None:
        self.name = provider.name
        self._provider, self._budgets, self._limits_for, self._pricing = provider, budgets, limits_for, pricing
        self._clock, self._ids = clock, ids
        self._tokens = RequestTokens(counter)
        self._hidden = hidden or HiddenOutput()
        self._settling: set[asyncio.Task[None]] = set()
        self._allow_unpriced = allow_unpriced
        self._unpriced: set[str] = set()

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """See `core.ports.Provider.stream`. Raises TurnLimit too, and BackendError where Redis is away."""
        caller = request.caller
        limits = None if caller is None else self._limits_for(caller)
        if caller is None or limits is None or not _limited(limits):
            return self._provider.stream(request)
        if not self._pricing.is_known(self.name, request.model, tenant=caller.tenant):
            self._say_unpriced(request.model, caller.tenant)
            if not self._allow_unpriced:
                raise TurnLimit(_UNPRICED, code="budget_exceeded")
        payer = Payer(tenant=caller.tenant, user_id=caller.user_id, limits=limits)
        priced = _Priced(self._pricing, self.name, request, caller.tenant, self._tokens.of(request))
        hidden = self._hidden.expected(self.name, request.model)
        call = _Call(self._ids.new("call"), payer, priced, hidden, self._budgets, self._clock)
        return self._metered(request, call) if call.costs else self._provider.stream(request)

    async def settled(self) -> None:
        """Wait until every call that is over has been settled, or could not be."""
        while self._settling:
            await asyncio.wait(self._settling)

    async def close(self) -> None:
        """Settle what is open (Redis must still be there), and close the provider within."""
        await self.settled()
        await self._provider.close()

    def _say_unpriced(self, model: str, tenant: str) -> None:
        if model in self._unpriced or len(self._unpriced) >= _REMEMBERED:
            return
        self._unpriced.add(model)
        logger.warning("budget.price_unknown", provider=self.name, model=model, tenant=tenant)

    @asynccontextmanager
    async def _metered(self, request: ModelRequest, call: _Call) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        try:
            await call.reserve()
            async with self._provider.stream(request) as events:
                yield call.follow(events)
        finally:  # whatever ended it, a stop and a lost reply of the reservation too
            self._hidden.learn(self.name, request.model, call.usage)
            self._settle_soon(call)

    def _settle_soon(self, call: _Call) -> None:
        """Settle in a task of our own: no stop of the turn reaches it, and the turn need not wait for it."""
        task = asyncio.create_task(call.settle(), name="budget-settle")
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)


class _Priced:
    """What tokens of one request cost."""

    def __init__(self, pricing: Pricing, provider: str, request: ModelRequest, tenant: str, input_tokens: int) -> None:
        self._pricing, self._provider, self._model, self._tenant = pricing, provider, request.model, tenant
        self.input_tokens = input_tokens
        self.is_limited = request.max_output_tokens is not None
        self.most_output = request.max_output_tokens or WHOLE_TOKENS
        self.input_microusd = self.cost(Usage(input=input_tokens))
        self.whole_microusd = self._with_output(self.most_output)
        self.per_output = (self.whole_microusd - self.input_microusd) / self.most_output
        """Micro-dollars a token of output, or of reasoning where that is dearer."""

    def cost(self, usage: Usage) -> int:
        return self._pricing.cost_microusd(self._provider, self._model, usage, tenant=self._tenant)

    def slice_microusd(self, tokens: int) -> int:
        """The price of output, rounded up, and at least 1: what is asked for has to be something."""
        return max(1, -int(-self.per_output * tokens // 1))

    def output_for(self, microusd: int) -> int:
        """How much output that pays for; without end where output costs nothing."""
        return int(microusd / self.per_output) if self.per_output > 0 else sys.maxsize

    def _with_output(self, tokens: int) -> int:
        plain = Usage(input=self.input_tokens, output=tokens)
        reasoned = Usage(input=self.input_tokens, output=tokens, reasoning=tokens)
        return max(self.cost(plain), self.cost(reasoned))


class _Call:
    """One call: what it holds and what it has used. An iterator of its events while it streams."""

    def __init__(
        self, call_id: str, payer: Payer, priced: _Priced, hidden: int, budgets: Budgets, clock: Clock
    ) -> None:
        self._call_id, self._payer, self._priced, self._budgets, self._clock = call_id, payer, priced, budgets, clock
        self.usage = CallUsage(lambda: priced.input_tokens, hidden=hidden)
        self._first_tokens = min(SLICE_TOKENS + hidden, priced.most_output)
        self._held_microusd = 0
        self._extensions = 0
        self._next_look = 0  # at so much output
        self._events: AsyncIterator[ModelEvent] | None = None

    @property
    def costs(self) -> bool:
        return self._priced.whole_microusd > 0

    async def reserve(self) -> None:
        """Raises TurnLimit and BackendError."""
        priced = self._priced
        need = priced.input_microusd + priced.slice_microusd(self._first_tokens)
        answer = await self._budgets.reserve(
            self._call_id, self._payer, need_microusd=need, want_microusd=max(need, priced.whole_microusd)
        )
        if isinstance(answer, BudgetRefusal):
            raise _refused(answer, self._clock.now_ms())
        self._hold(answer.held_microusd, priced.input_microusd + priced.slice_microusd(self.usage.output_tokens))

    def follow(self, events: AsyncIterator[ModelEvent]) -> AsyncIterator[ModelEvent]:
        self.usage.began = True
        self._events = events
        return self

    def __aiter__(self) -> AsyncIterator[ModelEvent]:
        return self

    async def __anext__(self) -> ModelEvent:
        assert self._events is not None
        if self.usage.output_tokens > self._next_look:
            await self._cover()
        event = await self._events.__anext__()
        self.usage.take(event)
        return event

    async def settle(self) -> None:
        """At what was reported, else at the estimate. What cannot be settled stays held until the day ends."""
        cost = self._priced.cost(self.usage.usage) if self.usage.began else 0
        try:
            await self._budgets.settle(self._call_id, self._payer, actual_microusd=cost)
        except BackendError as error:
            logger.warning("budget.unsettled", call_id=self._call_id, cost_microusd=cost, detail=error.message)

    async def _cover(self) -> None:
        """Hold the next slice. Raises TurnLimit, or BackendError, once what is held is used up and there is no more."""
        used = self._priced.cost(self.usage.usage)
        is_used_up = used > self._held_microusd
        missing = max(0, used - self._held_microusd)
        self._extensions += 1
        try:
            answer = await self._budgets.extend(
                self._call_id,
                self._payer,
                number=self._extensions,
                need_microusd=missing + 1,
                want_microusd=missing + self._priced.slice_microusd(SLICE_TOKENS),
            )
        except BackendError:
            if is_used_up:
                raise
            return self._look_at_the_end(used)
        if not isinstance(answer, BudgetRefusal):
            return self._hold(answer.held_microusd, used)
        if is_used_up:
            raise _refused(answer, self._clock.now_ms())
        return self._look_at_the_end(used)

    def _hold(self, held_microusd: int, used_microusd: int) -> None:
        self._held_microusd = held_microusd
        if self._priced.is_limited and held_microusd >= self._priced.whole_microusd:
            self._next_look = sys.maxsize  # the vendor ends it there, however our estimate counts
            return
        self._look_at_the_end(used_microusd)
        self._next_look -= _AHEAD_TOKENS

    def _look_at_the_end(self, used_microusd: int) -> None:
        self._next_look = self.usage.output_tokens + self._priced.output_for(self._held_microusd - used_microusd)


def _limited(limits: BudgetLimits) -> bool:
    return limits.tenant_day_microusd is not None or limits.user_day_microusd is not None


def _refused(refusal: BudgetRefusal, now_ms: int) -> TurnLimit:
    """The error of a refusal: which budget, and when it resets. Amounts are not the user's to know."""
    wait_ms = refusal.resets_ms - now_ms
    whose = "Your budget" if refusal.kind == "user" else "The budget of your organisation"
    resets = f"it resets at {_shown(refusal.resets_ms, refusal.zone)}"
    if wait_ms <= 0:  # the call began yesterday
        return _limit(f"{whose} for the day that ended is used up; ask again.", retry_after_ms=0)
    if refusal.only_held:
        busy = f"{whose} for today is taken up by answers under way; try again in a moment"
        return _limit(f"{busy} ({resets}).", retry_after_ms=_HELD_RETRY_MS)
    return TurnLimit(f"{whose} for today is used up; {resets}.", code="budget_exceeded", retry_after_ms=wait_ms)


def _limit(message: str, *, retry_after_ms: int) -> TurnLimit:
    return TurnLimit(message, code="budget_exceeded", retryable=True, retry_after_ms=retry_after_ms)


def _shown(at_ms: int, zone: str) -> str:
    try:
        where: dt.tzinfo = dt.UTC if zone == UTC else ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):  # as the day itself: UTC where a zone is not known
        where, zone = dt.UTC, UTC
    return f"{dt.datetime.fromtimestamp(at_ms / 1000, where):%Y-%m-%d %H:%M} {zone}"
