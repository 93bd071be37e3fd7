"""What a user does with two devices: asks, asks twice, stops, asks again, answers approvals."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from core.turns import OnBusy
from core.wire.frames import ApprovalRespond, Command, MessageSend, TurnCancel, TurnRetry
from tests.chaos.device import Answer, Device
from tests.chaos.order import Order, write_order
from tests.chaos.profiles import Habits
from tests.chaos.recording import Recorder

ANSWERED_S: Final = 8.0
"""How long a user waits for the end of an answer before going on."""
LOOK_S: Final = 0.08
RESENDS: Final = 6
"""How often a command that was refused retryably is sent again."""


@dataclass(kw_only=True)
class User:
    """One user. `talk` until cancelled."""

    name: str
    """The conversation's, by which the run knows it."""
    user_id: str
    devices: Sequence[Device]
    habits: Habits
    chance: random.Random
    recorder: Recorder
    sent: int = 0
    silent: bool = False
    """While set, nothing is asked."""
    refusals: set[str] = field(default_factory=set)
    """The codes of all refusals."""
    _kept: set[asyncio.Task[None]] = field(default_factory=set)
    _answered: set[str] = field(default_factory=set)

    @property
    def waits(self) -> bool:
        """Whether a command is not answered yet, or is about to be sent; of an erased session none will be."""
        return bool(self._kept) and any(device.takes_part for device in self.devices)

    async def talk(self) -> None:
        """Send messages, for ever."""
        await asyncio.sleep(self.chance.uniform(0, 1.0))
        while True:
            while self.silent:
                await asyncio.sleep(LOOK_S)
            burst = 3 if self.chance.random() < self.habits.bursts else 1
            cids = [self._ask() for _ in range(burst)]
            if self.chance.random() < self.habits.cancels:
                self._keep(self._cancel_soon(self.chance.uniform(0.05, 1.2)))
            await self._until_answered(cids[-1])
            if self.chance.random() < self.habits.retries:
                await self._retry()
            await asyncio.sleep(self.chance.uniform(*self.habits.pause_s))

    async def leave(self) -> None:
        """Do nothing more; what was not answered is not waited for."""
        for task in list(self._kept):
            task.cancel()
        await asyncio.gather(*self._kept, return_exceptions=True)

    async def answer_approvals(self) -> None:
        """Answer what waits for an approval, for ever: mostly yes."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.3, 1.0))
            for device in self.devices:
                turn = device.view.turn if device.view is not None else None
                for approval in turn.approvals if turn is not None else ():
                    if approval.approval_id not in self._answered and device.session_id is not None:
                        self._answered.add(approval.approval_id)
                        self._send(
                            device,
                            ApprovalRespond(
                                cid=self._cid(),
                                session_id=device.session_id,
                                approval_id=approval.approval_id,
                                approved=self.chance.random() < 0.7,
                            ),
                        )

    def _ask(self) -> str:
        """Send one message; gives its cid."""
        cid, habits = self._cid(), self.habits
        kind = self.chance.choices(*zip(*habits.kinds, strict=True))[0]
        fault = self.chance.choice(habits.provider_faults) if self.chance.random() < habits.broken else None
        order = Order(
            session=self.name,
            cid=cid,
            kind=kind,
            tokens=self.chance.randint(*habits.tokens),
            pace_ms=habits.pace_ms,
            fault=fault,
            after=self.chance.randint(0, 8) if fault in ("cut", "hang", "garbage") else 0,
            times=self.chance.choice((1, 1, 2, 3)) if fault is not None else 0,
        )
        on_busy: OnBusy = self.chance.choices(("queue", "merge", "interrupt", "reject"), habits.on_busy)[0]
        message = MessageSend(cid=cid, session_id="-", content=write_order(order), on_busy=on_busy)
        first, *others = self.chance.sample(list(self.devices), len(self.devices))
        self._send(first, message)
        if others and self.chance.random() < self.habits.twice:
            view = others[0].view
            running = [view.turn.turn_id] if view is not None and view.turn is not None else []
            self.recorder.fault("same_cid_twice", others[0].name, running)
            self._send(others[0], message)
        return cid

    def _send(self, device: Device, command: Command) -> None:
        """Send, and send again where the refusal says that it may be."""
        self._keep(self._insist(device, command))

    async def _insist(self, device: Device, command: Command) -> None:
        for _ in range(RESENDS):
            answer: Answer = await device.send(command)
            if answer.error is None:
                return
            self.refusals.add(answer.error.code)
            if not answer.error.retryable:
                return
            await asyncio.sleep((answer.error.retry_after_ms or 300) / 1000 * self.chance.uniform(0.5, 1.5))

    async def _cancel_soon(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        device = self.chance.choice(list(self.devices))
        view = device.view
        if view is None or device.session_id is None:
            return
        queued = [waiting.turn_id for waiting in view.queue]
        turn_ids = ([view.turn.turn_id] if view.turn is not None else []) + queued
        if turn_ids:
            turn_id = turn_ids[0] if self.chance.random() < 0.8 else turn_ids[-1]
            self._send(device, TurnCancel(cid=self._cid(), session_id=device.session_id, turn_id=turn_id))

    async def _retry(self) -> None:
        device = self.chance.choice(list(self.devices))
        view = device.view
        if view is None or view.turn is not None or view.queue or device.session_id is None:
            return
        asked = [message for message in view.messages if message.role == "user"]
        if asked and asked[-1].turn_id:
            cid = self._cid()
            self._send(device, TurnRetry(cid=cid, session_id=device.session_id, turn_id=asked[-1].turn_id))
            await asyncio.sleep(1.0)

    async def _until_answered(self, cid: str) -> None:
        until_s = time.monotonic() + ANSWERED_S
        while time.monotonic() < until_s and not any(_answered(device, cid) for device in self.devices):
            await asyncio.sleep(LOOK_S)

    def _cid(self) -> str:
        self.sent += 1
        return f"{self.name}.c{self.sent}"

    def _keep(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)


def _answered(device: Device, cid: str) -> bool:
    view = device.view
    if view is None:
        return False
    asked = next((message for message in reversed(view.messages) if message.re == cid), None)
    if asked is None:
        return False
    open_turns = {waiting.turn_id for waiting in view.queue} | ({view.turn.turn_id} if view.turn is not None else set())
    return asked.turn_id not in open_turns
