"""What tokens cost Redis, counted: calls and commands, so that a change that makes the hot path longer is seen."""

from __future__ import annotations

import redis

from memory.backends import Memory
from tests.conformance.kit import delta, open_session, said, take_one
from tests.servers import RedisServer

APPENDS = 50
_PROBES = 3
"""A node says something to itself each second, beside what is counted."""
_OF_THIS_TEST = frozenset({"info", "hello", "client|setinfo"})


def calls(server: RedisServer) -> dict[str, int]:
    """How often each command ran, in scripts too."""
    with redis.Redis.from_url(server.url) as client:
        found = client.info("commandstats")
    assert isinstance(found, dict)
    return {name.removeprefix("cmdstat_"): int(values["calls"]) for name, values in found.items()}


async def test_an_append_is_one_call_of_four_commands_however_many_tokens_it_holds(
    memory: Memory, server: RedisServer
) -> None:
    await memory.queue.submit(said(await open_session(memory)))
    turn = await take_one(memory)
    writer = memory.queue.writer(turn)
    before = calls(server)

    for number in range(APPENDS):
        await writer.append([delta(turn, "msg_1", " token" * 100, off=600 * number)])

    after = calls(server)
    spent = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name)}
    published, called = spent.pop("spublish"), spent.pop("evalsha")
    of_scripts = {name: count for name, count in spent.items() if name not in _OF_THIS_TEST}
    assert of_scripts == {"hmget": APPENDS, "xadd": APPENDS, "hset": APPENDS}
    assert APPENDS <= called <= APPENDS + _PROBES
    assert published == called
