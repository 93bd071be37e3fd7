"""The harness itself: what it asks of a run, that its wishes reach the product, and that it awaits the end."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from agent.routing.breaker import Breaker
from core.ids import SystemIds
from core.view import SessionView
from server.settings import load_settings
from server.vendors import build_providers
from tests.chaos import node
from tests.chaos.activity import LONGEST, least_of
from tests.chaos.bridge import Bridge
from tests.chaos.cast import Cast
from tests.chaos.cluster import PROVIDER_PATIENCE_S, environment_of
from tests.chaos.history import Entry, Shown, Stopped
from tests.chaos.plan import make_plan
from tests.chaos.profiles import PROFILES
from tests.chaos.quiet import Ending

# ---------------------------------------------------------------- how much has to happen


def test_the_plan_of_a_longer_run_begins_with_that_of_a_shorter_one() -> None:
    profile = PROFILES["quick"]
    short, long = make_plan(20, profile, profile.seconds), make_plan(20, profile, profile.seconds * LONGEST)

    assert long[: len(short)] == short
    assert len(long) > len(short)


def test_a_run_of_another_length_has_to_do_as_much_in_a_second() -> None:
    least = least_of(PROFILES["standard"], 60)

    assert (least.turns, least.hits, least.kinds) == (75, 38, 18)


def test_what_is_too_little_is_told() -> None:
    least = least_of(PROFILES["quick"], None)

    assert least.lacks(turns=40, hits=20, kinds=12) == []
    assert least.lacks(turns=39, hits=20, kinds=12) == ["39 turns ended, at least 40 wanted"]


# ---------------------------------------------------------------- what the product is told


def test_a_provider_that_hangs_is_given_up_soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It was not, once: where the timeouts are made had moved, and a run waited 30 s for each provider that hung."""
    for name, value in environment_of(tmp_path, 1, 2, None).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")

    provider = cast(Any, build_providers(load_settings(_env_file=None), SystemIds())["openai"])

    timeouts = provider._http.timeouts
    patience = (timeouts.connect_s, timeouts.first_token_s, timeouts.between_tokens_s)
    assert patience == (PROVIDER_PATIENCE_S,) * 3


def test_a_provider_that_fails_is_left_alone_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = Breaker.__init__.__kwdefaults__
    monkeypatch.setitem(cast(dict[str, Any], defaults), "open_s", 30.0)

    node.shorten_open_circuits()

    assert cast(Any, Breaker(cast(Any, _Named())))._open_s == node.LEFT_ALONE_S


class _Named:
    name = "openai"


# ---------------------------------------------------------------- how the end is awaited


@dataclass
class _Log:
    """A session's log, and the devices that follow it: all that `Ending` looks at."""

    seq: int = 0
    shown: int = 0
    waits: bool = False
    entries: list[Entry] = field(default_factory=list)
    looks: int = 0
    bridge: Bridge = field(init=False)

    # the cluster, and its Redis
    prefixes = ("p:",)

    def __post_init__(self) -> None:
        self.bridge = Bridge(name="bridge-1", ports=(), recorder=cast(Any, self), chance=random.Random(1))
        self.redis = self

    async def tell_proxy(self, **_: Any) -> None: ...

    def prefix_of(self, _: str) -> str:
        return "p:"

    async def hget(self, *_: str) -> None: ...

    async def zcard(self, _: str) -> int:
        return 0

    llen = xlen = zcard

    # the reader
    async def look(self) -> None:
        self.looks += 1

    def heads(self) -> dict[str, tuple[str, int]]:
        return {"ana": ("epoch-1", self.seq)}

    # the recorder
    def write(self, entry: Entry) -> None:
        self.entries.append(entry)

    def flush(self) -> None: ...

    # a device, and its user
    name = session = "ana"
    takes_part = is_live = True
    deaf_until_s = flap_until_s = 0.0

    @property
    def view(self) -> SessionView:
        return SessionView(epoch="epoch-1", seq=self.shown)

    @property
    def devices(self) -> list[_Log]:
        return [self]

    def ending(self) -> Ending:
        cast_ = cast(Any, _Cast(self))
        return Ending(cast(Any, self), cast_, {"ses_1": "ana"}, cast(Any, self), cast(Any, self))

    def append(self) -> None:
        self.seq += 1
        asyncio.get_running_loop().call_later(0.05, self._hear)

    def _hear(self) -> None:
        self.shown = self.seq


class _Cast(Cast):
    def __init__(self, log: _Log) -> None:
        user = cast(Any, log)
        super().__init__(talkers=[user], leavers=(), movers=(), bridges=[log.bridge], channels={})


async def test_a_bridge_that_is_at_work_is_waited_for_and_what_it_reports_is_shown() -> None:
    """A report's event once came a millisecond after the devices had been looked at."""
    log = _Log()
    await log.bridge.at_work.acquire()
    ending = asyncio.create_task(log.ending().quiet(60))
    while not log.looks:
        await asyncio.sleep(0)
    assert not log.entries

    log.append()
    log.bridge.at_work.release()
    await ending

    assert [(type(entry), getattr(entry, "seq", None)) for entry in log.entries] == [(Shown, 1)]
    assert log.bridge.at_work.locked()


async def test_a_command_that_is_not_answered_is_waited_for() -> None:
    log = _Log(waits=True)
    ending = asyncio.create_task(log.ending().quiet(60))
    await asyncio.sleep(0)
    assert not log.looks

    log.append()
    log.waits = False
    await ending

    assert [getattr(entry, "seq", None) for entry in log.entries] == [1]


async def test_what_does_not_come_to_rest_is_told_with_what_is_shown() -> None:
    log = _Log(seq=2, shown=1)

    await log.ending().quiet(0)

    assert [type(entry) for entry in log.entries] == [Stopped, Shown]
    assert "ana is at ('epoch-1', 1)" in cast(Stopped, log.entries[0]).reason
