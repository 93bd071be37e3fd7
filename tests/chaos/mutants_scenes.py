"""A seeded bug and what happens in its run: who talks how, and what breaks how often."""

from __future__ import annotations

from typing import Final

import msgspec

from tests.chaos.mutants_patch import Edit


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What happens in a mutant's run."""

    faults: dict[str, float]
    every_s: float = 1.0
    """Mean time between two faults."""
    seconds: float = 12.0
    users: int = 6
    kinds: tuple[tuple[str, float], ...] = (("say", 1), ("read", 1))
    tokens: tuple[int, int] = (30, 70)
    pace_ms: int = 25
    bursts: float = 0.1
    cancels: float = 0.0
    twice: float = 0.0
    on_busy: tuple[float, float, float, float] = (1, 0, 0, 0)
    broken: float = 0.0
    provider_faults: tuple[str, ...] = ("cut",)
    bridges: int = 0
    leavers: int = 0
    movers: int = 0


FLAPS: Final = Scene(faults={"client_flap": 2, "client_cut": 2}, every_s=0.5)
KILLS: Final = Scene(
    faults={"kill_worker": 2, "kill_point": 1, "client_cut": 1}, every_s=1.2, kinds=(("read", 1),), seconds=14
)
ONCE_KILLS: Final = Scene(
    faults={"kill_worker": 4, "kill_point": 1, "client_cut": 1},
    every_s=0.8,
    kinds=(("once", 1),),
    seconds=16,
    tokens=(5, 10),
)
ZOMBIES: Final = Scene(
    faults={"pause_worker": 5, "client_cut": 1},
    every_s=1.2,
    seconds=20,
    tokens=(700, 900),
    pace_ms=10,
    users=5,
    bursts=0.0,
)
"""Tokens come faster than deltas go out: a process that stops has something left to write when it goes on."""
CUT_REPLIES: Final = Scene(faults={"cut_reply": 6, "client_cut": 1}, every_s=0.35)
RESTARTS: Final = Scene(faults={"cut_aof": 2, "client_cut": 1}, every_s=2.5, seconds=14)
LOST_MESSAGES: Final = Scene(faults={"drop_messages": 3, "cut_pubsub": 3, "client_cut": 1}, every_s=0.4)
STOPS: Final = Scene(
    faults={"client_cut": 1}, every_s=1.0, cancels=0.9, tokens=(120, 160), kinds=(("say", 1),), bursts=0.3
)
BUSY: Final = Scene(faults={"client_cut": 1}, every_s=1.0, bursts=0.8)
DRAINS: Final = Scene(faults={"drain": 2, "client_cut": 1}, every_s=1.5, tokens=(150, 200), seconds=14)
DEAF: Final = Scene(faults={"client_stops_reading": 3, "client_cut": 1}, every_s=0.5)
BRIDGES: Final = Scene(
    faults={"bridge_cut": 4, "bridge_flap": 1, "client_cut": 1}, every_s=0.5, users=8, tokens=(5, 20), bridges=2
)
ENDINGS: Final = Scene(
    faults={"client_cut": 2, "client_flap": 1, "cut_reply": 1},
    every_s=0.7,
    seconds=16,
    users=4,
    bridges=2,
    leavers=1,
    movers=1,
)

SCENES: Final = {
    "flaps": FLAPS,
    "kills": KILLS,
    "once-kills": ONCE_KILLS,
    "zombies": ZOMBIES,
    "cut-replies": CUT_REPLIES,
    "restarts": RESTARTS,
    "lost-messages": LOST_MESSAGES,
    "stops": STOPS,
    "busy": BUSY,
    "drains": DRAINS,
    "deaf": DEAF,
    "bridges": BRIDGES,
    "endings": ENDINGS,
}
"""Those that several mutants share; the control runs play them without a bug."""


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """A seeded bug."""

    name: str
    sentence: str
    edits: tuple[Edit, ...]
    scene: Scene
    seed: int = 1
