"""How fast the Socket.IO client itself is: a figure near it would say more about the client than about the server."""

from __future__ import annotations

import time
from typing import Final

from bench.clients.conversation import Answer
from bench.clients.socketio import SocketIoConversation, event_packet
from bench.order import plain_token
from bench.peers.chainlit import APPLICATION

_TOKENS: Final = 20_000
_FRAMES_A_READ: Final = 8


def socketio_tokens_per_s() -> float:
    """Feed the client the bytes of a long answer of Chainlit, as fast as it takes them; gives tokens a CPU second."""
    client = SocketIoConversation(APPLICATION, 0, "ceiling")
    answer = Answer(asked_us=0, pieces=[])
    client.attach(answer)
    frames = [_frame(index) for index in range(_TOKENS)]
    reads = [b"".join(frames[start : start + _FRAMES_A_READ]) for start in range(0, _TOKENS, _FRAMES_A_READ)]
    began = time.process_time()
    for data in reads:
        client.receive(data)
    return _TOKENS / (time.process_time() - began)


def _frame(index: int) -> bytes:
    event = {
        "id": "0e5a1e0e-5a1e-4e5a-9e5a-1e0e5a1e0e5a",
        "token": plain_token(index),
        "isSequence": False,
        "isInput": False,
    }
    packet = event_packet("stream_token", event)
    size = len(packet)
    return b"\x81" + (bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2, "big")) + packet
