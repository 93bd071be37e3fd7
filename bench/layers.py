"""Where a token's CPU goes: a profile's stacks, summed by layer of the server. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

_MAIN_THREAD: Final = "_run_module_as_main"
OTHER: Final = "event loop and the rest"

_RULES: Final = tuple(
    (layer, re.compile(pattern))
    for layer, pattern in (
        ("the request to the vendor", r"\._open \(agent/providers/|openai_messages\.py|agent/context\.py|\(openai/"),
        ("the vendor's stream: parsing", r"\(agent/providers/(sse|chat_chunks)"),
        ("the vendor's stream: reading", r"\(agent/providers/|\(httpx2?/|\(httpcore2?/|\(h11/"),
        ("feed: deltas gathered", r"\(agent/(feed|model_step)"),
        (
            "append: writer and link",
            r"Link\.(call|send|_write)|(packed|joined|gathered|pack\w*) \(|queue/writer|handing_on",
        ),
        ("Redis' replies", r"\(memory/(link|commands|fsync|event_log/gate)"),
        ("hearing the log", r"\(memory/event_log/hub|\(redis/|\(hiredis/"),
        ("topic, cursor, outbound", r"\(memory/event_log/|\(server/(cursor|outbound|connection)"),
        ("WebSocket: writing", r"\(server/transports/|\(server/uvicorn_protocol|\(uvicorn/|\(websockets/"),
        ("logs and metrics", r"\(metrics/(?!sql|recorder)|\(loguru/|\(prometheus_client/"),
        ("the books", r"\(metrics/|\(sqlalchemy/|\(memory/outbox"),
        ("turns: taking, deciding, ending", r"\(agent/|\(server/worker|\(memory/|\(tools/"),
    )
)
"""A stack belongs to the first of these that its innermost matching frame fits: what a library does is its caller's."""

LAYERS: Final = (*(layer for layer, _ in _RULES), OTHER)


def by_layer(lines: Iterable[str]) -> dict[str, float]:
    """Give each layer's share (0 to 1) of the main thread in what py-spy recorded as `raw`. ValueError: none."""
    samples: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rstrip().rpartition(" ")
        frames = stack.split(";")
        if frames[0].startswith(_MAIN_THREAD):
            samples[layer_of(frames)] += int(count)
    if not samples:
        raise ValueError("the profile holds no sample of the main thread")
    return {layer: samples[layer] / samples.total() for layer in LAYERS}


def layer_of(frames: list[str]) -> str:
    """Give the layer of one stack, outermost frame first."""
    for frame in reversed(frames):
        for layer, pattern in _RULES:
            if pattern.search(frame):
                return layer
    return OTHER
