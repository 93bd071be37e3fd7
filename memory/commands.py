"""What goes over a link: calls of scripts, and the commands that they become. No I/O.

Calls of a script that gathers are one command for as many as were called together. Redis runs a script without
a break, so a command is bounded: CALLS_AT_ONCE appends of a token each keep it for 0.7 ms (docs/performance.md). One
by one they would hardly let others in sooner: Redis reads 16 KiB of a connection at a time and runs what is in it, some
40 of them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from hiredis import pack_command
from redis.exceptions import ResponseError

from memory.scripts import Script

Argument = str | bytes | int

CALLS_AT_ONCE: Final = 64
BYTES_AT_ONCE: Final = 65_536
"""What a command gathers at most; a call that is larger by itself has one of its own."""


class LinkLost(Exception):
    """The connection ended before the reply came: nobody knows whether the script ran."""


class Call:
    """A script that somebody calls. `future` gets the reply, or why there is none; when it is done, nobody waits.

    `size` (bytes, roughly) is asked for of a script that gathers. A link must not fail by what it tells a call: none of
    the methods raises.
    """

    __slots__ = ("arguments", "future", "gives_up_at", "partition_prefix", "retry", "script", "size")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        script: Script,
        prefix: str,
        arguments: Sequence[Argument],
        *,
        retry: bool,
        size: int = 0,
    ) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()
        self.script = script
        self.partition_prefix = prefix
        self.arguments = arguments
        self.retry = retry
        self.size = size
        self.gives_up_at = math.inf

    def answered(self, reply: Any) -> None:
        """The reply came."""
        if not self.future.done():
            self.future.set_result(reply)

    def failed(self, error: Exception) -> None:
        """None comes."""
        if not self.future.done():
            self.future.set_exception(error)

    def answered_with(self, calls: Sequence[Call]) -> None:
        """All calls of a command were told their replies, this one, the first of them, too."""


class Command:
    """One call, or several of one script and partition that go out as one."""

    __slots__ = ("_size", "calls", "sent_at")

    def __init__(self, call: Call) -> None:
        self.calls = [call]
        self.sent_at = math.inf
        self._size = call.size

    def joined(self, call: Call) -> bool:
        """Take one more of the same script and partition; False where there is no room."""
        size = self._size + call.size
        if len(self.calls) >= CALLS_AT_ONCE or size > BYTES_AT_ONCE:
            return False
        self.calls.append(call)
        self._size = size
        return True

    def packed(self, instance: bytes, *, whole: bool = False) -> bytes:
        """As it goes out (RESP). `whole`: with the script's text, for a Redis that has it not."""
        first = self.calls[0]
        script = first.script
        name = (b"EVAL", script.text) if whole else (b"EVALSHA", script.digest)
        if not script.gathers:
            return pack(*name, b"1", first.partition_prefix, instance, *first.arguments)
        arguments: list[Argument] = [*name, b"1", first.partition_prefix, instance]
        for call in self.calls:
            arguments.append(len(call.arguments))
            arguments += call.arguments
        return pack(*arguments)

    def answered(self, reply: Any) -> None:
        """The reply came: each call is told its own."""
        if not self.calls[0].script.gathers:
            self.calls[0].answered(reply)
            return
        if len(reply) != len(self.calls):
            self.failed(ResponseError(f"{len(reply)} replies to {len(self.calls)} calls"))
            return
        for call, part in zip(self.calls, reply, strict=True):
            call.answered(part)
        self.calls[0].answered_with(self.calls)

    def failed(self, error: Exception) -> None:
        """None comes, for none of them."""
        for call in self.calls:
            call.failed(error)


def gathered(calls: Iterable[Call]) -> list[Command]:
    """Make commands of calls. No call goes before one that was called earlier, unless both gather."""
    commands: list[Command] = []
    open_commands: dict[tuple[bytes, str], Command] = {}
    for call in calls:
        if call.script.gathers:
            key = call.script.digest, call.partition_prefix
            command = open_commands.get(key)
            if command is not None and command.joined(call):
                continue
            command = open_commands[key] = Command(call)
        else:
            open_commands.clear()
            command = Command(call)
        commands.append(command)
    return commands


def pack(*arguments: Argument) -> bytes:
    """RESP: an array of bulk strings."""
    return cast(bytes, pack_command(arguments))  # type: ignore[arg-type]  # hiredis' types know tuples of one only
