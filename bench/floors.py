"""The least that pieces of a token's work cost on this machine: what a budget is held against."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
import timeit
from typing import Final

import msgspec

from bench.appending import delta
from bench.processes import Cores, pin

_READER: Final = "import socket, sys; peer = socket.socket(fileno=int(sys.argv[1]))\nwhile peer.recv(65536): pass"
_SENDS: Final = 300
_PAUSE_S: Final = 0.001
"""Long enough for the reader to have fallen asleep."""


def floors(cores: Cores) -> dict[str, float]:
    """Measure them; microseconds."""
    frame = delta("ses_01k0000000000000000000000", 12, " token")
    event = msgspec.json.decode(frame)
    asleep_s, awake_s = _send_s(frame, _PAUSE_S, cores), _send_s(frame, 0.0, cores)
    encode_s = min(timeit.repeat(lambda: msgspec.json.encode(event), number=5000, repeat=5)) / 5000
    return {
        "one send to a process that sleeps": asleep_s * 1e6,
        "one send to a process that is reading": awake_s * 1e6,
        "one event as JSON": encode_s * 1e6,
    }


def _send_s(frame: bytes, pause_s: float, cores: Cores) -> float:
    """Give the median of a send over TCP to another process, on another core where there is one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = socket.create_connection(listener.getsockname())
        receiver, _ = listener.accept()
    sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as every server does that streams
    command = [sys.executable, "-c", _READER, str(receiver.fileno())]
    with subprocess.Popen(command, pass_fds=[receiver.fileno()]) as reader:
        pin(reader.pid, cores.server)
        receiver.close()
        times = []
        with sender:
            for _ in range(_SENDS):
                time.sleep(pause_s)
                begun = time.perf_counter()
                sender.send(frame)
                times.append(time.perf_counter() - begun)
    return statistics.median(times)
