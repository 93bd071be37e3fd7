"""A node that goes away: everybody is told at once, what runs ends or goes on elsewhere, and nothing is said twice."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from core.events import Event
from core.messages import ToolCall
from core.models import Usage
from core.ports import TurnWriter
from core.turns import JournalEntry, ModelCalled, ToolBegun, ToolReturned
from server.handing_on import HandedOn, HandingOnWriter
from tests.server.folded import fold
from tests.server.server_process import ServerProcess, free_port, server_process
from tests.server.slow_model import SlowModel
from tests.server.wire_client import WireClient
from tests.servers import valkey_server


class Written:
    """A writer that remembers what it was given; `cancelled_by` is what it answers."""

    def __init__(self, cancelled_by: str | None = None) -> None:
        self.journal: list[JournalEntry] = []
        self._cancelled_by = cancelled_by

    async def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> str | None:
        """Remember."""
        self.journal += journal
        return self._cancelled_by


def called(*names: str) -> ModelCalled:
    """A model call that asked for these tools."""
    calls = tuple(ToolCall(call_id=f"call_{name}", name=name, arguments="{}") for name in names)
    return ModelCalled(
        step=1,
        text="",
        length=0,
        calls=calls,
        finish_reason="stop",
        usage=Usage(),
        cost_microusd=0,
        provider="p",
        model="m",
        duration_ms=1,
    )


RETURNED = ToolReturned(step=1, call_id="call_a", name="a", content="", summary="")


async def test_a_run_whose_node_goes_away_ends_after_the_model_call_that_asked_for_tools() -> None:
    written = Written()
    writer = HandingOnWriter(cast(TurnWriter, written), lambda: True)
    with pytest.raises(HandedOn):
        await writer.append([], [called("a")])
    assert (writer.handed_on, written.journal) == (True, [called("a")])


@pytest.mark.parametrize(
    ("entry", "is_due", "cancelled_by"),
    [
        pytest.param(called("a"), False, None, id="while_there_is_time"),
        pytest.param(called(), True, None, id="with_the_answer_whole_the_end_is_near"),
        pytest.param(RETURNED, True, None, id="in_the_midst_of_a_steps_tools"),
        pytest.param(called("a"), True, "user", id="a_cancelled_run_ends_by_itself"),
    ],
)
async def test_a_run_goes_on(entry: JournalEntry, is_due: bool, cancelled_by: str | None) -> None:
    writer = HandingOnWriter(cast(TurnWriter, Written(cancelled_by)), lambda: is_due)
    assert await writer.append([], [entry]) == cancelled_by
    assert not writer.handed_on


async def test_a_run_whose_tool_is_begun_by_the_same_write_goes_on() -> None:
    """A model call and the beginning of a `once` tool may share a write: while deltas are appended, both gather.

    A run that ended there left a tool that was begun and never ran, and the next run could only say that its outcome
    is unknown.
    """
    begun = ToolBegun(step=1, call_id="call_a", name="a", effect="once")
    writer = HandingOnWriter(cast(TurnWriter, Written()), lambda: True)
    assert await writer.append([], [called("a"), begun]) is None
    assert not writer.handed_on


@dataclass(frozen=True, kw_only=True)
class TwoWorkers:
    """Two nodes that run turns, and their model."""

    first: ServerProcess
    second: ServerProcess
    model: SlowModel


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[TwoWorkers]:
    """The first one runs turns from the beginning, the second one only holds connections until `takes_over`."""
    with valkey_server() as redis:
        async with AsyncExitStack() as stack:
            model = await stack.enter_async_context(SlowModel())
            settings: dict[str, Any] = {
                "REDIS_URL": redis.url,
                "DATA_DIR": tmp_path / "data",
                "OPENAI_BASE_URL": model.url,
                "OPENAI_API_KEY": "none",
                "LLM_MODEL": "openai:slow",
                "LOG_LEVEL": "ERROR",
                "DRAIN_S": "0.5",
            }
            first = await stack.enter_async_context(server_process(tmp_path, **settings))
            second = await stack.enter_async_context(server_process(tmp_path, **settings, ROLES="web"))
            yield TwoWorkers(first=first, second=second, model=model)


def connect(node: ServerProcess) -> Any:
    """A WebSocket client of a node."""
    return WireClient.connect(f"{node.url.replace('http', 'ws')}/ws")


@pytest.mark.slow
async def test_a_long_answer_of_a_node_that_is_replaced_goes_on_at_another_and_is_whole_once(
    workers: TwoWorkers, tmp_path: Path
) -> None:
    async with connect(workers.second) as client, connect(workers.first) as leaving:
        session_id = (await client.open("ana"))["session_id"]
        await leaving.open("ana")
        ok = await client.ask("message.send", session_id=session_id, content="conte")
        await workers.model.next_call()
        await workers.model.say("um dois ")
        await client.until_type("message.delta")
        other = ServerProcess({**workers.second.settings, "ROLES": "worker", "PORT": str(free_port())})
        await other.start()
        code = await workers.first.end(signal.SIGTERM)
        closed = await leaving.closed()
        await workers.model.next_call()
        await workers.model.say("um dois três")
        await workers.model.finish()
        end = await client.until_turn_ends(ok["turn_id"])
        await other.end()
    whole = fold(client.frames)
    kinds = [frame["type"] for frame in leaving.frames]
    assert (code, closed, end["type"]) == (0, 1012, "turn.completed")
    assert "server.draining" in kinds
    assert whole.wrong == []
    assert whole.messages[-1]["content"] == "um dois três"


@pytest.mark.slow
async def test_clients_are_told_at_once_and_a_message_to_a_node_that_goes_away_is_kept(workers: TwoWorkers) -> None:
    async with connect(workers.first) as client, httpx2.AsyncClient() as http:
        session_id = (await client.open("bia"))["session_id"]
        await client.ask("message.send", session_id=session_id, content="conte")
        await workers.model.next_call()
        assert workers.first.process is not None
        workers.first.process.send_signal(signal.SIGTERM)
        await client.until_type("server.draining")
        kept = await client.ask("message.send", session_id=session_id, content="e mais")
        before = [frame["type"] for frame in client.frames]
        await client.closed()
        turn = await http.get(f"{workers.second.url}/api/v1/turns/{kept['turn_id']}")
    assert kept["type"] == "ok"
    assert not {"turn.completed", "turn.failed", "turn.cancelled"} & set(before)
    assert (turn.status_code, turn.json()["state"]) == (202, "queued")
