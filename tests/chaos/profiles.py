"""What a run is made of, by name: how many users, what they do, and how often what breaks."""

from __future__ import annotations

from typing import Final

import msgspec


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """What a user does; chances are a message's."""

    kinds: tuple[tuple[str, float], ...] = (("say", 62), ("read", 16), ("once", 20), ("market", 2))
    """Of answers, see order.py, by weight."""
    tokens: tuple[int, int] = (15, 80)
    pace_ms: int = 25
    pause_s: tuple[float, float] = (0.0, 0.8)
    """Between an answer and the next question."""
    on_busy: tuple[float, float, float, float] = (70, 10, 12, 8)
    """Weights of queue, merge, interrupt, reject."""
    bursts: float = 0.12
    """Three messages at once."""
    cancels: float = 0.14
    retries: float = 0.08
    twice: float = 0.12
    """The same cid from both devices at once."""
    broken: float = 0.14
    """The provider goes wrong in this answer."""
    provider_faults: tuple[str, ...] = ("429", "500", "hang", "cut", "garbage")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A run."""

    users: int
    habits: Habits = Habits()
    seconds: float
    """How long faults are injected, where nothing else is asked for."""
    every_s: float | None
    """Mean time between two faults of the plan; None: there are none."""
    faults: dict[str, float] = {}
    """Weights by kind (faults.py)."""
    bridges: int = 0
    """Where there are any, every fourth user talks over their channel."""
    leavers: int = 0
    """Users beside the others who are erased while they are answered, and come back."""
    movers: int = 0
    """Users beside the others who have two sessions, of which one is merged into the other."""
    quiet_s: float = 45.0
    """All must be done so long after the last fault: three runs of a turn under leases take less."""
    least_turns: int = 1
    """That end. With fewer than one of the three figures in `seconds` a run proves nothing: it goes on (activity.py)."""
    least_hits: int = 0
    """Faults that hit a running turn."""
    least_kinds: int = 0
    """Of faults. Each comes once before any comes again."""


ALL_FAULTS: Final = {
    "kill_worker": 5.0,
    "kill_worker_and_lifeline": 2.0,
    "kill_point": 8.0,
    "kill_node": 4.0,
    "pause_worker": 3.0,
    "pause_node": 2.0,
    "kill_redis": 0.8,
    "cut_aof": 0.6,
    "cut_connections": 5.0,
    "cut_pubsub": 4.0,
    "cut_reply": 8.0,
    "drop_messages": 5.0,
    "delay": 3.0,
    "half_open": 2.0,
    "client_cut": 14.0,
    "client_flap": 7.0,
    "client_stops_reading": 5.0,
    "drain": 3.0,
    "bridge_cut": 4.0,
    "bridge_flap": 2.0,
}
_CALM: Final = Habits(
    kinds=(("say", 1),), on_busy=(1, 0, 0, 0), broken=0.0, bursts=0.0, twice=0.0, retries=0.0, cancels=0.0
)

PROFILES: Final[dict[str, Profile]] = {
    "quick": Profile(
        users=8,
        seconds=34,
        every_s=0.5,
        faults=ALL_FAULTS,
        bridges=2,
        leavers=1,
        movers=1,
        least_turns=40,
        least_hits=20,
        least_kinds=12,
    ),
    "standard": Profile(
        users=8,
        seconds=240,
        every_s=0.6,
        faults=ALL_FAULTS,
        bridges=2,
        leavers=2,
        movers=1,
        least_turns=300,
        least_hits=150,
        least_kinds=18,
    ),
    "workers": Profile(
        users=8,
        seconds=60,
        every_s=1.8,
        faults={"kill_worker": 2, "kill_worker_and_lifeline": 1, "client_cut": 1},
        least_turns=40,
    ),
    "cancel": Profile(
        users=8,
        habits=Habits(broken=0, cancels=0.9, twice=0, bursts=0.1, retries=0, kinds=(("say", 1),), tokens=(80, 120)),
        seconds=40,
        every_s=None,
        least_turns=60,
    ),
    "rolling": Profile(
        users=200,
        habits=msgspec.structs.replace(_CALM, tokens=(150, 160), pace_ms=200, pause_s=(600, 601)),
        seconds=45,
        every_s=None,
        quiet_s=120,
        least_turns=200,
    ),
    "soak": Profile(users=12, habits=msgspec.structs.replace(_CALM, cancels=0.05), seconds=240, every_s=None),
}
