"""Fakes and helpers for the tests of `agent`: a writer that keeps what is written, two tools, a way to run a turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agent.routing.fallback import Candidate
from agent.routing.route import Route
from agent.run import ChooseModels
from agent.runner import Runner
from agent.settings import AgentConfig, PromptRef
from core.clock import FakeClock
from core.errors import ToolError
from core.events import Event, MessageDelta, MessageReset
from core.ids import SequentialIds
from core.measurements import Measurement
from core.models import Effect, ToolSpec, Usage
from core.ports import Provider, ToolContext, ToolOutcome
from core.turns import (
    ApprovalAsked,
    HistoryEntry,
    JournalEntry,
    Limits,
    ParkedEnding,
    SessionRef,
    TakenTurn,
    TurnInput,
    TurnRecord,
)

NOW_MS = 1_700_000_000_000


class FakeWriter:
    """A TurnWriter in memory. `gate` holds appends back while it is clear; `fail` is raised by the next append."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.writes: list[tuple[list[Event], list[JournalEntry]]] = []
        self.journal: list[JournalEntry] = []
        self.history: HistoryEntry | None = None
        self.record: TurnRecord | None = None
        self.ends = 0
        self.parked: ParkedEnding | None = None
        self.cancelled_by: str | None = None
        self.fail: Exception | None = None
        self.fail_end: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.on_write: Callable[[], None] = lambda: None
        self.began = asyncio.Event()
        """Set when an append is under way for the first time."""
        self.appending = 0
        self.most_appending = 0
        self._written = asyncio.Condition()

    async def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> str | None:
        self.appending += 1
        self.began.set()
        self.most_appending = max(self.appending, self.most_appending)
        try:
            await self.gate.wait()
            if self.fail is not None:
                raise self.fail
            await self._write(events, journal)
        finally:
            self.appending -= 1
        return self.cancelled_by

    async def park(self, events: Sequence[Event], journal: ApprovalAsked, ending: ParkedEnding) -> Any:
        if self.cancelled_by is not None:
            return self.cancelled_by
        if self.fail_end is not None:
            raise self.fail_end
        await self._write(events, [journal])
        self.parked = ending
        return None

    async def end(
        self,
        events: Sequence[Event],
        history: HistoryEntry | None,
        record: TurnRecord,
        journal: Sequence[JournalEntry] = (),
    ) -> None:
        if self.fail_end is not None:
            raise self.fail_end
        await self._write(events, journal)
        self.history, self.record = history, record
        self.ends += 1

    async def _write(self, events: Sequence[Event], journal: Sequence[JournalEntry]) -> None:
        self.writes.append((list(events), list(journal)))
        self.events.extend(events)
        self.journal.extend(journal)
        self.on_write()
        async with self._written:
            self._written.notify_all()

    async def until(self, event_type: type[Event]) -> Event:
        """The first event of that type, waited for."""
        async with self._written:
            await self._written.wait_for(lambda: any(isinstance(event, event_type) for event in self.events))
        return next(event for event in self.events if isinstance(event, event_type))

    async def until_count(self, event_type: type[Event], count: int) -> None:
        """Return when that many events of that type were written."""
        async with self._written:
            await self._written.wait_for(lambda: sum(isinstance(e, event_type) for e in self.events) >= count)

    async def until_journalled(self) -> None:
        """Return when the journal holds something."""
        async with self._written:
            await self._written.wait_for(lambda: bool(self.journal))

    @property
    def types(self) -> list[str]:
        """The types of all events, neighbouring deltas as one."""
        names: list[str] = []
        for event in self.events:
            name = str(event.__struct_config__.tag)
            if name != "message.delta" or names[-1:] != [name]:
                names.append(name)
        return names

    @property
    def text(self) -> str:
        """The message as a client shows it; offsets are checked."""
        text = ""
        for event in self.events:
            match event:
                case MessageDelta():
                    assert event.off == len(text)
                    text += event.text
                case MessageReset():
                    assert event.to < len(text)
                    text = text[: event.to]
                case _:
                    pass
        return text

    def only(self, event_type: type[Any]) -> Any:
        """The single event of that type."""
        (event,) = [event for event in self.events if isinstance(event, event_type)]
        return event


def assert_event_types(writer: FakeWriter, *types: str) -> None:
    """The log holds just these events, in this order; neighbouring deltas count as one."""
    assert writer.types == list(types)


