"""Who takes part in a run: talkers, users who are erased and come back, users whose sessions are merged, bridges."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.wire.frames import SessionOpen
from tests.chaos.bridge import CHANNEL, Bridge
from tests.chaos.device import Device
from tests.chaos.history import Plan
from tests.chaos.order import canary
from tests.chaos.profiles import Profile
from tests.chaos.recording import Recorder, now_ns
from tests.chaos.user import User

AGAIN: Final = ".again"
"""Ends the name of the conversation of a user who was erased and came back."""
OLD: Final = "old"
"""What a user calls the session that is merged away."""
_ON_CHANNEL: Final = 4
_CROWD: Final = 50
"""With more users than this each has one device."""


@dataclass(frozen=True, kw_only=True)
class Cast:
    """All of them, by what they do."""

    talkers: Sequence[User]
    leavers: Sequence[tuple[User, User]]
    """Before the erasure and after it: the same user, other conversations."""
    movers: Sequence[tuple[User, User]]
    """The session that is merged, and the one in which it goes on."""
    bridges: Sequence[Bridge]
    channels: dict[str, str]

    @property
    def users(self) -> list[User]:
        """Everybody who talks at some time."""
        return [*self.talkers, *(user for pair in (*self.leavers, *self.movers) for user in pair)]

    @property
    def devices(self) -> list[Device]:
        """All of their devices."""
        return [device for user in self.users for device in user.devices]

    def plan(self, seed: int, profile: str) -> Plan:
        """The first entry of the history."""
        return Plan(
            at_ns=now_ns(),
            seed=seed,
            profile=profile,
            sessions={user.name: canary(seed, user.name) for user in self.users},
            channels=self.channels,
            leavers=[user.name for user, _ in self.leavers],
            merges={source.name: target.name for source, target in self.movers},
        )


def assemble(seed: int, profile: Profile, ports: Sequence[int], recorder: Recorder) -> Cast:
    """Make everybody; nobody does anything yet. Talkers, and who comes to a merge's end, need no preparation."""
    channels: dict[str, str] = {}

    def user(name: str, user_id: str, *, on_channel: bool, begins: bool) -> User:
        if on_channel and profile.bridges:
            channels[name] = CHANNEL
        devices = [
            Device(
                name=f"{name}.{place}",
                session=name,
                ports=ports,
                recorder=recorder,
                chance=random.Random(f"{seed}/{name}/{place}"),
                opening=SessionOpen(cid="-", user_id=user_id, channel=channels.get(name)),
            )
            for place in (("laptop",) if profile.users > _CROWD else ("phone", "laptop"))
        ]
        for device in devices if begins else ():
            device.begin.set()
        chance = random.Random(f"{seed}/{name}")
        return User(
            name=name, user_id=user_id, devices=devices, habits=profile.habits, chance=chance, recorder=recorder
        )

    def pair(first: str, second: str, user_id: str, *, begins: bool) -> tuple[User, User]:
        one = user(first, user_id, on_channel=True, begins=False)
        return one, user(second, user_id, on_channel=not begins, begins=begins)

    names = [f"user-{number}" for number in range(1, profile.users + 1)]
    leavers = [f"leaver-{number}" for number in range(1, profile.leavers + 1)]
    movers = [f"mover-{number}" for number in range(1, profile.movers + 1)]
    return Cast(
        talkers=[
            user(name, name, on_channel=number % _ON_CHANNEL == 0, begins=True) for number, name in enumerate(names, 1)
        ],
        leavers=[pair(name, name + AGAIN, name, begins=False) for name in leavers],
        movers=[pair(f"{name}.{OLD}", name, name, begins=True) for name in movers],
        bridges=[
            Bridge(name=f"bridge-{number}", ports=ports, recorder=recorder, chance=random.Random(f"{seed}/b{number}"))
            for number in range(1, profile.bridges + 1)
        ],
        channels=channels,
    )
