"""`core.ports.FlagStore`: alike on every node, all or none, with an audit, and put back where Redis lost them."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import UserError
from core.flags import ALL_TENANTS, Flag, FlagChange, FlagEdit, Rule
from core.turns import Principal
from memory.backends import Memory
from memory.connection import running
from memory.event_log.hub import Hub
from memory.flags.live import LiveFlags
from memory.flags.redis_flags import RedisFlags
from memory.scripts import PUT_FLAGS
from tests.conformance.conftest import Nodes

KEY = Principal(tenant="acme", name="key:1")


def edit(value: object, key: str = "tier", expected: int | None = None) -> FlagEdit:
    return FlagEdit(key=key, value=value, expected=expected)


async def heard(memory: Memory, scope: str, key: str, version: int) -> Flag:
    """Wait until a node knows that version."""
    news = asyncio.Event()
    memory.flags.on_change(lambda _: news.set())
    async with asyncio.timeout(20):
        while key not in memory.flags.of(scope) or memory.flags.of(scope)[key].version < version:
            await news.wait()
            news.clear()
    return memory.flags.of(scope)[key]


async def test_a_change_is_in_force_on_the_node_that_made_it_and_then_on_the_other(nodes: Nodes) -> None:
    [flag] = await nodes.one.flags.change("acme", [edit("pro")], KEY)

    assert nodes.one.flags.of("acme")["tier"] == flag
    assert await heard(nodes.two, "acme", "tier", flag.version) == flag
    assert (flag.scope, flag.value, flag.updated_by) == ("acme", "pro", "key:1")


async def test_each_change_is_a_record_for_the_books_with_what_was_before(memory: Memory) -> None:
    [first] = await memory.flags.change("acme", [edit("pro")], KEY)
    [second] = await memory.flags.change("acme", [edit("max")], KEY)

    records = [record for _, record in await memory.outbox.pending(10)]

    assert records == [
        FlagChange(tenant="acme", by="key:1", ts=first.updated_ms, before=None, after=first),
        FlagChange(tenant="acme", by="key:1", ts=second.updated_ms, before=first, after=second),
    ]
    assert second.version > first.version


async def test_a_change_wakes_whoever_waits_for_records(nodes: Nodes) -> None:
    await nodes.two.outbox.wait(0.01)
    waiting = asyncio.create_task(nodes.two.outbox.wait(30))

    await nodes.one.flags.change("acme", [edit("pro")], KEY)

    async with asyncio.timeout(20):
        await waiting


async def test_a_change_of_another_version_is_refused_and_changes_nothing(nodes: Nodes) -> None:
    [flag] = await nodes.one.flags.change("acme", [edit("pro", expected=0)], KEY)
    [after] = await nodes.two.flags.change("acme", [edit("max", expected=flag.version)], KEY)

    for expected in (0, flag.version):
        with pytest.raises(UserError) as refused:
            await nodes.one.flags.change("acme", [edit("late", expected=expected)], KEY)
        assert (refused.value.code, refused.value.status) == ("invalid_request", 409)
        assert str(after.version) in refused.value.message

    await nodes.one.flags.refresh()
    assert nodes.one.flags.of("acme")["tier"] == after


async def test_of_several_flags_all_are_set_or_none(memory: Memory) -> None:
    await memory.flags.change("acme", [edit("pro")], KEY)

    with pytest.raises(UserError):
        await memory.flags.change("acme", [edit(False, "cache"), edit("max", expected=0)], KEY)

    await memory.flags.refresh()
    assert memory.flags.of("acme")["tier"].value == "pro"
    assert "cache" not in memory.flags.of("acme")
    assert len(await memory.outbox.pending(10)) == 1

    both = await memory.flags.change("acme", [edit(False, "cache"), edit("max")], KEY)
    assert {flag.key: flag.value for flag in both} == {"cache": False, "tier": "max"}


async def test_changes_at_once_are_one_after_the_other(nodes: Nodes) -> None:
    changes = [(nodes.one, nodes.two)[number % 2].flags.change("acme", [edit(str(number))], KEY) for number in range(4)]

    flags = [flag for [flag] in await asyncio.gather(*changes)]

    records = [record for _, record in await nodes.one.outbox.pending(10)]
    assert len({flag.version for flag in flags}) == 4
    assert [record.before for record in records] == [None, *(record.after for record in records[:-1])]  # type: ignore[union-attr]


async def test_a_flag_that_was_taken_back_stays_as_a_version_that_says_nothing(nodes: Nodes) -> None:
    [flag] = await nodes.one.flags.change("acme", [edit("pro")], KEY)

    [gone] = await nodes.one.flags.change("acme", [FlagEdit(key="tier")], KEY)

    assert gone.version > flag.version
    assert not (await heard(nodes.two, "acme", "tier", gone.version)).is_set


async def test_scopes_are_apart(memory: Memory) -> None:
    await memory.flags.change("acme", [edit("pro")], KEY)
    await memory.flags.change(ALL_TENANTS, [edit("basic")], KEY)

    await memory.flags.refresh()

    assert {scope: memory.flags.of(scope)["tier"].value for scope in ("acme", ALL_TENANTS)} == {
        "acme": "pro",
        ALL_TENANTS: "basic",
    }
    assert memory.flags.of("globex") == {}


async def test_rules_come_out_as_they_were_put_in(nodes: Nodes) -> None:
    rules = (Rule(value={"a": [1, None, "ç"]}, variant="b", percent=12.5, by="agent"),)

    [flag] = await nodes.one.flags.change("acme", [FlagEdit(key="policy", rules=rules, description="ção")], KEY)

    assert (await heard(nodes.two, "acme", "policy", flag.version)).rules == rules


async def test_a_redis_that_lost_its_flags_gets_them_back_from_a_node_that_knows_them(nodes: Nodes) -> None:
    [flag] = await nodes.one.flags.change("acme", [edit("pro")], KEY)
    prefix = nodes.one.database.keys.prefix(0)
    with nodes.server.client() as client:
        client.delete(f"{prefix}fl:acme", f"{prefix}flv")

        assert nodes.one.flags.of("acme")["tier"] == flag
        assert await nodes.one.flags.refresh() == 1

        assert client.hget(f"{prefix}fl:acme", "tier").startswith(str(flag.version).encode())
    assert await heard(nodes.two, "acme", "tier", flag.version) == flag


async def test_flags_from_sql_are_put_back_where_they_are_newer_only(nodes: Nodes) -> None:
    [flag] = await nodes.one.flags.change("acme", [edit("pro")], KEY)
    old = Flag(scope="acme", key="tier", version=flag.version - 1, value="old", updated_ms=0, updated_by="x")
    lost = Flag(scope="globex", key="cache", version=5, value=False, updated_ms=0, updated_by="x")

    restored = [await nodes.one.flags.restore([old, lost]) for _ in range(2)]

    assert restored == [1, 0]
    assert nodes.one.flags.of("acme")["tier"] == flag
    assert await heard(nodes.two, "globex", "cache", 5) == lost
    assert len(await nodes.one.outbox.pending(10)) == 1


async def test_what_is_put_back_never_takes_the_place_of_what_is_newer(nodes: Nodes) -> None:
    """A node that noticed a loss puts back what it knows while somebody else sets the flag anew."""
    stored = RedisFlags(nodes.one.database)
    [old] = await nodes.one.flags.change("acme", [edit("pro")], KEY)
    [new] = await nodes.two.flags.change("acme", [edit("max")], KEY)

    restored = [await stored.restore("acme", [flag]) for flag in (old, new)]

    assert restored == [0, 0]
    assert (await stored.read("acme")).flags == {"tier": new}


async def test_a_change_after_a_loss_is_newer_than_all_that_was_lost(nodes: Nodes) -> None:
    [lost] = await nodes.one.flags.change("acme", [edit("pro")], KEY)
    with nodes.server.client() as client:
        client.flushall()

    [flag] = await nodes.two.flags.change("acme", [edit("max")], KEY)
    await nodes.one.flags.restore([lost])

    assert flag.version > lost.version
    assert await heard(nodes.one, "acme", "tier", flag.version) == flag


async def test_a_repeated_script_changes_nothing_twice(nodes: Nodes) -> None:
    """The link runs a script again where its reply was lost: what it wrote itself is no conflict."""
    prefix = nodes.one.database.keys.prefix(0)
    await nodes.one.flags.change("acme", [edit("pro")], KEY)
    arguments = ("acme", "cache", 0, 7, "{}", "{}")
    replies = [await nodes.one.database.call(PUT_FLAGS, 0, *arguments) for _ in range(2)]

    assert [reply[0] for reply in replies] == [b"accepted"] * 2
    with nodes.server.client() as client:
        assert client.xlen(f"{prefix}outbox") == 2


async def test_a_change_is_heard_by_its_message_alone(nodes: Nodes) -> None:
    """No comparing on a timer here: the node is told."""
    database, connected, changed = nodes.two.database, asyncio.Event(), asyncio.Event()
    hub = Hub(database, "listener")
    listener = LiveFlags(RedisFlags(database), hub, database.keys, compare_s=3600)
    hub.on_connected(connected.set)
    listener.on_change(lambda _: changed.set())
    async with running(hub=hub.run, flags=listener.run), asyncio.timeout(20):
        await connected.wait()
        await hub.listening(database.keys.flags_channel())

        [flag] = await nodes.one.flags.change("acme", [edit("pro")], KEY)
        await changed.wait()

    assert listener.of("acme")["tier"] == flag


async def test_a_message_that_was_lost_is_made_up_for(nodes: Nodes) -> None:
    database, changed = nodes.one.database, asyncio.Event()
    deaf = LiveFlags(RedisFlags(database), Hub(database, "deaf"), database.keys, compare_s=0.05)
    deaf.on_change(lambda _: changed.set())
    [flag] = await nodes.one.flags.change("acme", [edit("pro")], KEY)

    async with running(flags=deaf.run), asyncio.timeout(20):
        await changed.wait()

    assert deaf.of("acme")["tier"] == flag


async def test_a_flag_that_this_node_cannot_read_leaves_the_others_in_force(nodes: Nodes) -> None:
    """In an upgrade: a newer node has set a rule of a kind that is not known here."""
    [flag] = await nodes.one.flags.change("acme", [edit("pro")], KEY)
    prefix = nodes.one.database.keys.prefix(0)
    with nodes.server.client() as client:
        client.hset(f"{prefix}fl:acme", mapping={"tier": f'{flag.version + 1} {{"rules":"new"}}', "other": "7 {}"})
        client.hset(f"{prefix}flv", "acme", "1")

    [cache] = await nodes.two.flags.change("acme", [edit(False, "cache")], KEY)
    await nodes.one.flags.refresh()

    assert nodes.one.flags.of("acme") == {"tier": flag, "cache": cache}
