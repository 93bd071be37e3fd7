"""`core.ports.SessionStore.merge`: a session goes on in another one, whatever breaks off on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import BackendError, UserError
from core.ids import SystemIds
from core.turns import Principal, SessionRef
from memory.backends import Memory, open_memory
from memory.event_log.gate import Gate
from memory.scripts import MERGE_RESERVE
from memory.sessions.merging import Merging
from tests.conformance.conftest import Nodes
from tests.conformance.kit import IDS, Reader, answer, exchange, open_session, said, take_one
from tests.conformance.parking import park


@pytest.fixture
async def source(memory: Memory) -> SessionRef:
    return await open_session(memory, "ana", "whatsapp")


@pytest.fixture
async def into(memory: Memory) -> SessionRef:
    return await open_session(memory, "ana", "site")


@pytest.fixture
async def finisher(nodes: Nodes, tmp_path: Path) -> AsyncIterator[Memory]:
    """A node that finishes merges as soon as they have broken off."""
    async with open_memory(
        redis_url=nodes.server.url,
        data_dir=tmp_path,
        node=SystemIds().new("node"),
        partitions=nodes.one.database.keys.partitions,
        merge_due_ms=0,
    ) as memory:
        yield memory


class DyingDatabase:
    """A way to Redis of a process that dies after some calls."""

    def __init__(self, memory: Memory, calls: int) -> None:
        self._database = memory.database
        self._left = calls
        self.keys = memory.database.keys

    async def call(self, *arguments: Any, **options: Any) -> Any:
        if self._left == 0:
            raise BackendError("the process has died")
        self._left -= 1
        return await self._database.call(*arguments, **options)

    def send(self, call: Any) -> None:
        raise AssertionError("a merge appends by no run's writer")


def dying(memory: Memory, calls: int) -> Merging:
    database: Any = DyingDatabase(memory, calls)
    return Merging(database, Gate(database, IDS))


async def words(memory: Memory, session: SessionRef) -> list[str]:
    """What the history says, oldest first."""
    return [message.content for entry in await memory.sessions.history(session) for message in entry.messages]


async def test_readers_of_the_source_are_told_and_its_log_ends(nodes: Nodes) -> None:
    source, into = await open_session(nodes.one, "ana", "um"), await open_session(nodes.one, "ana", "dois")
    await exchange(nodes.one, source)
    reader = Reader()
    await nodes.two.log.attach(source, reader)

    await nodes.one.sessions.merge(source, into)

    await reader.until(lambda it: it.types == ["session.merged"])
    assert reader.events[0].into == into.session_id
    assert (await nodes.two.sessions.view(source)).seq == reader.events[0].seq


async def test_what_is_sent_to_the_source_is_moved(memory: Memory, source: SessionRef, into: SessionRef) -> None:
    await memory.sessions.merge(source, into)

    with pytest.raises(UserError) as refused:
        await memory.queue.submit(said(source))

    assert refused.value.code == "moved"
    assert refused.value.moved_to == into.session_id


async def test_the_source_stays_readable(memory: Memory, source: SessionRef, into: SessionRef) -> None:
    await exchange(memory, source, "quanto?", "dez")
    await memory.sessions.merge(source, into)

    head = await memory.sessions.find(Principal(tenant="default", name="ana", user_id="ana"), source.session_id)
    view = await memory.sessions.view(source)

    assert head.session == source
    assert [message.content for message in view.messages] == ["quanto?", "dez"]


async def test_the_sources_history_goes_before(memory: Memory, source: SessionRef, into: SessionRef) -> None:
    await exchange(memory, into, "c", "3")
    await exchange(memory, source, "a", "1")
    await exchange(memory, source, "b", "2")

    await memory.sessions.merge(source, into)
    await exchange(memory, into, "d", "4")

    assert await words(memory, into) == ["a", "1", "b", "2", "c", "3", "d", "4"]


async def test_a_merged_history_stays_bounded_and_the_newest_is_kept(
    memory: Memory, source: SessionRef, into: SessionRef
) -> None:
    for number in range(110):
        await exchange(memory, source, f"s{number}", "x" * 3_000)
    for number in range(110):
        await exchange(memory, into, f"i{number}", "x" * 3_000)

    await memory.sessions.merge(source, into)
    await exchange(memory, into, "fim", "x")

    history = await words(memory, into)
    assert sum(map(len, history)) <= 512 * 1024
    assert history[-2:] == ["fim", "x"]
    assert "i0" in history
    assert "s0" not in history
    assert "s109" in history


async def test_the_users_names_stand_for_the_session_in_which_it_goes_on(
    nodes: Nodes, source: SessionRef, into: SessionRef
) -> None:
    await nodes.one.sessions.merge(source, into)

    head = await nodes.two.sessions.open("default", "ana", "whatsapp")

    assert head.session == into


async def test_a_session_that_goes_on_in_another_users_keeps_that_owner(memory: Memory) -> None:
    guest, ana = await open_session(memory, "visitor-1"), await open_session(memory, "ana")
    await exchange(memory, guest, "sou a ana", "olá")

    await memory.sessions.merge(guest, ana)

    assert (await memory.sessions.open("default", "visitor-1", None)).session == ana
    assert await memory.sessions.sessions_of("default", "visitor-1") == (guest,)
    assert await words(memory, ana) == ["sou a ana", "olá"]


async def test_a_merge_may_be_repeated(nodes: Nodes, source: SessionRef, into: SessionRef) -> None:
    await exchange(nodes.one, source, "a", "1")

    await asyncio.gather(*(node.sessions.merge(source, into) for node in [nodes.one, nodes.two] * 3))
    await nodes.two.sessions.merge(source, into)

    assert await words(nodes.one, into) == ["a", "1"]
    assert (await nodes.one.sessions.view(source)).seq == (await nodes.two.sessions.view(source)).seq
    assert await nodes.one.sessions.finish_merges() == 0


async def test_a_repetition_is_harmless_where_the_other_session_has_moved_on(
    memory: Memory, source: SessionRef, into: SessionRef
) -> None:
    third = await open_session(memory, "ana", "terceira")
    await memory.sessions.merge(source, into)
    await memory.sessions.merge(into, third)

    await memory.sessions.merge(source, into)

    assert (await memory.sessions.open("default", "ana", "whatsapp")).session == third


@pytest.mark.parametrize("is_taken", [False, True], ids=["queued", "running"])
async def test_a_source_that_has_a_turn_is_busy(
    memory: Memory, source: SessionRef, into: SessionRef, is_taken: bool
) -> None:
    await memory.queue.submit(said(source))
    await memory.queue.take(int(is_taken))

    with pytest.raises(UserError) as refused:
        await memory.sessions.merge(source, into)

    assert refused.value.code == "busy"
    assert refused.value.retryable
    assert (await memory.sessions.open("default", "ana", "whatsapp")).session == source


async def test_a_source_whose_turn_is_parked_is_busy(memory: Memory, source: SessionRef, into: SessionRef) -> None:
    await park(memory, source)

    with pytest.raises(UserError) as refused:
        await memory.sessions.merge(source, into)

    assert refused.value.code == "busy"


async def test_the_session_that_goes_on_may_be_busy(memory: Memory, source: SessionRef, into: SessionRef) -> None:
    await exchange(memory, source, "a", "1")
    await memory.queue.submit(said(into))
    turn = await take_one(memory)

    await memory.sessions.merge(source, into)

    assert await words(memory, into) == ["a", "1"]
    assert await memory.queue.renew([turn]) == []


async def test_a_session_cannot_be_merged_into_itself(memory: Memory, source: SessionRef) -> None:
    with pytest.raises(UserError) as refused:
        await memory.sessions.merge(source, source)

    assert refused.value.code == "invalid_request"


async def test_a_session_is_merged_into_one_other_only(memory: Memory, source: SessionRef, into: SessionRef) -> None:
    third = await open_session(memory, "ana", "terceira")
    await memory.sessions.merge(source, into)

    with pytest.raises(UserError) as elsewhere:
        await memory.sessions.merge(source, third)
    with pytest.raises(UserError) as ended:
        await memory.sessions.merge(third, source)

    assert elsewhere.value.code == ended.value.code == "invalid_request"


@pytest.mark.parametrize("tenant", ["default", "other"])
async def test_an_unknown_session_cannot_go_on(memory: Memory, source: SessionRef, tenant: str) -> None:
    nowhere = SessionRef(session_id=IDS.new("ses"), tenant=tenant, user_id="ana")

    with pytest.raises(UserError):
        await memory.sessions.merge(source, nowhere)
    with pytest.raises(UserError) as refused:
        await memory.sessions.merge(SessionRef(session_id=nowhere.session_id, tenant="default", user_id="ana"), source)

    assert refused.value.code == "not_found"
    await exchange(memory, source)


async def test_an_erased_session_can_neither_go_on_nor_be_merged(memory: Memory, source: SessionRef) -> None:
    bia = await open_session(memory, "bia")
    await memory.sessions.erase("default", "bia")

    for pair in ((source, bia), (bia, source)):
        with pytest.raises(UserError, match="no such session"):
            await memory.sessions.merge(*pair)


async def test_two_sessions_merged_into_each_other_at_once_do_not_both_end(nodes: Nodes) -> None:
    """Neither may be left without a place to go on; both may be refused, which is worth another try."""
    for number in range(10):
        one, two = [await open_session(nodes.one, "ana", f"{name}-{number}") for name in ("um", "dois")]

        results = await asyncio.gather(
            nodes.one.sessions.merge(one, two), nodes.two.sessions.merge(two, one), return_exceptions=True
        )

        assert [result for result in results if isinstance(result, UserError)]
        where = {
            (await nodes.one.sessions.open("default", "ana", f"{name}-{number}")).session for name in ("um", "dois")
        }
        await asyncio.gather(*(nodes.one.queue.submit(said(session)) for session in where))


class SlowDatabase(DyingDatabase):
    """A way to Redis of a process to which it seems long between the promise and the merge: `meanwhile` happens."""

    def __init__(self, memory: Memory, meanwhile: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(memory, -1)
        self._meanwhile = meanwhile

    async def call(self, *arguments: Any, **options: Any) -> Any:
        reply = await super().call(*arguments, **options)
        if arguments[0] is MERGE_RESERVE:
            await self._meanwhile()
        return reply


async def test_a_merge_asked_for_twice_takes_back_no_promise_but_its_own(
    memory: Memory, source: SessionRef, into: SessionRef
) -> None:
    """The first request was refused and took the second one's promise back with its own: both sessions then went on in
    each other, a ring in which nobody could say anything any more."""

    async def the_same_and_the_reverse() -> None:
        await memory.queue.submit(said(source))
        with pytest.raises(UserError, match="busy"):
            await memory.sessions.merge(source, into)
        await answer(memory, await take_one(memory))
        with pytest.raises(UserError, match="busy"):
            await memory.sessions.merge(into, source)

    database: Any = SlowDatabase(memory, the_same_and_the_reverse)
    await Merging(database, Gate(database, IDS)).merge(source, into)

    assert (await memory.queue.submit(said(into))).position == 0


@pytest.mark.parametrize("calls", range(9))
async def test_a_merge_that_breaks_off_anywhere_is_finished_or_never_was(finisher: Memory, calls: int) -> None:
    source, into = await open_session(finisher, "ana", "um"), await open_session(finisher, "ana", "dois")
    await exchange(finisher, source, "a", "1")
    await exchange(finisher, into, "b", "2")
    before = (await finisher.sessions.view(source)).seq

    [outcome] = await asyncio.gather(dying(finisher, calls).merge(source, into), return_exceptions=True)
    finished = await finisher.sessions.finish_merges()

    began = (await finisher.sessions.view(source)).seq > before
    assert began == (calls >= 2)
    assert (outcome is None) == (calls >= 7)
    assert finished <= 1
    assert await words(finisher, into) == (["a", "1", "b", "2"] if began else ["b", "2"])
    assert (await finisher.sessions.open("default", "ana", "um")).session == (into if began else source)
    assert await finisher.sessions.finish_merges() == 0


async def test_a_merge_that_broke_off_is_finished_once_by_several_nodes(finisher: Memory) -> None:
    source, into = await open_session(finisher, "ana", "um"), await open_session(finisher, "ana", "dois")
    await exchange(finisher, source, "a", "1")
    with pytest.raises(BackendError):
        await dying(finisher, 3).merge(source, into)

    await asyncio.gather(*(finisher.sessions.finish_merges() for _ in range(5)))

    assert await words(finisher, into) == ["a", "1"]


async def test_a_merge_under_way_is_nobody_elses(nodes: Nodes) -> None:
    source, into = await open_session(nodes.one, "ana", "um"), await open_session(nodes.one, "ana", "dois")
    with pytest.raises(BackendError):
        await dying(nodes.one, 3).merge(source, into)

    assert await nodes.two.sessions.finish_merges() == 0


async def test_a_merge_whose_user_is_erased_meanwhile_leaves_nothing(finisher: Memory, nodes: Nodes) -> None:
    source, into = await open_session(finisher, "ana", "um"), await open_session(finisher, "ana", "dois")
    await exchange(finisher, source, "segredo", "segredo")
    with pytest.raises(BackendError):
        await dying(finisher, 3).merge(source, into)

    erased = await finisher.sessions.erase("default", "ana")
    await finisher.sessions.finish_merges()

    assert set(erased) == {source, into}
    assert (await finisher.sessions.open("default", "ana", "um")).session not in (source, into)
    with nodes.server.client() as client:
        assert list(client.scan_iter("*merges*")) == []
        assert not any(b"segredo" in (client.dump(key) or b"") for key in client.scan_iter("*"))


async def test_where_the_other_session_is_erased_meanwhile_the_users_names_are_free(finisher: Memory) -> None:
    source, into = await open_session(finisher, "ana"), await open_session(finisher, "bia")
    with pytest.raises(BackendError):
        await dying(finisher, 3).merge(source, into)
    await finisher.sessions.erase("default", "bia")

    await finisher.sessions.finish_merges()

    fresh = (await finisher.sessions.open("default", "ana", None)).session
    assert fresh not in (source, into)
    await exchange(finisher, fresh)


async def test_a_name_of_a_session_merged_into_one_erased_later_begins_a_new_one(memory: Memory) -> None:
    guest, ana = await open_session(memory, "visitor-1"), await open_session(memory, "ana")
    await memory.sessions.merge(guest, ana)
    await memory.sessions.erase("default", "ana")

    fresh = await open_session(memory, "visitor-1")

    assert fresh.user_id == "visitor-1"
    assert fresh != guest
    await exchange(memory, fresh)


async def test_every_key_of_a_merge_runs_out_or_is_gone(nodes: Nodes, source: SessionRef, into: SessionRef) -> None:
    await exchange(nodes.one, source)
    await nodes.one.sessions.merge(source, into)

    with nodes.server.client() as client:
        lasting = {key.split(b":")[2] for key in client.scan_iter("prosa:{*") if client.ttl(key) == -1}
        kinds = {key.split(b":")[2] for key in client.scan_iter("prosa:{*")}

    assert lasting <= {b"outbox", b"leases", b"b"}
    assert {b"mg", b"um"} <= kinds
    assert b"rv" not in kinds
