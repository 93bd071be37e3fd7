"""Any turn, dying anywhere, taken over as often as needed: what always holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from agent.providers.scripted import Call, Item, Pause, Say, ScriptedProvider
from core.events import Event
from core.messages import AssistantMessage, ToolMessage
from core.turns import JournalEntry, ModelCalled
from tests.agent.agent_support import Bench, taken
from tests.agent.test_recovery import DyingWriter, fold

TEXTS = st.lists(st.text(alphabet="aé😀 \n", min_size=1, max_size=4), max_size=3)
CALLS = st.lists(st.sampled_from(["look", "pay", "save", "alone"]), min_size=1, max_size=3)
STEPS = st.lists(st.tuples(TEXTS, CALLS), max_size=3)
DEATHS = st.lists(st.integers(min_value=0, max_value=8), max_size=2)


def scripts_of(steps: Sequence[tuple[list[str], list[str]]]) -> list[list[Item]]:
    """One script a step; a pause between texts lets each be written apart."""
    scripts: list[list[Item]] = []
    for number, (texts, names) in enumerate(steps):
        calls = [Call(name, {"x": number * 10 + index}) for index, name in enumerate(names)]
        scripts.append([*_paused(texts), *calls])
    scripts.append([Say("End.")])
    return scripts


def _paused(texts: list[str]) -> list[Item]:
    passed = asyncio.Event()
    passed.set()
    return [item for text in texts for item in (Say(text), Pause(passed))]


def whole_text(steps: Sequence[tuple[list[str], list[str]]]) -> str:
    return "\n\n".join([text for text in ("".join(texts) for texts, _ in steps) if text] + ["End."])


class Resuming(ScriptedProvider):
    """Plays the script of the first step that is not in the journal."""

    def __init__(self, scripts: list[list[Item]], finished: int, run: int) -> None:
        super().__init__(scripts[finished:])
        self._calls = run * 1_000


async def live(steps: Sequence[tuple[list[str], list[str]]], deaths: list[int]) -> None:
    bench = Bench()
    events: list[Event] = []
    journal: list[JournalEntry] = []
    writer = DyingWriter(0)
    for attempt, writes in enumerate([*deaths, 1_000], start=1):
        finished = sum(isinstance(entry, ModelCalled) for entry in journal)
        provider = Resuming(scripts_of(steps), finished, attempt)
        writer = bench.writer = DyingWriter(writes)
        record = await bench.run(provider, turn=taken(attempt=attempt, journal=journal), shown=fold(events))
        events += writer.events
        journal += writer.journal
        if record is not None:
            break

    assert writer.ends == 1
    assert writer.record is not None
    assert writer.record.outcome == "completed"
    assert writer.record.messages[-1].content == whole_text(steps)
    assert fold(events).messages[-1].content == whole_text(steps)
    assert len([entry for entry in journal if isinstance(entry, ModelCalled)]) == len(steps) + 1
    paid = [arguments["x"] for name, arguments in bench.tools.calls if name == "pay"]
    assert len(paid) == len(set(paid))
    assert writer.history is not None
    asked = [c.call_id for m in writer.history.messages if isinstance(m, AssistantMessage) for c in m.tool_calls]
    answered = [message.call_id for message in writer.history.messages if isinstance(message, ToolMessage)]
    assert sorted(asked) == sorted(answered)
    assert len(set(asked)) == len(asked)


@given(steps=STEPS, deaths=DEATHS)
def test_a_turn_comes_out_the_same_wherever_its_runs_die(
    steps: list[tuple[list[str], list[str]]], deaths: list[int]
) -> None:
    asyncio.run(live(steps, deaths))
