"""The same model again, where its failure passes: what broke off is void, waits grow, and what a vendor asks is kept.

A library's retry repeats a function; here a stream is repeated of which somebody has read already, and who reads it
has to be told before the wait begins. So the loop is ours.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final

from core.errors import ProviderError, StreamCut
from core.models import CallBegan, CallBroke, ModelFinished, ModelRequest, RoutedEvent, TextDelta, ToolCallReady
from core.ports import RoutedProvider

TRIES: Final = 3
"""How often one model is called for a step, where its failure is retryable."""
BACKOFF_S: Final = 0.5
"""The first wait; each further one is twice as long."""
LONGEST_WAIT_S: Final = 8.0
"""A vendor that asks for a longer wait is not waited for: the next model is tried, or the turn fails retryably."""


class Retrying:
    """Calls a provider up to `tries` times a request. The first to say CallBegan, so it is in every chain.

    `spread` gives 0 to 1 for each wait, which is between half and the whole of what it could be: turns that failed
    together do not come back together. What a vendor asks for is waited for in full.
    """

    def __init__(
        self,
        inner: RoutedProvider,
        *,
        tries: int = TRIES,
        reason: str = "",
        spread: Callable[[], float] = random.random,
    ) -> None:
        self.name = inner.name
        self._inner, self._tries, self._reason, self._spread = inner, tries, reason, spread

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[RoutedEvent]]:
        """Call until it works or is not worth another try; raises the last ProviderError."""
        async with aclosing(self._events(request)) as events:
            yield events

    async def close(self) -> None:
        """Close the provider."""
        await self._inner.close()

    async def _events(self, request: ModelRequest) -> AsyncGenerator[RoutedEvent, None]:
        for attempt in range(1, self._tries + 1):
            yield CallBegan(provider=self.name, model=request.model, reason=self._reason)
            try:
                is_empty, is_whole = True, False
                async with self._inner.stream(request) as events:
                    async for event in events:
                        match event:
                            case TextDelta() | ToolCallReady():
                                is_empty = False
                            case ModelFinished(reason="stop") if is_empty:
                                raise ProviderError(f"the provider {self.name!r} gave an empty answer")
                            case ModelFinished():
                                is_whole = True
                            case _:
                                pass
                        yield event
                    if not is_whole:  # said within, so that a breaker hears it
                        raise StreamCut(f"the provider {self.name!r} ended its stream without a finish")
                return
            except ProviderError as error:
                wait_s = self._wait_s(attempt, error.retry_after_ms)
                if not error.retryable or attempt == self._tries or wait_s > LONGEST_WAIT_S:
                    raise
                broke = CallBroke(
                    provider=self.name,
                    model=request.model,
                    next="recovery",
                    error=error.message,
                    code=error.code,
                    status=error.status,
                )
            yield broke
            await asyncio.sleep(wait_s)

    def _wait_s(self, attempt: int, retry_after_ms: int | None) -> float:
        if retry_after_ms is not None:
            return retry_after_ms / 1000
        return BACKOFF_S * 2.0 ** (attempt - 1) * (1 + self._spread()) / 2
