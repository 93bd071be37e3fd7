"""How models do on all nodes: each worker says it on the board every few seconds, and any node can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from core.clock import Clock
from core.ports import BreakerState, ModelStatuses, NodeStatuses, StatusBoard

TELL_S: Final = 3.0


class HasState(Protocol):
    """A breaker: `state` of a model by its name at the provider."""

    def state(self, model: str) -> BreakerState:
        """How its circuit stands."""
        ...


def breaker_of(breakers: Mapping[str, HasState]) -> Callable[[str], BreakerState]:
    """How the circuit of a `provider:model` stands, by the breakers of the providers; closed where there is none."""

    def state(name: str) -> BreakerState:
        provider, _, model = name.partition(":")
        breaker = breakers.get(provider)
        return "closed" if breaker is None else breaker.state(model)

    return state


class ClusterStatuses:
    """What this node knows of its models, and what the others said. `name` is this process's in logs."""

    def __init__(self, own: ModelStatuses, board: StatusBoard, clock: Clock, *, node_id: str, name: str) -> None:
        self._own = own
        self._board = board
        self._node_id = node_id
        self._name = name
        self._clock = clock

    async def tell(self) -> None:
        """Say how models do here, for ever. Raises BackendError where Redis is away: to be begun again."""
        while True:
            await self._board.tell(self._node_id, self._name, self._own.statuses())
            await asyncio.sleep(TELL_S)

    async def all(self) -> Sequence[NodeStatuses]:
        """This node as it is now, then the others as they said last. Raises BackendError."""
        others = [node for node in await self._board.all() if node.node_id != self._node_id]
        models = tuple(self._own.statuses())
        return [
            NodeStatuses(node_id=self._node_id, node=self._name, at_ms=self._clock.now_ms(), models=models),
            *others,
        ]
