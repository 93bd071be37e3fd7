"""How fast the WebSocket client itself is: a figure near it would say more about the client than about the server."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from bench.clients.conversation import Answer
from bench.clients.websocket import ProsaConversation
from bench.order import plain_token

_TOKENS_AN_EVENT: Final = 16
_EVENTS: Final = 4000


def websocket_tokens_per_s() -> float:
    """Feed the client the bytes of a long answer, as fast as it takes them; gives tokens a CPU second."""
    client = ProsaConversation(0, "ceiling")
    answer = Answer(asked_us=0, pieces=[])
    client.attach(answer)
    frames = [_frame(number) for number in range(_EVENTS)]
    began = time.process_time()
    for frame in frames:
        client.receive(frame)
    return _EVENTS * _TOKENS_AN_EVENT / (time.process_time() - began)


def _frame(number: int) -> bytes:
    first = number * _TOKENS_AN_EVENT
    event = {
        "type": "message.delta",
        "session_id": "ses_01k0000000000000000000000",
        "seq": number + 1,
        "message_id": "msg_01k0000000000000000000000",
        "off": first * 5,
        "text": "".join(plain_token(index) for index in range(first, first + _TOKENS_AN_EVENT)),
    }
    payload = msgspec.json.encode(event)
    head = b"\x81" + (bytes((len(payload),)) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big"))
    return head + payload
