"""A client of the wire for tests: says a frame, waits for one, remembers all."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

CIDS = itertools.count(1)
Frame = dict[str, Any]


class WireClient:
    """One WebSocket. `frames` are all server frames in order, arrays taken apart."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Frame] = []
        self.raw: list[str] = []
        self._changed = asyncio.Event()
        self._closed = False
        self._reader = asyncio.create_task(self._read())

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, *, key: str | None = None, **options: Any) -> AsyncIterator[WireClient]:
        """Connect; `key`: the API key of the handshake."""
        headers = dict(options.pop("additional_headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        options.setdefault("subprotocols", ["prosa.v1"])
        options.setdefault("max_size", None)
        async with websockets.connect(url, additional_headers=headers, compression=None, **options) as socket:
            client = cls(socket)
            try:
                yield client
            finally:
                client._reader.cancel()
                await asyncio.wait([client._reader])

    async def say(self, kind: str, **fields: Any) -> str | None:
        """Send a frame; gives its cid. `cid=None` sends none."""
        cid = fields.pop("cid", f"c{next(CIDS)}")
        frame = {"type": kind, **fields} if cid is None else {"type": kind, "cid": cid, **fields}
        await self.socket.send(json.dumps(frame))
        return cid

    async def ask(self, kind: str, **fields: Any) -> Frame:
        """Send a command and wait for its answer."""
        cid = await self.say(kind, **fields)
        return await self.until(lambda frame: frame.get("re") == cid and frame["type"] != "message.created")

    async def open(self, user_id: str | None = None, **fields: Any) -> Frame:
        """Open a session and wait until it is live; gives `session.opened`."""
        if user_id is not None:
            fields["user_id"] = user_id
        opened = await self.ask("session.open", **fields)
        assert opened["type"] == "session.opened", opened
        start = self.frames.index(opened)
        await self.until(lambda f: f["type"] == "session.live" and f["session_id"] == opened["session_id"], start)
        return opened

    async def until(self, found: Callable[[Frame], bool], start: int = 0) -> Frame:
        """The first frame from `start` on that is looked for, waiting for it. Raises ConnectionError where it closes."""
        position = start
        while True:
            for index in range(position, len(self.frames)):
                if found(self.frames[index]):
                    return self.frames[index]
            position = len(self.frames)
            if self._closed:
                raise ConnectionError(f"closed with {self.socket.close_code} before the frame came: {self.frames[-3:]}")
            self._changed.clear()
            await self._changed.wait()

    async def until_type(self, kind: str, start: int = 0) -> Frame:
        """The first frame of that type from `start` on."""
        return await self.until(lambda frame: frame["type"] == kind, start)

    async def until_turn_ends(self, turn_id: str) -> Frame:
        """The end of a turn."""
        ends = ("turn.completed", "turn.failed", "turn.cancelled")
        return await self.until(lambda frame: frame["type"] in ends and frame["turn_id"] == turn_id)

    async def closed(self) -> int:
        """Wait for the close; gives its code."""
        await self.socket.wait_closed()
        return self.socket.close_code or 0

    def events(self, session_id: str | None = None) -> list[Frame]:
        """The events of the log among the frames."""
        return [
            frame
            for frame in self.frames
            if "seq" in frame
            and frame["type"] not in ("ok", "session.live", "session.snapshot")
            and session_id in (None, frame["session_id"])
        ]

    def text(self, message_id: str) -> str:
        """The text that the deltas of a message give."""
        text = ""
        for frame in self.frames:
            if frame["type"] == "message.delta" and frame["message_id"] == message_id:
                assert frame["off"] == len(text)
                text += frame["text"]
        return text

    async def _read(self) -> None:
        try:
            async for raw in self.socket:
                assert isinstance(raw, str)
                self.raw.append(raw)
                value = json.loads(raw)
                self.frames.extend(value if isinstance(value, list) else [value])
                self._changed.set()
        except websockets.ConnectionClosed:
            pass
        finally:
            self._closed = True
            self._changed.set()