class FakeTools:
    """`look` (read), `pay` (once), `save` (idempotent), `alone` (read, not parallel). Behaviour can be set by name."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.contexts: list[ToolContext] = []
        self.running = 0
        self.most_running = 0
        self.answers: dict[str, Any] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()

    def specs(self) -> tuple[ToolSpec, ...]:
        schema = {"type": "object", "properties": {"x": {"type": "integer"}}}

        def make(name: str, effect: Effect, *, parallel: bool = True) -> ToolSpec:
            return ToolSpec(
                name=name,
                title=f"The {name} tool",
                description=f"Does {name}.",
                parameters=schema,
                effect=effect,
                parallel=parallel,
                output_cap=100,
            )

        return (
            make("look", "read"),
            make("pay", "once"),
            make("save", "idempotent"),
            make("alone", "read", parallel=False),
        )

    def check(self, name: str, arguments: str) -> dict[str, Any]:
        try:
            checked = json.loads(arguments or "{}")
        except ValueError as error:
            raise ToolError("the arguments are not JSON", code="invalid_request") from error
        if not isinstance(checked.get("x", 0), int):
            raise ToolError("x must be an integer", code="invalid_request")
        return dict(checked)

    async def data_version(self, names: Iterable[str]) -> str:
        return ""

    async def call(self, name: str, arguments: dict[str, Any], context: ToolContext) -> ToolOutcome:
        self.calls.append((name, arguments))
        self.contexts.append(context)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        self.started.set()
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            answer = self.answers.get(name, f"result of {name}")
            if isinstance(answer, Exception):
                raise answer
            return ToolOutcome(content=answer, summary=f"{name} is done.", result={"answer": answer})
        finally:
            self.running -= 1


class FlatPrice:
    """One millionth of a dollar a token."""

    def cost_microusd(self, provider: str, model: str, usage: Usage, *, tenant: str | None = None) -> int:
        return usage.input + usage.output

    def is_known(self, provider: str, model: str, *, tenant: str | None = None) -> bool:
        return True


class Measured:
    """Keeps measurements."""

    def __init__(self) -> None:
        self.all: list[Measurement] = []

    def emit(self, measurement: Measurement) -> None:
        self.all.append(measurement)

    def of(self, kind: type[Any]) -> list[Any]:
        return [measurement for measurement in self.all if isinstance(measurement, kind)]


def taken(*, attempt: int = 1, journal: Sequence[JournalEntry] = (), **changes: Any) -> TakenTurn:
    """A turn that asks "How much?"; `changes` go to its input."""
    values: dict[str, Any] = {
        "turn_id": "turn_1",
        "message_ids": ("msg_u",),
        "content": "How much?",
        "channel": "web",
        "agent": "sales",
        "accepted_ms": NOW_MS,
    }
    return TakenTurn(
        session=SessionRef(session_id="ses_1", tenant="default", user_id="ana"),
        input=TurnInput(**(values | changes)),
        attempt=attempt,
        fence=1,
        nonce="nonce_1",
        epoch="epoch_1",
        journal=tuple(journal),
    )


def chooses(*providers: Provider) -> ChooseModels:
    """These models, in this order, for every turn."""
    route = Route(candidates=tuple(Candidate(provider=one, model="m-1") for one in providers))

    async def choose(turn: TakenTurn, agent: AgentConfig) -> Route:
        return route

    return choose


class Bench:
    """A runner with its surroundings."""

    def __init__(self) -> None:
        self.writer = FakeWriter()
        self.tools = FakeTools()
        self.measured = Measured()
        self.clock = FakeClock(NOW_MS)
        self.ids = SequentialIds()
        self.limits = Limits()
        self.reveal: Any = "full"
        self.cancel: Callable[[str], None] | None = None
        self.agent_changes: dict[str, Any] = {}

    def _listen(self, turn_id: str, call: Callable[[str], None] | None) -> None:
        self.cancel = call

    def agent(self) -> AgentConfig:
        values: dict[str, Any] = {
            "name": "sales",
            "title": "Sales",
            "instructions": PromptRef(id="sales", version=1),
            "tools": ("look", "pay", "save", "alone"),
            "limits": self.limits,
            "reveal": self.reveal,
        }
        return AgentConfig(**(values | self.agent_changes))

    def runner(self, *providers: Provider, **options: Any) -> Runner:
        values: dict[str, Any] = {
            "agents": {"sales": self.agent()},
            "tools": self.tools,
            "choose_models": chooses(*providers),
            "pricing": FlatPrice(),
            "clock": self.clock,
            "ids": self.ids,
            "measure": self.measured,
            "on_cancel": self._listen,
            "mask": lambda text: text.upper(),
        }
        return Runner(**(values | options))

    async def run(self, *providers: Provider, turn: TakenTurn | None = None, **options: Any) -> TurnRecord | None:
        return await self.runner(*providers).run(turn or taken(), self.writer, **options)
