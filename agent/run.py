"""One run of a turn: what its parts share. Made by the runner, read by the model step, the tool step and the ending."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agent.budget import TokenCounter
from agent.feed import Feed
from agent.loop import Finish
from agent.routing.route import Route
from agent.settings import AgentConfig
from agent.ticker import Ticker
from core.clock import Clock
from core.ids import Ids
from core.measurements import Measure
from core.models import ToolSpec, Usage
from core.ports import Pricing, RoutedProvider, Tools
from core.turns import Approver, HistoryEntry, JournalEntry, ModelCalled, StepUse, TakenTurn

ChooseModels = Callable[[TakenTurn, AgentConfig], Awaitable[Route]]
"""Which models answer a turn. Raises UserError for a model that nobody serves, TurnLimit where none may be used."""


class CachingTurn(Protocol):
    """A turn's way past the cache of answers: what a run knows of `agent/answer_cache.py`, which knows runs."""

    state: Literal["hit", "near", "miss"] | None
    saved_microusd: int

    def around(self, inner: RoutedProvider) -> RoutedProvider:
        """The first step's models, with the cache before them."""
        ...

    async def keep(self, run: Run, finish: Finish) -> None:
        """The turn has ended so."""
        ...

    def leave(self) -> None:
        """The run is over."""
        ...


class Caching(Protocol):
    """The cache of answers, as runs know it."""

    def turn(self, turn: TakenTurn, agent: AgentConfig, route: Route) -> CachingTurn | None:
        """A turn's way past it; None where its answer is its own."""
        ...


@dataclass(frozen=True, kw_only=True)
class Collaborators:
    """What all runs of a runner share."""

    tools: Tools
    choose_models: ChooseModels
    pricing: Pricing
    clock: Clock
    ids: Ids
    measure: Measure
    counter: TokenCounter
    ticker: Ticker
    reference_date: dt.date | None
    keep_prompt: bool
    caching: Caching | None = None
    """None: every question is answered anew."""


@dataclass(kw_only=True)
class Run:
    """The state of one run. `results` is the turn's whole journal, earlier runs' entries included."""

    turn: TakenTurn
    agent: AgentConfig
    route: Route | None
    """None: the run must not even begin."""
    specs: Mapping[str, ToolSpec]
    history: Sequence[HistoryEntry]
    feed: Feed
    shared: Collaborators
    results: list[JournalEntry]
    approvals: Mapping[str, Approver] = field(default_factory=dict)
    """Which tools need whose yes before they run."""
    broken: list[StepUse] = field(default_factory=list)
    """Model calls of the step under way that did not end well but were begun to be answered: estimates, for the books.
    With the step's end they go to its journal entry."""
    cache: CachingTurn | None = None
    """None: the turn's answer is its own."""
    open_calls: dict[str, int] = field(default_factory=dict)
    """Tool calls that are shown as running: call_id to when they began, in Unix milliseconds."""

    @property
    def model_calls(self) -> list[ModelCalled]:
        """The finished model calls."""
        return [entry for entry in self.results if isinstance(entry, ModelCalled)]

    @property
    def uses(self) -> list[StepUse]:
        """All model calls in their order, for the books."""
        return [use for call in self.model_calls for use in (*call.broken, _use_of(call))] + self.broken

    @property
    def usage(self) -> Usage:
        """The tokens of all model calls."""
        return sum((use.usage for use in self.uses), Usage())

    @property
    def cost_microusd(self) -> int:
        """The price of all model calls."""
        return sum(use.cost_microusd for use in self.uses)

    def record(self, entry: JournalEntry) -> None:
        """Remember an entry that goes to the journal."""
        self.results.append(entry)


def _use_of(call: ModelCalled) -> StepUse:
    return StepUse(
        step=call.step,
        provider=call.provider,
        model=call.model,
        usage=call.usage,
        cost_microusd=call.cost_microusd,
        duration_ms=call.duration_ms,
        ttft_ms=call.ttft_ms,
        finish_reason=call.finish_reason,
        estimated=call.estimated,
        priced=call.priced,
    )
