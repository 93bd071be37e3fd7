"""Idle and stalled connections cost the others nothing; `many_connections.py` shows the same with many more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.providers.scripted import Say
from server import outbound
from tests.server.conftest import PlannedProvider, running_node
from tests.server.crowd import Crowd
from tests.servers import valkey_server

FLOOD = [Say("x" * 4096) for _ in range(100)]
"""400 KB: more than a peer may leave unread, here and in the kernel."""


async def test_a_turn_streams_whole_past_hundreds_of_idle_and_stalled_connections_and_the_stalled_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "STALLED_S", 1.5)
    provider = PlannedProvider()
    provider.plan("flood", FLOOD, FLOOD)
    provider.plan("ana", [Say(f"{number} ") for number in range(500)])
    with valkey_server() as redis:
        async with running_node(provider, redis_url=redis.url, data_dir=tmp_path) as running:
            idle, stalled = Crowd(running.port), Crowd(running.port)
            await idle.join([f"idle-{number}" for number in range(500)])
            await stalled.join(["flood"] * 50, stalls=True)
            async with running.connect() as flooder, running.connect() as ana:
                flooded = (await flooder.open("flood"))["session_id"]
                session_id = (await ana.open("ana"))["session_id"]
                for _ in range(2):
                    ok = await flooder.ask("message.send", session_id=flooded, content="flood: go")
                    await flooder.until_turn_ends(ok["turn_id"])
                ok = await ana.ask("message.send", session_id=session_id, content="ana: oi")
                end = await ana.until_turn_ends(ok["turn_id"])
                while len(running.node.connections) > 502:
                    await asyncio.sleep(0.05)
                codes = await stalled.close_codes()
                await ana.say("ping", cid=None, t=9)
                await ana.until(lambda frame: frame["type"] == "pong")
                still_there = len(running.node.connections)
            idle.leave()
    assert ana.text(end["message_id"]) == "".join(f"{number} " for number in range(500))
    assert (dict(codes), still_there) == ({4003: 50}, 502)
