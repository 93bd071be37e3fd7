"""`core.ports.Deliveries`: an answer leaves by the channel on which its turn began, leased and reported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from core.errors import UserError
from core.ids import SystemIds
from core.messages import Message
from core.turns import Delivery, Principal, SessionRef, TakenTurn, TurnRecord
from memory.backends import Memory, open_memory
from tests.conformance.conftest import Nodes
from tests.conformance.kit import (
    BRIDGE,
    IDS,
    Reader,
    completed,
    delta,
    exchange,
    history_of,
    open_session,
    opening,
    record_of,
    said,
    take_one,
)

CHANNEL = "whatsapp"


@pytest.fixture
async def hasty(nodes: Nodes, tmp_path: Path) -> AsyncIterator[Memory]:
    """A node whose leases of deliveries run out at once."""
    async with open_memory(
        redis_url=nodes.server.url,
        data_dir=tmp_path,
        node=SystemIds().new("node"),
        partitions=nodes.one.database.keys.partitions,
        delivery_lease_ms=0,
    ) as memory:
        yield memory


def answer_record(turn: TakenTurn, message_id: str, text: str, channel: str, outcome: str) -> TurnRecord:
    said_back = Message(
        message_id=message_id,
        turn_id=turn.input.turn_id,
        role="assistant",
        content=text,
        channel=channel,
        ts=2,
        status="complete",
    )
    asked = msgspec.structs.replace(turn.input.messages[0], channel=channel)
    return msgspec.structs.replace(record_of(turn, outcome), channel=channel, messages=(asked, said_back))


async def answered(
    memory: Memory, session: SessionRef, text: str = "olá", *, channel: str = CHANNEL, outcome: str = "completed"
) -> str:
    """Say something on a channel and have it answered; gives the answer's message id."""
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    message_id = IDS.new("msg")
    writer = memory.queue.writer(turn)
    await writer.append([*opening(turn, message_id), delta(turn, message_id, text)])
    record = answer_record(turn, message_id, text, channel, outcome)
    await writer.end(completed(turn, message_id, text), history_of(turn, text), record)
    return message_id


async def taken(memory: Memory, limit: int = 10, channel: str = CHANNEL) -> list[Delivery]:
    return list(await memory.deliveries.take("default", channel, limit))


