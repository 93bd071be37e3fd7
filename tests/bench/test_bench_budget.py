from __future__ import annotations

import pytest

from bench.floors import floors
from bench.layers import LAYERS, OTHER, by_layer, layer_of
from bench.processes import choose_cores

MAIN = "_run_module_as_main (<frozen runpy>:198);main (server/__main__.py:34)"


@pytest.mark.parametrize(
    ("frames", "layer"),
    [
        pytest.param(
            "_read (agent/providers/openai.py:136);f (h11/_state.py:9)",
            "the vendor's stream: reading",
            id="library_code_is_its_callers",
        ),
        pytest.param("feed (agent/providers/sse.py:3)", "the vendor's stream: parsing", id="parsing"),
        pytest.param(
            "_open (agent/providers/x.py:1);C._open (agent/providers/openai.py:95);post (openai/_client.py:1)",
            "the request to the vendor",
            id="the_sdk_that_sends",
        ),
        pytest.param(
            "Link._write (memory/link.py:143);_pack_call (memory/link.py:203)",
            "append: writer and link",
            id="packing_a_call",
        ),
        pytest.param("Link._read (memory/link.py:150)", "Redis' replies", id="reading_replies"),
        pytest.param(
            "_AsgiTransport.send (server/transports/websocket.py:4);send (uvicorn/x.py:1)",
            "WebSocket: writing",
            id="uvicorn_under_our_send",
        ),
        pytest.param("write (core/codec.py:1)", OTHER, id="nobody_known"),
    ],
)
def test_a_stack_belongs_to_the_innermost_part_of_the_server_that_it_is_in(frames: str, layer: str):
    assert layer_of([*MAIN.split(";"), *frames.split(";")]) == layer


def test_shares_are_of_the_main_thread_and_sum_to_one():
    shares = by_layer(
        [
            f"{MAIN};feed (agent/providers/sse.py:3) 3",
            f"{MAIN};run (asyncio/runners.py:1) 1",
            "Thread._bootstrap (threading.py:1002);work (metrics/sql/x.py:1) 90",
        ]
    )

    assert (shares["the vendor's stream: parsing"], shares[OTHER]) == (0.75, 0.25)
    assert set(shares) == set(LAYERS)
    assert sum(shares.values()) == pytest.approx(1.0)


def test_a_profile_of_nothing_is_refused():
    with pytest.raises(ValueError, match="main thread"):
        by_layer(["Thread._bootstrap (threading.py:1002) 5"])


def test_floors_are_measured_here():
    assert all(cost_us > 0 for cost_us in floors(choose_cores()).values())
