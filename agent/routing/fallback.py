"""The next model where one cannot answer. Silently before its first word; after it, what it said is void."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

import msgspec

from core.errors import ProviderError
from core.models import CallBroke, ModelRequest, RoutedEvent
from core.ports import RoutedProvider

_FINAL: Final = frozenset({"content_blocked", "invalid_request"})
"""What was asked is at fault: another vendor is not asked to do what one refused."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A model to call, and the provider that serves it."""

    provider: RoutedProvider
    model: str


class Fallback:
    """Calls candidates in order until one gives a whole answer. `request.model` is set for each."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        if not candidates:
            raise ValueError("at least one candidate is wanted")
        self.name = candidates[0].provider.name
        self._candidates = tuple(candidates)

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[RoutedEvent]]:
        """Call; raises the ProviderError of the last one that was called."""
        async with aclosing(self._events(request)) as events:
            yield events

    async def close(self) -> None:
        """Close all providers."""
        for candidate in self._candidates:
            await candidate.provider.close()

    async def _events(self, request: ModelRequest) -> AsyncGenerator[RoutedEvent, None]:
        last = self._candidates[-1]
        for candidate in self._candidates:
            asked = msgspec.structs.replace(request, model=candidate.model)
            try:
                async with candidate.provider.stream(asked) as events:
                    async for event in events:
                        yield event
                return
            except ProviderError as error:
                if candidate is last or error.code in _FINAL:
                    raise
                broke = CallBroke(
                    provider=candidate.provider.name,
                    model=candidate.model,
                    next="failover",
                    error=error.message,
                    code=error.code,
                    status=error.status,
                )
            yield broke
