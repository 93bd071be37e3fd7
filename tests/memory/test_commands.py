"""Calls that become commands: what goes out together, what does not, and who is told what."""

from __future__ import annotations

import asyncio
from typing import Any

import hiredis
import pytest
from redis.exceptions import ResponseError

from memory.commands import BYTES_AT_ONCE, CALLS_AT_ONCE, Call, Command, gathered
from memory.scripts import APPEND, END, Script


def call(name: str, script: Script = APPEND, prefix: str = "p0", size: int = 10) -> Call:
    return Call(asyncio.get_running_loop(), script, prefix, (name, 1), retry=True, size=size)


def names(commands: list[Command]) -> list[list[Any]]:
    return [[call.arguments[0] for call in command.calls] for command in commands]


async def test_calls_of_a_script_that_gathers_go_out_together_each_partition_apart() -> None:
    calls = [call("a"), call("b", prefix="p1"), call("c"), call("d", prefix="p1")]

    assert names(gathered(calls)) == [["a", "c"], ["b", "d"]]


async def test_calls_of_other_scripts_go_alone_and_nothing_passes_them() -> None:
    calls = [call("a"), call("end a", END), call("end b", END), call("b"), call("c")]

    assert names(gathered(calls)) == [["a"], ["end a"], ["end b"], ["b", "c"]]


async def test_a_command_holds_so_many_calls_at_most() -> None:
    commands = gathered(call(str(number)) for number in range(2 * CALLS_AT_ONCE + 1))

    assert [len(command.calls) for command in commands] == [CALLS_AT_ONCE, CALLS_AT_ONCE, 1]


async def test_a_command_holds_so_many_bytes_at_most_and_a_larger_call_goes_alone() -> None:
    half = BYTES_AT_ONCE // 2
    calls = [call("a", size=half), call("b", size=half), call("c", size=1), call("huge", size=3 * half), call("d")]

    assert names(gathered(calls)) == [["a", "b"], ["c"], ["huge"], ["d"]]


async def test_each_call_goes_out_with_the_number_of_its_arguments() -> None:
    [command] = gathered([call("a"), call("b")])
    reader = hiredis.Reader()

    reader.feed(command.packed(b"instance"))

    assert reader.gets() == [b"EVALSHA", APPEND.digest, b"1", b"p0", b"instance", b"2", b"a", b"1", b"2", b"b", b"1"]


async def test_each_call_is_told_its_own_reply() -> None:
    calls = [call("a"), call("b")]
    [command] = gathered(calls)

    command.answered([b"to a", b"to b"])

    assert [call.future.result() for call in calls] == [b"to a", b"to b"]


async def test_who_was_given_up_is_told_nothing_and_the_others_all_the_same() -> None:
    calls = [call("a"), call("b")]
    [command] = gathered(calls)
    calls[0].future.cancel()

    command.answered([b"to a", b"to b"])

    assert calls[0].future.cancelled()
    assert calls[1].future.result() == b"to b"


@pytest.mark.parametrize("reply", [[b"to a"], [b"to a", b"to b", b"to nobody"]])
async def test_replies_that_are_not_as_many_as_the_calls_are_nobodys(reply: list[bytes]) -> None:
    calls = [call("a"), call("b")]
    [command] = gathered(calls)

    command.answered(reply)

    for one in calls:
        assert isinstance(one.future.exception(), ResponseError)
