"""How many appends one Redis core does: the product's script in a deep pipeline, a reader subscribed to every log."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from typing import Final

import hiredis
import msgspec

from bench.appending import PREFIX, Appender, Field, append_call, append_script, delta, digest_of, packed
from bench.measures import Place, Sample
from bench.valkey import Valkey, start_valkey

_SESSIONS: Final = 300
_AT_ONCE: Final = 64
"""Appends of a call, as many as the product's link gathers at most (CALLS_AT_ONCE in `memory/commands.py`)."""
_ROUNDS_UNDER_WAY: Final = 3


class AppendRun(msgspec.Struct, frozen=True, kw_only=True):
    """Each round appends one event to each session."""

    rounds: int

    def __call__(self, place: Place, system: str, name: str) -> Sample:
        """Run on a Valkey of its own."""
        with ExitStack() as stack:
            valkey = start_valkey(stack, place.cores, place.own_folder(name), "appends", is_server=True)
            appenders = [Appender(session=f"ses_{number:026d}", instance="I", epoch="e") for number in range(_SESSIONS)]
            for appender in appenders:
                meta: dict[Field, Field] = {
                    "tenant": "t",
                    "user_id": "u",
                    "epoch": "e",
                    "instance": "I",
                    "seq": "0",
                    **appender.holds(),
                }
                valkey.client.hset(appender.meta_key, mapping=meta)
            digest = digest_of(append_script())
            valkey.client.script_load(append_script())
            heard = stack.enter_context(_Reader(valkey, appenders))
            rounds = [_round(appenders, digest, batch) for batch in range(1, self.rounds + 1)]
            before, begun = valkey.process.cpu().redis_s, time.perf_counter()
            refused = _send_all(valkey, rounds)
            wall_s, cpu_s = time.perf_counter() - begun, valkey.process.cpu().redis_s - before
            appends = self.rounds * _SESSIONS
            problems = [*refused, *heard.problems(appends)]
        return Sample(
            values={"appends_per_s": appends / cpu_s, "appends_per_s_wall": appends / wall_s}, problems=tuple(problems)
        )


def _round(appenders: list[Appender], digest: str, batch: int) -> bytes:
    appends = [appender.arguments(batch, [delta(appender.session, batch * 6, " token")]) for appender in appenders]
    calls = (
        append_call(digest, appenders[0].instance, appends[start : start + _AT_ONCE])
        for start in range(0, len(appends), _AT_ONCE)
    )
    return b"".join(packed(call) for call in calls)


def _send_all(valkey: Valkey, rounds: list[bytes]) -> list[str]:
    """Send everything, a few rounds ahead of the replies; gives the first reply that is not `ok`, if there is one."""
    problems: list[str] = []
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(valkey.socket))
        replies = hiredis.Reader()
        for number in range(len(rounds) + _ROUNDS_UNDER_WAY):
            if number < len(rounds):
                link.sendall(rounds[number])
            if number >= _ROUNDS_UNDER_WAY:
                problems += _read(link, replies, _SESSIONS)
    return problems[:1]


def _read(link: socket.socket, replies: hiredis.Reader, count: int) -> list[str]:
    """Read the replies to `count` appends."""
    problems = []
    while count > 0:
        reply = replies.gets()
        if reply is False:
            replies.feed(link.recv(1 << 20))
            continue
        if not isinstance(reply, list):
            return [f"appends were answered {reply!r}"]
        count -= len(reply)
        problems += [f"an append was answered {answer!r}" for answer in reply if answer[0] != b"ok"]
    return problems


class _Reader:
    """A connection that is subscribed to every session and counts what it hears, in a thread of its own."""

    def __init__(self, valkey: Valkey, appenders: list[Appender]) -> None:
        self._tail = b""
        self._events = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(valkey.socket))
        for appender in appenders:
            self._socket.sendall(packed(["SSUBSCRIBE", f"{PREFIX}ch:{appender.session}"]))
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> _Reader:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def problems(self, expected: int, timeout_s: float = 10.0) -> list[str]:
        """Say whether every event was heard, once all had the time to arrive."""
        deadline = time.monotonic() + timeout_s
        while self._events < expected and time.monotonic() < deadline:
            time.sleep(0.01)
        return [] if self._events == expected else [f"{self._events} of {expected} events were heard"]

    def _listen(self) -> None:
        word = b'"message.delta"'
        while data := self._socket.recv(1 << 20):
            joined = self._tail + data
            self._events += joined.count(word)
            self._tail = joined[-(len(word) - 1) :]
