"""A model that fails again and again is left alone for a while, so that each turn does not wait for it anew.

closed ──5 failures in a row──▶ open ──30 s──▶ half open: one call tries ──▶ closed, or open again

The states are purgatory's. What it does not do is done here: a call that was given up (a stop, a limit of the turn)
says nothing about the vendor, and of the calls that come while it is half open only one goes through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

from purgatory.domain.model import CLOSED, HALF_OPENED, Context, OpenedState

from core.errors import ProviderError
from core.models import ModelRequest, RoutedEvent
from core.ports import RoutedProvider

FAILURES: Final = 5
OPEN_S: Final = 30.0
_REMEMBERED: Final = 1_000
_NOT_THE_VENDORS: Final = frozenset({"content_blocked", "context_overflow", "invalid_request"})
"""Codes of what was asked, not of who was asked."""

BreakerState = Literal["closed", "open", "half_open"]


class Breaker:
    """Around one provider, with a circuit for each of its models.

    `failures` in a row open it for `open_s` seconds; meanwhile calls raise a retryable ProviderError at once, whose
    `retry_after_ms` is the whole of that time: nobody waits for it, the next model is called.
    """

    def __init__(self, inner: RoutedProvider, *, failures: int = FAILURES, open_s: float = OPEN_S) -> None:
        self.name = inner.name
        self._inner, self._failures, self._open_s = inner, failures, open_s
        self._circuits: dict[str, Context] = {}
        self._tried: set[str] = set()

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[RoutedEvent]]:
        """Call, unless the circuit is open."""
        model = request.model
        circuit, is_trial = self._enter(model)
        try:
            async with self._inner.stream(request) as events:
                yield events
        except ProviderError as error:
            if error.code not in _NOT_THE_VENDORS:
                circuit.handle_exception(error)
            raise
        else:
            circuit.handle_end_request()
        finally:
            if is_trial:
                self._tried.discard(model)
            circuit.messages.clear()

    async def close(self) -> None:
        """Close the provider."""
        await self._inner.close()

    def state(self, model: str) -> BreakerState:
        """How the circuit of a model stands."""
        circuit = self._circuits.get(model)
        if circuit is None or circuit.state == CLOSED:
            return "closed"
        return "half_open" if circuit.state == HALF_OPENED else "open"

    def _enter(self, model: str) -> tuple[Context, bool]:
        """The circuit of a model, and whether this call tries it. Raises ProviderError where it may not be called."""
        circuit = self._circuits.get(model)
        if circuit is None:
            circuit = self._open(model)
        try:
            circuit.handle_new_request()
        except OpenedState as opened:
            opened.__traceback__ = None  # it is the same one each time, and grows by each time that it is raised
            raise self._refusal(model) from None
        if circuit.state != HALF_OPENED:
            return circuit, False
        if model in self._tried:
            raise self._refusal(model)
        self._tried.add(model)
        return circuit, True

    def _open(self, model: str) -> Context:
        """A new circuit; callers may name any model, so of many those that say nothing are forgotten, and old ones."""
        if len(self._circuits) >= _REMEMBERED:
            telling = [(name, known) for name, known in self._circuits.items() if known.state != CLOSED]
            self._circuits = dict(telling[-_REMEMBERED // 2 :])
        circuit = self._circuits[model] = Context(model, self._failures, self._open_s)
        return circuit

    def _refusal(self, model: str) -> ProviderError:
        return ProviderError(
            f"the model {self.name}:{model} is left alone for {self._open_s:g} s: it failed too often",
            retry_after_ms=round(self._open_s * 1000),
        )