async def test_an_answer_is_taken_on_the_channel_on_which_its_turn_began(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    message_id = await answered(nodes.one, session, 'olá "Ana" \u00e7\n😀')

    assert await taken(nodes.two) == [
        Delivery(
            delivery_id=f"dlv_{session.session_id[4:]}{message_id[4:]}",
            session=session,
            message_id=message_id,
            channel=CHANNEL,
            content='olá "Ana" \u00e7\n😀',
            attempt=1,
        )
    ]


@pytest.mark.parametrize("channel", ["web", "api"])
async def test_the_servers_own_channels_deliver_by_themselves(
    memory: Memory, session: SessionRef, channel: str
) -> None:
    await answered(memory, session, channel=channel)

    assert await taken(memory, channel=channel) == []


@pytest.mark.parametrize("outcome", ["cancelled", "failed"])
async def test_only_a_whole_answer_is_delivered(memory: Memory, session: SessionRef, outcome: str) -> None:
    await answered(memory, session, outcome=outcome)

    assert await taken(memory) == []


async def test_a_turn_without_a_message_delivers_nothing(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    turn = await take_one(memory)

    record = msgspec.structs.replace(record_of(turn), channel=CHANNEL)
    await memory.queue.writer(turn).end(completed(turn, "msg_none", "")[1:], None, record)

    assert await taken(memory) == []


async def test_another_tenant_and_another_channel_get_nothing(memory: Memory, session: SessionRef) -> None:
    await answered(memory, session)

    assert await memory.deliveries.take("other", CHANNEL, 10) == []
    assert await memory.deliveries.take("default", "telegram", 10) == []


async def test_deliveries_come_oldest_first_over_all_sessions(memory: Memory) -> None:
    sessions = [await open_session(memory, f"user-{number}") for number in range(6)]
    written = []
    for session in sessions:
        written.append(await answered(memory, session))
        await asyncio.sleep(0.002)  # the order is that of Redis' clock, in milliseconds

    first = await taken(memory, 4)
    rest = await taken(memory, 4)

    assert [delivery.message_id for delivery in first] == written[:4]
    assert [delivery.message_id for delivery in rest] == written[4:]


async def test_two_bridges_that_take_at_once_share_the_answers(nodes: Nodes) -> None:
    written = {await answered(nodes.one, await open_session(nodes.one, f"user-{number}")) for number in range(10)}

    shares = await asyncio.gather(*(taken(node, 10) for node in [nodes.one, nodes.two] * 3))
    again = await taken(nodes.one, 10)

    found = [delivery.message_id for share in [*shares, again] for delivery in share]
    assert sorted(found) == sorted(written)


async def test_a_lease_that_ran_out_is_taken_again_as_the_next_attempt(hasty: Memory) -> None:
    session = await open_session(hasty)
    await answered(hasty, session)

    attempts = [(await taken(hasty))[0].attempt for _ in range(3)]

    assert attempts == [1, 2, 3]


async def test_what_is_leased_is_not_taken_again(memory: Memory, session: SessionRef) -> None:
    await answered(memory, session)
    await taken(memory)

    assert await taken(memory) == []


@pytest.mark.parametrize("status", ["sent", "failed"])
async def test_the_first_report_takes_an_answer_off_the_list(hasty: Memory, status: str) -> None:
    await answered(hasty, await open_session(hasty))
    [delivery] = await taken(hasty)

    await hasty.deliveries.report(BRIDGE, delivery.delivery_id, status)  # type: ignore[arg-type]

    assert await taken(hasty) == []


async def test_a_report_of_what_nobody_leased_takes_it_off_too(memory: Memory, session: SessionRef) -> None:
    message_id = await answered(memory, session)

    await memory.deliveries.report(BRIDGE, f"dlv_{session.session_id[4:]}{message_id[4:]}", "sent")

    assert await taken(memory) == []


async def test_a_report_is_appended_to_the_log_and_shown(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    message_id = await answered(nodes.one, session)
    [delivery] = await taken(nodes.one)
    reader = Reader()
    await nodes.one.log.attach(session, reader)

    await nodes.two.deliveries.report(
        BRIDGE, delivery.delivery_id, "failed", external_id="wamid.1", error='número "errado"'
    )

    await reader.until(lambda it: it.types == ["delivery.updated"])
    event = reader.events[0]
    assert (event.message_id, event.channel, event.status, event.error) == (
        message_id,
        CHANNEL,
        "failed",
        'número "errado"',
    )
    view = await nodes.one.sessions.view(session)
    assert view.messages[-1].delivery == {"channel": CHANNEL, "status": "failed"}


async def test_a_status_never_goes_backwards_and_is_told_once(memory: Memory, session: SessionRef) -> None:
    await answered(memory, session)
    [delivery] = await taken(memory)
    reader = Reader()
    await memory.log.attach(session, reader)
    reports = ["sent", "sent", "delivered", "sent", "failed", "read", "delivered"]

    states = [await memory.deliveries.report(BRIDGE, delivery.delivery_id, status) for status in reports]  # type: ignore[arg-type]

    assert states == ["sent", "sent", "delivered", "delivered", "delivered", "read", "read"]
    await reader.until(lambda it: len(it.events) == 3)
    assert [event.status for event in reader.events] == ["sent", "delivered", "read"]


@pytest.mark.parametrize(
    "principal",
    [
        pytest.param(Principal(tenant="other", name="key_bridge"), id="another_tenant"),
        pytest.param(Principal(tenant="default", name="bia", user_id="bia"), id="another_user"),
    ],
)
async def test_another_ones_delivery_is_not_found(memory: Memory, session: SessionRef, principal: Principal) -> None:
    await answered(memory, session)
    [delivery] = await taken(memory)

    with pytest.raises(UserError) as refused:
        await memory.deliveries.report(principal, delivery.delivery_id, "sent")

    assert refused.value.code == "not_found"


@pytest.mark.parametrize("delivery_id", ["", "dlv_1", "dlv_" + "0" * 52, "x" * 200, "dlv_../" + "0" * 49])
async def test_an_unknown_delivery_is_not_found(memory: Memory, delivery_id: str) -> None:
    with pytest.raises(UserError) as refused:
        await memory.deliveries.report(BRIDGE, delivery_id, "sent")

    assert refused.value.code == "not_found"


async def test_an_erased_sessions_deliveries_vanish(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await answered(nodes.one, session, "segredo")
    [leased] = await taken(nodes.one)
    await answered(nodes.one, session, "outro segredo")

    await nodes.two.sessions.erase("default", "ana")

    assert await taken(nodes.one) == []
    with pytest.raises(UserError, match="no such delivery"):
        await nodes.one.deliveries.report(BRIDGE, leased.delivery_id, "sent")
    with nodes.server.client() as client:
        assert list(client.scan_iter("*}:d:*")) + list(client.scan_iter("*}:ds:*")) == []


async def test_of_a_merged_session_the_report_is_kept_and_its_log_stays_ended(memory: Memory) -> None:
    source, into = await open_session(memory, "ana", "um"), await open_session(memory, "ana", "dois")
    await answered(memory, source)
    [delivery] = await taken(memory)
    await memory.sessions.merge(source, into)
    before = (await memory.sessions.view(source)).seq

    assert await memory.deliveries.report(BRIDGE, delivery.delivery_id, "delivered") == "delivered"

    assert (await memory.sessions.view(source)).seq == before
    assert await memory.deliveries.report(BRIDGE, delivery.delivery_id, "sent") == "delivered"


async def test_at_most_ten_thousand_wait_and_the_oldest_goes(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    prefix = nodes.one.database.keys.prefix(nodes.one.database.keys.of(session.session_id))
    waiting = f"{prefix}dw:{CHANNEL}:default"
    with nodes.server.client() as client:
        client.zadd(waiting, {f"dlv_{number:052d}": 4_000_000_000_000 + number for number in range(10_000)})

        await answered(nodes.one, session)

        assert client.zcard(waiting) == 10_000
        assert client.zscore(waiting, f"dlv_{0:052d}") is None
        assert client.zscore(waiting, f"dlv_{1:052d}") is not None


async def test_a_delivery_too_old_is_forgotten(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await answered(nodes.one, session)
    keys = nodes.one.database.keys
    waiting = f"{keys.prefix(keys.of(session.session_id))}dw:{CHANNEL}:default"
    with nodes.server.client() as client:
        [delivery_id] = client.zrange(waiting, 0, -1)
        client.zadd(waiting, {delivery_id: 1_000})  # made in 1970

    assert await taken(nodes.one) == []


async def test_every_key_of_deliveries_runs_out_some_day(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await answered(nodes.one, session)
    await answered(nodes.one, session)
    await taken(nodes.one, 1)

    with nodes.server.client() as client:
        kinds = {key.split(b":")[2]: client.ttl(key) for key in client.scan_iter("prosa:{*")}

    assert {b"d", b"ds", b"dw", b"dl"} <= set(kinds)
    assert all(kinds[kind] > 0 for kind in (b"d", b"ds", b"dw", b"dl"))


async def test_after_a_restart_of_redis_reports_go_to_the_new_log(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await answered(nodes.one, session)
    await exchange(nodes.one, session)
    [delivery] = await taken(nodes.one)
    keys = nodes.one.database.keys
    with nodes.server.client() as client:  # what a session of another Redis process looks like
        client.hset(f"{keys.prefix(keys.of(session.session_id))}s:{session.session_id}", "instance", "another")

    assert await nodes.one.deliveries.report(BRIDGE, delivery.delivery_id, "sent") == "sent"

    view = await nodes.one.sessions.view(session)
    assert view.seq == 1
    assert [message.delivery for message in view.messages].count({"channel": CHANNEL, "status": "sent"}) == 1
